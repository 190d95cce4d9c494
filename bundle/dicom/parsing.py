"""DICOM files to datasets, within limits: whatever a file says of itself, it takes no more memory than stated here."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from bundle.dicom.elements import PARSE_ERRORS, element_numbers, silent_parser
from bundle.file_kinds import START_BYTES, kind_of, may_be_dicom

LARGEST_DATASET_BYTES = 512 * 1024 * 1024
"""Read of one file with its pixels, or unfolded from a deflated one; a film of `LARGEST_PIXELS` has a quarter of it."""
LARGEST_HEADER_BYTES = 64 * 1024 * 1024
"""Read of one file up to the pixels: an attached document is megabytes, a mammogram's header some kilobytes."""

_CHUNK_BYTES = 1024 * 1024
# By (is implicit, is little endian).
_SYNTAXES = {
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}


def read_header(path: Path) -> FileDataset:
    """Read a DICOM file's dataset up to, not including, the pixels.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is no DICOM file, damaged, or larger than the limits above.
    """
    return _read(path, stop_before_pixels=True)


def read_dataset(path: Path) -> FileDataset:
    """Read a DICOM file's dataset with its encoded pixels.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is no DICOM file, damaged, or larger than the limits above.
    """
    return _read(path, stop_before_pixels=False)


class _TooLargeError(Exception):
    """More bytes were asked for than the limit allows."""


class _LimitedFile(io.BufferedReader):
    """A file of which no more than so many bytes are read: no length that the file states is allocated unseen."""

    def __init__(self, path: Path, *, most_bytes: int) -> None:
        super().__init__(io.FileIO(str(path)))
        self._left = most_bytes
        self._all_bytes = self.seek(0, io.SEEK_END)
        self.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return self._read_deflated()
        content = super().read(min(size, self._all_bytes, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise _TooLargeError
        return content

    def _read_deflated(self) -> bytes:
        """Read to the end, as the parser does with nothing but a deflated dataset, to unfold it as a whole."""
        self._left = LARGEST_DATASET_BYTES
        content = self.read(self._all_bytes)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        unfolded = 0
        for start in range(0, len(content), _CHUNK_BYTES):
            rest = content[start : start + _CHUNK_BYTES]
            while rest and not inflater.eof:
                unfolded += len(inflater.decompress(rest, _CHUNK_BYTES))
                if unfolded > LARGEST_DATASET_BYTES:
                    raise _TooLargeError
                rest = inflater.unconsumed_tail
        return content


def _read(path: Path, *, stop_before_pixels: bool) -> FileDataset:
    limit = LARGEST_HEADER_BYTES if stop_before_pixels else LARGEST_DATASET_BYTES
    with silent_parser():
        try:
            with _LimitedFile(path, most_bytes=limit) as file:
                start = file.read(START_BYTES)
                file.seek(0)
                has_mark = start[128:132] == b"DICM"
                if not may_be_dicom(start):
                    raise InvalidDicomError
                dataset = pydicom.dcmread(file, stop_before_pixels=stop_before_pixels, force=not has_mark)
            if not has_mark and not _is_image(dataset):
                raise InvalidDicomError
        except InvalidDicomError:
            kind = kind_of(start)
            found = f"it is {kind}" if kind else "no DICM mark after 128 bytes, nor a data set without it"
            raise ValueError(f"{path}: this is no DICOM file ({found})") from None
        except _TooLargeError:
            what = "the headers have" if stop_before_pixels else "the dataset has"
            raise ValueError(f"{path}: {what} more than {limit >> 20} MiB; a mammogram is needed") from None
        except (OSError, *PARSE_ERRORS) as error:
            if isinstance(error, OSError) and error.filename is not None:
                raise  # the file cannot be opened; an OSError of the parser's own names no file
            reason = type(error).__name__  # the text is left out, for it may quote a value of the patient's
            raise ValueError(f"{path}: the DICOM headers cannot be read ({reason}); damaged or cut?") from None
    _state_transfer_syntax(dataset)
    return dataset


def _is_image(dataset: pydicom.Dataset) -> bool:
    """Whether what was read without the mark of DICOM files is an image, not whatever other bytes parse as."""
    return all(element_numbers(dataset, keyword) for keyword in ("Rows", "Columns", "BitsAllocated"))


def _state_transfer_syntax(dataset: FileDataset) -> None:
    """Name the encoding that the parser has found, where the file meta information does not name it.

    Compressed pixels, whose length is undefined (PS3.5 section A.4), stay without: their encoding cannot be told.
    """
    if "TransferSyntaxUID" in dataset.file_meta:
        return
    if "PixelData" in dataset and dataset["PixelData"].is_undefined_length:
        return
    syntax = _SYNTAXES.get(dataset.original_encoding)
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = syntax
