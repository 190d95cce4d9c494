"""Prepared pairs as items for MONAI datasets: each pair twice, once in each direction."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from bundle.collection.datalist import DATALIST_NAME, read_datalist
from bundle.radiomics.aggregation import view_vector
from bundle.radiomics.features import FEATURE_NAMES
from bundle.records import Canvas
from bundle.stopping import ending_with_a_sentence
from bundle.vocabulary import Direction, RadiomicsScale


def read_preparation(dataset_dir: str | Path) -> dict[str, Any]:
    """Read the settings that a prepared collection was made with.

    Raises:
        FileNotFoundError: the folder holds no prepared collection, or one whose preparation was stopped.
    """
    path = Path(dataset_dir) / "preparation.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"No prepared collection at {dataset_dir} (preparation.json is missing): run python -m scripts.prepare, "
            "or name its output with --dataset_dir."
        )
    if not (path.parent / DATALIST_NAME).is_file():
        raise FileNotFoundError(
            f"The preparation at {dataset_dir} is not finished ({DATALIST_NAME} is missing): run the same "
            "python -m scripts.prepare again, it goes on where it stopped."
        )
    return json.loads(path.read_text(encoding="utf-8"))


class RadiomicVectors:
    """The radiomic vectors of a prepared collection, one per view and scale.

    Args:
        dataset_dir: the prepared collection.
        canvas_spacing_mm: at which spacing ``canvas`` vectors are wanted.

    Raises:
        ValueError: the features were made with other settings than preparation.json says, or never at this spacing.
    """

    def __init__(self, dataset_dir: str | Path, *, canvas_spacing_mm: float) -> None:
        radiomics = read_preparation(dataset_dir)["radiomics"]
        spacings = radiomics["canvas_spacings_mm"]
        if canvas_spacing_mm not in spacings:
            raise ValueError(
                f"The canvas has a spacing of {canvas_spacing_mm} mm, but {dataset_dir} holds radiomic features at "
                f"{', '.join(map(str, spacings))} mm: add it to canvas_spacings_mm in configs/radiomics.yaml and "
                "prepare again."
            )
        lesions: dict[tuple[str, str, str], list[tuple[np.ndarray, float]]] = defaultdict(list)
        path = Path(dataset_dir) / "radiomics.csv"
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                if row["settings_hash"] != radiomics["settings_hash"]:
                    raise ValueError(
                        f"{path} mixes radiomic features made with different settings ({row['settings_hash']} and "
                        f"{radiomics['settings_hash']}): prepare the collection again."
                    )
                if row["scale"] == RadiomicsScale.CANVAS and float(row["spacing_mm"]) != canvas_spacing_mm:
                    continue
                vector = np.array([float(row[name]) for name in FEATURE_NAMES])
                lesions[row["pair_id"], row["view"], row["scale"]].append((vector, float(row["area_mm2"])))
        self._vectors = {
            key: view_vector([vector for vector, _ in found], [area for _, area in found])[0]
            for key, found in lesions.items()
        }

    def of_view(self, *, pair_id: str, view: str, scale: RadiomicsScale) -> np.ndarray:
        """Return the view's vector float32 ``[F]``, all NaN where it has no lesion with features."""
        vector = self._vectors.get((pair_id, view, scale))
        return np.full(len(FEATURE_NAMES), np.nan, np.float32) if vector is None else vector.astype(np.float32)


@ending_with_a_sentence()
def directed_pairs(*, dataset_dir: str | Path, split: str, canvas: Canvas) -> list[dict[str, Any]]:
    """List the items of one split, each pair in both directions: paths of both views' files, vectors, who they are.

    Args:
        dataset_dir: the prepared collection.
        split: ``training``, ``validation`` or ``test``.
        canvas: the frame of the networks.

    Returns:
        Per directed pair a dictionary with ``image``, ``image_mask``, ``label``, ``label_mask``, ``label_breast``
        (paths), ``radiomics`` (the source's ``fine`` vector), ``label_radiomics`` (the target's ``canvas`` vector),
        ``target_view`` (0 = CC, 1 = MLO), ``spacing_mm`` of the files, ``pair_id`` and ``patient_id``.

    Raises:
        SystemExit: no prepared collection there; the split is empty or unknown; or the radiomic features do not fit.
    """
    root = Path(dataset_dir)
    preparation = read_preparation(root)
    pairs = read_datalist(root, split)
    if not pairs:
        raise ValueError(f"The {split} split of {dataset_dir} is empty: prepare more patients.")
    vectors = RadiomicVectors(root, canvas_spacing_mm=canvas.spacing_mm)
    spacing_mm = preparation["preparation"]["spacing_mm"]
    if canvas.spacing_mm < spacing_mm:
        raise ValueError(
            f"The canvas has a spacing of {canvas.spacing_mm} mm, finer than the {spacing_mm} mm at which "
            f"{dataset_dir} was prepared: prepare it again with --spacing_mm {canvas.spacing_mm}."
        )
    items = []
    for pair in pairs:
        for direction in Direction:
            source, target = pair[direction.source.lower()], pair[direction.target.lower()]
            items.append(
                {
                    "image": str(root / source["image"]),
                    "image_mask": str(root / source["mask"]),
                    "label": str(root / target["image"]),
                    "label_mask": str(root / target["mask"]),
                    "label_breast": str(root / target["breast"]),
                    "radiomics": vectors.of_view(
                        pair_id=pair["pair_id"], view=direction.source, scale=RadiomicsScale.FINE
                    ),
                    "label_radiomics": vectors.of_view(
                        pair_id=pair["pair_id"], view=direction.target, scale=RadiomicsScale.CANVAS
                    ),
                    "target_view": direction.target.class_index,
                    "spacing_mm": spacing_mm,
                    "pair_id": pair["pair_id"],
                    "patient_id": pair["patient_id"],
                }
            )
    return items
