"""One view made ready: film -> oriented view at full resolution -> prepared view; the same for training and inference.

A film is oriented (breast found, chest wall to the left, head up, cut to the breast's box, background zero), then
resampled to the spacing at which views are stored. `fine_view` gives the neighbourhood of a lesion at full resolution
for the radiomics. `to_film` undoes all of it. Prepared views are stored as NIfTI files with their geometry.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Extension, Nifti1Image
from nibabel.spatialimages import HeaderDataError

from bundle.atomic import replacing
from bundle.imaging.breast import segment_breast
from bundle.imaging.grey_scale import grey_scale_flags
from bundle.imaging.orientation import chest_wall_is_right, flip, head_is_down, patient_orientation_contradicts
from bundle.imaging.resampling import resample_image, resample_mask
from bundle.records import Film, PreparedView, ViewGeometry

# Raise it whenever a preparation would write other bytes than before: images, masks or features of a view. Collections
# are then prepared anew. Digests of what this version writes: tests/collection/prepared_digests.json.
PREPARATION_VERSION = 1
# Stored images are 16-bit integers with this slope: half the size of float32, finer than any detector's levels, and
# every NIfTI reader applies the slope by itself.
STORED_LEVELS = 65535
# NIfTI header extension code 6: plain text.
COMMENT = 6
GEOMETRY_MARK = "mammography_view_synthesis "

# A breast beyond these limits has another spacing than its file, or the assumption, says. The largest film and detector
# have 24 x 30 cm (21 CFR 900.12(b)(4)(i)), and a film of 0.042 mm for which 0.05 mm is assumed looks a fifth too high.
# In CC and MLO views half of the breasts have 118 to 225 cm2 (McCormack et al., Cancer Epidemiol Biomarkers Prev 2007,
# 16:1148, table 1); the smallest may have a tenth of that.
PLAUSIBLE_HEIGHT_MM = (40.0, 350.0)
PLAUSIBLE_AREA_CM2 = (10.0, 720.0)


@dataclass(frozen=True, kw_only=True)
class PreparationSettings:
    """All choices of the preparation; stored beside what it writes.

    Args:
        spacing_mm: of the stored prepared views.
        fine_spacing_mm: of the neighbourhoods from which the fine radiomics are extracted.
        assumed_spacing_mm: of films that do not tell theirs; 0.05 is the coarsest of CBIS-DDSM's digitisers.
        lesion_margin_mm: around a lesion's box in `fine_view`.
    """

    spacing_mm: float = 1.0
    fine_spacing_mm: float = 0.2
    assumed_spacing_mm: float = 0.05
    lesion_margin_mm: float = 5.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; it must be positive and finite")


@dataclass(frozen=True, kw_only=True)
class OrientedView:
    """A view at the film's resolution in canonical orientation: chest wall left, head up, cut to the breast's box.

    Args:
        image: float32 ``[rows, columns]`` in [0, 1], zero outside the breast.
        breast: bool ``[rows, columns]``.
        lesions: bool ``[rows, columns]`` each, one per mask that was handed in, cut to the box.
        spacing_mm: (row, column) of the film.
        film_shape: (rows, columns) of the film.
        flipped_columns: the film was mirrored left to right.
        flipped_rows: the film was mirrored top to bottom.
        box: (first row, first column, rows, columns) in pixels of the flipped film.
        flags: what was assumed or is unusual: ``assumed_spacing``, ``coarser_than_fine_spacing``,
            ``orientation_contradicted`` (Patient Orientation names the other side), ``lesion_K_outside_breast``, and
            those of the film and its grey scale (`bundle.imaging.grey_scale`).
    """

    image: np.ndarray
    breast: np.ndarray
    lesions: tuple[np.ndarray, ...]
    spacing_mm: tuple[float, float]
    film_shape: tuple[int, int]
    flipped_columns: bool
    flipped_rows: bool
    box: tuple[int, int, int, int]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PreparedFiles:
    """The three files of a prepared view: grey values, lesion labels, breast."""

    image: Path
    mask: Path
    breast: Path


def orient(film: Film, lesion_masks: Sequence[np.ndarray], settings: PreparationSettings) -> OrientedView:
    """Find the breast, turn the chest wall to the left and the head up, cut to the breast's box, clear the background.

    Args:
        film: as read.
        lesion_masks: bool ``[rows, columns]`` each, on the film's grid (`bundle.dicom.masks.fit_to_film`).
        settings: which spacing to assume.

    Raises:
        ValueError: there is no breast on the film, it has an impossible size, or a mask has another size than the film.
    """
    flags = [*film.flags, *grey_scale_flags(film.pixels)]
    for number, mask in enumerate(lesion_masks, start=1):
        if mask.shape != film.pixels.shape:
            raise ValueError(
                f"lesion mask {number} has {mask.shape} pixels, the film {film.pixels.shape}; fit it first"
            )
    spacing_mm = film.spacing_mm
    if spacing_mm is None:
        spacing_mm = (settings.assumed_spacing_mm, settings.assumed_spacing_mm)
        flags.append("assumed_spacing")
    if max(spacing_mm) > settings.fine_spacing_mm:
        flags.append("coarser_than_fine_spacing")

    breast = segment_breast(film.pixels, film.padding, spacing_mm=spacing_mm)
    _require_plausible(breast, spacing_mm=spacing_mm, is_assumed=film.spacing_mm is None)
    first_row, first_column, box_rows, box_columns = found = _bounding_box(breast)
    cut = _slices(found)
    breast = breast[cut]
    columns = chest_wall_is_right(breast)
    if patient_orientation_contradicts(film.patient_orientation, chest_wall_right=columns):
        flags.append("orientation_contradicted")
    rows = head_is_down(film.patient_orientation, view_position=film.view_position, laterality=film.laterality)

    film_rows, film_columns = film.pixels.shape
    box = (
        film_rows - first_row - box_rows if rows else first_row,
        film_columns - first_column - box_columns if columns else first_column,
        box_rows,
        box_columns,
    )
    breast = np.ascontiguousarray(flip(breast, columns=columns, rows=rows))
    image = np.where(breast, flip(film.pixels[cut], columns=columns, rows=rows), np.float32(0.0))
    lesions = []
    for number, mask in enumerate(lesion_masks, start=1):
        lesion = np.ascontiguousarray(flip(mask[cut], columns=columns, rows=rows)).astype(bool)
        if np.count_nonzero(lesion & breast) < 0.5 * np.count_nonzero(mask):
            flags.append(f"lesion_{number}_outside_breast")
        lesions.append(lesion)
    return OrientedView(
        image=image,
        breast=breast,
        lesions=tuple(lesions),
        spacing_mm=spacing_mm,
        film_shape=(film_rows, film_columns),
        flipped_columns=columns,
        flipped_rows=rows,
        box=box,
        flags=tuple(flags),
    )


def _require_plausible(breast: np.ndarray, *, spacing_mm: tuple[float, float], is_assumed: bool) -> None:
    """Refuse a breast of a size that no breast has: the spacing is wrong, and with it every length that follows.

    Args:
        breast: bool ``[rows, columns]``, not empty.
        spacing_mm: (row, column).
        is_assumed: the film does not tell its spacing.

    Raises:
        ValueError: the height or the area lies outside `PLAUSIBLE_HEIGHT_MM` or `PLAUSIBLE_AREA_CM2`.
    """
    row_mm, column_mm = spacing_mm
    height_mm = _bounding_box(breast)[2] * row_mm
    area_cm2 = np.count_nonzero(breast) * row_mm * column_mm / 100.0
    (least_mm, greatest_mm), (least_cm2, greatest_cm2) = PLAUSIBLE_HEIGHT_MM, PLAUSIBLE_AREA_CM2
    if least_mm <= height_mm <= greatest_mm and least_cm2 <= area_cm2 <= greatest_cm2:
        return
    kind, remedy = "stated", "correct it"
    if is_assumed:
        kind = "assumed"
        remedy = "give the true one by --assumed_spacing_mm, at inference by --preparation#assumed_spacing_mm"
    raise ValueError(
        f"with the {kind} spacing of {row_mm:g} x {column_mm:g} mm the breast would be {height_mm:.0f} mm high and "
        f"{area_cm2:.1f} cm2 large; breasts have {least_mm:g} to {greatest_mm:g} mm and {least_cm2:g} to "
        f"{greatest_cm2:g} cm2, so the spacing is wrong: {remedy}"
    )


def resample_view(oriented: OrientedView, settings: PreparationSettings) -> PreparedView:
    """Bring an oriented view to the spacing at which views are stored; square pixels whatever the film's are.

    A lesion of which no pixel is left at this spacing is flagged ``lesion_K_vanished``. Where lesions overlap, the
    smaller one shows.
    """
    old, new = oriented.spacing_mm, settings.spacing_mm
    breast = resample_mask(oriented.breast, spacing_mm=old, target_spacing_mm=new)
    image = resample_image(oriented.image, spacing_mm=old, target_spacing_mm=new)
    image[~breast] = 0.0
    lesions = np.zeros(breast.shape, dtype=np.uint8)
    by_size = sorted(enumerate(oriented.lesions, start=1), key=lambda lesion: -int(np.count_nonzero(lesion[1])))
    for number, mask in by_size:
        lesions[resample_mask(mask, spacing_mm=old, target_spacing_mm=new)] = number
    flags = list(oriented.flags)
    for number in range(1, len(oriented.lesions) + 1):
        if not (lesions == number).any():
            flags.append(f"lesion_{number}_vanished")
    return PreparedView(
        image=image,
        breast=breast,
        lesions=lesions,
        geometry=ViewGeometry(
            film_shape=oriented.film_shape,
            film_spacing_mm=oriented.spacing_mm,
            flipped_columns=oriented.flipped_columns,
            flipped_rows=oriented.flipped_rows,
            box=oriented.box,
            spacing_mm=new,
        ),
        flags=tuple(flags),
    )


def fine_view(
    oriented: OrientedView, settings: PreparationSettings, lesion_index: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Cut the neighbourhood of one lesion at the fine spacing; at the film's own where that is coarser.

    Never is a film interpolated to more detail than it has (``coarser_than_fine_spacing`` in the view's flags); a film
    whose pixels are not square comes at the coarser of its two spacings.

    Args:
        oriented: the view.
        settings: fine spacing and margin.
        lesion_index: 0 for the first mask that was handed in.

    Returns:
        image float32 ``[rows, columns]`` in [0, 1], lesion mask bool ``[rows, columns]``, and their spacing in mm.

    Raises:
        ValueError: the lesion has no pixel in the breast's box.
    """
    lesion = oriented.lesions[lesion_index]
    if not lesion.any():
        raise ValueError(f"lesion {lesion_index + 1} lies outside the breast's box; look at its mask")
    first_row, first_column, rows, columns = _bounding_box(lesion)
    row_margin, column_margin = (round(settings.lesion_margin_mm / spacing) for spacing in oriented.spacing_mm)
    cut = (
        slice(max(0, first_row - row_margin), first_row + rows + row_margin),
        slice(max(0, first_column - column_margin), first_column + columns + column_margin),
    )
    spacing_mm = max(settings.fine_spacing_mm, *oriented.spacing_mm)
    image = resample_image(oriented.image[cut], spacing_mm=oriented.spacing_mm, target_spacing_mm=spacing_mm)
    mask = resample_mask(lesion[cut], spacing_mm=oriented.spacing_mm, target_spacing_mm=spacing_mm)
    return image, mask, spacing_mm


def to_film(array: np.ndarray, geometry: ViewGeometry, *, is_mask: bool) -> np.ndarray:
    """Carry a prepared image or mask back to the film's grid; zero outside the breast's box.

    Args:
        array: ``[rows, columns]`` in the prepared view's pixels.
        geometry: of the prepared view.
        is_mask: nearest neighbour, type kept; otherwise grey values, float32.

    Returns:
        ``geometry.film_shape``.
    """
    resample = resample_mask if is_mask else resample_image
    box = resample(
        array,
        spacing_mm=geometry.spacing_mm,
        target_spacing_mm=geometry.film_spacing_mm,
        shape=(geometry.box[2], geometry.box[3]),
    )
    film = np.zeros(geometry.film_shape, dtype=box.dtype)
    # `flip` gives a view of the film, so that this writes into it.
    flip(film, columns=geometry.flipped_columns, rows=geometry.flipped_rows)[_slices(geometry.box)] = box
    return film


def save_prepared(view: PreparedView, folder: Path, name: str) -> PreparedFiles:
    """Write a prepared view as NIfTI: ``NAME_image.nii``, ``NAME_mask.nii.gz`` and ``NAME_breast.nii.gz``.

    The image has 16 bits and a slope, and is not compressed, for fast reading; the masks (8 bits) are mostly zero and
    compress to nothing. Each file appears whole or not at all.

    The first axis is x, that is the column. The affine gives positions in millimetres on the film (x to the right, y
    down, from the outer corner of its top left pixel): it carries spacing, flips and offset to any program. Film shape,
    box and flags, which an affine cannot hold, are JSON in a header extension.
    """
    files = PreparedFiles(
        image=folder / f"{name}_image.nii",
        mask=folder / f"{name}_mask.nii.gz",
        breast=folder / f"{name}_breast.nii.gz",
    )
    folder.mkdir(parents=True, exist_ok=True)
    note = json.dumps({"geometry": asdict(view.geometry), "flags": list(view.flags)})
    affine = film_affine(view.geometry)
    levels = np.round(np.clip(view.image, 0.0, 1.0) * STORED_LEVELS).astype(np.uint16)
    _write_nifti(levels, files.image, affine=affine, note=note, slope=1.0 / STORED_LEVELS)
    _write_nifti(view.lesions, files.mask, affine=affine, note=note)
    _write_nifti(view.breast.astype(np.uint8), files.breast, affine=affine, note=note)
    return files


def load_prepared(files: PreparedFiles) -> PreparedView:
    """Read a prepared view that `save_prepared` wrote.

    Raises:
        OSError: a file cannot be opened.
        ValueError: a file is damaged, or was not written by `save_prepared`.
    """
    levels, note = _read_nifti(files.image)
    lesions, _ = _read_nifti(files.mask)
    breast, _ = _read_nifti(files.breast)
    if not levels.shape == lesions.shape == breast.shape:
        raise ValueError(f"{files.image}: {levels.shape} pixels, but its masks have {lesions.shape} and {breast.shape}")
    try:
        geometry, flags = _geometry(note["geometry"]), tuple(note["flags"])
    except (LookupError, TypeError, AttributeError):
        raise ValueError(f"{files.image}: the geometry in its header is damaged; prepare it again") from None
    return PreparedView(
        image=_grey_values(levels),
        breast=breast.astype(bool),
        lesions=lesions.astype(np.uint8, copy=False),
        geometry=geometry,
        flags=flags,
    )


def load_prepared_image(path: Path) -> np.ndarray:
    """Read the grey values of a prepared view: float32 ``[rows, columns]`` in [0, 1]; raises like `load_prepared`."""
    return _grey_values(_read_nifti(path)[0])


def load_prepared_mask(path: Path) -> np.ndarray:
    """Read a mask of a prepared view: uint8 ``[rows, columns]``; raises like `load_prepared`."""
    return _read_nifti(path)[0]


def film_affine(geometry: ViewGeometry) -> np.ndarray:
    """Give the affine ``[4, 4]`` from a prepared view's (column, row, 0) to mm on the film (x right, y down)."""
    row_mm, column_mm = geometry.film_spacing_mm
    first_row, first_column, _, _ = geometry.box
    affine = np.diag([geometry.spacing_mm, geometry.spacing_mm, 1.0, 1.0])
    affine[0, 3] = first_column * column_mm + geometry.spacing_mm / 2
    affine[1, 3] = first_row * row_mm + geometry.spacing_mm / 2
    for axis, flipped, extent_mm in (
        (0, geometry.flipped_columns, geometry.film_shape[1] * column_mm),
        (1, geometry.flipped_rows, geometry.film_shape[0] * row_mm),
    ):
        if flipped:
            affine[axis, axis] *= -1.0
            affine[axis, 3] = extent_mm - affine[axis, 3]
    return affine


def _grey_values(levels: np.ndarray) -> np.ndarray:
    return levels.astype(np.float32) / np.float32(STORED_LEVELS)


def _geometry(values: dict[str, Any]) -> ViewGeometry:
    """Undo ``dataclasses.asdict``, where JSON turned the tuples into lists."""
    fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return ViewGeometry(**fields)


def _bounding_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Give (first row, first column, rows, columns) of the pixels that are set."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1


def _slices(box: tuple[int, int, int, int]) -> tuple[slice, slice]:
    return slice(box[0], box[0] + box[2]), slice(box[1], box[1] + box[3])


def _write_nifti(array: np.ndarray, path: Path, *, affine: np.ndarray, note: str, slope: float | None = None) -> None:
    image = Nifti1Image(array.T, affine)
    image.header.set_xyzt_units("mm")
    if slope is not None:
        image.header.set_slope_inter(slope, 0.0)
    image.header.extensions.append(Nifti1Extension(COMMENT, (GEOMETRY_MARK + note).encode()))
    with replacing(path) as temporary:
        nibabel.save(image, temporary)


def _read_nifti(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Give the stored values ``[rows, columns]`` and the note of the header extension."""
    try:
        image = nibabel.load(path)
        stored = np.asarray(image.dataobj.get_unscaled())
    except (OSError, ImageFileError, HeaderDataError, ArithmeticError, zlib.error, EOFError, ValueError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise ValueError(f"{path}: the NIfTI file cannot be read ({type(error).__name__}); prepare it again") from None
    for extension in image.header.extensions:
        text = extension.get_content()
        text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        if text.startswith(GEOMETRY_MARK):
            try:
                return stored.T, json.loads(text.removeprefix(GEOMETRY_MARK).rstrip("\0 "))
            except ValueError:
                raise ValueError(f"{path}: the geometry in its header is damaged; prepare it again") from None
    raise ValueError(f"{path}: no geometry in the header, so it was not written by `save_prepared`; prepare it again")
