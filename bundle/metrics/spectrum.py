"""The power-law exponent of the grey values inside the breast: how coarse its texture is.

Anatomy on mammograms has a power spectrum near ``k ** -beta``, with beta about 3 (Burgess et al. 2001, Med Phys
28(4):419). Chen et al. 2012 (Med Phys 39(3):1435, PMC3298563) report 3.17 +- 0.23 for the CC and 3.30 +- 0.24 for the
MLO of 23 women. An image that is too smooth has a larger exponent, noise has 0, a checkerboard less.

Region, window and band are stated here and never change with the image: squares of `WINDOW_MM` that lie wholly in the
breast mask less its outermost `MARGIN_MM` (where thickness, not anatomy, makes the gradient), their mean taken off, a
radial Hann window, the average of all squares' spectra, rings, and a straight line through the logarithms in
`BAND_PER_MM`. On made noise of exponents 2 to 3.5 the result is right within 0.1; pixels of real films that were
averaged to a coarser spacing are blurred by that, which adds up to 0.2 at 0.8 mm.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy import ndimage

# Holds four waves of the band's lower end; the usual square since Burgess et al. 2001.
WINDOW_MM = 25.6
MARGIN_MM = 10.0
# Below, the window's own width shows; above, the noise of quanta and film, and at 0.8 mm the pixels do.
BAND_PER_MM = (0.15, 0.5)
# The band's upper end is then 0.8 of the Nyquist frequency; nearer to it the pixels themselves bend the slope.
COARSEST_SPACING_MM = 0.8
_REFERENCE_EXPONENT = 3.0
_SQUARES_PER_WINDOW = 4
_FEWEST_SQUARES = 4


def spectral_exponent(image: np.ndarray, breast: np.ndarray, *, spacing_mm: float) -> float:
    """Fit the exponent beta of the power spectrum ``k ** -beta`` inside the breast.

    Args:
        image: grey values ``[rows, columns]`` on any linear scale.
        breast: bool ``[rows, columns]``, the breast without the pectoral muscle where that is known.
        spacing_mm: of the pixels, at most `COARSEST_SPACING_MM`.

    Returns:
        beta; NaN where fewer than four squares fit into the breast, or where all of them are uniform.

    Raises:
        ValueError: the shapes differ, or the pixels are too coarse for the band.
    """
    if image.shape != breast.shape or image.ndim != 2:
        raise ValueError(
            f"image has the shape {list(image.shape)}, breast {list(breast.shape)}: both must be [rows, columns]."
        )
    if not 0 < spacing_mm <= COARSEST_SPACING_MM:
        raise ValueError(
            f"spacing_mm is {spacing_mm}: it must be positive and at most {COARSEST_SPACING_MM:g} mm for the band "
            f"up to {BAND_PER_MM[1]} per mm."
        )
    size = round(WINDOW_MM / spacing_mm)
    squares = _squares(breast, size=size, margin_px=MARGIN_MM / spacing_mm)
    if len(squares) < _FEWEST_SQUARES:
        return math.nan
    window = _window(size)
    power = np.zeros((size, size))
    for row, column in squares:
        square = image[row : row + size, column : column + size].astype(np.float64)
        square = square - (square * window).sum() / window.sum()
        power += np.abs(np.fft.fft2(square * window)) ** 2
    ring, expected = _expected_power(size, spacing_mm)
    ring_per_mm = np.arange(ring.max() + 1) / (size * spacing_mm)
    used = np.flatnonzero((ring_per_mm >= BAND_PER_MM[0]) & (ring_per_mm <= BAND_PER_MM[1]))
    density = ndimage.mean(power, ring, used)
    if not (density > 0).all():
        return math.nan
    slope, _ = np.polyfit(np.log(ndimage.mean(expected, ring, used)), np.log(density), 1)
    return float(_REFERENCE_EXPONENT * slope)


def _window(size: int) -> np.ndarray:
    """Make the radial Hann window ``[size, size]``."""
    offset = (np.arange(size) - (size - 1) / 2) / (size / 2)
    radius = np.minimum(np.hypot(offset[:, None], offset[None, :]), 1.0)
    return 0.5 + 0.5 * np.cos(np.pi * radius)


@cache
def _expected_power(size: int, spacing_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """What the window makes of a field with the spectrum ``k ** -3``: ring of each frequency, and expected power.

    The window smears the spectrum (a convolution with its own), and a ring's mean is not its middle's value: both raise
    the low end of a steep spectrum. Measured against this expectation, the slope is free of that.
    """
    window = _window(size)
    fine = 4 * size  # finer frequencies than the window resolves, so that the convolution is smooth
    frequency = np.fft.fftfreq(fine, spacing_mm)
    k = np.hypot(frequency[:, None], frequency[None, :])
    k[0, 0] = np.inf  # the mean is taken off
    # Waves longer than twice the window are nearly a gradient to it, and the breast has no longer ones.
    law = np.where(k >= 0.5 / (size * spacing_mm), k**-_REFERENCE_EXPONENT, 0.0)
    # Convolution with |W| ** 2: the product of the autocorrelations.
    padded = np.zeros((fine, fine))
    padded[:size, :size] = window
    autocorrelation = np.fft.ifft2(np.abs(np.fft.fft2(padded)) ** 2).real
    expected = np.fft.fft2(np.fft.ifft2(law).real * autocorrelation).real[:: fine // size, :: fine // size]
    coarse = np.fft.fftfreq(size, 1 / size)
    return np.round(np.hypot(coarse[:, None], coarse[None, :])).astype(int), expected


def _squares(breast: np.ndarray, *, size: int, margin_px: float) -> list[tuple[int, int]]:
    """Find the top left corners of the squares that lie in the breast, a quarter of their size apart."""
    framed = np.pad(breast.astype(bool), 1)
    inner = ndimage.distance_transform_edt(framed)[1:-1, 1:-1] > margin_px
    total = np.pad(inner.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    if min(inner.shape) < size:
        return []
    filled = total[size:, size:] - total[:-size, size:] - total[size:, :-size] + total[:-size, :-size]
    step = max(1, size // _SQUARES_PER_WINDOW)
    rows, columns = np.nonzero(filled[::step, ::step] == size * size)
    return [(int(row) * step, int(column) * step) for row, column in zip(rows, columns, strict=True)]
