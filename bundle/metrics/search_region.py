"""Where in a view to look for a lesion: by its probability, and as readers do, by its distance from the nipple."""

from __future__ import annotations

import math

import numpy as np

# What readers grant the distance from the nipple between the two views of a lesion.
TOLERANCE_MM = 10.0


def smallest_region(probability: np.ndarray, *, share: float) -> np.ndarray:
    """Find the smallest region that holds a share of all probability.

    Args:
        probability: ``[rows, columns]``, at least 0 each.
        share: of their sum, in (0, 1].

    Returns:
        bool ``[rows, columns]``: the most probable pixels, of equal ones the upper and left ones first; nothing is set
        where no pixel has a probability.
    """
    values = probability.ravel().astype(np.float64)
    order = np.argsort(-values, kind="stable")
    held = np.cumsum(values[order])
    region = np.zeros(values.size, dtype=bool)
    if held[-1] > 0:
        # Rounding of the sums must not ask for one pixel more.
        region[order[: 1 + int(np.searchsorted(held, share * held[-1] * (1 - 1e-12)))]] = True
    return region.reshape(probability.shape)


def band_around_nipple(
    breast: np.ndarray, nipple: tuple[float, float], *, distance_mm: float, spacing_mm: float
) -> np.ndarray:
    """Mark what lies in the breast as far from the nipple as a lesion in the other view, give or take `TOLERANCE_MM`.

    Args:
        breast: bool ``[rows, columns]``.
        nipple: (row, column) in pixels.
        distance_mm: of the other view's lesion from its nipple.
        spacing_mm: pixel spacing.

    Returns:
        bool ``[rows, columns]``.
    """
    row, column = np.indices(breast.shape)
    distance = np.hypot(row - nipple[0], column - nipple[1]) * spacing_mm
    return breast & (np.abs(distance - distance_mm) <= TOLERANCE_MM)


def centre_of(mask: np.ndarray) -> tuple[float, float]:
    """Return the centroid (row, column) of a mask ``[rows, columns]`` that is not empty."""
    rows, columns = np.nonzero(mask)
    return float(rows.mean()), float(columns.mean())


def holds(region: np.ndarray, place: tuple[float, float]) -> bool:
    """Tell whether the pixel nearest to a place (row, column) belongs to a region ``[rows, columns]``."""
    return bool(region[math.floor(place[0] + 0.5), math.floor(place[1] + 0.5)])


def area_cm2(region: np.ndarray, *, spacing_mm: float) -> float:
    """Return the area of a region ``[rows, columns]``."""
    return float(region.sum()) * spacing_mm**2 / 100
