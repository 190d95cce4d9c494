"""The rows of a collection's tables, as carefully as files of unknown hands need it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

LARGEST_TABLE_BYTES = 256 * 1024 * 1024
"""A hundred times the largest table of the collections."""
LONGEST_VALUE = 1000
"""Characters that are kept of a value: a longer one is damaged and fails by what is left of it."""

_LINE_BREAK = re.compile(r"[\r\n]+")


def read_rows(
    path: Path, *, required: Sequence[str], one_of: Sequence[str] = (), delimiter: str = ","
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a CSV file row by row.

    Args:
        path: the table.
        required: columns that must be there.
        one_of: columns of which at least one must be there.
        delimiter: between the columns.

    Yields:
        Number of the line that the row ends in, and its values without line breaks and surrounding blanks; empty where
        a row is too short, without what stands beyond the last column.

    Raises:
        ValueError: a column is missing, or the file is no table or larger than any.
    """
    if (size := path.stat().st_size) > LARGEST_TABLE_BYTES:
        raise ValueError(f"{path} has {size} bytes; a table has at most {LARGEST_TABLE_BYTES}")
    # Bytes that are not UTF-8 become replacement characters: the row then fails by its value, not the whole table.
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        reader = csv.DictReader(stream, restval="", delimiter=delimiter)
        try:
            columns = reader.fieldnames or []
            missing = [column for column in required if column not in columns]
            if one_of and not set(one_of) & set(columns):
                missing.append(" or ".join(one_of))
            if missing:
                named = str(list(columns))[:LONGEST_VALUE]
                raise ValueError(f"{path} lacks the column(s) {', '.join(missing)}; its first line names {named}")
            for row in reader:
                # Values beyond the last column stand under the key None.
                yield (
                    reader.line_num,
                    {key: _LINE_BREAK.sub("", value[:LONGEST_VALUE]).strip() for key, value in row.items() if key},
                )
        except csv.Error as error:
            raise ValueError(f"{path} is not a readable table near line {reader.line_num}: {error}") from error
