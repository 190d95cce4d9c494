"""Rank histogram: where the real value lies among a generator's samples (Hamill 2001, Mon Weather Rev 129:550)."""

from __future__ import annotations

import numpy as np

SQUARE_MM = 16.0


def rank_counts(real: np.ndarray, samples: np.ndarray, region: np.ndarray, *, spacing_mm: float) -> np.ndarray:
    """Count the ranks of the real mean grey value among the samples' in squares of `SQUARE_MM`.

    Were the real view one more sample, every rank would be equally probable. Where the outer ranks are too frequent,
    samples vary too little.

    Args:
        real: ``[rows, columns]``.
        samples: ``[K, rows, columns]``.
        region: bool ``[rows, columns]``; squares that lie wholly in it are counted. It must not be chosen by the real
            view, which would favour some ranks.
        spacing_mm: pixel spacing.

    Returns:
        int ``[K + 1]``: in how many squares so many samples are darker than the real view; of samples that equal it,
        half, rounded down, count as darker.
    """
    side = max(1, round(SQUARE_MM / spacing_mm))
    counted = _squares(region, side).all(axis=(1, 3))
    real_means = _squares(real.astype(np.float64), side).mean(axis=(1, 3))[counted]
    means = np.stack([_squares(sample.astype(np.float64), side).mean(axis=(1, 3))[counted] for sample in samples])
    ranks = (means < real_means).sum(axis=0) + (means == real_means).sum(axis=0) // 2
    return np.bincount(ranks, minlength=len(samples) + 1)


def _squares(image: np.ndarray, side: int) -> np.ndarray:
    """Cut ``[rows, columns]`` into whole squares ``[n, side, m, side]``, from the top left."""
    rows, columns = (length // side for length in image.shape)
    return image[: rows * side, : columns * side].reshape(rows, side, columns, side)
