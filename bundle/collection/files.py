"""Tables and JSON files of a prepared collection: complete or absent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bundle.atomic import replacing
from bundle.csv_tables import write_csv


def write_json(path: Path, content: Any) -> None:
    """Write plain data as indented JSON with a line break at the end."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        json.dump(content, stream, indent=1)
        stream.write("\n")


def write_table(path: Path, *, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with a header; floats with nine significant digits, more than float32 holds."""
    written = ([f"{value:.9g}" if isinstance(value, float) else value for value in row] for row in rows)
    write_csv(path, columns=columns, rows=written)
