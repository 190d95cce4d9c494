"""CSV files that are complete or absent, and that a spreadsheet shows as they are."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from bundle.atomic import replacing

# What spreadsheets take for the start of a formula, as ASCII and as the wide forms that some of them take as well
# (OWASP, CSV Injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def plain_cell(value: object) -> object:
    """Put an apostrophe before a text that a spreadsheet would run as a formula; numbers stay as they are."""
    if not isinstance(value, str) or not value.startswith(_FORMULA_STARTS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def write_csv(path: Path, *, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with a header, each of its cells by way of `plain_cell`: file names and identifiers are foreign.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([plain_cell(column) for column in columns])
        writer.writerows([plain_cell(value) for value in row] for row in rows)
