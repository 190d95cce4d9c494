"""In which collection's way a cohort is written, and what one breast adds to the collection."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from bundle.vocabulary import ViewPosition


class Layout(StrEnum):
    """In which collection's way the cohort is written."""

    CBIS_DDSM = "cbis_ddsm"
    """With the download tool's folders and `metadata.csv`."""
    CBIS_DDSM_TABLES = "cbis_ddsm_tables"
    """At the paths that the tables name."""
    CBIS_DDSM_JPEG = "cbis_ddsm_jpeg"
    """As the JPEG edition has it: pictures of 8 bits without spacing."""
    INBREAST = "inbreast"
    CLINICAL = "clinical"


@dataclass(frozen=True, kw_only=True)
class Table:
    """How one of a collection's tables is written, and in which of the collection's folders."""

    header: tuple[str, ...]
    delimiter: str = ","
    line_end: str = "\r\n"
    folder: str = ""


@dataclass(frozen=True, kw_only=True)
class WrittenCase:
    """What one breast adds to the collection's tables and to the truth.

    Args:
        rows: per table's file name its rows.
        files: per view the paths by role (``film``, ``mask``, ...), relative to the cohort's folder.
        written: per view what was written of each lesion, where that can differ from the lesion itself.
        quirks: which quirk the files have: its name under ``quirk``, and where: ``view``, ``lesion_id``.
    """

    rows: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    files: dict[ViewPosition, dict[str, list[PurePosixPath]]] = field(default_factory=dict)
    written: dict[ViewPosition, list[dict[str, Any]]] = field(default_factory=dict)
    quirks: list[dict[str, str]] = field(default_factory=list)

    def add_quirk(self, quirk: str, **where: str) -> None:
        """Note a quirk once."""
        note = {"quirk": str(quirk), **where}
        if note not in self.quirks:
            self.quirks.append(note)
