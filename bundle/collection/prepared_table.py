"""The rows of a prepared collection's ``pairs.csv`` and the files that they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from bundle.datasets.containment import inside
from bundle.datasets.csv_rows import read_rows
from bundle.preparation import PreparedFiles
from bundle.vocabulary import ViewPosition

_KINDS = ("image", "mask", "breast")


def read_pairs(prepared: Path, *, required: Sequence[str]) -> Iterator[dict[str, str]]:
    """Read ``pairs.csv`` row by row.

    Args:
        prepared: folder that ``scripts.prepare`` wrote.
        required: columns that are needed besides those of the views' files.

    Raises:
        FileNotFoundError: the folder holds no ``pairs.csv``.
        ValueError: when iterated: ``pairs.csv`` is no table of pairs.
    """
    table = prepared / "pairs.csv"
    if not table.is_file():
        raise FileNotFoundError(f"{prepared} holds no pairs.csv; give the folder that scripts.prepare wrote")
    columns = [f"{position.lower()}_{kind}" for position in ViewPosition for kind in _KINDS]
    return (row for _, row in read_rows(table, required=(*required, *columns)))


def files_of_view(row: Mapping[str, str], position: ViewPosition, *, prepared: Path) -> PreparedFiles:
    """Give the files of one view of a pair.

    Raises:
        ValueError: a file's name leads out of the prepared folder.
    """
    root = prepared.resolve()
    names = {kind: row[f"{position.lower()}_{kind}"] for kind in _KINDS}
    return PreparedFiles(
        **{kind: inside(root / name, root=root, shown=PurePosixPath(name)) for kind, name in names.items()}
    )
