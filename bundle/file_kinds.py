"""What a file is by its first bytes, so that a file of the wrong kind is refused by its name."""

from __future__ import annotations

START_BYTES = 352
"""So many of a file's first bytes tell its kind: a NIfTI header's mark ends at 348."""

_KINDS = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"II+\0", "a TIFF picture"),
    (b"MM\0+", "a TIFF picture"),
    (b"GIF8", "a GIF picture"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"NRRD", "an NRRD image"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"version https://git-lfs", "a Git LFS pointer, whose file was not downloaded"),
    (b"<!DOCTYPE", "a web page, perhaps of a failed download"),
    (b"<html", "a web page, perhaps of a failed download"),
)
# Netpbm's marks end with a blank; without it they would be the start of many a text.
_NETPBM_KINDS = {b"P2": "a PGM picture", b"P5": "a PGM picture", b"P3": "a PPM picture", b"P6": "a PPM picture"}
# The tags in which a data set without preamble may begin: groups 0002 and 0008 of either byte order.
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")


def kind_of(start: bytes) -> str:
    """Name the kind of a file, with its article; empty where it is none of those that are known.

    Args:
        start: the file's first `START_BYTES`, fewer of a shorter file.
    """
    if start[128:132] == b"DICM":
        return "a DICOM file"
    if start[344:347] in (b"n+1", b"ni1"):
        return "a NIfTI image"
    if start.startswith(b"BM") and start[6:10] == bytes(4):
        return "a BMP picture"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "a WebP picture"
    if start[2:3].isspace():
        return _NETPBM_KINDS.get(start[:2], "")
    return next((kind for mark, kind in _KINDS if start.startswith(mark)), "")


def may_be_dicom(start: bytes) -> bool:
    """Whether a file has the mark of DICOM files, or begins as a data set does that lacks preamble and mark.

    Args:
        start: as for `kind_of`.
    """
    return start[128:132] == b"DICM" or (start[:2] in _FIRST_GROUPS and len(start) > 132)
