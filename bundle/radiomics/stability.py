"""Small changes of a lesion's mask and noise in its image, and how well features agree before and after."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

SHIFTS: Mapping[str, tuple[int, int]] = {
    "shifted_up": (-1, 0),
    "shifted_down": (1, 0),
    "shifted_left": (0, -1),
    "shifted_right": (0, 1),
}
CHANGES: tuple[str, ...] = ("grown", "shrunk", *SHIFTS, "noise")
"""By one pixel each; the noise is as strong as the image's own, as if the film had been exposed at half the dose."""

# Immerkaer's operator: the difference of two Laplacians, blind to grey values that are even or rise evenly.
_NOISE_OPERATOR = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])


def changed(
    image: np.ndarray, mask: np.ndarray, breast: np.ndarray, *, generator: np.random.Generator
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Make each of the changes; a changed mask stays in the breast.

    Args:
        image: float ``[rows, columns]`` in [0, 1].
        mask: bool ``[rows, columns]``, the lesion.
        breast: bool ``[rows, columns]``.
        generator: of the noise.

    Returns:
        Image and mask by the names in `CHANGES`.
    """
    noise = generator.normal(0.0, noise_level(image, breast), image.shape)
    return {
        "grown": (image, ndimage.binary_dilation(mask) & breast),
        "shrunk": (image, ndimage.binary_erosion(mask)),
        **{
            name: (image, ndimage.shift(mask.astype(np.uint8), shift, order=0).astype(bool) & breast)
            for name, shift in SHIFTS.items()
        },
        "noise": (np.clip(image + noise, 0.0, 1.0), mask),
    }


def noise_level(image: np.ndarray, breast: np.ndarray) -> float:
    """Estimate the standard deviation of the noise in the breast (Immerkaer 1996, doi:10.1006/cviu.1996.0060).

    Fine structure counts as noise, so that it is an upper bound.

    Args:
        image: float ``[rows, columns]``.
        breast: bool ``[rows, columns]``; only pixels whose eight neighbours lie in it count.

    Returns:
        The standard deviation in grey values; 0.0 where no pixel counts.
    """
    inside = ndimage.binary_erosion(breast, structure=np.ones((3, 3), dtype=bool))
    if not inside.any():
        return 0.0
    response = ndimage.convolve(image.astype(np.float64), _NOISE_OPERATOR)[inside]
    # The squares of the operator's weights sum to 36: the response's deviation is six times the noise's.
    return float(np.sqrt(np.pi / 2) * np.abs(response).mean() / 6.0)


def concordance(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Lin's concordance correlation coefficient of each feature (Lin 1989, doi:10.2307/2532051).

    2 cov(x, y) / (var x + var y + (mean x - mean y)^2), with moments over n; 1 means equal values, and a shift or a
    stretch of all values counts against it.

    Args:
        before: float ``[lesions, features]``.
        after: float ``[lesions, features]``.

    Returns:
        float64 ``[features]`` in [-1, 1]; NaN where all values, before and after, are the same.
    """
    difference = before.mean(axis=0) - after.mean(axis=0)
    covariance = ((before - before.mean(axis=0)) * (after - after.mean(axis=0))).mean(axis=0)
    spread = before.var(axis=0) + after.var(axis=0) + difference**2
    return np.divide(2.0 * covariance, spread, out=np.full_like(spread, np.nan), where=spread > 0)
