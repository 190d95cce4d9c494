from __future__ import annotations

import tracemalloc
import zlib

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from bundle.dicom import parsing
from bundle.dicom.parsing import read_dataset, read_header
from bundle.dicom.read import read_stored_pixels
from tests.dicom.film_files import film_dataset, ramp, write_film


@pytest.fixture
def deflated(tmp_path):
    dataset = film_dataset(ramp(bits=12))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    return tmp_path / "film.dcm"


def unfolding_to(path, mebibytes):
    """Put another deflated stream behind a deflated film's meta information; give what a mebibyte of it takes."""
    whole = path.read_bytes()
    # The meta information ends where its group length says (PS3.10 section 7.1).
    end = 144 + int.from_bytes(whole[140:144], "little")
    compressor = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    # A private element of 1 MiB, again and again.
    element = b"\x09\x00\x01\x10OB\0\0" + (2**20).to_bytes(4, "little") + bytes(2**20)
    path.write_bytes(
        whole[:end] + b"".join(compressor.compress(element) for _ in range(mebibytes)) + compressor.flush()
    )


def test_a_deflated_film_is_read(deflated):
    np.testing.assert_array_equal(read_stored_pixels(deflated), ramp(bits=12))
    assert "PixelData" not in read_header(deflated)


@pytest.mark.parametrize("reader", [read_header, read_dataset])
def test_a_deflated_bomb_is_refused_before_it_is_unfolded(deflated, reader, monkeypatch):
    monkeypatch.setattr(parsing, "LARGEST_DATASET_BYTES", 8 * 2**20)
    unfolding_to(deflated, 7)
    reader(deflated)
    unfolding_to(deflated, 9)
    assert deflated.stat().st_size < 20_000

    def unfold(*arguments, **options):
        raise AssertionError("the whole was unfolded")

    monkeypatch.setattr(zlib, "decompress", unfold)
    with pytest.raises(ValueError, match=r"film\.dcm: .* more than .* MiB"):
        reader(deflated)


def test_headers_and_datasets_have_a_largest_size(tmp_path, monkeypatch):
    path = write_film(tmp_path / "film.dcm", ramp(bits=12))
    monkeypatch.setattr(parsing, "LARGEST_HEADER_BYTES", 2**20)
    monkeypatch.setattr(parsing, "LARGEST_DATASET_BYTES", 2**21)
    read_header(path)
    dataset = film_dataset(np.zeros((1024, 1025), dtype=np.uint16))
    dataset.save_as(path, enforce_file_format=True)
    read_header(path)
    with pytest.raises(ValueError, match="the dataset has more than 2 MiB"):
        read_dataset(path)
    dataset = film_dataset(ramp(bits=12))
    dataset.private_block(0x0009, "TEST", create=True).add_new(1, "OB", bytes(2**20))
    dataset.save_as(path, enforce_file_format=True)
    read_dataset(path)
    with pytest.raises(ValueError, match="the headers have more than 1 MiB"):
        read_header(path)


def test_a_length_that_the_file_does_not_have_is_not_allocated(tmp_path):
    path = write_film(tmp_path / "film.dcm", ramp(bits=12))
    content = bytearray(path.read_bytes())
    place = content.index(b"\xe0\x7f\x10\x00OW\0\0") + 8
    content[place : place + 4] = (2**32 - 2).to_bytes(4, "little")
    path.write_bytes(content)
    tracemalloc.start()
    try:
        read_dataset(path)
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()
