"""The collection's own split in a preparation: no patient straddles, and the closing lines say how many did."""

import csv
import json
import sys
from pathlib import Path

import pytest

from bundle.collection import prepare_collection
from bundle.datasets.splitting import SplitRule
from bundle.preparation import PreparationSettings
from bundle.radiomics.settings import read_settings
from bundle.vocabulary import Split
from scripts import prepare
from tests.datasets.cbis_ddsm_tree import Row, both_views, write_tree

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("source")
    rows = [row for number in range(3) for row in both_views(f"P_0000{number}")]
    rows += both_views("P_00005", official="Test")
    # In both official splits by its other breast, of which there is one view alone: no pair shows it.
    rows += [*both_views("P_00006"), Row("P_00006", side="RIGHT", official="Test")]
    write_tree(root, rows, layout="download_tool")
    return root


def test_no_patient_straddles_the_official_split(source, tmp_path):
    summary = prepare_collection(
        collection="cbis_ddsm",
        source=source,
        output=tmp_path,
        preparation=PreparationSettings(),
        radiomics=read_settings(ROOT / "configs" / "radiomics.yaml"),
        fractions={Split.TRAINING: 0.70, Split.VALIDATION: 0.15, Split.TEST: 0.15},
        seed=0,
        workers=1,
        split_rule=SplitRule.OFFICIAL,
    )
    assert summary.straddling_patients == 1
    assert (
        "official split: 1 patient(s) stand in both training and test; all their views went to test" in summary.lines()
    )
    with (tmp_path / "pairs.csv").open(newline="") as stream:
        splits = {row["pair_id"]: row["split"] for row in csv.DictReader(stream)}
    assert (splits.pop("P_00005_L"), splits.pop("P_00006_L")) == ("test", "test")
    assert sorted(splits.values()) == ["training", "training", "validation"]
    assert json.loads((tmp_path / "preparation.json").read_text())["split"] == "official"


@pytest.mark.parametrize("value", ["official_", "7"])
def test_another_word_is_refused(monkeypatch, source, tmp_path, value):
    arguments = ["cbis_ddsm", "--source", source, "--output", tmp_path / "output", "--split", value]
    monkeypatch.setattr(sys, "argv", ["prepare", *map(str, arguments)])
    with pytest.raises(SystemExit, match="must be one of random, official"):
        prepare.main()
    assert not (tmp_path / "output").exists()
