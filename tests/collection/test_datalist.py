"""Hashes of a prepared collection's list of pairs."""

import json
from pathlib import Path

from bundle.collection.datalist import datalist_hash, split_hash


def written(folder: Path, *, training: list[str], test: list[str]) -> Path:
    folder.mkdir()
    splits = {"training": training, "test": test}
    pairs = {split: [{"pair_id": each, "patient_id": each} for each in names] for split, names in splits.items()}
    (folder / "datalist.json").write_text(json.dumps(pairs))
    return folder


def test_the_hash_of_a_split_is_of_that_split_alone(tmp_path: Path) -> None:
    first = written(tmp_path / "first", training=["A", "B"], test=["C"])
    other_test = written(tmp_path / "other_test", training=["A", "B"], test=["D"])
    other_training = written(tmp_path / "other_training", training=["A"], test=["C"])
    assert split_hash(first, "training") == split_hash(other_test, "training")
    assert split_hash(first, "test") == split_hash(other_training, "test")
    assert len({split_hash(first, "training"), split_hash(other_training, "training")}) == 2
    assert len({datalist_hash(folder) for folder in (first, other_test, other_training)}) == 3
