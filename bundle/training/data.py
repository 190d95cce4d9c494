"""Prepared pairs as items for MONAI datasets: each pair twice, once in each direction."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bundle.collection.datalist import DATALIST_NAME, files_of_pair, read_datalist
from bundle.preparation import PreparationSettings
from bundle.radiomics.aggregation import view_vector
from bundle.radiomics.features import FEATURE_NAMES
from bundle.radiomics.settings import settings_from_dict
from bundle.records import Canvas
from bundle.vocabulary import Direction, RadiomicsScale, ViewPosition


def read_preparation(dataset_dir: str | Path) -> dict[str, Any]:
    """Read the settings that a prepared collection was made with.

    Raises:
        FileNotFoundError: the folder holds no prepared collection, or one whose preparation was stopped.
        ValueError: the settings are damaged.
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
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        PreparationSettings(**document["preparation"])
        radiomics = dict(document["radiomics"])
        if not isinstance(radiomics.pop("settings_hash"), str):
            raise TypeError("settings_hash is no text")
        settings_from_dict(radiomics)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            f"{path} is damaged ({said}): run python -m scripts.prepare again, with --overwrite."
        ) from None
    return document


def feature_rows(
    path: Path, *, words: Sequence[str], numbers: Sequence[str], settings_hash: str
) -> Iterator[tuple[dict[str, str], dict[str, float], np.ndarray]]:
    """Read ``radiomics.csv`` or ``regions.csv`` of a prepared collection row by row.

    Args:
        path: the table.
        words: columns that are wanted as text.
        numbers: columns that are wanted as numbers.
        settings_hash: of the settings that all rows must have been made with.

    Yields:
        The words, the numbers, and the feature vector float64 ``[F]``, which float32 can hold.

    Raises:
        FileNotFoundError: there is no such table.
        ValueError: the table is damaged, or a row was made with other settings.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run the same python -m scripts.prepare again.")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            missing = {*words, *numbers, "settings_hash", *FEATURE_NAMES}.difference(reader.fieldnames or ())
            if missing:
                raise ValueError(f"no column {min(missing)}")
            for row in reader:
                values = np.array([float(row[name]) for name in (*numbers, *FEATURE_NAMES)])
                if not (np.abs(values) <= np.finfo(np.float32).max).all():
                    raise ValueError("a number is not finite")
                if row["settings_hash"] != settings_hash:
                    raise _OtherSettingsError(
                        f"{path} mixes radiomic features made with different settings ({row['settings_hash']!r} and "
                        f"{settings_hash!r}): prepare the collection again."
                    )
                of_row = dict(zip(numbers, values[: len(numbers)].tolist(), strict=True))
                yield {name: row[name] for name in words}, of_row, values[len(numbers) :]
        except _OtherSettingsError:
            raise
        except (csv.Error, ValueError, TypeError) as error:  # TypeError: the row is cut
            raise ValueError(
                f"{path} is damaged near line {reader.line_num} ({error}): run the same python -m scripts.prepare "
                "again."
            ) from None


class _OtherSettingsError(ValueError):
    """A table is whole, but of several preparations."""


class RadiomicVectors:
    """The radiomic vectors of a prepared collection, one per view and scale.

    Args:
        dataset_dir: the prepared collection.
        canvas_spacing_mm: at which spacing ``canvas`` vectors are wanted.

    Raises:
        ValueError: the features were made with other settings than preparation.json says, or never at this spacing; or
            a file is damaged.
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
        rows = feature_rows(
            Path(dataset_dir) / "radiomics.csv",
            words=("pair_id", "view", "scale"),
            numbers=("spacing_mm", "area_mm2"),
            settings_hash=radiomics["settings_hash"],
        )
        for words, numbers, vector in rows:
            if words["scale"] not in set(RadiomicsScale) or words["view"] not in set(ViewPosition):
                raise ValueError(
                    f"{dataset_dir} is damaged: radiomics.csv has the scale {words['scale']!r} of the view "
                    f"{words['view']!r}. Run the same python -m scripts.prepare again."
                )
            if words["scale"] == RadiomicsScale.CANVAS and numbers["spacing_mm"] != canvas_spacing_mm:
                continue
            lesions[words["pair_id"], words["view"], words["scale"]].append((vector, numbers["area_mm2"]))
        self._vectors = {
            key: view_vector([vector for vector, _ in found], [area for _, area in found])[0]
            for key, found in lesions.items()
        }

    def of_view(self, *, pair_id: str, view: str, scale: RadiomicsScale) -> np.ndarray:
        """Return the view's vector float32 ``[F]``, all NaN where it has no lesion with features."""
        vector = self._vectors.get((pair_id, view, scale))
        return np.full(len(FEATURE_NAMES), np.nan, np.float32) if vector is None else vector.astype(np.float32)


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
        OSError: there is no prepared collection, or it lacks a file.
        ValueError: it is damaged, the split is empty or unknown, or the radiomic features do not fit.
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
        files = {position: files_of_pair(pair, position, dataset_dir=root) for position in ViewPosition}
        for direction in Direction:
            source, target = files[direction.source], files[direction.target]
            items.append(
                {
                    "image": str(source.image),
                    "image_mask": str(source.mask),
                    "label": str(target.image),
                    "label_mask": str(target.mask),
                    "label_breast": str(target.breast),
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
