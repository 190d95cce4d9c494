"""Find the breast on a mammogram, among white film borders, rulers, label markers, tape and a second breast's fold."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from bundle.imaging.resampling import resample_image

# Longest side of the reduced copy on which the breast is found: 0.6 to 0.8 mm a pixel on a full film. Lengths below are
# shares of that side, not millimetres, since the spacing of scanned films is often only assumed.
WORKING_SIDE = 384

# Otsu's threshold needs two classes of like width: this power spreads the dark tones and gathers the bright ones, so
# that the two are background and breast, not fat and muscle.
TONE_POWER = 0.4
# The skin line, as a share of the way from background to median tissue: film darkens gradually there, and the glow of
# a light box around the borders stays below.
SKIN_LEVEL = 0.12
# Radius of the opening that cuts off borders, tape, labels and folds which touch the breast, about 3 mm.
OPENING_SHARE = 0.012
# A white border: rows or columns that are bright over most of their length, at most so much of the film's side.
BORDER_BRIGHTNESS = 0.85
BORDER_COVERAGE = 0.75
BORDER_DEPTH = 0.08
# Smaller than this share of the film is no breast but a label.
SMALLEST_BREAST = 0.02


def segment_breast(
    pixels: np.ndarray, padding: np.ndarray | None = None, *, spacing_mm: float | tuple[float, float]
) -> np.ndarray:
    """Find the one connected region of breast, with the muscle that is in the picture.

    Args:
        pixels: ``[rows, columns]`` in [0, 1], brighter for more attenuation.
        padding: bool ``[rows, columns]``, True where there is no image; None when there is no such place.
        spacing_mm: one number or (row, column); only the ratio of the two matters.

    Returns:
        bool ``[rows, columns]``.

    Raises:
        ValueError: no region is bright and large enough to be a breast.
    """
    row_mm, column_mm = (float(value) for value in np.broadcast_to(spacing_mm, 2))
    rows, columns = pixels.shape
    working_mm = max(rows * row_mm, columns * column_mm) / WORKING_SIDE
    working_mm = max(working_mm, min(row_mm, column_mm))  # a small film is not enlarged
    small = resample_image(pixels, spacing_mm=spacing_mm, target_spacing_mm=working_mm)
    absent = np.zeros(small.shape, dtype=bool)
    if padding is not None:
        absent = resample_image(padding, spacing_mm=spacing_mm, target_spacing_mm=working_mm) > 0.5
        small[absent] = 0.0
    absent |= _white_borders(small)
    breast = _breast_region(small, absent)
    # Linear interpolation between the reduced pixels gives a smooth outline instead of steps.
    shares = resample_image(breast, spacing_mm=working_mm, target_spacing_mm=spacing_mm, shape=(rows, columns))
    return shares >= 0.5


def _breast_region(small: np.ndarray, absent: np.ndarray) -> np.ndarray:
    present = small[~absent]
    if present.size == 0 or present.max() - present.min() < 1e-3:
        raise ValueError("no breast found: the picture is uniform")
    smoothed = ndimage.gaussian_filter(np.where(absent, 0.0, small), 1.0)
    tones = np.clip(smoothed[~absent], 0.0, 1.0) ** TONE_POWER
    split = threshold_otsu(tones) ** (1.0 / TONE_POWER)
    values = smoothed[~absent]
    background, tissue = np.median(values[values <= split]), np.median(values[values > split])
    bright = (smoothed > background + SKIN_LEVEL * (tissue - background)) & ~absent

    radius = max(1.0, OPENING_SHARE * max(small.shape))
    opened = _opened(bright, radius)
    labels, count = ndimage.label(opened)
    if count == 0:
        raise ValueError("no breast found: nothing on the picture is bright and broad enough")
    sizes = np.bincount(labels.ravel())[1:]
    if sizes.max() < SMALLEST_BREAST * small.size:
        raise ValueError(
            f"no breast found: the largest bright region covers {sizes.max() / small.size:.1%} of the picture, "
            f"a breast at least {SMALLEST_BREAST:.0%}"
        )
    core = labels == 1 + int(sizes.argmax())
    # What the opening rounded off (corners at the chest wall, the nipple) comes back within its radius.
    breast = bright & (ndimage.distance_transform_edt(~core) <= radius)
    labels, _ = ndimage.label(breast)
    breast = labels == np.bincount(labels[core]).argmax()
    return ndimage.binary_fill_holes(breast)


def _opened(mask: np.ndarray, radius: float) -> np.ndarray:
    """Open a mask with a disk, counting what lies beyond the picture as background: strips along its edge go, too."""
    padded = np.pad(mask, 1)
    eroded = ndimage.distance_transform_edt(padded) > radius
    if not eroded.any():
        return np.zeros_like(mask)
    return (ndimage.distance_transform_edt(~eroded) <= radius)[1:-1, 1:-1]


def _white_borders(small: np.ndarray) -> np.ndarray:
    """Mark white bands along the edges of a scanned film.

    A band counts only where it ends within `BORDER_DEPTH`: a bright breast that fills a whole side does not end there.
    """
    borders = np.zeros(small.shape, dtype=bool)
    white = small >= BORDER_BRIGHTNESS * small.max()
    for axis, side in ((0, 0), (0, -1), (1, 0), (1, -1)):
        lines = white if axis == 0 else white.T
        marked = borders if axis == 0 else borders.T
        if side == -1:
            lines, marked = lines[::-1], marked[::-1]
        coverage = lines.mean(axis=1)
        depth = int(BORDER_DEPTH * len(lines))
        is_border = coverage[: depth + 1] >= BORDER_COVERAGE
        if is_border.any() and not is_border[depth]:
            # One line more: the reduced copy blends the border's inner edge with the film.
            marked[: int(np.flatnonzero(is_border)[-1]) + 2] = True
    return borders
