"""Place a prepared view on the canvas that the networks see.

Placing is a resampling to the canvas' spacing (`bundle.imaging.resampling`), then a shift by whole pixels: the chest
wall at column 0, a CC in the middle rows, an MLO with its top at the top. Beyond the canvas the view is cropped.
Both views of a pair are placed with the scale of the *source*: a breast that is larger than the canvas shrinks, and
nothing of the target's size shows in the input.
"""

from __future__ import annotations

import numpy as np

from bundle.imaging.resampling import resample_image, resample_mask, resampled_shape
from bundle.records import Canvas
from bundle.vocabulary import ViewPosition

FRAME_MM = (256.0, 192.0)
"""Height and width of the standard canvases: 256 x 192 pixels of 1 mm, 512 x 384 of 0.5 mm, 1024 x 768 of 0.25 mm."""


def canvas_scale(shape: tuple[int, int], *, spacing_mm: float, canvas: Canvas) -> float:
    """Give the factor by which a source view shrinks: 1 where it fits the canvas, else just enough to fit.

    Args:
        shape: (rows, columns) of the prepared source view.
        spacing_mm: its spacing.
        canvas: the frame.
    """
    if not exceeds_canvas(shape, spacing_mm=spacing_mm, canvas=canvas, scale=1.0):
        return 1.0
    return (canvas.spacing_mm / spacing_mm) * min(canvas.rows / shape[0], canvas.columns / shape[1])


def exceeds_canvas(shape: tuple[int, int], *, spacing_mm: float, canvas: Canvas, scale: float) -> bool:
    """Tell whether a view of this shape, placed with this scale, loses pixels at the canvas' edges."""
    rows, columns = resampled_shape(shape, spacing_mm=spacing_mm, target_spacing_mm=canvas.spacing_mm / scale)
    return rows > canvas.rows or columns > canvas.columns


def place_on_canvas(
    array: np.ndarray,
    *,
    view_position: ViewPosition,
    canvas: Canvas,
    spacing_mm: float,
    scale: float,
    is_mask: bool,
) -> np.ndarray:
    """Place a prepared image or mask on the canvas; the rest of the canvas is zero.

    Args:
        array: ``[rows, columns]``, chest wall at column 0, cut to the breast's box.
        view_position: of this view: where it stands on the canvas.
        canvas: the frame.
        spacing_mm: of the array.
        scale: of the pair's source view, from `canvas_scale`.
        is_mask: nearest neighbour, type kept; otherwise grey values, float32.

    Returns:
        ``[canvas.rows, canvas.columns]``.
    """
    resample = resample_mask if is_mask else resample_image
    resampled = resample(array, spacing_mm=spacing_mm, target_spacing_mm=canvas.spacing_mm / scale)
    on_canvas, on_view = _overlap(resampled.shape, view_position=view_position, canvas=canvas)
    placed = np.zeros((canvas.rows, canvas.columns), dtype=resampled.dtype)
    placed[on_canvas] = resampled[on_view]
    return placed


def _overlap(
    shape: tuple[int, int], *, view_position: ViewPosition, canvas: Canvas
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Give the common part of canvas and view, in the canvas' pixels and in the view's."""
    top = (canvas.rows - shape[0]) // 2 if view_position is ViewPosition.CC else 0
    first, last = max(top, 0), min(top + shape[0], canvas.rows)
    columns = slice(0, min(shape[1], canvas.columns))
    return (slice(first, last), columns), (slice(first - top, last - top), columns)
