from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from bundle.datasets.phantom.dicom_file import TransferSyntax, uid, write_dicom
from bundle.dicom.read import read_stored_pixels

LOSSLESS = [syntax for syntax in TransferSyntax if not syntax.is_lossy]


def _picture(bits: int) -> np.ndarray:
    """A smooth picture with noise over the full range, of odd size."""
    row, column = np.mgrid[:61, :43]
    top = 2**bits - 1
    noise = np.random.default_rng(0).normal(0, top / 300, row.shape)
    picture = (np.sin(column / 9) + np.cos(row / 13) + 2) / 4 * top + noise
    picture[0, 0], picture[-1, -1] = 0, top
    return np.clip(picture, 0, top).astype(np.uint8 if bits <= 8 else np.uint16)


def _write(path: Path, picture: np.ndarray, *, bits: int, syntax: TransferSyntax) -> int:
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    dataset.SOPInstanceUID = uid("test")
    return write_dicom(path, dataset, pixels=picture, bits_stored=bits, syntax=syntax)


@pytest.mark.parametrize("bits", [8, 12, 14, 16])
@pytest.mark.parametrize("syntax", LOSSLESS)
def test_lossless_syntaxes_keep_every_pixel(tmp_path: Path, syntax: TransferSyntax, bits: int) -> None:
    path, picture = tmp_path / "image.dcm", _picture(bits)
    assert _write(path, picture, bits=bits, syntax=syntax) == path.stat().st_size
    dataset = pydicom.dcmread(path)
    assert dataset.file_meta.TransferSyntaxUID == syntax.uid
    assert (dataset.BitsStored, dataset.HighBit) == (bits, bits - 1)
    by_itk = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).reshape(picture.shape)
    np.testing.assert_array_equal(by_itk, picture)
    np.testing.assert_array_equal(read_stored_pixels(path), picture)
    if "jpeg_lossless" not in syntax:  # pydicom has no decoder of its own for it
        np.testing.assert_array_equal(dataset.pixel_array, picture)


@pytest.mark.parametrize(("syntax", "bits"), [(TransferSyntax.JPEG_2000, 12), (TransferSyntax.JPEG_BASELINE_8_BIT, 8)])
def test_lossy_syntaxes_are_near_and_smaller(tmp_path: Path, syntax: TransferSyntax, bits: int) -> None:
    path, picture = tmp_path / "image.dcm", _picture(bits)
    _write(path, picture, bits=bits, syntax=syntax)
    decoded = pydicom.dcmread(path).pixel_array
    error = np.abs(decoded.astype(int) - picture)
    assert 0 < error.mean() < 0.01 * 2**bits
    assert error.max() < 0.1 * 2**bits
    assert path.stat().st_size < picture.nbytes


@pytest.mark.parametrize(
    ("syntax", "marker", "stated"),
    [
        # SIZ of JPEG 2000 holds the depth less one, 40 bytes after the marker (ISO/IEC 15444-1, A.5.1).
        (TransferSyntax.JPEG_2000_LOSSLESS, b"\xff\x51", 11),
        (TransferSyntax.JPEG_2000, b"\xff\x51", 11),
        # SOF3 of JPEG holds the depth, 4 bytes after the marker (ISO/IEC 10918-1, B.2.2).
        (TransferSyntax.JPEG_LOSSLESS_SV1, b"\xff\xc3", 12),
    ],
)
def test_codestreams_state_the_bits_that_the_headers_state(
    tmp_path: Path, syntax: TransferSyntax, marker: bytes, stated: int
) -> None:
    _write(tmp_path / "image.dcm", _picture(12), bits=12, syntax=syntax)
    codestream = next(generate_frames(pydicom.dcmread(tmp_path / "image.dcm").PixelData, number_of_frames=1))
    assert codestream[codestream.index(marker) + (4 if marker == b"\xff\xc3" else 40)] == stated


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    for syntax in TransferSyntax:
        bits = min(12, syntax.most_bits)
        for name in ("a", "b"):
            _write(tmp_path / name, _picture(bits), bits=bits, syntax=syntax)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes(), syntax
