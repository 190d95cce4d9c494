"""The picture's size as a JPEG, JPEG-LS or JPEG 2000 codestream states it, before any decoder trusts it."""

from __future__ import annotations

import struct

JPEG_START = b"\xff\xd8"
JPEG_2000_START = b"\xff\x4f\xff\x51"
JP2_START = b"\x00\x00\x00\x0cjP  "
# Start Of Frame markers: SOF0 to SOF15 without DHT, JPG and DAC (ISO/IEC 10918-1, table B.1); SOF55 of JPEG-LS.
START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


def codestream_shape(codestream: bytes) -> tuple[int, int, int] | None:
    """Give (rows, columns, samples per pixel) as the codestream's own header states them; None where there is none.

    A decoder allocates what this header says, whatever Rows and Columns in the dataset are: 8 GB at the worst.

    Args:
        codestream: one encoded frame.
    """
    try:
        if codestream.startswith(JP2_START):  # some devices send the file format around the codestream
            codestream = codestream[max(codestream.find(JPEG_2000_START), 0) :]
        if codestream.startswith(JPEG_2000_START):
            # SIZ (ISO/IEC 15444-1, A.5.1): marker, length, capabilities, then Xsiz, Ysiz, XOsiz, YOsiz; Csiz.
            width, height, left, top = struct.unpack_from(">4I", codestream, 8)
            (samples,) = struct.unpack_from(">H", codestream, 40)
            return height - top, width - left, samples
        if codestream.startswith(JPEG_START):
            return _jpeg_shape(codestream)
    except struct.error:
        return None
    return None


def _jpeg_shape(codestream: bytes) -> tuple[int, int, int] | None:
    position = len(JPEG_START)
    while True:
        prefix, marker, length = struct.unpack_from(">BBH", codestream, position)
        if prefix != 0xFF:
            return None
        if marker == 0xFF:  # a fill byte before a marker
            position += 1
        elif marker in START_OF_FRAME:
            rows, columns, samples = struct.unpack_from(">HHB", codestream, position + 5)
            return rows, columns, samples
        else:
            position += 2 + length
