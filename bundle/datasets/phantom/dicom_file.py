"""DICOM files of the phantom: identifiers that depend on the breast alone, and pixels in any transfer syntax.

What can be encoded is what the installed libraries can: pydicom the uncompressed syntaxes and RLE, Pillow (OpenJPEG,
libjpeg) JPEG 2000 and 8-bit JPEG Baseline, ITK's GDCM the lossless JPEG. None of them encodes JPEG-LS, the 12-bit JPEG
Extended or High-Throughput JPEG 2000.
"""

from __future__ import annotations

import io
import tempfile
from enum import StrEnum
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom import uid as uids
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID

STUDY_DATE = "20200101"
_LOSSY_RATIO = 12
_LOSSY_QUALITY = 92
# Start Of Frame marker of lossless JPEG (ISO/IEC 10918-1, table B.1) and the SIZ marker of JPEG 2000 (ISO/IEC 15444-1).
_START_OF_LOSSLESS_FRAME = b"\xff\xc3"
_DEPTH_IN_SIZ = 42  # after SOC, the marker, its length, the capabilities, eight sizes and the number of components


class TransferSyntax(StrEnum):
    """A transfer syntax that a cohort can be written in, by the words of its name in DICOM PS3.6."""

    EXPLICIT_VR_LITTLE_ENDIAN = "explicit_vr_little_endian"
    IMPLICIT_VR_LITTLE_ENDIAN = "implicit_vr_little_endian"
    EXPLICIT_VR_BIG_ENDIAN = "explicit_vr_big_endian"
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "deflated_explicit_vr_little_endian"
    RLE_LOSSLESS = "rle_lossless"
    JPEG_LOSSLESS = "jpeg_lossless"
    JPEG_LOSSLESS_SV1 = "jpeg_lossless_sv1"
    JPEG_2000_LOSSLESS = "jpeg_2000_lossless"
    JPEG_2000 = "jpeg_2000"
    JPEG_BASELINE_8_BIT = "jpeg_baseline_8_bit"

    @property
    def uid(self) -> UID:
        """The UID of PS3.6, table A-1."""
        return _UIDS[self]

    @property
    def is_lossy(self) -> bool:
        """Whether the decoded pixels differ from the encoded ones."""
        return self in (TransferSyntax.JPEG_2000, TransferSyntax.JPEG_BASELINE_8_BIT)

    @property
    def most_bits(self) -> int:
        """The largest Bits Stored."""
        return 8 if self is TransferSyntax.JPEG_BASELINE_8_BIT else 16


_UIDS = {
    TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN: uids.ExplicitVRLittleEndian,
    TransferSyntax.IMPLICIT_VR_LITTLE_ENDIAN: uids.ImplicitVRLittleEndian,
    TransferSyntax.EXPLICIT_VR_BIG_ENDIAN: uids.ExplicitVRBigEndian,
    TransferSyntax.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: uids.DeflatedExplicitVRLittleEndian,
    TransferSyntax.RLE_LOSSLESS: uids.RLELossless,
    TransferSyntax.JPEG_LOSSLESS: uids.JPEGLossless,
    TransferSyntax.JPEG_LOSSLESS_SV1: uids.JPEGLosslessSV1,
    TransferSyntax.JPEG_2000_LOSSLESS: uids.JPEG2000Lossless,
    TransferSyntax.JPEG_2000: uids.JPEG2000,
    TransferSyntax.JPEG_BASELINE_8_BIT: uids.JPEGBaseline8Bit,
}


def uid(*parts: object) -> str:
    """Make a UID that depends on the parts alone."""
    return str(uids.generate_uid(entropy_srcs=["phantom", *(str(part) for part in parts)]))


def write_dicom(
    path: Path,
    dataset: Dataset,
    *,
    pixels: np.ndarray,
    bits_stored: int,
    photometric: str = "MONOCHROME2",
    syntax: TransferSyntax = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN,
) -> int:
    """Add the pixels and the attributes that describe them to a dataset, and write it as a file.

    Args:
        path: file to write; its folder exists.
        dataset: with SOP class and instance; it is changed.
        pixels: uint8 or uint16 ``[rows, columns]``, below ``2 ** bits_stored``.
        bits_stored: Bits Stored (0028,0101).
        photometric: Photometric Interpretation (0028,0004).
        syntax: how the file is encoded.

    Returns:
        the file's size in bytes.
    """
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = photometric
    dataset.Rows, dataset.Columns = (int(size) for size in pixels.shape)
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = bits_stored
    dataset.HighBit = bits_stored - 1
    dataset.PixelRepresentation = 0
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax.uid
    meta.ImplementationClassUID = uid("implementation")
    dataset.file_meta = meta
    if syntax is TransferSyntax.RLE_LOSSLESS:
        dataset.compress(syntax.uid, pixels, generate_instance_uid=False, encoding_plugin="pydicom")
    elif syntax.uid.is_encapsulated:
        dataset.PixelData = encapsulate([_encode(pixels, bits_stored=bits_stored, syntax=syntax)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    else:
        stored = pixels.dtype.newbyteorder("<") if syntax.uid.is_little_endian else pixels.dtype.newbyteorder(">")
        data = np.ascontiguousarray(pixels).astype(stored).tobytes()
        dataset.PixelData = data + b"\0" * (len(data) % 2)
        # PS3.5, A.1: in Implicit VR Pixel Data is always OW.
        byte_wide = pixels.dtype.itemsize == 1 and not syntax.uid.is_implicit_VR
        dataset["PixelData"].VR = "OB" if byte_wide else "OW"
    # By way of memory: where the disk is full pydicom would put a traceback into the error's text.
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    try:
        return path.write_bytes(file.getbuffer())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _encode(pixels: np.ndarray, *, bits_stored: int, syntax: TransferSyntax) -> bytes:
    """Encode one frame."""
    if syntax is TransferSyntax.JPEG_BASELINE_8_BIT:
        return _saved(pixels.astype(np.uint8), "JPEG", quality=_LOSSY_QUALITY)
    # The encoders know 16 bits only. Both codecs subtract half the range before anything else (level shift, first
    # prediction), and JPEG 2000's quantisation steps are shares of the range: pixels moved to the middle, or scaled to
    # the range where the steps count, give the very codestream of fewer bits, once its header says how many.
    if syntax is TransferSyntax.JPEG_2000:
        scaled = pixels.astype(np.uint16) << (16 - bits_stored)
        codestream = _saved(
            scaled, "JPEG2000", irreversible=True, no_jp2=True, quality_mode="rates", quality_layers=[_LOSSY_RATIO]
        )
        return _stating_depth(codestream, at=_DEPTH_IN_SIZ, byte=bits_stored - 1)
    centred = pixels.astype(np.uint16) + np.uint16((1 << 15) - (1 << (bits_stored - 1)))
    if syntax is TransferSyntax.JPEG_2000_LOSSLESS:
        codestream = _saved(centred, "JPEG2000", irreversible=False, no_jp2=True)
        return _stating_depth(codestream, at=_DEPTH_IN_SIZ, byte=bits_stored - 1)
    codestream = _lossless_jpeg(centred)
    return _stating_depth(codestream, at=codestream.index(_START_OF_LOSSLESS_FRAME) + 4, byte=bits_stored)


def _saved(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def _lossless_jpeg(pixels: np.ndarray) -> bytes:
    """Encode by ITK's GDCM (process 14, first-order prediction), which only writes whole DICOM files."""
    import SimpleITK  # takes a second to load, and only this syntax needs it

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoded.dcm"
        writer = SimpleITK.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG")
        writer.SetFileName(str(path))
        writer.Execute(SimpleITK.GetImageFromArray(pixels))
        return bytes(next(generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=1)))


def _stating_depth(codestream: bytes, *, at: int, byte: int) -> bytes:
    return codestream[:at] + bytes([byte]) + codestream[at + 1 :]
