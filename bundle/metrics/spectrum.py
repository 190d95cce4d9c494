"""The power-law exponent of the grey values inside the breast, how coarse its texture is, and how much there is of it.

Anatomy on mammograms has a power spectrum near ``k ** -beta``, with beta about 3 (Burgess et al. 2001, Med Phys
28(4):419). Chen et al. 2012 (Med Phys 39(3):1435, PMC3298563) report 3.17 +- 0.23 for the CC and 3.30 +- 0.24 for the
MLO of 23 women. An image that is too smooth has a larger exponent, noise has 0, a checkerboard less.

Region, window and band are stated here and depend on the pixel spacing alone, never on the image: squares of
`WINDOW_MM` that lie wholly in the breast mask less its outermost `MARGIN_MM` (where thickness, not anatomy, makes the
gradient), their mean taken off, a radial Hann window, the average of all squares' spectra, rings, and a straight line
through the logarithms in `band_per_mm`. On made noise of exponents 2 to 3.5 the result is right within 0.1; pixels of
real films that were averaged to a coarser spacing are blurred by that, which adds up to 0.2 at 0.8 mm. So figures
compare at one spacing alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import fft, ndimage

# Holds four waves of the band's lower end; the usual square since Burgess et al. 2001.
WINDOW_MM = 25.6
MARGIN_MM = 10.0
# Below, the window's own width shows; above, the noise of quanta and film, and at 0.8 mm the pixels do.
BAND_PER_MM = (0.15, 0.5)
# The coarsest pixels that show the whole band.
COARSEST_SPACING_MM = 0.8
# Of coarser pixels (a canvas) the band is these shares of their Nyquist frequency: nearer to it the pixels themselves
# bend the slope, and the lower bound leaves four rings.
BAND_OF_NYQUIST = (0.3, 0.8)
COARSEST_CANVAS_MM = 2.0
# Nyquist peak: neighbours are the frequencies so many steps of the window away; nearer ones the window smears.
_NEIGHBOURS = (2, 3)
_REFERENCE_EXPONENT = 3.0
_REFERENCE_STEP = 0.25
_SQUARES_PER_WINDOW = 4
_FEWEST_SQUARES = 4
_SQUARES_AT_ONCE = 64  # so that a full-size film needs little memory


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """What the power spectrum of a breast's grey values says.

    Args:
        exponent: beta of the power law ``k ** -beta``.
        nyquist_peak: power at the Nyquist frequencies over that around them: how strong a checkerboard there is. The
            three frequencies are those of alternating rows, alternating columns and the checkerboard; the strongest
            counts. The neighbours lie two and three steps of the window's resolution away. All are first divided by
            what the law ``k ** -3`` gives, since the power falls steeply there: the few frequencies of a window of
            coarse pixels would else have a third of their neighbours' mean without any pattern. About 1 where there is
            none, up to 1.5 by chance; a steeper spectrum has less.
        power: how much texture there is: geometric mean over the rings of the band that the exponent is fitted over, in
            squared grey values, to be compared with that of another image of the same size and breast. A faint noise
            over a blurred view gives any exponent, but little power.
    """

    exponent: float
    nyquist_peak: float
    power: float


def spectrum(image: np.ndarray, breast: np.ndarray, *, spacing_mm: float) -> Spectrum:
    """Measure the power spectrum inside the breast.

    Args:
        image: grey values ``[rows, columns]`` on any linear scale.
        breast: bool ``[rows, columns]``, the breast without the pectoral muscle where that is known.
        spacing_mm: of the pixels, at most `COARSEST_CANVAS_MM`.

    Returns:
        The figures; NaN where fewer than four squares fit into the breast, or where all of them are uniform.

    Raises:
        ValueError: the shapes differ, or the pixels are too coarse for the band.
    """
    if image.shape != breast.shape or image.ndim != 2:
        raise ValueError(
            f"image has the shape {list(image.shape)}, breast {list(breast.shape)}: both must be [rows, columns]."
        )
    band = band_per_mm(spacing_mm)
    power = _mean_power(image, breast, spacing_mm=spacing_mm)
    if power is None:
        return Spectrum(exponent=math.nan, nyquist_peak=math.nan, power=math.nan)
    ring = _ring(len(power))
    ring_per_mm = np.arange(ring.max() + 1) / (len(power) * spacing_mm)
    used = np.flatnonzero((ring_per_mm >= band[0]) & (ring_per_mm <= band[1]))
    density = ndimage.mean(power, ring, used)
    has_texture = bool((density > 0).all())
    return Spectrum(
        exponent=_exponent(density, ring=ring, used=used, spacing_mm=spacing_mm) if has_texture else math.nan,
        nyquist_peak=_nyquist_peak(power, spacing_mm=spacing_mm),
        power=float(np.exp(np.log(density).mean())) if has_texture else math.nan,
    )


def band_per_mm(spacing_mm: float) -> tuple[float, float]:
    """Band of frequencies that the exponent is fitted over, for pixels of this spacing.

    Raises:
        ValueError: the spacing is not positive, or more than `COARSEST_CANVAS_MM`.
    """
    if not 0 < spacing_mm <= COARSEST_CANVAS_MM:
        raise ValueError(
            f"spacing_mm is {spacing_mm}: it must be positive and at most {COARSEST_CANVAS_MM:g} mm; coarser pixels "
            "show no texture."
        )
    low, high = (share * 0.5 / spacing_mm for share in BAND_OF_NYQUIST)
    return min(BAND_PER_MM[0], low), min(BAND_PER_MM[1], high)


def _exponent(density: np.ndarray, *, ring: np.ndarray, used: np.ndarray, spacing_mm: float) -> float:
    """Fit the exponent to the mean power of the rings ``used``, which `_ring` numbers."""
    exponent = _REFERENCE_EXPONENT
    for _ in range(2):  # the second time beside the law that the first time found
        reference = min(max(round(exponent / _REFERENCE_STEP) * _REFERENCE_STEP, 1.0), 6.0)
        expected = ndimage.mean(_expected_power(len(ring), spacing_mm, reference), ring, used)
        slope, _ = np.polyfit(np.log(expected), np.log(density), 1)
        exponent = float(reference * slope)
    return exponent


def _nyquist_peak(power: np.ndarray, *, spacing_mm: float) -> float:
    size = len(power)
    whitened = power / _expected_power(size, spacing_mm, _REFERENCE_EXPONENT)
    half = size // 2
    near, far = _NEIGHBOURS
    steps = np.arange(-far, far + 1)
    distance = np.maximum(np.abs(steps)[:, None], np.abs(steps)[None, :])
    ratios = []
    for row, column in ((half, 0), (0, half), (half, half)):
        around = whitened[np.ix_((row + steps) % size, (column + steps) % size)]
        neighbours = around[distance >= near].mean()
        if not neighbours > 0:
            return math.nan
        ratios.append(whitened[row, column] / neighbours)
    return float(max(ratios))


def _mean_power(image: np.ndarray, breast: np.ndarray, *, spacing_mm: float) -> np.ndarray | None:
    """Mean power spectrum ``[size, size]`` of the windowed squares in the breast; None where there are too few."""
    size = 2 * round(WINDOW_MM / spacing_mm / 2)  # even, so that the Nyquist frequency is one of the spectrum's
    squares = _squares(breast, size=size, margin_px=MARGIN_MM / spacing_mm)
    if len(squares) < _FEWEST_SQUARES:
        return None
    window = _window(size)
    power = np.zeros((size, size))
    for first in range(0, len(squares), _SQUARES_AT_ONCE):
        pixels = np.stack(
            [
                image[row : row + size, column : column + size]
                for row, column in squares[first : first + _SQUARES_AT_ONCE]
            ]
        ).astype(np.float64)
        pixels -= ((pixels * window).sum(axis=(1, 2)) / window.sum())[:, None, None]
        power += (np.abs(fft.fft2(pixels * window)) ** 2).sum(axis=0)
    return power / len(squares)


def _window(size: int) -> np.ndarray:
    """Make the radial Hann window ``[size, size]``."""
    offset = (np.arange(size) - (size - 1) / 2) / (size / 2)
    radius = np.minimum(np.hypot(offset[:, None], offset[None, :]), 1.0)
    return 0.5 + 0.5 * np.cos(np.pi * radius)


def _ring(size: int) -> np.ndarray:
    """Number the frequencies ``[size, size]`` of a window by their distance from zero, rounded."""
    coarse = np.fft.fftfreq(size, 1 / size)
    return np.round(np.hypot(coarse[:, None], coarse[None, :])).astype(int)


@cache
def _expected_power(size: int, spacing_mm: float, exponent: float) -> np.ndarray:
    """What the window makes of a field with the spectrum ``k ** -exponent``: expected power of each frequency.

    The window smears the spectrum (a convolution with its own), and a ring's mean is not its middle's value: both raise
    the low end of a steep spectrum. Measured against this expectation, the slope is free of that.
    """
    window = _window(size)
    fine = 4 * size  # finer frequencies than the window resolves, so that the convolution is smooth
    frequency = np.fft.fftfreq(fine, spacing_mm)
    k = np.hypot(frequency[:, None], frequency[None, :])
    k[0, 0] = np.inf  # the mean is taken off
    # Waves longer than twice the window are nearly a gradient to it, and the breast has no longer ones.
    law = np.where(k >= 0.5 / (size * spacing_mm), k**-exponent, 0.0)
    # Convolution with |W| ** 2: the product of the autocorrelations.
    padded = np.zeros((fine, fine))
    padded[:size, :size] = window
    autocorrelation = np.fft.ifft2(np.abs(np.fft.fft2(padded)) ** 2).real
    return np.fft.fft2(np.fft.ifft2(law).real * autocorrelation).real[:: fine // size, :: fine // size]


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
