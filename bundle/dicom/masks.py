"""Lesion masks from DICOM, picture or NIfTI files: read, told from crops by content, brought onto the film's grid."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from PIL import Image, ImageOps

from bundle.dicom.decoding import LARGEST_SIDE
from bundle.dicom.elements import PARSE_ERRORS
from bundle.dicom.read import read_stored_pixels
from bundle.dicom.segmentation import read_frames
from bundle.file_kinds import START_BYTES, kind_of, may_be_dicom

# Masks differ from their films by up to 1.7 along a side in CBIS-DDSM; crops are smaller by far more.
LARGEST_SIZE_RATIO = 2.0
# Share of pixels that may lie between the two values: the soft edges of a mask that was resized as a picture.
LARGEST_SOFT_SHARE = 0.01
PICTURE_FORMATS = {"a PNG picture": "PNG", "a TIFF picture": "TIFF", "a BMP picture": "BMP", "a PGM picture": "PPM"}
"""The kinds of picture without losses, by `kind_of`, and Pillow's names of them."""
# JPEG's losses change the values near a mask's outline: so far from either value, as a share of the range, they are it.
JPEG_LOSS_SHARE = 0.25
# A label map counts lesions; a picture has more grey levels than that.
LARGEST_LABEL = 16


def read_mask(path: Path) -> np.ndarray:
    """Read a mask from a DICOM, PNG, TIFF, BMP, PGM, JPEG or NIfTI file; the file's first bytes tell which.

    In NIfTI the first axis is x, that is the column. Of a label map every label counts as lesion.

    Returns:
        bool ``[rows, columns]``.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is of another format, is damaged, holds a grey picture, or is empty (one value only).
    """
    pixels = _read_pixels(path)
    mask = _two_valued(pixels)
    if mask is None:
        low, high = pixels.min(), pixels.max()
        if low == high:
            raise ValueError(f"{path}: the mask is empty, all its pixels are {low}; mark at least one pixel")
        raise ValueError(f"{path}: this is a grey picture (values {low} to {high}), not a mask, which has two values")
    return mask


def choose_mask(
    paths: Sequence[Path], film_shape: tuple[int, int], *, frames: Sequence[int] = ()
) -> tuple[Path, np.ndarray]:
    """Pick the mask among the files that come with a lesion; of several masks the one nearest to the film in size.

    Args:
        paths: the candidates: masks and crops, in any order.
        film_shape: (rows, columns) of the film.
        frames: of DICOM Segmentations: the frames that hold the lesion, from 0; empty = the files are of other kinds.

    Returns:
        the file, and its mask: bool ``[rows, columns]``, of the file's own size (see `fit_to_film`).

    Raises:
        ValueError: no candidate is a mask of the film; the sentence says why for each.
    """
    masks: list[tuple[float, Path, np.ndarray]] = []
    reasons: list[str] = []
    for path in paths:
        try:
            mask = read_frames(path, frames) if frames else read_mask(path)
        except (OSError, ValueError) as error:
            reasons.append(str(error))
            continue
        if _nearly_film_sized(mask.shape, film_shape):
            masks.append((_size_distance(mask.shape, film_shape), path, mask))
        else:
            reasons.append(f"{path}: {mask.shape} pixels are too far from the film's {film_shape}")
    if not masks:
        raise ValueError("no mask among the lesion's files: " + ("; ".join(reasons) or "there is no file"))
    _, path, mask = min(masks, key=lambda candidate: candidate[0])
    return path, mask


def fit_to_film(mask: np.ndarray, film_shape: tuple[int, int]) -> np.ndarray:
    """Bring a mask onto the film's grid by nearest neighbour, stretching each side by itself.

    Args:
        mask: ``[rows, columns]``.
        film_shape: (rows, columns) of the film.
    """
    if mask.shape == tuple(film_shape):
        return mask
    rows, columns = (
        ((np.arange(wanted) + 0.5) * (size / wanted)).astype(int)
        for size, wanted in zip(mask.shape, film_shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]


def _read_pixels(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        start = file.read(START_BYTES)
    kind = kind_of(start)
    if kind in PICTURE_FORMATS:
        return _read_picture(path, format_name=PICTURE_FORMATS[kind])
    if kind == "a JPEG picture":
        return _without_losses(_read_picture(path, format_name="JPEG"))
    if kind in ("a gzip file", "a NIfTI image"):
        return _read_nifti(path)
    if may_be_dicom(start):
        return read_stored_pixels(path)
    shown = f"; this is {kind}" if kind else ""
    raise ValueError(f"{path}: a mask must be a DICOM, PNG, TIFF, BMP, PGM, JPEG or NIfTI file, by its content{shown}")


def _without_losses(pixels: np.ndarray) -> np.ndarray:
    """Bring grey values near the least and the greatest one to these; what lies between is left as it is."""
    low, high = int(pixels.min()), int(pixels.max())
    loss = JPEG_LOSS_SHARE * (high - low)
    return np.where(pixels <= low + loss, low, np.where(pixels >= high - loss, high, pixels))


def _read_picture(path: Path, *, format_name: str) -> np.ndarray:
    """Decode a picture, turned as its EXIF orientation says: that is how it was seen when it was drawn."""
    try:
        # From an open file: by its name Pillow 13 maps it to memory and scrambles TIFF files that are to be turned.
        with path.open("rb") as file, Image.open(file, formats=(format_name,)) as image:
            size = image.size
            pixels = None
            if max(size) <= LARGEST_SIDE:
                image.load()
                turned = ImageOps.exif_transpose(image)
                grey = turned if turned.mode in ("1", "L", "I", "I;16", "I;16B") else turned.convert("L")
                pixels = np.asarray(grey)
    except (OSError, SyntaxError, Image.DecompressionBombError, *PARSE_ERRORS) as error:
        raise ValueError(f"{path}: the picture cannot be decoded ({type(error).__name__}); damaged?") from None
    if pixels is None:
        raise ValueError(f"{path}: {size} pixels, but at most {LARGEST_SIDE} a side are possible")
    return pixels


def _read_nifti(path: Path) -> np.ndarray:
    try:
        image = nibabel.load(path)
        shape = tuple(size for size in image.shape if size != 1)
        if len(shape) != 2 or max(shape) > LARGEST_SIDE:
            raise ValueError(f"{path}: a mask has two axes of at most {LARGEST_SIDE}, this file has {image.shape}")
        if image.get_data_dtype().kind not in "biuf":
            raise ValueError(f"{path}: a mask holds plain numbers, not {image.get_data_dtype()}")
        return np.asanyarray(image.dataobj).reshape(shape).T  # the first axis is x: the column
    except (OSError, ImageFileError, HeaderDataError, ArithmeticError, zlib.error, EOFError) as error:
        raise ValueError(f"{path}: the NIfTI file cannot be read ({type(error).__name__}); damaged?") from None


def _two_valued(pixels: np.ndarray) -> np.ndarray | None:
    """Give the mask where the pixels are one, else None: two values, a small label map, or two values softened."""
    low, high = pixels.min(), pixels.max()
    if not np.isfinite([low, high]).all() or low == high:
        return None
    top, bottom = pixels == high, pixels == low
    between = pixels.size - np.count_nonzero(top) - np.count_nonzero(bottom)
    if between == 0:
        return top
    if low == 0 and high <= LARGEST_LABEL and (pixels == np.round(pixels)).all():
        return pixels > 0
    if between <= LARGEST_SOFT_SHARE * pixels.size:
        return pixels > (float(low) + float(high)) / 2
    return None


def _nearly_film_sized(shape: tuple[int, ...], film_shape: tuple[int, int]) -> bool:
    return len(shape) == 2 and all(
        1 / LARGEST_SIZE_RATIO <= size / film_size <= LARGEST_SIZE_RATIO
        for size, film_size in zip(shape, film_shape, strict=True)
    )


def _size_distance(shape: tuple[int, ...], film_shape: tuple[int, int]) -> float:
    return sum(abs(math.log(size / film_size)) for size, film_size in zip(shape, film_shape, strict=True))
