"""What a preparation writes changes only with its version: digests of a few prepared phantom films are stored.

Store new ones with ``python -m tests.collection.test_prepared_bytes`` after `PREPARATION_VERSION` was raised, or after
the phantom, not the preparation, changed.
"""

import csv
import hashlib
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bundle.preparation import PREPARATION_VERSION
from bundle.radiomics.features import FEATURE_NAMES
from scripts.verify import prepare_films

STORED = Path(__file__).with_name("prepared_digests.json")
PAIRS = 3
TABLES = ("radiomics.csv", "regions.csv")


def _digest(contents: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content + b"\0")
    return digest.hexdigest()[:16]


def _rounded(row: dict[str, str]) -> bytes:
    """A table's row with its features to five digits: the last ones depend on the processor."""
    return repr([f"{float(value):.4e}" if name in FEATURE_NAMES else value for name, value in row.items()]).encode()


def _digests(prepared: Path) -> dict[str, Any]:
    """Digests of the first pairs' prepared views, of their features, and of the films that they were made of."""
    with (prepared / "pairs.csv").open(newline="") as stream:
        pairs = sorted(row["pair_id"] for row in csv.DictReader(stream))[:PAIRS]
    images = sorted(path for path in (prepared / "images").iterdir() if path.name.startswith(tuple(pairs)))
    tables = {}
    for name in TABLES:
        with (prepared / name).open(newline="") as stream:
            tables[name] = _digest(_rounded(row) for row in csv.DictReader(stream) if row["pair_id"] in pairs)
    films = sorted((prepared.parent / "dicom").rglob("*.dcm"))
    return {
        "films": _digest(path.read_bytes() for path in films),
        "version": PREPARATION_VERSION,
        "prepared": {path.name: _digest([path.read_bytes()]) for path in images} | tables,
    }


def test_prepared_bytes_change_only_with_the_version(prepared_collection: Path) -> None:
    stored, now = json.loads(STORED.read_text()), _digests(prepared_collection)
    assert len(now["prepared"]) == 3 * 2 * PAIRS + len(TABLES)
    assert now["films"] == stored["films"], "the phantom's films changed: store new digests"
    assert now["version"] == stored["version"], "the version changed: store new digests"
    assert now["prepared"] == stored["prepared"], "prepared bytes changed: raise PREPARATION_VERSION, store new digests"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        # As the fixture `prepared_collection` makes it.
        digests = _digests(prepare_films(Path(folder), breasts=12, seed=5))
    STORED.write_text(json.dumps(digests, indent=2) + "\n")
