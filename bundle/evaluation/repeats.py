"""The test split's phantom breasts laid and exposed again: the best that anybody can say who knows the breast itself.

No method can know how the breast will be laid on the plate. The mean of several repeats of the target view is the best
guess by squared error of one who knows everything else: the ceiling of what can be predicted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from tqdm import tqdm

from bundle.atomic import replacing
from bundle.collection.datalist import DATALIST_NAME, datalist_hash, read_datalist
from bundle.datasets.phantom.case import Case, CasePlan, make_case
from bundle.datasets.phantom.layout import Layout
from bundle.datasets.phantom.quirks import quirks_of_breast
from bundle.datasets.phantom.repeat import expose_again, grown
from bundle.datasets.phantom.truth import truth_of
from bundle.imaging.canvas import canvas_scale, place_on_canvas
from bundle.preparation import PreparationSettings, load_prepared_image, orient, resample_view, save_prepared
from bundle.records import Canvas, Film
from bundle.vocabulary import Direction, Laterality, Split, ViewPosition

INDEX_FILE = "repeats.json"
_REMEDY = "run python -m scripts.repeat for this prepared collection."


@dataclass(frozen=True, kw_only=True)
class _Breast:
    """One test breast, to be exposed again."""

    pair_id: str
    plan: CasePlan
    truth: Mapping[str, Any]
    film_spacing_mm: float
    digital: bool


def write_repeats(*, cohort: Path, dataset_dir: Path, output: Path, repeats: int, workers: int) -> int:
    """Simulate each breast of the test split again, both views, and prepare the films as the collection's were.

    Args:
        cohort: folder of the phantom cohort, whose ``truth.json`` names each breast's seed.
        dataset_dir: the collection prepared from it.
        output: ``PAIR_VIEW_NUMBER_image.nii`` (with its masks) and ``repeats.json`` go there.
        repeats: of each view, at least 1.
        workers: processes.

    Returns:
        Number of breasts.

    Raises:
        FileNotFoundError: there is no cohort, or no prepared collection.
        ValueError: the collection was not prepared from the cohort, its test split is empty, or this version makes
            other breasts from the cohort's seed.
    """
    if repeats < 1 or workers < 1:
        raise ValueError(f"repeats is {repeats} and workers {workers}; both must be at least 1.")
    truth = _read(cohort / "truth.json", f"There is no phantom cohort at {cohort}: make one by scripts.phantom.")
    settings = _settings(dataset_dir)
    pairs, listed = read_datalist(dataset_dir, Split.TEST), datalist_hash(dataset_dir)
    if not pairs:
        raise ValueError(f"The test split of {dataset_dir} is empty: prepare more patients.")
    breasts = _breasts(truth, [str(pair["pair_id"]) for pair in pairs], cohort=cohort, dataset_dir=dataset_dir)
    output.mkdir(parents=True, exist_ok=True)
    jobs = (
        delayed(_expose_and_prepare)(breast, output=output, repeats=repeats, settings=settings) for breast in breasts
    )
    made = Parallel(workers, return_as="generator")(jobs)
    files = dict(tqdm(made, total=len(breasts), desc="breasts again", unit="breast"))
    document = {
        "repeats": repeats,
        "spacing_mm": settings.spacing_mm,
        "datalist_hash": listed,
        "views": files,
    }
    with replacing(output / INDEX_FILE) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return len(breasts)


class Repeats:
    """The repeats of the test split's views, on the canvas.

    Args:
        folder: that `write_repeats` wrote.
        dataset_dir: the prepared collection of the test split.
        test_items: the test split's items before any transform: ``pair_id``, ``target_view`` and ``image``, the source
            view's path, which decides the scale.
        canvas: the frame.

    Raises:
        FileNotFoundError: there are no repeats in the folder.
        ValueError: they are of another preparation, or do not tell of which, or a test case has none.
    """

    def __init__(
        self, folder: Path, *, dataset_dir: Path, test_items: Sequence[Mapping[str, Any]], canvas: Canvas
    ) -> None:
        self.folder = folder
        self.canvas = canvas
        document = _read(folder / INDEX_FILE, f"There are no repeats at {folder}: {_REMEDY}")
        _require_the_same_preparation(document, folder=folder, dataset_dir=dataset_dir)
        self.number = int(document["repeats"])
        self._spacing_mm = float(document["spacing_mm"])
        self._files: dict[str, dict[str, list[str]]] = document["views"]
        self._sources = {(str(item["pair_id"]), int(item["target_view"])): Path(item["image"]) for item in test_items}
        missing = sorted({pair_id for pair_id, _ in self._sources} - set(self._files))
        if missing:
            raise ValueError(
                f"The repeats at {folder} lack {len(missing)} test breasts, the first {missing[0]}: {_REMEDY}"
            )

    def mean_view(self, pair_id: str, direction: Direction) -> torch.Tensor:
        """Return the mean of the repeats of a case's target view ``[1, H, W]``."""
        placed = self._views(pair_id, direction)
        return torch.from_numpy(np.mean(placed, axis=0, dtype=np.float64).astype(np.float32))[None]

    def one_view(self, pair_id: str, direction: Direction) -> torch.Tensor:
        """Return the first repeat of a case's target view ``[1, H, W]``."""
        return torch.from_numpy(np.ascontiguousarray(self._views(pair_id, direction, first=1)[0], dtype=np.float32))[
            None
        ]

    def _views(self, pair_id: str, direction: Direction, first: int | None = None) -> list[np.ndarray]:
        """Place the first repeats, or all, of a case's target view on the canvas: ``[H, W]`` each."""
        shape = load_prepared_image(self._sources[pair_id, direction.target.class_index]).shape
        scale = canvas_scale((shape[0], shape[1]), spacing_mm=self._spacing_mm, canvas=self.canvas)
        return [
            place_on_canvas(
                load_prepared_image(self.folder / name),
                view_position=direction.target,
                canvas=self.canvas,
                spacing_mm=self._spacing_mm,
                scale=scale,
                is_mask=False,
            )
            for name in self._files[pair_id][direction.target.value][:first]
        ]


def _settings(dataset_dir: Path) -> PreparationSettings:
    """Read how a collection was prepared; FileNotFoundError where that was not done, or not to its end."""
    absent = f"There is no prepared collection at {dataset_dir}: run python -m scripts.prepare."
    if not (dataset_dir / DATALIST_NAME).is_file():
        raise FileNotFoundError(absent)
    return PreparationSettings(**_read(dataset_dir / "preparation.json", absent)["preparation"])


def _require_the_same_preparation(document: Mapping[str, Any], *, folder: Path, dataset_dir: Path) -> None:
    """Refuse the repeats of another preparation; those of an earlier version do not tell their list of pairs."""
    spacing_mm = _settings(dataset_dir).spacing_mm
    if document["spacing_mm"] != spacing_mm:
        raise ValueError(
            f"The repeats at {folder} were prepared at {document['spacing_mm']} mm, the collection at {dataset_dir} at "
            f"{spacing_mm} mm: {_REMEDY}"
        )
    if document.get("datalist_hash") != datalist_hash(dataset_dir):
        raise ValueError(
            f"The repeats at {folder} are of another list of pairs than that of {dataset_dir}, or of an earlier "
            f"version that did not store it: {_REMEDY}"
        )


def _breasts(truth: Mapping[str, Any], pair_ids: Sequence[str], *, cohort: Path, dataset_dir: Path) -> list[_Breast]:
    layout = Layout(truth["layout"])
    known: dict[tuple[str, str], tuple[CasePlan, Mapping[str, Any]]] = {}
    for index, breast in enumerate(truth["breasts"]):
        plan = CasePlan(
            cohort_seed=int(breast["seed"]),
            woman=int(breast["woman"]),
            laterality=Laterality(breast["laterality"]),
            quirks=quirks_of_breast(index, layout=layout) if truth["quirks"] else (),
        )
        known[breast["patient_id"], breast["laterality"]] = (plan, breast)
    breasts = []
    for pair_id in pair_ids:
        # PATIENT_SIDE, or PATIENT_EXAMINATION_SIDE
        of_pair = [
            found
            for (patient_id, side), found in known.items()
            if pair_id.startswith(f"{patient_id}_") and pair_id.endswith(f"_{side}")
        ]
        if not of_pair:
            raise ValueError(f"{cohort} has no breast {pair_id}: {dataset_dir} was not prepared from this cohort.")
        breasts.append(
            _Breast(
                pair_id=pair_id,
                plan=of_pair[0][0],
                truth=of_pair[0][1],
                film_spacing_mm=float(truth["film_spacing_mm"]),
                digital=layout in (Layout.CLINICAL, Layout.INBREAST),
            )
        )
    return breasts


def _expose_and_prepare(
    breast: _Breast, *, output: Path, repeats: int, settings: PreparationSettings
) -> tuple[str, dict[str, list[str]]]:
    """Expose one breast again and store its views; runs in a worker."""
    case = make_case(breast.plan, film_spacing_mm=breast.film_spacing_mm, digital=breast.digital)
    if not _is_the_same(case, breast.truth):
        raise ValueError(
            f"The breast {breast.pair_id} is not the one that truth.json describes: this version makes others from the "
            "same seed. Make the cohort anew with scripts.phantom, and prepare it."
        )
    tissue = grown(case)
    files: dict[str, list[str]] = {}
    for position in ViewPosition:
        files[position.value] = []
        for number in range(repeats):
            film = expose_again(
                case, tissue, position, number=number, film_spacing_mm=breast.film_spacing_mm, digital=breast.digital
            )
            pixels = Film(pixels=film.brightness, spacing_mm=(film.spacing_mm, film.spacing_mm), view_position=position)
            view = resample_view(orient(pixels, [], settings), settings)
            stored = save_prepared(view, output, f"{breast.pair_id}_{position.value}_{number}")
            files[position.value].append(stored.image.name)
    return breast.pair_id, files


def _is_the_same(case: Case, truth: Mapping[str, Any]) -> bool:
    """Tell whether a breast that was made again is the one of the cohort, by what its truth says of it."""
    made = truth_of(case, {position: {} for position in ViewPosition})
    return all(made[key] == truth[key] for key in ("glandular_fraction", "volume_ml", "lesions")) and all(
        made["views"][position.value]["nipple_px"] == truth["views"][position.value]["nipple_px"]
        for position in ViewPosition
    )


def _read(path: Path, absent: str) -> Any:
    if not path.is_file():
        raise FileNotFoundError(absent)
    return json.loads(path.read_text(encoding="utf-8"))
