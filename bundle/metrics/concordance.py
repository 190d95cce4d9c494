"""Agreement of measured values with the true ones."""

from __future__ import annotations

import numpy as np


def concordance(measured: np.ndarray, true: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Lin's concordance correlation coefficient (Lin 1989, Biometrics 45:255), per feature.

    ``2 s_xy / (s_x^2 + s_y^2 + (m_x - m_y)^2)`` with variances divided by N: 1 where every value agrees; a constant
    offset or another scale lowers it, unlike a correlation.

    Args:
        measured: ``[N, F]``, finite.
        true: ``[N, F]``, finite.
        weights: ``[R, N]``, how often each case counts in each of R draws; None = one draw in which each counts once.

    Returns:
        ``[R, F]``; NaN where neither side varies and both agree.
    """
    counts = np.ones((1, len(true))) if weights is None else weights.astype(np.float64)
    counts = counts / counts.sum(axis=1, keepdims=True)
    # Moments about the unweighted mean: large features would else lose their variance to rounding.
    x, y = measured - true.mean(axis=0), true - true.mean(axis=0)
    mean_x, mean_y = counts @ x, counts @ y
    covariance = counts @ (x * y) - mean_x * mean_y
    squares_x, squares_y = counts @ (x * x), counts @ (y * y)
    total = squares_x - mean_x**2 + squares_y - mean_y**2 + (mean_x - mean_y) ** 2
    # A draw of one case many times has no variance but what rounding leaves.
    known = total > 1e-9 * (squares_x + squares_y)
    return np.clip(np.divide(2 * covariance, total, out=np.full_like(total, np.nan), where=known), -1.0, 1.0)
