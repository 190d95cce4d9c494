"""The visible mark that may be burned into a synthetic view."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bundle.vocabulary import Laterality

MARK_LINES = ("SYNTHETIC", "NOT FOR DIAGNOSIS")
WIDTH_OF_IMAGE = 0.5  # the longest line takes this part of the columns, where that is still legible
LEGIBLE_FONT_PX = 9


def burn_mark(pixels: np.ndarray, *, laterality: Laterality) -> np.ndarray:
    """Write SYNTHETIC, NOT FOR DIAGNOSIS into the lower corner away from the chest wall, where there is least breast.

    Args:
        pixels: float ``[rows, columns]`` in [0, 1], hung the standard way: a left breast has its chest wall at the
            left, a right breast at the right.
        laterality: side of the breast.

    Returns:
        A copy, with the letters at 1.0 on a band of 0.0.

    Raises:
        ValueError: the image is too small for legible letters.
    """
    rows, columns = pixels.shape
    text = "\n".join(MARK_LINES)
    drawing = ImageDraw.Draw(Image.new("L", (1, 1)))
    size = LEGIBLE_FONT_PX
    while True:
        larger = drawing.multiline_textbbox((0, 0), text, font=ImageFont.load_default(size + 1))
        if larger[2] > WIDTH_OF_IMAGE * columns:
            break
        size += 1
    font = ImageFont.load_default(size)
    left, top, right, bottom = (round(edge) for edge in drawing.multiline_textbbox((0, 0), text, font=font))
    width, height = right - left + 2, bottom - top + 2
    if width > columns or height > rows:
        raise ValueError(
            f"The visible mark needs {height} x {width} pixels and the view has {rows} x {columns}: take a larger "
            "canvas, or leave the mark away (--mark false)."
        )
    band = Image.new("L", (width, height))
    ImageDraw.Draw(band).multiline_text((1 - left, 1 - top), text, fill=255, font=font)
    marked = pixels.copy()
    first_column = columns - width if laterality is Laterality.LEFT else 0
    marked[rows - height :, first_column : first_column + width] = np.asarray(band) / 255.0
    return marked
