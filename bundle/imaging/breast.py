"""Find the breast on a mammogram, among white film borders, rulers, label markers, tape and a second breast's fold."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.stats import theilslopes
from skimage.filters import threshold_otsu

from bundle.imaging.orientation import chest_wall_is_right
from bundle.imaging.resampling import enlarge_outline, resample_image

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
# A border (see `_white_borders`): its greatest depth as a share of the film's side, the share of a line that must be
# brighter, and the share of a line at which that must be possible to tell.
BORDER_DEPTH = 0.08
BORDER_COVERAGE = 0.7
BORDER_TELLING_SHARE = 0.15
# Its greatest tilt, about three degrees.
BORDER_SLOPE = 0.05
# A fold: the region at the chest wall is narrower than this share of the breast's depth, and over this share of the
# film's side it narrows by less than this many pixels a row.
FOLD_WIDTH = 0.2
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
    return enlarge_outline(breast, spacing_mm=working_mm, target_spacing_mm=spacing_mm, shape=(rows, columns))


def _breast_region(small: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """Find the breast on the reduced copy; ``absent`` marks padding."""
    present = small[~absent]
    if present.size == 0 or present.max() - present.min() < LEAST_CONTRAST:
        raise ValueError("no breast found: the picture is uniform")
    smoothed = ndimage.gaussian_filter(small, 1.0)
    # Padding that fills whole rows or columns is no film and tells nothing. All other padding is air that the device
    # suppressed (PS3.3 section C.7.5.1.1.2): without it the two classes would be fat and dense tissue.
    no_film = absent.all(axis=1, keepdims=True) | absent.all(axis=0)
    values = smoothed[~no_film]
    split = threshold_otsu(np.clip(values, 0.0, 1.0) ** TONE_POWER) ** (1.0 / TONE_POWER)
    background, fat = np.median(values[values <= split]), np.quantile(values[values > split], FAT_QUANTILE)
    skin = background + SKIN_LEVEL * (fat - background)
    bright = (smoothed > skin) & ~absent & ~_white_borders(small, skin=skin, step=(fat - background) / 2)

    radius = max(1.0, OPENING_SHARE * max(small.shape))
    opened = _opened(bright, radius)
    core = _largest_region(opened)
    if core.mean() < SMALLEST_BREAST:
        raise ValueError(
            f"no breast found: the largest bright region covers {core.mean():.1%} of the picture, "
            f"a breast at least {SMALLEST_BREAST:.0%}"
        )
    # What the opening rounded off (corners at the chest wall, the nipple) comes back within its radius.
    breast = bright & (ndimage.distance_transform_edt(~core) <= radius)
    return _without_folds(ndimage.binary_fill_holes(_largest_region(breast)))


def _without_folds(breast: np.ndarray) -> np.ndarray:
    """Cut off the belly's or the other breast's fold, tape and glow along the chest wall, above and below the breast.

    From the nipple's row outwards, where the region at the chest wall has become narrow and then runs along the wall
    (or widens again), it is no longer the breast.
    """
    right = chest_wall_is_right(breast)
    kept = np.pad(breast[:, ::-1] if right else breast, ((0, 0), (0, 1)))
    wall = int(np.flatnonzero(kept.any(axis=0))[0])
    columns = np.arange(kept.shape[1])
    depth = int((kept * columns).max()) - wall
    nipple = int(kept[:, wall + depth].argmax())
    width = kept[:, wall:].argmin(axis=1)  # of the run that begins at the wall; 0 where none does
    step = max(2, round(FOLD_STEP_SHARE * max(breast.shape)))
    for outwards in (slice(nipple, None), slice(nipple, None, -1)):
        profile = np.trim_zeros(width[outwards], "b")
        if profile.size == 0:  # the region leans: here it does not reach the wall
            continue
        beyond = np.pad(profile, (0, step), mode="edge")[step:]
        along_wall = (profile > 0) & (profile < FOLD_WIDTH * depth) & (profile - beyond < FOLD_SLOPE * step)
        if along_wall.any():
            first = int(along_wall.argmax())
            kept[outwards][first:] &= columns >= wall + width[outwards][first:, None]
    kept = _largest_region(kept[:, :-1])
    return kept[:, ::-1] if right else kept


def _largest_region(mask: np.ndarray) -> np.ndarray:
    """Keep the largest connected region; nothing of an empty mask."""
    labels, count = ndimage.label(mask)
    return labels == 1 + np.bincount(labels.ravel())[1:].argmax() if count else mask


def _opened(mask: np.ndarray, radius: float) -> np.ndarray:
    """Open a mask with a disk, counting what lies beyond the picture as background: strips along its edge go, too."""
    padded = np.pad(mask, 1)
    eroded = ndimage.distance_transform_edt(padded) > radius
    if not eroded.any():
        return np.zeros_like(mask)
    return (ndimage.distance_transform_edt(~eroded) <= radius)[1:-1, 1:-1]


def _white_borders(small: np.ndarray, *, skin: float, step: float) -> np.ndarray:
    """Mark bright bands along the edges of a scanned film: unexposed film, the light box's glow, rulers.

    A place of an edge is in a band when it is brighter than the film further in, at most of the places where that can
    be told: tissue at an edge goes on inwards, a border does not. Over background anything brighter than skin tells,
    over tissue ``step`` more. Where the film further in is itself white (a muscle) nothing can be told: there the band
    goes on as the straight, perhaps tilted line that it is elsewhere.
    """
    borders = np.zeros(small.shape, dtype=bool)
    for flipped, transposed in ((False, False), (True, False), (False, True), (True, True)):
        film, marked = (small.T, borders.T) if transposed else (small, borders)
        if flipped:
            film, marked = film[::-1], marked[::-1]
        most = int(BORDER_DEPTH * len(film))
        outer, inner = film[:most], film[most]
        telling = inner < small.max() - step
        if telling.mean() < BORDER_TELLING_SHARE:
            continue
        is_border = np.where(inner > skin, outer - inner >= step, outer > skin)
        depth = np.minimum.accumulate(is_border, axis=0).sum(axis=0)
        places = np.flatnonzero(telling & (depth > 0))
        if len(places) < BORDER_COVERAGE * np.count_nonzero(telling):
            continue
        # Left and right the line stays straight: there it becomes the chest wall of the outline.
        slope = 0.0 if transposed else np.clip(theilslopes(depth[places], places)[0], -BORDER_SLOPE, BORDER_SLOPE)
        level = np.median(depth[places] - slope * places)
        # One line more: the reduced copy blends the border's inner edge with the film.
        line = np.clip(level + slope * np.arange(len(inner)), 0, most) + 1
        marked[:most] |= np.arange(most)[:, np.newaxis] < line
    return borders
