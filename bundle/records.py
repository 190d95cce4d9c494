"""The frozen records that one stage hands to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bundle.vocabulary import Laterality, Split, ViewPosition

Contour = tuple[tuple[float, float], ...]
"""(row, column) positions in pixels of a film, the centre of the top left pixel at (0, 0): a closed polygon."""


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """One lesion in one view, as the collection's tables describe it.

    Args:
        lesion_id: the collection's own identifier, the same in both views of a breast where it is the same lesion.
        mask_paths: the files of which one holds the mask (told from a crop by content); empty when there is none.
        abnormality: the collection's word, for instance ``mass`` or ``calcification``.
        pathology: the collection's word, for instance ``BENIGN``; empty when unknown.
        mask_frames: of a DICOM Segmentation: the frames, from 0, that hold this lesion; empty for other mask files.
        contours: outlines on the film, where the collection has those instead of mask files (see
            `bundle.imaging.contours`).
        assessment: BI-RADS assessment category of the lesion, as written; empty when unknown.
        descriptors: what the collection says of its form, for instance shape and margins of a mass.
    """

    lesion_id: str
    mask_paths: tuple[Path, ...] = ()
    abnormality: str = ""
    pathology: str = ""
    mask_frames: tuple[int, ...] = ()
    contours: tuple[Contour, ...] = ()
    assessment: str = ""
    descriptors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class View:
    """One film of the catalogue: which breast, which projection, which file, which lesions.

    Args:
        patient_id: the collection's own identifier, or a keyed hash.
        laterality: side of the breast.
        view_position: projection.
        image_path: the film's file.
        lesions: in the order of the collection's tables.
        density: the collection's word.
        flags: what is unusual about it.
        study_id: the examination, in collections with several of a patient; empty in others. Views of different
            examinations are no pair.
        spacing_mm: (row, column) spacing that the collection's table states, before what the file says; None when it
            states none.
        bits: of a picture: the bits that its values use, where the collection's table states them.
        inverted: of a picture: whether brighter means less attenuation, as the collection's table states.
        assessment: BI-RADS assessment category of the whole image, where the collection gives one.
        official_splits: the parts of the collection's own split that the view stands in; empty when it has none.
    """

    patient_id: str
    laterality: Laterality
    view_position: ViewPosition
    image_path: Path
    lesions: tuple[Lesion, ...] = ()
    density: str = ""
    flags: tuple[str, ...] = ()
    study_id: str = ""
    spacing_mm: tuple[float, float] | None = None
    bits: int | None = None
    inverted: bool = False
    assessment: str = ""
    official_splits: tuple[Split, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The two views of one breast."""

    pair_id: str
    patient_id: str
    laterality: Laterality
    split: Split
    cc: View
    mlo: View
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """A piece of data that was left out: which, at which stage, and why, in one sentence."""

    path: str
    stage: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Film:
    """A decoded mammogram before any geometry: brighter means more attenuating tissue.

    Args:
        pixels: float32 ``[rows, columns]`` in [0, 1], after modality LUT, VOI LUT or window, and MONOCHROME1 inversion.
        padding: bool ``[rows, columns]``, True where the file declares pixel padding; None when it declares none.
        spacing_mm: (row, column) spacing at the detector; None when the file does not tell.
        view_position: None when the headers do not tell.
        laterality: None when the headers do not tell.
        patient_orientation: Patient Orientation (0020,0020), e.g. ``("A", "FR")``; empty when absent.
        flags: what is unusual about how it was read, e.g. ``window_ignored``.
    """

    pixels: np.ndarray
    padding: np.ndarray | None = None
    spacing_mm: tuple[float, float] | None = None
    view_position: ViewPosition | None = None
    laterality: Laterality | None = None
    patient_orientation: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ViewGeometry:
    """How a film became a prepared view; enough to carry any pixel back to the film.

    The film is flipped (columns first, then rows), the box is cut out of the flipped film, and the box is resampled
    from ``film_spacing_mm`` to ``spacing_mm``, the outer edges of the top left pixels coinciding.

    Args:
        film_shape: (rows, columns) of the film.
        film_spacing_mm: (row, column) spacing of the film, assumed where the flags say so.
        flipped_columns: the film was mirrored left to right, so that the chest wall is at the left.
        flipped_rows: the film was mirrored top to bottom, so that the head is up.
        box: (first row, first column, rows, columns) in pixels of the flipped film.
        spacing_mm: spacing of the prepared view, the same in both directions.
    """

    film_shape: tuple[int, int]
    film_spacing_mm: tuple[float, float]
    flipped_columns: bool
    flipped_rows: bool
    box: tuple[int, int, int, int]
    spacing_mm: float


@dataclass(frozen=True, kw_only=True)
class PreparedView:
    """A view made ready: chest wall at the left edge, head up, background zero, cut to the breast's box.

    Args:
        image: float32 ``[rows, columns]`` in [0, 1], zero outside the breast.
        breast: bool ``[rows, columns]``.
        lesions: uint8 ``[rows, columns]``: 0 = none, k = the k-th lesion that was handed in.
        geometry: the way back to the film.
        flags: what was assumed or is unusual, e.g. ``assumed_spacing``.
    """

    image: np.ndarray
    breast: np.ndarray
    lesions: np.ndarray
    geometry: ViewGeometry
    flags: tuple[str, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """The fixed frame that the networks see: ``rows`` x ``columns`` pixels of ``spacing_mm``."""

    rows: int
    columns: int
    spacing_mm: float
