"""Whether a film's grey scale is one that a mammogram has: bright enough, dark around the breast, of many levels."""

from __future__ import annotations

import numpy as np

DARK = "dark"
WHITE_BACKGROUND = "white_background"
FEW_GREY_LEVELS = "few_grey_levels"

# Grey levels of 12 bits in 16 reach 1/16, of 14 bits 1/4; an exposed film is brighter than 1/8 at its brightest.
DARK_BELOW = 1 / 8
# Labels and dead pixels are a smaller part of the film than this.
_EXTREME_PERCENT = 1.0
# The ring in which the background is looked for, as shares of each side: a scanned film's white frame lies outside.
_RING = (0.03, 0.10)
# A window of width 1 leaves two levels; 8 bits of a dark film have some dozens.
FEWEST_LEVELS = 16
# So many rows or columns of a large film tell as much as all of them.
_SAMPLED_SIDE = 512


def grey_scale_flags(pixels: np.ndarray) -> tuple[str, ...]:
    """Tell what is wrong with a film's grey scale.

    - ``dark``: all but the brightest hundredth lies below an eighth of the range, as when 12 bits are taken for 16;
    - ``white_background``: a ring along the edges of the film is nearer to its brightest than to its darkest values, as
      when brighter means less attenuation;
    - ``few_grey_levels``: fewer than `FEWEST_LEVELS`, as after a window that is too narrow.

    Args:
        pixels: ``[rows, columns]`` in [0, 1], brighter for more attenuation.
    """
    step = max(1, min(pixels.shape) // _SAMPLED_SIDE)
    sample = pixels[::step, ::step]
    darkest, brightest = np.percentile(sample, (_EXTREME_PERCENT, 100.0 - _EXTREME_PERCENT))
    flags = []
    if brightest < DARK_BELOW:
        flags.append(DARK)
    if np.median(sample[_ring(sample.shape)]) > (darkest + brightest) / 2:
        flags.append(WHITE_BACKGROUND)
    if np.unique(sample).size < FEWEST_LEVELS:
        flags.append(FEW_GREY_LEVELS)
    return tuple(flags)


def _ring(shape: tuple[int, ...]) -> np.ndarray:
    """Give the ring as a mask: bool ``[rows, columns]``."""
    outer, inner = (
        np.logical_and.outer(
            *(np.minimum(np.arange(size), np.arange(size)[::-1]) >= round(share * size) for size in shape)
        )
        for share in _RING
    )
    return outer & ~inner
