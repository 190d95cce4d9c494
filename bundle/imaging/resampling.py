"""Bring an image or a mask to another pixel spacing, the outer edges of the top left pixels coinciding.

An output pixel exists where its centre lies inside the input (`resampled_shape`). Images: the exact area average along
an axis that becomes coarser, bilinear interpolation along one that becomes finer, nothing where the spacing stays.
Masks: the nearest neighbour.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse

Spacing = float | tuple[float, float]

# Relative difference of two spacings below which they are one: headers write decimals with about six digits.
SAME_SPACING = 1e-6
_ROWS_AT_A_TIME = 32


def resampled_shape(shape: tuple[int, int], *, spacing_mm: Spacing, target_spacing_mm: Spacing) -> tuple[int, int]:
    """Give the output's (rows, columns): the pixels whose centres lie inside the input, at least one.

    Args:
        shape: (rows, columns) of the input.
        spacing_mm: of the input, one number or (row, column).
        target_spacing_mm: of the output, one number or (row, column).
    """
    ratios = _ratios(spacing_mm, target_spacing_mm)
    rows, columns = (max(1, math.ceil(size / ratio - 0.5 - 1e-6)) for size, ratio in zip(shape, ratios, strict=True))
    return rows, columns


def resample_image(
    image: np.ndarray, *, spacing_mm: Spacing, target_spacing_mm: Spacing, shape: tuple[int, int] | None = None
) -> np.ndarray:
    """Resample grey values.

    A coarser pixel is the mean over the part of it that the input covers, with fractional weights at its edges
    (Pillow's BOX counts a pixel fully or not at all, which at ratios near one repeats and drops rows).

    Args:
        image: ``[rows, columns]``.
        spacing_mm: of the input, one number or (row, column).
        target_spacing_mm: of the output, one number or (row, column).
        shape: of the output where it is known; `resampled_shape` by default. Beyond the input, the edge repeats.

    Returns:
        float32 ``[rows, columns]``.
    """
    ratios = _ratios(spacing_mm, target_spacing_mm)
    rows, columns = shape or resampled_shape(image.shape, spacing_mm=spacing_mm, target_spacing_mm=target_spacing_mm)
    result = np.asarray(image, dtype=np.float32)
    rows_first = rows <= image.shape[0]  # the picture between the two steps is then the smaller one
    for along_rows in (rows_first, not rows_first):
        if along_rows and (rows != image.shape[0] or ratios[0] != 1.0):
            result = _weights(image.shape[0], rows, ratios[0]) @ result
        elif not along_rows and (columns != image.shape[1] or ratios[1] != 1.0):
            result = _along_columns(result, _weights(image.shape[1], columns, ratios[1]))
    return np.ascontiguousarray(result)


def resample_mask(
    mask: np.ndarray, *, spacing_mm: Spacing, target_spacing_mm: Spacing, shape: tuple[int, int] | None = None
) -> np.ndarray:
    """Resample a mask or label map by nearest neighbour; arguments as for `resample_image`, the type is kept."""
    ratios = _ratios(spacing_mm, target_spacing_mm)
    shape = shape or resampled_shape(mask.shape, spacing_mm=spacing_mm, target_spacing_mm=target_spacing_mm)
    rows, columns = (
        np.minimum(((np.arange(wanted) + 0.5) * ratio).astype(int), size - 1)
        for size, wanted, ratio in zip(mask.shape, shape, ratios, strict=True)
    )
    return mask[np.ix_(rows, columns)]


def enlarge_outline(
    mask: np.ndarray, *, spacing_mm: Spacing, target_spacing_mm: Spacing, shape: tuple[int, int]
) -> np.ndarray:
    """Bring a mask to a finer spacing with a smooth outline, where `resample_mask` draws steps.

    It is interpolated as an image, and its pixels are those of one half and more.

    Args:
        mask: bool ``[rows, columns]``.
        spacing_mm: of the input, one number or (row, column).
        target_spacing_mm: of the output, at most that of the input.
        shape: (rows, columns) of the output. Beyond the input, the edge repeats.

    Returns:
        bool ``[rows, columns]``.
    """
    ratios = _ratios(spacing_mm, target_spacing_mm)
    wide = _along_columns(mask.astype(np.float32), _linear_weights(mask.shape[1], shape[1], ratios[1]))
    weights = _linear_weights(mask.shape[0], shape[0], ratios[0])
    result = np.empty(shape, dtype=bool)
    # Some rows at a time: as numbers the whole film would go through memory twice.
    for first in range(0, shape[0], _ROWS_AT_A_TIME):
        rows = slice(first, first + _ROWS_AT_A_TIME)
        np.greater_equal(weights[rows] @ wide, np.float32(0.5), out=result[rows])
    return result


def _along_columns(image: np.ndarray, weights: sparse.csr_matrix) -> np.ndarray:
    """Apply the weights ``[new columns, columns]`` to each row."""
    result = np.empty((len(image), weights.shape[0]), dtype=np.float32)
    # The product comes transposed: a film is turned back some rows at a time, within the processor's cache.
    for first in range(0, len(image), _ROWS_AT_A_TIME):
        rows = slice(first, first + _ROWS_AT_A_TIME)
        result[rows] = (weights @ image[rows].T).T
    return result


def _ratios(spacing_mm: Spacing, target_spacing_mm: Spacing) -> tuple[float, float]:
    """Give new spacing / old spacing along rows and columns, exactly 1 where they are the same spacing."""
    old, new = np.broadcast_to(spacing_mm, 2), np.broadcast_to(target_spacing_mm, 2)
    if not (np.isfinite(old).all() and np.isfinite(new).all() and (old > 0).all() and (new > 0).all()):
        raise ValueError(f"spacings must be positive, got {spacing_mm} and {target_spacing_mm} mm")
    ratios = new / old
    ratios[np.abs(ratios - 1.0) < SAME_SPACING] = 1.0
    return float(ratios[0]), float(ratios[1])


def _weights(size: int, new_size: int, ratio: float) -> sparse.csr_matrix:
    """Give the weights ``[new_size, size]`` of one axis; each row sums to 1."""
    if ratio > 1.0:
        return _area_weights(size, new_size, ratio)
    return _linear_weights(size, new_size, ratio)


def _area_weights(size: int, new_size: int, ratio: float) -> sparse.csr_matrix:
    """Weigh each input pixel by its overlap with the output pixel [i * ratio, (i + 1) * ratio]."""
    output = np.arange(new_size)
    start = np.minimum(output * ratio, size - 1e-3)  # beyond the input, the last pixel repeats
    stop = np.maximum(np.minimum((output + 1) * ratio, size), start + 1e-3)
    taps = math.ceil(ratio) + 1
    pixel = np.floor(start).astype(int)[:, None] + np.arange(taps)
    overlap = np.clip(np.minimum(stop[:, None], pixel + 1) - np.maximum(start[:, None], pixel), 0.0, None)
    return _rows_to_sparse(pixel, overlap, size)


def _linear_weights(size: int, new_size: int, ratio: float) -> sparse.csr_matrix:
    """Interpolate between the two pixel centres around the output's centre (i + 0.5) * ratio."""
    position = np.clip((np.arange(new_size) + 0.5) * ratio - 0.5, 0.0, size - 1.0)
    pixel = np.floor(position).astype(int)
    fraction = position - pixel
    return _rows_to_sparse(np.stack([pixel, pixel + 1], axis=1), np.stack([1.0 - fraction, fraction], axis=1), size)


def _rows_to_sparse(pixel: np.ndarray, weight: np.ndarray, size: int) -> sparse.csr_matrix:
    weight = weight / weight.sum(axis=1, keepdims=True)
    row = np.broadcast_to(np.arange(len(pixel))[:, None], pixel.shape)
    used = weight > 0
    return sparse.csr_matrix(
        (weight[used].astype(np.float32), (row[used], pixel[used])), shape=(len(pixel), size), dtype=np.float32
    )
