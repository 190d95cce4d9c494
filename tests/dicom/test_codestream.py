from __future__ import annotations

import io

import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames

from bundle.dicom.codestream import codestream_shape


@pytest.mark.parametrize("file_format", ["JPEG", "JPEG2000"])
def test_size_of_what_pillow_encodes(file_format):
    encoded = io.BytesIO()
    Image.new("L", (48, 32)).save(
        encoded, format=file_format, **({"no_jp2": True} if file_format == "JPEG2000" else {})
    )
    assert codestream_shape(encoded.getvalue()) == (32, 48, 1)


@pytest.mark.parametrize("name", ["MR_small_jpeg_ls_lossless.dcm", "JPGExtended.dcm", "JPEG2000.dcm"])
def test_size_in_files_of_other_encoders(name):
    dataset = pydicom.dcmread(get_testdata_file(name))
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    assert codestream_shape(frame) == (dataset.Rows, dataset.Columns, 1)


@pytest.mark.parametrize("codestream", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\x00", b"\xff\xd8abcdefgh", b"RLE data"])
def test_no_header_no_size(codestream):
    assert codestream_shape(codestream) is None
