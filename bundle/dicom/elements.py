"""The elements of a dataset that nobody vouches for: absent, empty and unreadable ones have no value."""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError

# What pydicom was seen to raise on damaged files, besides OSError: the parser trusts lengths and values that it reads.
PARSE_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    EOFError,
    NotImplementedError,
    RecursionError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)


@contextmanager
def silent_parser() -> Iterator[None]:
    """Keep pydicom's warnings and log lines back: they quote values, which may be the patient's."""
    logger = logging.getLogger("pydicom")
    was_disabled = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = was_disabled


def element_values(dataset: pydicom.Dataset, keyword: str) -> list[object]:
    """Give an element's values; an absent, empty or unreadable one has none."""
    with silent_parser():
        try:
            value = dataset.get(keyword)
        except PARSE_ERRORS:
            return []
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]


def element_texts(dataset: pydicom.Dataset, keyword: str) -> list[str]:
    """Give an element's values as texts without surrounding blanks; empty ones are left out."""
    return [text for value in _plain_values(dataset, keyword) if (text := str(value).strip())]


def sop_uid(dataset: pydicom.Dataset, keyword: str) -> str:
    """Give SOP Class UID or SOP Instance UID, else what the file meta information repeats of it (PS3.10 section 7.1).

    Args:
        dataset: of a file.
        keyword: ``SOPClassUID`` or ``SOPInstanceUID``.

    Returns:
        The UID as it stands; empty where there is none.
    """
    meta = getattr(dataset, "file_meta", None) or pydicom.Dataset()
    texts = [*element_texts(dataset, keyword)[:1], *element_texts(meta, f"MediaStorage{keyword}")[:1]]
    return texts[0] if texts else ""


def element_numbers(dataset: pydicom.Dataset, keyword: str) -> list[float]:
    """Give an element's values as finite numbers; none where one of them is no such number."""
    try:
        numbers = [float(str(value)) for value in _plain_values(dataset, keyword)]
    except ValueError:
        return []
    return numbers if np.isfinite(numbers).all() else []


def element_items(dataset: pydicom.Dataset, keyword: str) -> list[pydicom.Dataset]:
    """Give the items of a sequence."""
    return [item for item in element_values(dataset, keyword) if isinstance(item, pydicom.Dataset)]


def _plain_values(dataset: pydicom.Dataset, keyword: str) -> list[object]:
    """Give an element's values; none where a damaged value representation makes it a sequence."""
    values = element_values(dataset, keyword)
    return [] if any(isinstance(value, pydicom.Dataset) for value in values) else values
