"""Pictures of views side by side: source | real target | synthetic target, a row per case."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bundle.atomic import replacing

CELL_ROWS = 384  # views are magnified by the whole number that comes closest to this height
TITLE_SIZE = 18
TITLE_ROWS = TITLE_SIZE + 10
GAP = 6
BACKGROUND = (40, 40, 40)  # not black, so that the frame of each view is seen
TITLE_COLOUR = (255, 255, 255)
OUTLINE_COLOUR = (255, 200, 0)


def compose_panel(
    images: Sequence[Sequence[np.ndarray]],
    *,
    titles: Sequence[str],
    row_titles: Sequence[str] = (),
    outlines: Sequence[Sequence[np.ndarray | None]] = (),
) -> np.ndarray:
    """Set views side by side on the fixed display range [0, 1]: no picture is stretched by its own maximum.

    Every pixel becomes a square of equal pixels, so the aspect stays and nothing is smoothed over.

    Args:
        images: a row per case, each with one float ``[rows, columns]`` per title; values outside [0, 1] are shown as 0
            or 1. Sizes may differ.
        titles: one per column.
        row_titles: one per row, shown above the row; empty = none.
        outlines: masks ``[rows, columns]`` like the images, whose outline is drawn (a lesion); None = none; empty =
            none at all.

    Returns:
        uint8 ``[rows, columns, 3]``.

    Raises:
        ValueError: no image; a row that has not one image per title; an image that is not two-dimensional and finite;
            a mask of another shape than its image; or not one row title or row of outlines per row.
    """
    _require_shapes(images, titles=titles, row_titles=row_titles, outlines=outlines)
    tallest = max(image.shape[0] for row in images for image in row)
    factor = max(1, round(CELL_ROWS / tallest))
    title_font = ImageFont.load_default(TITLE_SIZE)
    title_width = max(round(title_font.getlength(title)) for title in titles) + 2 * GAP
    cell_width = max(title_width, factor * max(image.shape[1] for row in images for image in row))
    row_heights = [factor * max(image.shape[0] for image in row) for row in images]
    row_title_rows = TITLE_ROWS if row_titles else 0
    width = GAP + len(titles) * (cell_width + GAP)
    if row_titles:
        width = max(width, round(max(title_font.getlength(title) for title in row_titles)) + 2 * GAP)
    height = TITLE_ROWS + sum(row_title_rows + row_height + GAP for row_height in row_heights)

    panel = Image.new("RGB", (width, height), BACKGROUND)
    drawing = ImageDraw.Draw(panel)
    for column, title in enumerate(titles):
        drawing.text((GAP + column * (cell_width + GAP), 4), title, fill=TITLE_COLOUR, font=title_font)
    top = TITLE_ROWS
    for index, row in enumerate(images):
        if row_titles:
            drawing.text((GAP, top + 4), row_titles[index], fill=TITLE_COLOUR, font=title_font)
            top += row_title_rows
        for column, image in enumerate(row):
            mask = outlines[index][column] if outlines else None
            cell = Image.fromarray(_magnified(image, mask, factor=factor))
            panel.paste(cell, (GAP + column * (cell_width + GAP), top))
        top += row_heights[index] + GAP
    return np.asarray(panel)


def view_panel(
    images: Sequence[Sequence[np.ndarray]],
    *,
    titles: Sequence[str],
    path: Path,
    row_titles: Sequence[str] = (),
    outlines: Sequence[Sequence[np.ndarray | None]] = (),
) -> Path:
    """Write ``compose_panel`` as a PNG file, which is complete or not there.

    Args:
        images: see ``compose_panel``, as the other arguments.
        titles: one per column.
        path: file to write; its folder exists.
        row_titles: one per row, or empty.
        outlines: masks to outline, or empty.

    Returns:
        ``path``.

    Raises:
        ValueError: as ``compose_panel``.
        OSError: the file cannot be written.
    """
    panel = compose_panel(images, titles=titles, row_titles=row_titles, outlines=outlines)
    with replacing(path) as temporary:
        Image.fromarray(panel).save(temporary, format="PNG")
    return path


def _magnified(image: np.ndarray, mask: np.ndarray | None, *, factor: int) -> np.ndarray:
    """uint8 ``[factor * rows, factor * columns, 3]``, the outline one pixel wide on the magnified grid."""
    grey = np.round(255 * np.clip(image.astype(np.float64), 0, 1)).astype(np.uint8)
    cell = np.repeat(np.repeat(np.repeat(grey[:, :, None], 3, axis=2), factor, axis=0), factor, axis=1)
    if mask is not None:
        large = np.repeat(np.repeat(mask.astype(bool), factor, axis=0), factor, axis=1)
        padded = np.pad(large, 1)
        # The first ring outside the lesion, so that nothing of it is painted over.
        near = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
        cell[near & ~large] = OUTLINE_COLOUR
    return cell


def _require_shapes(
    images: Sequence[Sequence[np.ndarray]],
    *,
    titles: Sequence[str],
    row_titles: Sequence[str],
    outlines: Sequence[Sequence[np.ndarray | None]],
) -> None:
    if not titles or not images:
        raise ValueError("A panel needs at least one title and one row of images; got none.")
    for name, rows in {"row_titles": row_titles, "outlines": outlines}.items():
        if rows and len(rows) != len(images):
            raise ValueError(f"A panel of {len(images)} rows needs as many {name}, or none; got {len(rows)}.")
    for index, row in enumerate(images):
        masks = outlines[index] if outlines else [None] * len(row)
        if not len(row) == len(masks) == len(titles):
            raise ValueError(
                f"Row {index} of a panel with {len(titles)} titles has {len(row)} images and {len(masks)} outlines; "
                "each title needs one."
            )
        for image, mask in zip(row, masks, strict=True):
            if image.ndim != 2 or image.size == 0 or not np.isfinite(image).all():
                raise ValueError(f"A panel shows finite images [rows, columns]; got shape {list(image.shape)}.")
            if mask is not None and mask.shape != image.shape:
                raise ValueError(f"An outline must have its image's shape {list(image.shape)}; got {list(mask.shape)}.")
