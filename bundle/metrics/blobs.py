"""Bright blobs as large as lesions: what a synthetic view shows where the real one has nothing.

A blob is a local maximum of the mean around it less the mean further around (difference of Gaussians of `INNER_MM` and
`OUTER_MM`, each normalised by the breast mask so that the skin line makes no blob), at least `MARGIN_MM` inside the
breast. How much brighter counts as a lesion is learned from real views, see `bundle.evaluation.real_views`.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max

INNER_MM = 3.0
OUTER_MM = 6.0
MARGIN_MM = 8.0
APART_MM = 6.0


def blob_contrasts(image: np.ndarray, breast: np.ndarray, *, spacing_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Find all blobs.

    Args:
        image: ``[rows, columns]``.
        breast: bool ``[rows, columns]``.
        spacing_mm: pixel spacing.

    Returns:
        int ``[N, 2]`` (row, column), and float ``[N]`` how much brighter each is than its surroundings, greatest first.
    """
    inside = ndimage.distance_transform_edt(np.pad(breast, ((1, 1), (0, 1))))[1:-1, :-1] * spacing_mm > MARGIN_MM
    if not inside.any():
        return np.empty((0, 2), dtype=int), np.empty(0)
    inner, outer = (_smoothed(image, breast, sigma_px=sigma / spacing_mm) for sigma in (INNER_MM, OUTER_MM))
    contrast = inner - outer
    places = peak_local_max(
        contrast, min_distance=max(1, round(APART_MM / spacing_mm)), threshold_abs=1e-6, exclude_border=False
    )
    places = places[inside[tuple(places.T)]]
    return places, contrast[tuple(places.T)]


def _smoothed(image: np.ndarray, breast: np.ndarray, *, sigma_px: float) -> np.ndarray:
    """Gaussian mean over the breast's pixels alone."""
    weight = ndimage.gaussian_filter(breast.astype(np.float64), sigma_px)
    total = ndimage.gaussian_filter(np.where(breast, image, 0.0).astype(np.float64), sigma_px)
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 1e-6)
