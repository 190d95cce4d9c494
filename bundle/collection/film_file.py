"""The film of a view of the catalogue, from whichever kind of file it is: DICOM, or a PNG, TIFF or JPEG picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from bundle.dicom.decoding import LARGEST_SIDE, SMALLEST_SIDE
from bundle.dicom.elements import PARSE_ERRORS
from bundle.dicom.masks import JPEG_START, PICTURE_STARTS
from bundle.dicom.read import read_film
from bundle.records import Film, View

_FILM_STARTS = (*PICTURE_STARTS, JPEG_START)
# TIFF tags (TIFF 6.0, section 8).
_BITS_PER_SAMPLE = 258
_PHOTOMETRIC_INTERPRETATION = 262
_WHITE_IS_ZERO = 0


def read_view_film(view: View) -> Film:
    """Read the film of a view; a spacing that the collection's table states comes before the file's.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is of another kind, is damaged, or holds no single grey image; the sentence names the file.
    """
    with view.image_path.open("rb") as file:
        start = file.read(4)
    film = read_picture(view.image_path) if start.startswith(_FILM_STARTS) else read_film(view.image_path)
    return film if view.spacing_mm is None else replace(film, spacing_mm=view.spacing_mm)


def read_picture(path: Path) -> Film:
    """Read a grey PNG, TIFF or JPEG picture as a film: the full range of its type becomes [0, 1].

    Brighter stays brighter. It is the range of the type, not of the image: a dark film stays dark. A colour picture is
    taken where its three channels are equal. Resolution tags are not believed, for editors write 72 or 96 dpi into
    anything: the film has no spacing.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is damaged, or holds no single grey image of 8 to 16 bits.
    """
    try:
        with Image.open(path, formats=("PNG", "TIFF", "JPEG")) as image:
            size, mode, frames = image.size, image.mode, getattr(image, "n_frames", 1)
            tags = dict(getattr(image, "tag_v2", {}))
            pixels = np.asarray(image) if _has_possible_size(size) and frames == 1 else None
    except (OSError, SyntaxError, Image.DecompressionBombError, *PARSE_ERRORS) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise ValueError(f"{path}: the picture cannot be decoded ({type(error).__name__}); damaged?") from None
    if pixels is None:
        raise ValueError(
            f"{path}: {frames} picture(s) of {size[1]} x {size[0]} pixels; one of {SMALLEST_SIDE} to {LARGEST_SIDE} "
            "a side is needed"
        )
    if mode == "RGB" and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.ndim != 2 or pixels.dtype.kind != "u" or mode not in ("L", "RGB", "I;16", "I;16B"):
        raise ValueError(f"{path}: this picture is of mode {mode}; grey values of 8 to 16 bits are needed")
    bits = 8 * pixels.itemsize
    stated_bits = tags.get(_BITS_PER_SAMPLE, (bits,))
    if pixels.itemsize == 2 and stated_bits in ((12,), 12):  # Pillow unpacks 12 bits into 16
        bits = 12
    film = pixels.astype(np.float32) / np.float32(2**bits - 1)
    if pixels.itemsize == 2 and tags.get(_PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO:  # of 8 bits Pillow inverts
        film = np.float32(1.0) - film
    return Film(pixels=film)


def _has_possible_size(size: tuple[int, int]) -> bool:
    return all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in size)
