"""How much of a breast is dense."""

from __future__ import annotations

import math

import numpy as np
from skimage.filters import threshold_otsu


def dense_threshold(image: np.ndarray, breast: np.ndarray) -> float:
    """Give the grey value that divides a real view's breast into fat and dense tissue, by Otsu's method.

    Args:
        image: ``[rows, columns]``.
        breast: bool ``[rows, columns]``, at least one pixel set; the muscle counts as dense.
    """
    return float(threshold_otsu(image[breast]))


def dense_percent(image: np.ndarray, breast: np.ndarray, *, threshold: float) -> float:
    """Percentage of the breast's area that is brighter than a threshold; NaN for an empty breast."""
    return 100 * float((image[breast] > threshold).mean()) if breast.any() else math.nan
