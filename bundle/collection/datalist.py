"""``datalist.json`` of a prepared collection: its pairs, by split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from bundle.datasets.containment import inside
from bundle.preparation import PreparedFiles
from bundle.vocabulary import Split, ViewPosition

DATALIST_NAME = "datalist.json"
IMAGES_NAME = "images"
_REMEDY = "run the same python -m scripts.prepare again"


def read_datalist(dataset_dir: str | Path, split: str) -> list[dict[str, Any]]:
    """Read the pairs of one split, see `bundle.collection.prepare`.

    Raises:
        ValueError: an unknown split, or the file is damaged.
    """
    path, name = Path(dataset_dir) / DATALIST_NAME, Split(split).value
    try:
        pairs = json.loads(path.read_text(encoding="utf-8"))[name]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or lacks the {name} split ({type(error).__name__}): {_REMEDY}") from None
    if not isinstance(pairs, list) or not all(_is_pair(pair) for pair in pairs):
        raise ValueError(f"{path} is damaged, its {name} split is no list of pairs with their names: {_REMEDY}")
    return pairs


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, dict) and all(isinstance(pair.get(name), str) for name in ("pair_id", "patient_id"))


def files_of_pair(pair: Mapping[str, Any], position: ViewPosition, *, dataset_dir: str | Path) -> PreparedFiles:
    """Give the files of one view of a pair; whoever wrote the list, they must lie in the collection's ``images``.

    Args:
        pair: from `read_datalist`.
        position: which of its views.
        dataset_dir: the prepared collection.

    Raises:
        ValueError: the pair does not name the files, or a name leads out of ``images``.
        FileNotFoundError: a file is not there.
    """
    path = Path(dataset_dir)
    view = pair.get(position.lower())
    names = {kind: view.get(kind) if isinstance(view, Mapping) else None for kind in ("image", "mask", "breast")}
    files: dict[str, Path] = {}
    for kind, name in names.items():
        where = f"{path / DATALIST_NAME}: the {kind} of {pair['pair_id']}'s {position} view"
        if not isinstance(name, str) or not name:
            raise ValueError(f"{where} is {name!r} instead of a file's name: {_REMEDY}")
        try:
            found = inside(path / name, root=(path / IMAGES_NAME).resolve(), shown=PurePosixPath(name))
        except ValueError:
            raise ValueError(f"{where}, {name}, does not lie in {path / IMAGES_NAME}: {_REMEDY}") from None
        if not found.is_file():
            raise FileNotFoundError(f"{where}, {name}, is not there: {_REMEDY}")
        files[kind] = path / name
    return PreparedFiles(**files)


def datalist_hash(dataset_dir: str | Path) -> str:
    """SHA-256 of the list of pairs: tells whether two runs learned from the same patients in the same splits."""
    return hashlib.sha256((Path(dataset_dir) / DATALIST_NAME).read_bytes()).hexdigest()


def split_hash(dataset_dir: str | Path, split: str) -> str:
    """Return 12 hexadecimal digits that differ whenever the pairs of one split differ.

    Raises:
        ValueError: an unknown split.
    """
    pairs = json.dumps(read_datalist(dataset_dir, split), sort_keys=True)
    return hashlib.sha256(pairs.encode()).hexdigest()[:12]
