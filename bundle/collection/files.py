"""Files that are complete or absent: written under a temporary name in the same folder, then renamed."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def open_atomically(path: Path) -> Iterator[IO[str]]:
    """Open a text file for writing; it replaces ``path`` when the block ends well, and vanishes when it does not."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write plain data as indented JSON with a line break at the end."""
    with open_atomically(path) as stream:
        json.dump(content, stream, indent=1)
        stream.write("\n")


def write_table(path: Path, *, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with a header; floats with nine significant digits, more than float32 holds."""
    with open_atomically(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([f"{value:.9g}" if isinstance(value, float) else value for value in row] for row in rows)
