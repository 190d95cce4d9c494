"""Dense tissue along the axis from the nipple to the chest wall, which both views of a breast share.

Compression spreads a breast up and down, but hardly changes how far behind the nipple its tissue lies: the profiles of
a breast's CC and MLO agree within a few millimetres, those of two women do not (docs/phantom.md).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

STEP_MM = 2.0


def depth_profile(image: np.ndarray, tissue: np.ndarray, *, spacing_mm: float) -> np.ndarray:
    """Share of the dense tissue per `STEP_MM` behind the front; dense is what is brighter than the breast's median.

    Args:
        image: ``[rows, columns]``, chest wall at the left.
        tissue: bool ``[rows, columns]``, the breast, without the pectoral muscle where that is known.
        spacing_mm: pixel spacing.

    Returns:
        ``[N]`` summing to 1, the front first; empty where there is no tissue, or none that is brighter than the rest.
    """
    if not tissue.any():
        return np.empty(0)
    dense = np.where(tissue, np.maximum(image - np.median(image[tissue]), 0.0), 0.0).sum(axis=0)
    if not dense.any():
        return np.empty(0)
    front = int(np.flatnonzero(tissue.any(axis=0))[-1])
    behind_mm = (front - np.arange(front + 1)) * spacing_mm
    profile = np.bincount((behind_mm / STEP_MM).astype(int), dense[: front + 1])
    return profile / profile.sum()


def profile_distance_mm(one: np.ndarray, other: np.ndarray) -> float:
    """Wasserstein distance of two profiles in mm; NaN where one of them is empty."""
    if len(one) == 0 or len(other) == 0:
        return math.nan
    places = [STEP_MM * np.arange(len(profile)) for profile in (one, other)]
    return float(stats.wasserstein_distance(places[0], places[1], one, other))
