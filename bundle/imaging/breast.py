"""Find the breast on a mammogram, among white film borders, rulers, label markers, tape and a second breast's fold."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from bundle.imaging.orientation import chest_wall_is_right
from bundle.imaging.resampling import resample_image

# Longest side of the reduced copy on which the breast is found: 0.6 to 0.8 mm a pixel on a full film. Lengths below are
# shares of that side, not millimetres, since the spacing of scanned films is often only assumed.
WORKING_SIDE = 384

# Otsu's threshold needs two classes of like width: this power spreads the dark tones and gathers the bright ones, so
# that the two are background and breast, not fat and muscle.
TONE_POWER = 0.4
# The skin line, as a share of the way from background to fat, which is the darker tissue: film darkens gradually there,
# and the glow of a light box around the borders stays below.
SKIN_LEVEL = 0.12
FAT_QUANTILE = 0.25
# Radius of the opening that cuts off borders, tape, labels and folds which touch the breast, about 3 mm.
OPENING_SHARE = 0.012
# A border (see `_white_borders`): share of the film's maximum, share of a line's length, share of the film's side, and
# the share of a line that must be dark further in for the comparison to be made.
BORDER_BRIGHTNESS = 0.85
BORDER_COVERAGE = 0.75
BORDER_DEPTH = 0.08
BORDER_STEP_COVERAGE = 0.7
BORDER_DARK_SHARE = 0.15
# A fold: the outline is nearer to the chest wall than this share of the breast's depth, and over this share of the
# film's side it approaches the chest wall by less than this many pixels a row.
FOLD_EXTENT = 0.2
FOLD_STEP_SHARE = 0.03
FOLD_SLOPE = 0.25
# Below this difference of grey values there is no picture.
LEAST_CONTRAST = 1e-3
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
    breast = _breast_region(small, absent)
    # Linear interpolation between the reduced pixels gives a smooth outline instead of steps.
    shares = resample_image(breast, spacing_mm=working_mm, target_spacing_mm=spacing_mm, shape=(rows, columns))
    return shares >= 0.5


def _breast_region(small: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """Find the breast on the reduced copy; ``absent`` marks padding."""
    present = small[~absent]
    if present.size == 0 or present.max() - present.min() < LEAST_CONTRAST:
        raise ValueError("no breast found: the picture is uniform")
    smoothed = ndimage.gaussian_filter(small, 1.0)
    values = smoothed[~absent]
    split = threshold_otsu(np.clip(values, 0.0, 1.0) ** TONE_POWER) ** (1.0 / TONE_POWER)
    background, fat = np.median(values[values <= split]), np.quantile(values[values > split], FAT_QUANTILE)
    bright = smoothed > background + SKIN_LEVEL * (fat - background)
    bright &= ~absent & ~_white_borders(small, bright_level=(background + fat) / 2)

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
    return _without_folds(ndimage.binary_fill_holes(breast))


def _without_folds(breast: np.ndarray) -> np.ndarray:
    """Cut off the belly's or the other breast's fold and strips of border along the chest wall, above and below.

    From the nipple's row outwards, where the outline has come near to the chest wall and then runs along it (or away
    from it), it is no longer the breast's.
    """
    right = chest_wall_is_right(breast)
    facing_left = breast[:, ::-1] if right else breast
    wall = int(np.flatnonzero(facing_left.any(axis=0))[0])
    # Extent of each row from the chest wall; 0 where the row is empty.
    extent = np.where(facing_left.any(axis=1), breast.shape[1] - np.argmax(facing_left[:, ::-1], axis=1) - wall, 0)
    nipple = int(extent.argmax())
    step = max(2, round(FOLD_STEP_SHARE * max(breast.shape)))
    kept = breast.copy()
    for outwards in (slice(nipple, None), slice(nipple, None, -1)):
        profile = np.trim_zeros(extent[outwards], "b")
        beyond = np.pad(profile, (0, step), mode="edge")[step:]
        along_wall = (profile < FOLD_EXTENT * extent.max()) & (profile - beyond < FOLD_SLOPE * step)
        if along_wall.any():
            kept[outwards][int(along_wall.argmax()) :] = False
    return kept


def _opened(mask: np.ndarray, radius: float) -> np.ndarray:
    """Open a mask with a disk, counting what lies beyond the picture as background: strips along its edge go, too."""
    padded = np.pad(mask, 1)
    eroded = ndimage.distance_transform_edt(padded) > radius
    if not eroded.any():
        return np.zeros_like(mask)
    return (ndimage.distance_transform_edt(~eroded) <= radius)[1:-1, 1:-1]


def _white_borders(small: np.ndarray, *, bright_level: float) -> np.ndarray:
    """Mark bright bands along the edges of a scanned film: unexposed film, the light box's glow, rulers.

    A line of a band is nearly white over most of its length, or it is bright at nearly all the places where the film is
    dark further in: tissue at an edge goes on inwards, a border does not.
    """
    borders = np.zeros(small.shape, dtype=bool)
    for flipped, transposed in ((False, False), (True, False), (False, True), (True, True)):
        film, marked = (small.T, borders.T) if transposed else (small, borders)
        if flipped:
            film, marked = film[::-1], marked[::-1]
        depth = int(BORDER_DEPTH * len(film))
        outer, inner = film[:depth], film[depth]
        # A bright breast that fills a whole side is as bright at the depth where a border must have ended.
        is_border = (outer >= BORDER_BRIGHTNESS * small.max()).mean(axis=1) >= BORDER_COVERAGE
        is_border &= (inner >= BORDER_BRIGHTNESS * small.max()).mean() < BORDER_COVERAGE
        dark = inner < bright_level
        if dark.mean() >= BORDER_DARK_SHARE:
            is_border |= (outer[:, dark] >= bright_level).mean(axis=1) >= BORDER_STEP_COVERAGE
        if is_border.any():
            # One line more: the reduced copy blends the border's inner edge with the film.
            marked[: int(np.flatnonzero(is_border)[-1]) + 2] = True
    return borders
