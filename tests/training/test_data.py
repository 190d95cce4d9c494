import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bundle.networks.standardizer import RadiomicsStandardizer
from bundle.radiomics.features import FEATURE_NAMES
from bundle.records import Canvas
from bundle.training.data import directed_pairs
from bundle.training.standardization import fit_standardizers
from bundle.vocabulary import Split

CANVAS = Canvas(rows=128, columns=96, spacing_mm=2.0)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _vector(row: dict[str, str]) -> np.ndarray:
    return np.array([float(row[name]) for name in FEATURE_NAMES])


def test_each_pair_comes_in_both_directions(prepared_collection: Path) -> None:
    pairs = json.loads((prepared_collection / "datalist.json").read_text())["training"]
    items = directed_pairs(dataset_dir=prepared_collection, split="training", canvas=CANVAS)
    assert len(items) == 2 * len(pairs)
    for pair, (forth, back) in zip(pairs, zip(items[::2], items[1::2], strict=True), strict=True):
        assert (forth["target_view"], back["target_view"]) == (1, 0)
        assert forth["image"] == back["label"] == str(prepared_collection / pair["cc"]["image"])
        assert forth["label"] == back["image"] == str(prepared_collection / pair["mlo"]["image"])


def test_only_the_sources_features_reach_the_generator(prepared_collection: Path) -> None:
    """Defect 1: the vector that conditions is the source view's alone, at the fine scale."""
    fine = {
        (row["pair_id"], row["view"]): _vector(row)
        for row in _rows(prepared_collection / "radiomics.csv")
        if row["scale"] == "fine"
    }
    several = {
        key
        for key in fine
        if sum(
            (row["pair_id"], row["view"], row["scale"]) == (*key, "fine")
            for row in _rows(prepared_collection / "radiomics.csv")
        )
        > 1
    }
    checked = 0
    for item in directed_pairs(dataset_dir=prepared_collection, split="training", canvas=CANVAS):
        source = "CC" if item["target_view"] == 1 else "MLO"
        key = (item["pair_id"], source)
        if key not in fine:
            assert np.isnan(item["radiomics"]).all()
        elif key not in several:
            np.testing.assert_allclose(item["radiomics"], fine[key], rtol=1e-6)
            checked += 1
    assert checked > 0


def test_no_patient_is_in_two_splits(prepared_collection: Path) -> None:
    """Defect 12."""
    patients = [
        {item["patient_id"] for item in directed_pairs(dataset_dir=prepared_collection, split=split, canvas=CANVAS)}
        for split in Split
    ]
    assert len(patients[0] | patients[1] | patients[2]) == sum(map(len, patients))


def test_the_standardizer_knows_the_training_split_alone(prepared_collection: Path) -> None:
    """Defect 2: other values in the validation and test splits change nothing."""

    class Network(RadiomicsStandardizer):
        @property
        def standardizer(self) -> RadiomicsStandardizer:
            return self

    items = directed_pairs(dataset_dir=prepared_collection, split="training", canvas=CANVAS)
    network = Network(len(FEATURE_NAMES))
    fit_standardizers(networks=[network], training_items=items)
    known = np.stack([item["radiomics"] for item in items])
    known = known[~np.isnan(known).any(axis=1)]
    np.testing.assert_allclose(network.center.numpy(), np.median(known, axis=0), rtol=1e-5)


def test_missing_collection_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No prepared collection at .*scripts\.prepare"):
        directed_pairs(dataset_dir=tmp_path, split="training", canvas=CANVAS)


def test_a_preparation_that_was_stopped_is_one_sentence(prepared_collection: Path, tmp_path: Path) -> None:
    shutil.copyfile(prepared_collection / "preparation.json", tmp_path / "preparation.json")
    with pytest.raises(
        FileNotFoundError, match=r"is not finished \(datalist\.json is missing\): run the same .* again"
    ):
        directed_pairs(dataset_dir=tmp_path, split="training", canvas=CANVAS)


def test_canvas_without_features_is_refused(prepared_collection: Path) -> None:
    with pytest.raises(ValueError, match=r"holds radiomic features at 1\.0, 2\.0 mm"):
        directed_pairs(
            dataset_dir=prepared_collection, split="training", canvas=Canvas(rows=64, columns=48, spacing_mm=4.0)
        )


def test_features_of_other_settings_are_refused(prepared_collection: Path, tmp_path: Path) -> None:
    """Defect 11: features made with different settings are never mixed."""
    copy = tmp_path / "prepared"
    copy.mkdir()
    for name in ("preparation.json", "datalist.json", "radiomics.csv"):
        shutil.copyfile(prepared_collection / name, copy / name)
    text = (copy / "radiomics.csv").read_text()
    settings_hash = json.loads((copy / "preparation.json").read_text())["radiomics"]["settings_hash"]
    (copy / "radiomics.csv").write_text(text.replace(settings_hash, "0" * 12, 1))
    with pytest.raises(ValueError, match="different settings"):
        directed_pairs(dataset_dir=copy, split="training", canvas=CANVAS)
