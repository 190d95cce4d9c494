"""The work on one view: from its files to prepared images and features. Views are independent of each other.

The result of a view is a small JSON file beside its images, with a key over everything that decides it and hashes of
what was made: a run that was stopped goes on with the views whose result is absent, damaged or has another key.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bundle.collection.files import write_json
from bundle.collection.film_file import read_view_film
from bundle.dicom.masks import choose_mask, fit_to_film
from bundle.imaging.contours import contour_mask
from bundle.imaging.resampling import resample_image, resample_mask
from bundle.preparation import (
    OrientedView,
    PreparationSettings,
    fine_view,
    load_prepared,
    orient,
    resample_view,
    save_prepared,
)
from bundle.radiomics.extraction import extract_features
from bundle.radiomics.regions import Region, draw_region, region_generator, region_mask
from bundle.radiomics.settings import RadiomicsSettings
from bundle.records import Film, Lesion, PreparedView, Rejection, View
from bundle.vocabulary import RadiomicsScale, Split

_LESION_FLAG = re.compile(r"lesion_(\d+)_(\w+)")
_MOST_FLAT_REGIONS = 10
"""Random regions that may turn out too flat for features before a view is left with fewer regions."""


@dataclass(frozen=True, kw_only=True)
class ViewTask:
    """One view and everything that decides its result.

    Args:
        view: the view of the catalogue.
        name: unique in the collection, used for file names, e.g. ``P_00012_L_CC``.
        split: the patient's split; random regions are drawn for training and validation only.
        source: the collection's folder, resolved; paths in results are relative to it.
        output: the prepared collection's folder.
        preparation: how the view is made ready.
        radiomics: how features are extracted.
        seed: of the random regions.
        versions: of what makes the result, by name.
    """

    view: View
    name: str
    split: Split
    source: Path
    output: Path
    preparation: PreparationSettings
    radiomics: RadiomicsSettings
    seed: int
    versions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class LesionFeatures:
    """The radiomic vector of one lesion at one scale and spacing."""

    lesion_id: str
    scale: RadiomicsScale
    spacing_mm: float
    area_mm2: float
    features: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class RegionFeatures:
    """The radiomic vector of one random region at one canvas spacing."""

    region_id: str
    spacing_mm: float
    region: Region
    features: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ViewResult:
    """What the tables need to know of one view.

    Args:
        problem: why the view was left out; None when it was prepared.
        rejections: lesions without features.
        flags: of the film, the masks and the preparation.
        spacing_mm: of the prepared images.
        shape: (rows, columns) of the prepared images.
        image, mask, breast: the prepared files, relative to the output.
        lesions: one per lesion, scale and spacing.
        regions: one per random region and canvas spacing.
    """

    problem: Rejection | None = None
    rejections: tuple[Rejection, ...] = ()
    flags: tuple[str, ...] = ()
    spacing_mm: float = 0.0
    shape: tuple[int, int] = (0, 0)
    image: str = ""
    mask: str = ""
    breast: str = ""
    lesions: tuple[LesionFeatures, ...] = field(default=())
    regions: tuple[RegionFeatures, ...] = field(default=())

    @property
    def files(self) -> tuple[str, ...]:
        """The prepared files, relative to the output; none of a view that was left out."""
        return () if self.problem else (self.image, self.mask, self.breast)


def prepare_view(task: ViewTask) -> ViewResult:
    """Make one view ready, extract its features, and store the result.

    Files that cannot be used end in a result with a ``problem``, never in an exception.

    Returns:
        The result without its features, which are many: `stored_result` has them all.
    """
    path = result_path(task)
    path.unlink(missing_ok=True)
    result = _made_ready(task)
    document = {
        "key": _task_key(task),
        "files": {name: _file_hash(task.output / name) for name in result.files},
        "result": asdict(result),
    }
    write_json(path, {**document, "hash": _content_hash(document)})
    return without_features(result)


def stored_result(task: ViewTask) -> ViewResult | None:
    """Return the result that this or an earlier run stored for the very same task; None where there is none.

    A result or a prepared file that is not as it was written, for instance after a crash of the machine, is none.
    """
    document = _stored_document(task)
    if document is None or document["key"] != _task_key(task):
        return None
    try:
        intact = all(_file_hash(task.output / name) == known for name, known in document["files"].items())
    except FileNotFoundError:
        return None
    return _result_from_dict(document["result"]) if intact else None


def stored_features(task: ViewTask) -> ViewResult:
    """Return the result of a task that is done, with its features; its prepared files are not looked at again.

    Raises:
        ValueError: the result is no longer there.
    """
    document = _stored_document(task)
    if document is None or document["key"] != _task_key(task):
        raise ValueError(f"the files of {task.name} changed while the collection was prepared; prepare it again")
    return _result_from_dict(document["result"])


def is_outdated(task: ViewTask) -> bool:
    """Tell whether an earlier run stored a result that other settings, versions or files led to."""
    document = _stored_document(task)
    return document is not None and document["key"] != _task_key(task)


def _stored_document(task: ViewTask) -> dict[str, Any] | None:
    """Read a view's stored result; None where there is none, or the file is not as it was written."""
    try:
        document = json.loads(result_path(task).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.pop("hash", None) != _content_hash(document):
        return None
    return document


def _content_hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def without_features(result: ViewResult) -> ViewResult:
    """Return the result without vectors: what is kept of every view at once must stay small."""
    return replace(result, lesions=(), regions=())


def result_path(task: ViewTask) -> Path:
    """Return the file of a view's stored result."""
    return task.output / "views" / f"{task.name}.json"


def _made_ready(task: ViewTask) -> ViewResult:
    view, stage, path = task.view, "read", task.view.image_path
    flags: list[str] = list(view.flags)
    masked_lesions = [lesion for lesion in view.lesions if lesion.mask_paths or lesion.contours]
    try:
        film = read_view_film(view)
        if film.view_position not in (None, view.view_position):
            flags.append("header_view_differs")
        if film.laterality not in (None, view.laterality):
            flags.append("header_laterality_differs")
        film = replace(
            film,
            view_position=film.view_position or view.view_position,
            laterality=film.laterality or view.laterality,
        )
        stage = "mask"
        film_shape = (film.pixels.shape[0], film.pixels.shape[1])
        masks = []
        for lesion in masked_lesions:
            if lesion.contours:
                masks.append(_outlined(lesion, film, task.preparation))
                continue
            path = lesion.mask_paths[0]
            path, mask = choose_mask(lesion.mask_paths, film_shape, frames=lesion.mask_frames)
            if mask.shape != film_shape:
                flags.append(f"mask_resized:{lesion.lesion_id}")
            masks.append(fit_to_film(mask, film_shape))
        stage, path = "breast", view.image_path
        oriented = orient(film, masks, task.preparation)
        prepared = resample_view(oriented, task.preparation)
    except (OSError, ValueError) as error:
        return ViewResult(problem=_rejection(task, path=path, stage=stage, reason=str(error)))
    files = save_prepared(prepared, task.output / "images", task.name)
    # Features are those of the stored pixels: the ones that training will show.
    prepared = load_prepared(files)
    lesion_ids = [lesion.lesion_id for lesion in masked_lesions]
    lesions, rejections = _lesion_features(task, lesion_ids, oriented, prepared)
    return ViewResult(
        rejections=tuple(rejections),
        flags=(*flags, *(_with_lesion_id(flag, lesion_ids) for flag in prepared.flags)),
        spacing_mm=prepared.geometry.spacing_mm,
        shape=(prepared.image.shape[0], prepared.image.shape[1]),
        image=files.image.relative_to(task.output).as_posix(),
        mask=files.mask.relative_to(task.output).as_posix(),
        breast=files.breast.relative_to(task.output).as_posix(),
        lesions=tuple(lesions),
        regions=tuple(_region_features(task, prepared)),
    )


def _outlined(lesion: Lesion, film: Film, preparation: PreparationSettings) -> np.ndarray:
    """Fill a lesion's contours on the film's grid: bool ``[rows, columns]``."""
    assumed_mm = preparation.assumed_spacing_mm
    try:
        return contour_mask(
            lesion.contours,
            (film.pixels.shape[0], film.pixels.shape[1]),
            spacing_mm=film.spacing_mm or (assumed_mm, assumed_mm),
        )
    except ValueError as error:
        raise ValueError(f"{lesion.lesion_id}: {error}") from None


def _with_lesion_id(flag: str, lesion_ids: Sequence[str]) -> str:
    """Name the lesion by its identifier: the preparation knows only its number, ``lesion_1_outside_breast``."""
    match = _LESION_FLAG.fullmatch(flag)
    return f"{match[2]}:{lesion_ids[int(match[1]) - 1]}" if match else flag


def _lesion_features(
    task: ViewTask, lesion_ids: Sequence[str], oriented: OrientedView, prepared: PreparedView
) -> tuple[list[LesionFeatures], list[Rejection]]:
    """Extract each lesion's vectors: on the fine view, and on the pixels that each canvas shows."""
    found: list[LesionFeatures] = []
    rejections: list[Rejection] = []
    canvases = [(spacing_mm, _canvas_image(prepared, spacing_mm)) for spacing_mm in task.radiomics.canvas_spacings_mm]
    for index, lesion_id in enumerate(lesion_ids):

        def reject(reason: str, lesion_id: str = lesion_id) -> None:
            rejections.append(
                _rejection(task, path=task.view.image_path, stage="radiomics", reason=f"{lesion_id}: {reason}")
            )

        regions: list[tuple[RadiomicsScale, np.ndarray, np.ndarray, float]] = []
        try:
            regions.append((RadiomicsScale.FINE, *fine_view(oriented, task.preparation, index)))
        except ValueError as error:
            reject(f"no fine features: {error}")
        for spacing_mm, canvas_image in canvases:
            canvas_mask = _canvas_mask(prepared, prepared.lesions == index + 1, spacing_mm)
            regions.append((RadiomicsScale.CANVAS, canvas_image, canvas_mask, spacing_mm))
        for scale, image, mask, spacing_mm in regions:
            try:
                features = extract_features(image, mask, spacing_mm=spacing_mm, settings=task.radiomics)
            except ValueError as error:
                reject(f"no {scale} features at {spacing_mm:g} mm: {error}")
                continue
            found.append(
                LesionFeatures(
                    lesion_id=lesion_id,
                    scale=scale,
                    spacing_mm=spacing_mm,
                    area_mm2=float(np.count_nonzero(mask)) * spacing_mm**2,
                    features=tuple(features.tolist()),
                )
            )
    return found, rejections


def _region_features(task: ViewTask, prepared: PreparedView) -> list[RegionFeatures]:
    """Draw random regions for each canvas spacing and extract their vectors; fewer where the breast holds fewer."""
    if task.split is Split.TEST:
        return []
    settings = task.radiomics.regions
    found: list[RegionFeatures] = []
    for spacing_mm in task.radiomics.canvas_spacings_mm:
        image = _canvas_image(prepared, spacing_mm)
        breast = _canvas_mask(prepared, prepared.breast, spacing_mm)
        generator = region_generator(seed=task.seed, name=f"{task.name}/{spacing_mm:g}")
        here: list[RegionFeatures] = []
        flat_regions = 0
        while len(here) < settings.per_view and flat_regions < _MOST_FLAT_REGIONS:
            region = draw_region(
                breast,
                spacing_mm=spacing_mm,
                least_radius_mm=settings.least_radius_mm,
                greatest_radius_mm=settings.greatest_radius_mm,
                least_pixels=task.radiomics.least_pixels,
                generator=generator,
            )
            if region is None:
                break
            mask = region_mask(region, shape=(breast.shape[0], breast.shape[1]), spacing_mm=spacing_mm)
            try:
                features = extract_features(image, mask, spacing_mm=spacing_mm, settings=task.radiomics)
            except ValueError:  # too flat: a random region is no data of the collection, another one is drawn
                flat_regions += 1
                continue
            here.append(
                RegionFeatures(
                    region_id=f"region_{len(here) + 1}",
                    spacing_mm=spacing_mm,
                    region=region,
                    features=tuple(features.tolist()),
                )
            )
        found.extend(here)
    return found


def _canvas_image(prepared: PreparedView, spacing_mm: float) -> np.ndarray:
    return resample_image(prepared.image, spacing_mm=prepared.geometry.spacing_mm, target_spacing_mm=spacing_mm)


def _canvas_mask(prepared: PreparedView, mask: np.ndarray, spacing_mm: float) -> np.ndarray:
    return resample_mask(mask, spacing_mm=prepared.geometry.spacing_mm, target_spacing_mm=spacing_mm)


def _rejection(task: ViewTask, *, path: Path, stage: str, reason: str) -> Rejection:
    return relative_rejection(Rejection(path=str(path), stage=stage, reason=reason), source=task.source)


def relative_rejection(rejection: Rejection, *, source: Path) -> Rejection:
    """Make the file names in a rejection relative to the collection's folder, in its path and in its reason."""
    prefix = f"{source}/"
    return Rejection(
        path=rejection.path.removeprefix(prefix), stage=rejection.stage, reason=rejection.reason.replace(prefix, "")
    )


def _task_key(task: ViewTask) -> str:
    """Hash everything that decides the result: settings, versions, and the files by size and time of change."""
    paths = [task.view.image_path, *(path for lesion in task.view.lesions for path in lesion.mask_paths)]
    decisive = {
        "versions": dict(task.versions),
        "preparation": asdict(task.preparation),
        "radiomics": task.radiomics.as_dict(),
        "seed": task.seed,
        "split": task.split,
        "flags": task.view.flags,
        "lesions": [(lesion.lesion_id, lesion.mask_frames, lesion.contours) for lesion in task.view.lesions],
        "stated": (task.view.spacing_mm, task.view.bits, task.view.inverted),
        "files": [(str(path), *_size_and_time(path)) for path in paths],
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _result_from_dict(content: dict[str, Any]) -> ViewResult:
    return ViewResult(
        problem=Rejection(**content["problem"]) if content["problem"] else None,
        rejections=tuple(Rejection(**each) for each in content["rejections"]),
        flags=tuple(content["flags"]),
        spacing_mm=content["spacing_mm"],
        shape=tuple(content["shape"]),
        image=content["image"],
        mask=content["mask"],
        breast=content["breast"],
        lesions=tuple(
            LesionFeatures(**{**each, "scale": RadiomicsScale(each["scale"]), "features": tuple(each["features"])})
            for each in content["lesions"]
        ),
        regions=tuple(
            RegionFeatures(**{**each, "region": Region(**each["region"]), "features": tuple(each["features"])})
            for each in content["regions"]
        ),
    )
