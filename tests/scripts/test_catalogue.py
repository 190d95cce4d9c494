import csv
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import catalogue
from tests.datasets.cbis_ddsm_tree import Row, both_views, write_tables

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def source(tmp_path):
    rows = [row for number in range(4) for row in both_views(f"P_0000{number}")]
    rows += [Row("P_00007"), Row("P_00008", view="LM"), *both_views("P_00000", kind="calcification", official="Test")]
    write_tables(tmp_path / "source", rows)
    return tmp_path / "source"


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["catalogue", *map(str, arguments)])
    catalogue.main()


def rows_of(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_command_counts_the_tables_alone(source, tmp_path):
    output = tmp_path / "output"
    finished = subprocess.run(
        [sys.executable, "-m", "scripts.catalogue", "cbis_ddsm", "--source", str(source), "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[0].split() == ["views", "breasts", "pairs", "lesions", "in", "both", "views"]
    assert lines[1].split() == ["all", "9", "5", "4", "6", "5"]
    assert lines[2].split() == ["abnormality", "calcification", "2", "1", "1", "1", "1"]
    assert lines[3].split() == ["mass", "9", "5", "4", "5", "4"]
    assert "complete pairs: 4" in lines
    assert f"9 views in {output}/catalogue.csv; 1 rejections in rejected.csv" in lines
    assert len({len(line) for line in lines[:3]}) == 1
    assert [(row["patient_id"], row["view"]) for row in rows_of(output / "catalogue.csv")][:2] == [
        *(("P_00000", "CC"), ("P_00000", "MLO"))
    ]
    assert "image view is 'LM'" in rows_of(output / "rejected.csv")[0]["reason"]


def test_the_manifest_lists_the_series_of_the_chosen_pairs(monkeypatch, capsys, source, tmp_path):
    manifest = tmp_path / "new" / "first.tcia"
    arguments = ["cbis_ddsm", "--source", source, "--output", tmp_path / "output", "--manifest", manifest]
    run(monkeypatch, *arguments, "--pairs", 2, "--seed", 3)
    lines = manifest.read_text().splitlines()
    series = lines[lines.index("ListOfSeriesToDownload=") + 1 :]
    assert f"{len(series)} series of 2 pairs in {manifest}" in capsys.readouterr().out
    assert len(series) == len(set(series)) >= 8
    run(monkeypatch, *arguments, "--abnormality", "calcification")
    assert len(manifest.read_text().splitlines()) == 6 + 2 * 3  # each view a film, a mass and a calcification


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["cbis_ddsm", "--pairs", 2], "give --manifest FILE too"),
        (["cbis_ddsm", "--manifest", "x.tcia", "--pairs", 9], "9 pairs are wanted; it must be 1 to 4"),
        (["cbis_ddsm", "--manifest", "x.tcia", "--pairs", "many"], "--pairs is 'many'; it must be a whole number"),
        (["cbis_ddsm", "--manifest", "x.tcia", "--abnormality", "cyst"], "no complete pair shows a lesion of type"),
        (["cbis_ddsm", "--manifest"], "--manifest is True; it must be a path"),
        (["cbis_ddsm", "--sed", 1], "unknown argument(s) --sed"),
        (["inbreast", "--manifest", "x.tcia"], "inbreast is not in the archive"),
        (["dicom"], "collection dicom needs --key FILE"),
        (["inbreast", "--table", "x.csv"], "collection inbreast takes no --table"),
        (["inbreast"], "holds no folder AllDICOMs"),
        (["mias"], "collection is 'mias'; it must be one of"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_nothing_is_written(monkeypatch, source, tmp_path, options, sentence):
    monkeypatch.chdir(tmp_path)
    output = tmp_path / "output"
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, *options, "--source", source, "--output", output)
    assert sentence in str(caught.value.code)
    assert not output.exists()
    assert not (tmp_path / "x.tcia").exists()
