"""The rows of a collection's tables, as carefully as files of unknown hands need it."""

from __future__ import annotations

import codecs
import csv
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bundle.file_kinds import START_BYTES, kind_of

logger = logging.getLogger(__name__)

LARGEST_TABLE_BYTES = 256 * 1024 * 1024
"""A hundred times the largest table of the collections."""
LONGEST_VALUE = 1000
"""Characters that are kept of a value: a longer one is damaged and fails by what is left of it."""
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}

_LINE_BREAK = re.compile(r"[\r\n]+")
_CHUNK_BYTES = 1024 * 1024
# What Excel writes and understands as a first line, to tell the delimiter.
_EXCEL_DELIMITER = re.compile(r"sep=(.)\s*", re.IGNORECASE)


def read_rows(
    path: Path,
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    one_of: Sequence[str] = (),
    delimiter: str = ",",
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a CSV file row by row, however a spreadsheet has written it.

    The delimiter is that of `DELIMITERS` with which the first line names most of the columns. The encoding is told by
    the byte order mark or, without one, by zero bytes (UTF-16); other tables are UTF-8, or Windows-1252 where they are
    no UTF-8. Names of columns are compared without blanks and without regard to case. What is not as expected is
    logged.

    Args:
        path: the table.
        required: columns that must be there.
        optional: columns that may be there.
        one_of: columns of which at least one must be there.
        delimiter: the one that is expected.

    Yields:
        Number of the line that the row ends in, and its values without line breaks and surrounding blanks; empty where
        a row is too short, without what stands beyond the last column. Columns that were asked for have the name that
        they were asked for by.

    Raises:
        ValueError: a column is missing or stands twice, or the file is no table or larger than any.
    """
    if (size := path.stat().st_size) > LARGEST_TABLE_BYTES:
        raise ValueError(f"{path} has {size} bytes; a table has at most {LARGEST_TABLE_BYTES}")
    wanted = (*required, *optional, *one_of)
    encoding = _encoding(path)
    line = 1
    with path.open(newline="", encoding=encoding, errors="replace") as stream:
        try:
            used, lines_before = _delimiter(stream.readline(_CHUNK_BYTES), wanted=wanted, expected=delimiter)
            stream.seek(0)
            for _ in range(lines_before):
                stream.readline()
            reader = csv.reader(stream, delimiter=used)
            names = next(reader, [])
            written = f"{encoding.upper().removesuffix('-SIG')} text with {DELIMITERS.get(used, repr(used))}"
            columns = _columns(path, names, required=required, one_of=one_of, wanted=wanted, written=written)
            if used != delimiter or not encoding.startswith("utf-8"):
                logger.warning("%s is read as %s between the columns.", path, written)
            for values in reader:
                line = reader.line_num + lines_before
                if values:
                    row = zip(columns, [*values, *[""] * len(columns)], strict=False)
                    yield (
                        line,
                        {name: _LINE_BREAK.sub("", value[:LONGEST_VALUE]).strip() for name, value in row if name},
                    )
        except csv.Error as error:
            raise ValueError(f"{path} is not a readable table near line {line}: {error}") from error


def _encoding(path: Path) -> str:
    """Tell a table's encoding by its first bytes and by whether all of it is UTF-8; give Python's name of it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        start = file.read(START_BYTES)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        # Of ASCII text in UTF-16 every other byte is zero.
        if len(start) > 1 and 2 * start[1::2].count(0) > len(start[1::2]):
            return "utf-16-le"
        if 2 * start[::2].count(0) > len(start[::2]):
            return "utf-16-be"
        file.seek(0)
        try:
            while chunk := file.read(_CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "windows-1252"
    return "utf-8-sig"


def _delimiter(first_line: str, *, wanted: Sequence[str], expected: str) -> tuple[str, int]:
    """Tell a table's delimiter by its first line, and how many lines stand before the names of the columns."""
    if stated := _EXCEL_DELIMITER.fullmatch(first_line):
        return stated[1], 1
    known = {_plain_name(name) for name in wanted}

    def names_found(delimiter: str) -> int:
        names = next(csv.reader([first_line], delimiter=delimiter), [])
        return len(known & {_plain_name(name) for name in names})

    # Of equals `max` takes the first.
    return max((expected, *DELIMITERS), key=names_found), 0


def _columns(
    path: Path,
    names: Sequence[str],
    *,
    required: Sequence[str],
    one_of: Sequence[str],
    wanted: Sequence[str],
    written: str,
) -> list[str]:
    """Name a table's columns, those that are wanted as the caller spells them.

    Raises:
        ValueError: a column is missing, or a wanted one stands twice.
    """
    # One that is spelled exactly so comes before others that are only alike.
    alike = {_plain_name(name): name for name in wanted if name not in names}
    columns = [alike.get(_plain_name(name), name) for name in names]
    missing = [name for name in required if name not in columns]
    if one_of and not set(one_of) & set(columns):
        missing.append(" or ".join(one_of))
    if missing:
        with path.open("rb") as file:
            kind = kind_of(file.read(START_BYTES))
        if kind:
            raise ValueError(f"{path} is {kind}, no table; save the table as CSV")
        named = str(list(names))[:LONGEST_VALUE]
        raise ValueError(
            f"{path} lacks the column(s) {', '.join(missing)}; its first line, read as {written} between the columns, "
            f"names {named}"
        )
    for name in wanted:
        if columns.count(name) > 1:
            raise ValueError(f"{path} has the column {name} {columns.count(name)} times; leave one of them")
    return columns


def _plain_name(name: str) -> str:
    return "".join(name.split()).casefold()
