"""A lesion in a view: its contrast, where it went in another picture of the same view, how deep it lies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.feature import match_template

# Surroundings of a lesion for its contrast: between these distances from its mask.
RING_MM = (2.0, 8.0)
# The piece of the real view that is looked for: the lesion's box and so much around it.
NEIGHBOURHOOD_MM = 8.0
# How far away it is looked for, up, down, left and right.
REACH_MM = 30.0


@dataclass(frozen=True, kw_only=True)
class Match:
    """Where a lesion's neighbourhood was found.

    Args:
        shift_px: (rows down, columns to the right) from where it is in the real view.
        distance_mm: length of the shift.
        correlation: normalised, of the best place, in [-1, 1].
    """

    shift_px: tuple[int, int]
    distance_mm: float
    correlation: float


def lesion_contrast(image: np.ndarray, mask: np.ndarray, breast: np.ndarray, *, spacing_mm: float) -> float:
    """Contrast-to-noise ratio: mean inside less mean around, over the deviation around.

    Around is what lies 2 to 8 mm from the mask inside the breast: beside air, every lesion near the skin would stand
    out, and the deviation would be that of the skin line.

    Args:
        image: ``[rows, columns]``.
        mask: bool ``[rows, columns]``, the lesion.
        breast: bool ``[rows, columns]``.
        spacing_mm: pixel spacing.

    Returns:
        The ratio; NaN where the mask is empty, or its surroundings are empty or uniform.
    """
    if not mask.any():
        return math.nan
    distance = ndimage.distance_transform_edt(~mask) * spacing_mm
    around = image[breast & (distance > RING_MM[0]) & (distance <= RING_MM[1])]
    if around.size == 0 or not around.std() > 0:
        return math.nan
    return float((image[mask].mean() - around.mean()) / around.std())


def regions(mask: np.ndarray) -> list[np.ndarray]:
    """Split a mask into its connected regions (pixels that touch at a corner belong together)."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    return [labels == number for number in range(1, count + 1)]


def find_lesion(target: np.ndarray, synthetic: np.ndarray, lesion: np.ndarray, *, spacing_mm: float) -> Match | None:
    """Look in a synthetic view for the neighbourhood that a lesion has in the real one.

    The lesion's box with `NEIGHBOURHOOD_MM` around it is cut out of the real view and shifted over the synthetic one,
    up to `REACH_MM` each way; where their normalised correlation is greatest, there the lesion is. Beyond the canvas
    the synthetic view counts as zero, as outside the breast.

    Args:
        target: the real view ``[rows, columns]``.
        synthetic: ``[rows, columns]``.
        lesion: bool ``[rows, columns]``, one lesion in the real view.
        spacing_mm: pixel spacing.

    Returns:
        The best place, of equal ones the nearest; None where the neighbourhood, or all that it is compared with, is
        uniform.
    """
    margin, reach = round(NEIGHBOURHOOD_MM / spacing_mm), round(REACH_MM / spacing_mm)
    rows, columns = (np.flatnonzero(lesion.any(axis=axis)) for axis in (1, 0))
    first_row, last_row = max(0, rows[0] - margin), min(lesion.shape[0], rows[-1] + margin + 1)
    first_column, last_column = max(0, columns[0] - margin), min(lesion.shape[1], columns[-1] + margin + 1)
    template = target[first_row:last_row, first_column:last_column].astype(np.float64)
    searched = np.pad(synthetic, reach).astype(np.float64)
    searched = searched[first_row : last_row + 2 * reach, first_column : last_column + 2 * reach]
    if template.std() == 0 or searched.std() == 0:
        return None
    correlation = match_template(searched, template)
    shift = np.arange(-reach, reach + 1)
    distance_mm = np.hypot(shift[:, None], shift[None, :]) * spacing_mm
    best = float(correlation.max())
    row, column = np.unravel_index(
        np.where(correlation >= best - 1e-9, distance_mm, np.inf).argmin(), distance_mm.shape
    )
    return Match(
        shift_px=(int(shift[row]), int(shift[column])), distance_mm=float(distance_mm[row, column]), correlation=best
    )


def depth_mm(lesion: np.ndarray, nipple_column: float, *, spacing_mm: float) -> float:
    """How far a lesion's centre lies behind the nipple, along the axis to the chest wall.

    Args:
        lesion: bool ``[rows, columns]``, chest wall at the left.
        nipple_column: of `bundle.metrics.breast_shape.nipple_position`.
        spacing_mm: pixel spacing.
    """
    return float((nipple_column - np.nonzero(lesion)[1].mean()) * spacing_mm)
