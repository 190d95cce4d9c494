"""``datalist.json`` of a prepared collection: its pairs, by split."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bundle.vocabulary import Split

DATALIST_NAME = "datalist.json"


def read_datalist(dataset_dir: str | Path, split: str) -> list[dict[str, Any]]:
    """Read the pairs of one split, see `bundle.collection.prepare`.

    Raises:
        ValueError: an unknown split.
    """
    return json.loads((Path(dataset_dir) / DATALIST_NAME).read_text(encoding="utf-8"))[Split(split).value]


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
