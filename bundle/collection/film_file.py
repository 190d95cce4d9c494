"""The film of a view of the catalogue, from whichever kind of file it is: DICOM, or a picture."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from bundle.dicom.decoding import LARGEST_SIDE, SMALLEST_SIDE
from bundle.dicom.elements import PARSE_ERRORS
from bundle.dicom.masks import PICTURE_FORMATS
from bundle.dicom.read import WINDOW_IGNORED, read_film
from bundle.file_kinds import START_BYTES, kind_of
from bundle.imaging.grey_scale import DARK, FEW_GREY_LEVELS, WHITE_BACKGROUND
from bundle.records import Film, View

FORMATS = {**PICTURE_FORMATS, "a JPEG picture": "JPEG"}
"""The kinds of picture that are read as films, by `kind_of`, and Pillow's names of them."""

ADVICE: Mapping[str, str] = {
    DARK: "use less than an eighth of the grey scale: state the pictures' --bits, look at the files' window",
    WHITE_BACKGROUND: "have a bright background: state the pictures' --inverted, or leave them out",
    FEW_GREY_LEVELS: "have hardly any grey levels: look at the files' window",
    WINDOW_IGNORED: "have a window that the standard forbids, and are shown with the full range of their bits",
}
"""What to do about films with a flag of their grey scale, for the closing lines."""

_NEEDED = "grey values of 8 to 16 bits are needed"
_TRANSPARENT = "parts of this picture are transparent; save it without transparency"
# TIFF tags (TIFF 6.0, section 8).
_BITS_PER_SAMPLE = 258
_ORIENTATION = 274
_PHOTOMETRIC_INTERPRETATION = 262
_WHITE_IS_ZERO = 0
_PNG_MARK = b"\x89PNG"
# Bit depth and colour type in a PNG header (ISO/IEC 15948, 11.2.2).
_DEEP_COLOUR = (bytes((16, 2)), bytes((16, 6)))
_DEEP_GREY_AND_ALPHA = bytes((16, 4))
_GREATEST_PGM_VALUE = re.compile(rb"P[25](?:\s+|#[^\n]*\n)+\d+(?:\s+|#[^\n]*\n)+\d+(?:\s+|#[^\n]*\n)+(\d+)\s")


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """A decoded picture.

    Args:
        pixels: unsigned integers ``[rows, columns]``.
        top: the value that becomes 1: the greatest that the file's type allows.
        own_top: the value that ``top`` stands for in the file, where the decoder stretches them.
        is_white_zero: the file says that zero is white, and the decoder has not seen to it.
    """

    pixels: np.ndarray
    top: int
    own_top: int
    is_white_zero: bool


def read_view_film(view: View) -> Film:
    """Read the film of a view; a spacing that the collection's table states comes before the file's.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is of another kind, is damaged, or holds no single grey image; the sentence names the file.
    """
    with view.image_path.open("rb") as file:
        start = file.read(START_BYTES)
    if kind_of(start) in FORMATS:
        film = read_picture(view.image_path, bits=view.bits, inverted=view.inverted)
    elif view.bits is not None or view.inverted:
        raise ValueError(
            f"{view.image_path}: bits or inverted are stated for this file, but only pictures need them; a DICOM file "
            "states its own grey scale"
        )
    else:
        film = read_film(view.image_path)
    return film if view.spacing_mm is None else replace(film, spacing_mm=view.spacing_mm)


def read_picture(path: Path, *, bits: int | None = None, inverted: bool = False) -> Film:
    """Read a grey PNG, TIFF, JPEG, BMP or PGM picture as a film: the full range of its bits becomes [0, 1].

    It is the range of the bits, not of the image: a dark film stays dark. Colour pictures and pictures with a palette
    or with transparency are taken where they are grey and opaque. The picture is turned as its EXIF orientation says.
    Resolution tags are not believed, for editors write 72 or 96 dpi into anything: the film has no spacing.

    Args:
        path: the picture.
        bits: how many bits the values use; None for those of the file's type (of a PGM file: its greatest value).
        inverted: brighter means less attenuation, so that the values are turned round.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is damaged, holds no single opaque grey image of 8 to 16 bits, or has values beyond
            ``bits``.
    """
    picture = _decoded(path)
    film = picture.pixels.astype(np.float32) / np.float32(picture.top)
    if bits is not None:
        film *= np.float32(picture.own_top / (2**bits - 1))
        if film.max() > 1.0 + 0.5 / 2**16:
            value = round(float(film.max()) * (2**bits - 1))
            raise ValueError(f"{path}: a value of {value} needs more than the {bits} bits that are stated")
        np.minimum(film, np.float32(1.0), out=film)
    if picture.is_white_zero != inverted:
        film = np.float32(1.0) - film
    return Film(pixels=film)


def _decoded(path: Path) -> _Picture:
    with path.open("rb") as file:
        start = file.read(START_BYTES)
        kind = kind_of(start)
        if kind not in FORMATS:
            names = ", ".join(FORMATS.values()).replace("PPM", "PGM")
            raise ValueError(f"{path}: this is {kind or 'a file of no known kind'}; DICOM, {names} are read")
        try:
            # From an open file: by its name Pillow 13 maps it to memory and scrambles TIFF files that are to be turned.
            with Image.open(file, formats=(FORMATS[kind],)) as image:
                size, frames = image.size, getattr(image, "n_frames", 1)
                tags = dict(getattr(image, "tag_v2", {}))
                pixels = None
                if _has_possible_size(size) and frames == 1:
                    pixels = _grey_pixels(path, image, start=start, tags=tags)
        except _RefusedError as error:
            raise ValueError(f"{path}: {error}") from None
        except (OSError, SyntaxError, Image.DecompressionBombError, *PARSE_ERRORS) as error:
            raise ValueError(f"{path}: the picture cannot be decoded ({type(error).__name__}); damaged?") from None
    if pixels is None:
        raise ValueError(
            f"{path}: {frames} picture(s) of {size[1]} x {size[0]} pixels; one of {SMALLEST_SIDE} to {LARGEST_SIDE} "
            "a side is needed"
        )
    top = own_top = int(np.iinfo(pixels.dtype).max)
    if pixels.itemsize == 2 and tags.get(_BITS_PER_SAMPLE) in ((12,), 12):  # Pillow unpacks 12 bits into 16
        top = own_top = 4095
    if stated := _GREATEST_PGM_VALUE.match(start):
        own_top = int(stated[1])
    # Of 8 bits Pillow turns it round itself.
    is_white_zero = pixels.itemsize == 2 and tags.get(_PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
    return _Picture(pixels=pixels, top=top, own_top=own_top, is_white_zero=is_white_zero)


class _RefusedError(Exception):
    """A reason of our own, told from what a decoder raises."""


def _grey_pixels(path: Path, image: Image.Image, *, start: bytes, tags: Mapping[int, object]) -> np.ndarray:
    """Decode an opened picture: unsigned integers ``[rows, columns]``, turned as its EXIF orientation says."""
    if _has_deep_colour(start, tags):
        return _one_channel(_deep_channels(path, image), mode=image.mode, has_alpha=image.mode == "RGBA")
    if start.startswith(_PNG_MARK) and start[24:26] == _DEEP_GREY_AND_ALPHA:
        return _one_channel(_deep_grey_and_alpha(path), mode="LA", has_alpha=True)
    image.load()
    mode, transparent = image.mode, image.info.get("transparency")
    turned = ImageOps.exif_transpose(image)
    if mode in ("P", "PA") or (mode in ("L", "RGB") and transparent is not None):
        turned, mode = turned.convert("RGBA"), f"{mode} (a palette)" if mode in ("P", "PA") else mode
    pixels = np.asarray(turned)
    if pixels.ndim == 3:
        return _one_channel(pixels, mode=mode, has_alpha=turned.mode in ("LA", "RGBA"))
    if mode == "I" and image.format == "PPM":
        return pixels.astype(np.uint16)
    if pixels.dtype.kind != "u" or mode not in ("L", "I;16", "I;16B"):
        raise _RefusedError(f"this picture is of mode {mode}; {_NEEDED}")
    if transparent is not None and (pixels == transparent).any():
        raise _RefusedError(_TRANSPARENT)
    return pixels


def _one_channel(pixels: np.ndarray, *, mode: str, has_alpha: bool) -> np.ndarray:
    """Take the grey values of a picture ``[rows, columns, channels]`` whose colours agree and that is opaque."""
    if pixels.shape[-1] > 4 or mode.startswith(("CMYK", "YCbCr", "LAB", "HSV")):
        raise _RefusedError(f"this picture is of mode {mode}; {_NEEDED}")
    if has_alpha:
        if (pixels[..., -1] != np.iinfo(pixels.dtype).max).any():
            raise _RefusedError(_TRANSPARENT)
        pixels = pixels[..., :-1]
    if (pixels != pixels[..., :1]).any():
        raise _RefusedError(f"this picture of mode {mode} is in colour; {_NEEDED}")
    return pixels[..., 0]


def _has_deep_colour(start: bytes, tags: Mapping[int, object]) -> bool:
    """Whether a picture has colour channels of 16 bits, of which Pillow would keep 8."""
    bits = tags.get(_BITS_PER_SAMPLE)
    is_deep_tiff = isinstance(bits, tuple) and len(bits) > 1 and max(bits) > 8
    return is_deep_tiff or (start.startswith(_PNG_MARK) and start[24:26] in _DEEP_COLOUR)


def _deep_channels(path: Path, image: Image.Image) -> np.ndarray:
    """Decode colour of 16 bits by ITK: uint16 ``[rows, columns, channels]``."""
    import SimpleITK

    if image.getexif().get(_ORIENTATION, 1) != 1:
        raise _RefusedError("this picture has colours of 16 bits and is to be turned; save it turned, in grey")
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path), imageIO=f"{image.format}ImageIO"))


def _deep_grey_and_alpha(path: Path) -> np.ndarray:
    """Decode a PNG picture of grey and alpha with 16 bits each, of which Pillow would keep 8.

    Its pixels have the four bytes of a picture with red, green, blue and alpha of 8 bits. PNG's filters and interlacing
    see only bytes (ISO/IEC 15948, 9.2), so that Pillow decodes it as such a picture once the header says so.

    Returns:
        uint16 ``[rows, columns, 2]``.
    """
    content = bytearray(path.read_bytes())
    content[24:26] = bytes((8, 6))
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        return np.asarray(ImageOps.exif_transpose(image)).view(">u2").astype(np.uint16)


def _has_possible_size(size: tuple[int, int]) -> bool:
    return all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in size)
