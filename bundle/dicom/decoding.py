"""The stored pixels of a grey DICOM image, by pydicom's decoders or ITK's, within limits that are checked first."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import UID, RLELossless, SecondaryCaptureImageStorage

from bundle.dicom.codestream import codestream_shape
from bundle.dicom.elements import PARSE_ERRORS, element_numbers, element_texts, silent_parser

# The largest detectors have 4,800 x 6,000 pixels, the finest scans of film 6,000 x 7,200: beyond it a header is not
# believed.
LARGEST_SIDE = 16384
LARGEST_PIXELS = 8192 * 8192
SMALLEST_SIDE = 16
_LONGEST_CODE = 16  # characters of the value representation CS (PS3.5 section 6.2)

PLUGINS = ("pylibjpeg", "pyjpegls", "pillow", "pydicom")
"""Of pydicom's decoders those that are used, the faster ones first. GDCM's is not among them: for JPEG Lossless, which
no other one knows, ITK holds the same decoder and hands the pixels over faster."""


def stored_pixels(dataset: pydicom.Dataset) -> np.ndarray:
    """Decode the stored values: integers ``[rows, columns]`` before any look-up table.

    pydicom decodes; where it cannot (JPEG Lossless, 12-bit JPEG Extended) ITK's reader does. ITK would invert
    MONOCHROME1 and apply the rescale by itself: it is handed a file that has neither, so that one film gives the same
    pixels whichever decoder was used.

    Raises:
        ValueError: the pixels are absent, cut short, in colour, of several frames, or of an impossible size or depth.
    """
    rows, columns, bits_stored, signed = _checked_layout(dataset)
    pixels = decode_frame(dataset, shape=(rows, columns))
    width = 8 * pixels.itemsize
    if width < bits_stored:
        raise ValueError(f"the pixels decode to {width} bits, but Bits Stored (0028,0101) is {bits_stored}")
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)  # big endian files decode to big endian arrays
    values = native.view(f"u{pixels.itemsize}")
    levels = 1 << bits_stored
    if width > bits_stored:
        values = values & (levels - 1)  # the bits above may hold overlays or rubbish (PS3.5 section 8.1.1)
    if signed:
        half = levels >> 1
        return (values.astype(np.int32) ^ half) - half
    return values


def decode_frame(dataset: pydicom.Dataset, *, shape: tuple[int, int], frame: int = 0, frames: int = 1) -> np.ndarray:
    """Decode one frame as it is stored.

    Args:
        dataset: with pixels.
        shape: (rows, columns) that the dataset states and the caller has found possible.
        frame: which one, from 0.
        frames: how many there are.

    Returns:
        integers ``[rows, columns]``, of the type and byte order that the decoder gives; perhaps a view of the dataset.

    Raises:
        ValueError: the pixels are absent or damaged, or their length or size is not what the dataset states.
    """
    if "PixelData" not in dataset:
        raise ValueError("there is no Pixel Data (7FE0,0010); a mammogram is needed")
    syntaxes = element_texts(getattr(dataset, "file_meta", pydicom.Dataset()), "TransferSyntaxUID")
    if not syntaxes:
        raise ValueError("there is no Transfer Syntax UID (0002,0010), so the pixels cannot be decoded")
    with silent_parser():
        try:
            syntax = UID(syntaxes[0])
            if syntax.is_encapsulated:
                pixels = _decode_encoded(dataset, syntax, shape=shape, frame=frame, frames=frames)
            else:
                _require_length(dataset, shape=shape, frames=frames)
                pixels = pixel_array(dataset, index=frame, view_only=True)
        except _RefusedError as error:
            raise ValueError(str(error)) from None
        except PARSE_ERRORS as error:
            raise ValueError(
                f"the pixels cannot be decoded ({type(error).__name__}); the file is cut short or damaged"
            ) from None
    if pixels.shape != shape:
        raise ValueError(f"the pixels decode to {pixels.shape}, but Rows and Columns say {shape}")
    return pixels


class _RefusedError(Exception):
    """A reason of our own, told from what a decoder raises."""


def _require_length(dataset: pydicom.Dataset, *, shape: tuple[int, int], frames: int) -> None:
    """See that uncompressed pixels are as many as stated; what pads the end is shorter than a row."""
    row_bits = shape[1] * int(dataset.BitsAllocated)
    least, length = -(-frames * shape[0] * row_bits // 8), len(dataset.PixelData)
    if not least <= length < least + max(row_bits // 8, 2):
        raise _RefusedError(
            f"Pixel Data (7FE0,0010) has {length} bytes, but Rows, Columns and bits make {least}; cut short?"
        )


def _decode_encoded(
    dataset: pydicom.Dataset, syntax: UID, *, shape: tuple[int, int], frame: int, frames: int
) -> np.ndarray:
    if syntax != RLELossless:  # it states no size of its own
        stated = codestream_shape(get_frame(dataset.PixelData, frame, number_of_frames=frames))
        if stated != (*shape, 1):
            raise _RefusedError(
                f"the encoded picture states (rows, columns, samples) {stated}, but the dataset {(*shape, 1)}; damaged?"
            )
    plugin = next((each for each in PLUGINS if each in get_decoder(syntax).available_plugins), None)
    if plugin is not None:
        try:
            return pixel_array(dataset, index=frame, decoding_plugin=plugin)
        except (RuntimeError, NotImplementedError):
            pass  # pydicom wraps whatever the decoder raised
        except BaseException as error:
            # On damaged RLE data the Rust code of pylibjpeg panics, which is no Exception.
            if type(error).__name__ != "PanicException":
                raise
    return _decode_with_itk(get_frame(dataset.PixelData, frame, number_of_frames=frames), dataset)


def _decode_with_itk(encoded: bytes, dataset: pydicom.Dataset) -> np.ndarray:
    """Decode by ITK's reader, from a file that holds the encoded frame and its layout and nothing else."""
    # SimpleITK holds ITK's reader and loads in a tenth of the time of the package itk; most films need neither.
    import SimpleITK

    syntax = dataset.file_meta.TransferSyntaxUID
    bare = pydicom.Dataset()
    for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation"):
        setattr(bare, keyword, dataset[keyword].value)
    bare.HighBit = bare.BitsStored - 1
    bare.SamplesPerPixel = 1
    bare.PhotometricInterpretation = "MONOCHROME2"
    bare.SOPClassUID = SecondaryCaptureImageStorage
    bare.SOPInstanceUID = pydicom.uid.generate_uid()
    bare.PixelData = encapsulate([encoded])
    bare["PixelData"].is_undefined_length = True
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = syntax
    bare.file_meta.MediaStorageSOPClassUID = bare.SOPClassUID
    bare.file_meta.MediaStorageSOPInstanceUID = bare.SOPInstanceUID
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "encoded.dcm"
        try:
            bare.save_as(file, enforce_file_format=True)
            image = SimpleITK.ReadImage(file, imageIO="GDCMImageIO")
        except (RuntimeError, ValueError, TypeError) as error:
            raise _RefusedError(
                f"neither pydicom nor ITK can decode the pixels ({syntax.name}, {type(error).__name__})"
            ) from None
    pixels = SimpleITK.GetArrayFromImage(image)
    return pixels.reshape(pixels.shape[-2:]) if pixels.ndim == 3 and pixels.shape[0] == 1 else pixels


def _checked_layout(dataset: pydicom.Dataset) -> tuple[int, int, int, bool]:
    """Give rows, columns, Bits Stored and whether values are signed, once they are known to be possible."""
    photometric = " ".join(element_texts(dataset, "PhotometricInterpretation"))
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        # A longer value is a damaged one, which may hold the elements behind it.
        shown = f"is {photometric!r}" if len(photometric) <= _LONGEST_CODE else "is no code"
        raise ValueError(f"Photometric Interpretation (0028,0004) {shown}; a grey image is needed")
    samples = _integer(dataset, "SamplesPerPixel", default=1)
    if samples != 1:
        raise ValueError(f"Samples per Pixel (0028,0002) is {samples}; a grey image with 1 is needed")
    frames = _integer(dataset, "NumberOfFrames", default=1)
    if frames != 1:
        raise ValueError(f"Number of Frames (0028,0008) is {frames}; a single image is needed, not a series of slices")
    shape = checked_shape(dataset)
    allocated, stored = _integer(dataset, "BitsAllocated"), _integer(dataset, "BitsStored")
    if allocated not in (8, 16) or not 1 <= stored <= allocated:
        raise ValueError(
            f"Bits Allocated (0028,0100) is {allocated} and Bits Stored (0028,0101) {stored}; "
            "8 or 16 with at most as many are possible"
        )
    high_bit = _integer(dataset, "HighBit", default=stored - 1)
    if high_bit != stored - 1:
        raise ValueError(f"High Bit (0028,0102) is {high_bit}; with {stored} Bits Stored it must be {stored - 1}")
    representation = _integer(dataset, "PixelRepresentation")
    if representation not in (0, 1):
        raise ValueError(f"Pixel Representation (0028,0103) is {representation}; it must be 0 or 1")
    return *shape, stored, representation == 1


def checked_shape(dataset: pydicom.Dataset) -> tuple[int, int]:
    """Give (rows, columns), once they are known to be possible.

    Raises:
        ValueError: they are absent, or beyond any film.
    """
    rows, columns = _integer(dataset, "Rows"), _integer(dataset, "Columns")
    if min(rows, columns) < SMALLEST_SIDE or max(rows, columns) > LARGEST_SIDE:
        raise ValueError(
            f"Rows x Columns (0028,0010-0011) are {rows} x {columns}; {SMALLEST_SIDE} to {LARGEST_SIDE} are possible"
        )
    if rows * columns > LARGEST_PIXELS:
        raise ValueError(f"Rows x Columns (0028,0010-0011) are {rows} x {columns}; at most {LARGEST_PIXELS} pixels fit")
    return rows, columns


def _integer(dataset: pydicom.Dataset, keyword: str, *, default: int | None = None) -> int:
    numbers = element_numbers(dataset, keyword)
    if not numbers and default is not None:
        return default
    if len(numbers) != 1 or not numbers[0].is_integer():
        raise ValueError(f"{keyword} is absent or no whole number")
    return int(numbers[0])
