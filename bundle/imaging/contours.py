"""Contours to masks: closed polygons filled, single points as small disks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

POINT_RADIUS_MM = 0.25
"""Radius of the disk that stands for a single point: 0.5 mm across, as large as a microcalcification may be."""

# Edges are worked on so many crossings at a time, so that a long contour needs little memory.
_CROSSINGS_AT_ONCE = 1_000_000


def contour_mask(
    contours: Sequence[Sequence[tuple[float, float]]], shape: tuple[int, int], *, spacing_mm: tuple[float, float]
) -> np.ndarray:
    """Give the union of contours.

    A pixel belongs to a polygon that its centre lies in (even-odd rule). A contour of one or two points is a disk of
    `POINT_RADIUS_MM` around each; a polygon so small that it holds no pixel's centre marks the pixels of its corners.
    What lies beyond the film is cut off.

    Args:
        contours: each a sequence of (row, column) positions in pixels, the centre of the top left pixel at (0, 0).
        shape: (rows, columns) of the film.
        spacing_mm: (row, column) spacing of the film.

    Returns:
        bool ``[rows, columns]``.

    Raises:
        ValueError: no pixel of the film is inside.
    """
    mask = np.zeros(shape, dtype=bool)
    for contour in contours:
        points = np.asarray(contour, dtype=float).reshape(-1, 2)
        if len(points) < 3:
            for point in points:
                _add_disk(mask, point, spacing_mm=spacing_mm)
        elif not _add_polygon(mask, points):
            _add_pixels(mask, points)
    if not mask.any():
        raise ValueError(f"the contours of the lesion hold no pixel of the film of {shape[0]} x {shape[1]} pixels")
    return mask


def holds_point(contour: Sequence[tuple[float, float]], point: tuple[float, float]) -> bool:
    """Tell whether a polygon holds a point (even-odd rule, a corner's upper edge counting as its own).

    Args:
        contour: (row, column) positions.
        point: (row, column).
    """
    start = np.asarray(contour, dtype=float).reshape(-1, 2)
    stop = np.roll(start, -1, axis=0)
    crossing = (start[:, 0] <= point[0]) != (stop[:, 0] <= point[0])
    start, stop = start[crossing], stop[crossing]
    column = start[:, 1] + (point[0] - start[:, 0]) / (stop[:, 0] - start[:, 0]) * (stop[:, 1] - start[:, 1])
    return bool(np.count_nonzero(column <= point[1]) % 2)


def _add_disk(mask: np.ndarray, point: np.ndarray, *, spacing_mm: tuple[float, float]) -> None:
    """Mark the pixels whose centres are within the radius, and always the point's own."""
    _add_pixels(mask, point[None])
    (first_row, row_end), (first_column, column_end) = (
        (max(0, math.ceil(place - POINT_RADIUS_MM / step)), min(size, math.floor(place + POINT_RADIUS_MM / step) + 1))
        for place, step, size in zip(point, spacing_mm, mask.shape, strict=True)
    )
    if first_row >= row_end or first_column >= column_end:
        return
    row_mm = (np.arange(first_row, row_end)[:, None] - point[0]) * spacing_mm[0]
    column_mm = (np.arange(first_column, column_end) - point[1]) * spacing_mm[1]
    mask[first_row:row_end, first_column:column_end] |= row_mm**2 + column_mm**2 <= POINT_RADIUS_MM**2


def _add_pixels(mask: np.ndarray, points: np.ndarray) -> None:
    rows, columns = np.floor(points + 0.5).astype(int).T
    on_film = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    mask[rows[on_film], columns[on_film]] = True


def _add_polygon(mask: np.ndarray, points: np.ndarray) -> bool:
    """Fill a polygon by its crossings with each row of pixel centres; False when it holds no centre.

    Along a row, a crossing turns every pixel at or right of it over: what is turned an odd number of times is inside.
    """
    first = np.clip(np.ceil(points.min(axis=0)), 0, mask.shape).astype(int)
    end = np.clip(np.floor(points.max(axis=0)) + 1, 0, mask.shape).astype(int)
    rows, columns = end - first
    if rows <= 0 or columns <= 0:
        return False
    start, stop = points, np.roll(points, -1, axis=0)
    downwards = start[:, :1] <= stop[:, :1]
    upper, lower = np.where(downwards, start, stop), np.where(downwards, stop, start)
    # An edge owns its upper end and not its lower one, so that a corner on a row counts once.
    row_start = np.clip(np.ceil(upper[:, 0]), first[0], end[0]).astype(int)
    row_stop = np.clip(np.ceil(lower[:, 0]), first[0], end[0]).astype(int)
    crossings = row_stop - row_start
    turns = np.zeros((rows, columns), dtype=bool)
    begin = 0
    while begin < len(points):
        # At least one edge at a time: a single one has no more crossings than the film has rows.
        count = max(1, int(np.searchsorted(np.cumsum(crossings[begin:]), _CROSSINGS_AT_ONCE, side="right")))
        edges = np.arange(begin, min(begin + count, len(points)))
        begin += count
        edge = np.repeat(edges, crossings[edges])
        offset = np.arange(len(edge)) - np.repeat(np.cumsum(crossings[edges]) - crossings[edges], crossings[edges])
        row = row_start[edge] + offset
        slope = (lower[edge, 1] - upper[edge, 1]) / (lower[edge, 0] - upper[edge, 0])
        column = np.maximum(np.ceil(upper[edge, 1] + slope * (row - upper[edge, 0])), first[1]).astype(int)
        on_film = column < end[1]
        np.logical_xor.at(turns, (row[on_film] - first[0], column[on_film] - first[1]), True)
    inside = np.logical_xor.accumulate(turns, axis=1)
    mask[first[0] : end[0], first[1] : end[1]] |= inside
    return bool(inside.any())
