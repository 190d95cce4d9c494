"""Outlines in Apple property lists (XML), as the annotation program of INbreast exports them.

``Images`` (array) -> dictionary -> ``ROIs`` (array) -> dictionary with ``Name``, ``NumberOfPoints`` and ``Point_px``:
texts ``(x, y)`` in pixels, x, the column, first. A second dialect, with one contour under ``ROIPoints`` (texts
``{x, y}``), outlines the pectoral muscle. Values are read by key: their order in the files varies.

The files are of unknown hands. `plistlib` refuses entity declarations, which could blow a small file up; size, number
of points and coordinates are limited here.
"""

from __future__ import annotations

import math
import plistlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from bundle.records import Contour

LARGEST_FILE_BYTES = 32 * 1024 * 1024
MOST_POINTS = 100_000
"""Of one file; radiologists' outlines have some thousands."""
LARGEST_COORDINATE_PX = 20_000.0
"""Beyond the largest film; outlines may leave the film a little."""

_LONGEST_TEXT = 100
_POINT = re.compile(r"\s*[({]\s*([^,\s]+)\s*,\s*([^,\s)}]+)\s*[)}]\s*")
# What plistlib raises on damaged content besides ValueError: a wrong date, a wrong nesting, a key without a value,
# an encoding that does not exist.
_PARSE_ERRORS = (ValueError, ExpatError, AttributeError, IndexError, KeyError, TypeError, OverflowError, LookupError)


@dataclass(frozen=True, kw_only=True)
class Region:
    """One outlined region.

    Args:
        name: as somebody typed it.
        contour: (row, column) positions in pixels; a single one for a point.
    """

    name: str
    contour: Contour


def read_regions(path: Path) -> list[Region] | None:
    """Read the regions of one image.

    Returns:
        The regions; None when the file holds a contour of the pectoral muscle and says nothing about lesions.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is too large, is no property list of either dialect, or a region in it is damaged.
    """
    if not path.is_file():
        raise ValueError(f"{path} is no file, or a link to none")
    size = path.stat().st_size
    if size > LARGEST_FILE_BYTES:
        raise ValueError(f"{path} has {size} bytes; outlines of one image are at most {LARGEST_FILE_BYTES}")
    try:
        # Only XML: the binary form can hold references that unfold without end.
        document = plistlib.loads(path.read_bytes(), fmt=plistlib.FMT_XML)
    except _PARSE_ERRORS as error:
        raise ValueError(f"{path} is no readable property list ({type(error).__name__}: {str(error)[:100]})") from None
    if not isinstance(document, Mapping):
        raise ValueError(f"{path}: the property list is no dictionary")
    if "Images" not in document:
        if "ROIPoints" not in document:
            raise ValueError(f"{path}: the property list has neither Images nor ROIPoints")
        _contour(document["ROIPoints"], where=f"{path}: ROIPoints", most=MOST_POINTS)
        return None
    regions: list[Region] = []
    left = MOST_POINTS
    for image in _entries(document, "Images", where=str(path)):
        for entry in _entries(image, "ROIs", where=str(path)):
            region = _region(entry, where=f"{path}: region {len(regions) + 1}", most=left)
            left -= len(region.contour)
            regions.append(region)
    return regions


def _entries(dictionary: Mapping[str, Any], key: str, *, where: str) -> list[Mapping[str, Any]]:
    entries = dictionary.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ValueError(f"{where}: {key} is no array of dictionaries")
    return entries


def _region(entry: Mapping[str, Any], *, where: str, most: int) -> Region:
    name = entry.get("Name", "")
    contour = _contour(entry.get("Point_px"), where=f"{where}: Point_px", most=most)
    number = entry.get("NumberOfPoints", len(contour))
    if number != len(contour):
        raise ValueError(f"{where}: NumberOfPoints is {str(number)[:20]}, Point_px has {len(contour)}; damaged?")
    return Region(name=name if isinstance(name, str) else "", contour=contour)


def _contour(texts: object, *, where: str, most: int) -> Contour:
    """Read points ``(x, y)`` or ``{x, y}`` as (row, column) positions."""
    if not isinstance(texts, list) or not texts:
        raise ValueError(f"{where} is no array of points")
    if len(texts) > most:
        raise ValueError(f"{where}: more than {MOST_POINTS} points in one file")
    return tuple(_point(text, where=where) for text in texts)


def _point(text: object, *, where: str) -> tuple[float, float]:
    match = _POINT.fullmatch(text) if isinstance(text, str) and len(text) <= _LONGEST_TEXT else None
    try:
        if match is None:
            raise ValueError
        column, row = float(match[1]), float(match[2])
    except ValueError:
        raise ValueError(f"{where} holds {str(text)[:_LONGEST_TEXT]!r}; a point is written (x, y)") from None
    if not all(math.isfinite(place) and abs(place) <= LARGEST_COORDINATE_PX for place in (row, column)):
        raise ValueError(f"{where} holds the point ({column:g}, {row:g}), which lies beyond any film")
    return row, column
