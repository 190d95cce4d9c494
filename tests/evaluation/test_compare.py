"""Evaluations compared: paired per image, refused where they are of different images."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.evaluation.bootstrap import mean_interval
from bundle.evaluation.compare import (
    OF_THE_TRAINING_SPLIT,
    Comparison,
    compare,
    comparison_markdown,
    write_comparison,
)
from bundle.evaluation.measures import MEASURES as BUNDLE_MEASURES
from bundle.report.evaluation.folder import read_evaluation
from bundle.vocabulary import Direction
from tests.report.made_evaluation import MEASURES, write_made_evaluation

ROOT = Path(__file__).resolve().parents[2]
PAIRS = 14  # of 7 women: fewer leave no room for a small p


def rewrite(folder: Path, edit: Any) -> None:
    """Change rows of ``metrics.csv``; rows that ``edit`` answers with None go."""
    path = folder / "metrics.csv"
    with path.open(newline="") as stream:
        rows = [row for row in map(edit, csv.DictReader(stream)) if row is not None]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def compared(*folders: Path, names: str = "abc") -> Comparison:
    evaluations = {name: read_evaluation(folder) for name, folder in zip(names, folders, strict=False)}
    return compare(evaluations, resamples=200, seed=0)


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return write_made_evaluation(tmp_path / "first", pairs=PAIRS)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return write_made_evaluation(tmp_path / "second", pairs=PAIRS, model_ahead=0.15)


def test_differences_are_paired_per_image(first: Path, second: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, 1000)
    numbers = iter(range(1000))

    def disturbed(row: dict[str, str]) -> dict[str, str]:
        if row["method"] == "model":
            row["in_breast_ssim"] = f"{float(row['in_breast_ssim']) + noise[next(numbers)]:.6f}"
        return row

    rewrite(second, disturbed)
    comparison = compared(first, second)
    rows = [
        {(r.direction, r.pair_id): r for r in read_evaluation(f).rows if r.method == "model"} for f in (first, second)
    ]
    keys = [key for key in rows[0] if key[0] is Direction.CC_TO_MLO]
    values = [[float(each[key].values["in_breast_ssim"] or 0) for key in keys] for each in rows]
    expected = mean_interval(
        np.subtract(values[1], values[0]).tolist(), [rows[0][key].patient_id for key in keys], resamples=200, seed=0
    )
    found = next(each for each in comparison.differences if each.measure.name == "in_breast_ssim")
    assert (found.run, found.direction) == ("b", Direction.CC_TO_MLO)
    assert found.difference.mean == pytest.approx(expected.mean, abs=1e-9)
    assert (found.difference.low, found.difference.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.first_mean == pytest.approx(np.mean(values[0]))
    assert found.run_mean == pytest.approx(np.mean(values[1]))


def test_which_way_is_better_is_minded_and_tests_are_corrected(first: Path, second: Path) -> None:
    of_cc = {each.measure.name: each for each in compared(first, second).differences if each.direction == "cc_to_mlo"}
    assert of_cc["in_breast_ssim"].difference.mean == pytest.approx(0.05)
    assert of_cc["shape_error"].difference.mean == pytest.approx(-0.05)
    # Seven women, all of one sign: 2 / 2 ** 7, times the six tests of the family.
    assert of_cc["shape_error"].p == pytest.approx(2 / 2**7)
    assert of_cc["shape_error"].p_holm == pytest.approx(6 * 2 / 2**7)
    assert of_cc["shape_error"].verdict == "undecided"
    assert of_cc["spectral_error"].p_holm is None
    assert of_cc["spectral_error"].verdict == "better"
    assert of_cc["spectral_exponent"].verdict == "higher"
    turned = {each.measure.name: each.verdict for each in compared(second, first).differences}
    assert turned["spectral_error"] == "worse"


def test_an_evaluation_equals_itself(first: Path) -> None:
    comparison = compared(first, first)
    assert {each.difference.mean for each in comparison.differences} == {0.0}
    assert {each.verdict for each in comparison.differences} == {"undecided"}
    assert not comparison.unlike
    assert not any(comparison.left_out.values())


def test_images_that_not_all_have_are_left_out_and_named(first: Path, second: Path) -> None:
    rewrite(second, lambda row: None if (row["pair_id"], row["direction"]) == ("P_00001_L", "cc_to_mlo") else row)
    comparison = compared(first, second, first)
    assert comparison.images == {Direction.CC_TO_MLO: PAIRS - 1, Direction.MLO_TO_CC: PAIRS}
    assert comparison.left_out["a"] == ((Direction.CC_TO_MLO, "P_00001_L"),)
    assert comparison.left_out["b"] == ()
    assert "- a: 1 (P_00001_L CC -> MLO)" in comparison_markdown(comparison)
    assert {each.difference.n for each in comparison.differences if each.direction == "cc_to_mlo"} == {PAIRS - 1, 6}


def test_other_protocols_are_named_and_other_measures_are_not_compared(first: Path, second: Path) -> None:
    path = second / "summary.json"
    summary = json.loads(path.read_text())
    summary["protocol"]["interval"]["resamples"] = 500
    summary["measures"]["reference_l1"]["description"] = "another way"
    path.write_text(json.dumps(summary))
    comparison = compared(first, second)
    assert comparison.unlike == (
        "protocol, interval.resamples: 2000 in a, 500 in b",
        "measure reference_l1: not the same in a and b, so not compared",
    )
    assert "reference_l1" not in {each.measure.name for each in comparison.differences}
    assert "protocol, interval.resamples: 2000 in a, 500 in b" in comparison_markdown(comparison)


def test_another_canvas_is_refused(first: Path, second: Path) -> None:
    path = second / "summary.json"
    path.write_text(path.read_text().replace('"spacing_mm": 2.0', '"spacing_mm": 1.0'))
    with pytest.raises(ValueError, match="a and b differ in canvas"):
        compared(first, second)


def test_one_name_for_two_images_is_refused(first: Path, second: Path) -> None:
    def other(row: dict[str, str]) -> dict[str, str]:
        if row["method"] == "blurred_truth":
            row["spectral_exponent"] = str(float(row["spectral_exponent"]) + 0.01)
        return row

    rewrite(second, other)
    with pytest.raises(ValueError, match="different images under one pair_id"):
        compared(first, second)


LEARNED = {
    each.name: {
        "title": each.title,
        "description": each.description,
        "group": "lesion",
        "better": "lower",
        "decimals": 2,
    }
    for each in BUNDLE_MEASURES
    if each.name in OF_THE_TRAINING_SPLIT
}


def of_another_training_split(folder: Path, *, training_split: str | None) -> Path:
    """An evaluation on the same images, whose yardsticks were learned from other views."""
    write_made_evaluation(folder, pairs=PAIRS, model_ahead=0.15, measures=MEASURES | LEARNED)
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    summary["protocol"]["training_split"] = training_split
    path.write_text(json.dumps(summary))
    rewrite(folder, lambda row: row | {name: row[name] and str(float(row[name]) + 0.01) for name in LEARNED})
    return folder


@pytest.mark.parametrize("training_split", ["ba9876543210", None])
def test_what_other_training_splits_change_is_not_compared(tmp_path: Path, training_split: str | None) -> None:
    assert set(LEARNED) == {"lesion_radiomics_error", "hallucinated_lesions"}
    first = write_made_evaluation(tmp_path / "first", pairs=PAIRS, measures=MEASURES | LEARNED)
    second = of_another_training_split(tmp_path / "second", training_split=training_split)
    comparison = compared(first, second)
    assert {each.measure.name for each in comparison.differences} == set(MEASURES)
    for name in LEARNED:
        sentence = (
            f"measure {name}: learned from training splits that are not known to be one in a and b, so not compared"
        )
        assert sentence in comparison.unlike
        assert sentence in comparison_markdown(comparison)


def test_of_one_training_split_they_are_compared_and_must_be_alike(tmp_path: Path) -> None:
    first = write_made_evaluation(tmp_path / "first", pairs=PAIRS, measures=MEASURES | LEARNED)
    second = write_made_evaluation(tmp_path / "second", pairs=PAIRS, measures=MEASURES | LEARNED)
    assert {each.measure.name for each in compared(first, second).differences} == {*MEASURES, *LEARNED}
    with pytest.raises(ValueError, match="different images under one pair_id"):
        compared(first, of_another_training_split(second, training_split="0123456789ab"))


def test_another_patient_is_refused(first: Path, second: Path) -> None:
    rewrite(second, lambda row: row | {"patient_id": "X" + row["patient_id"]})
    with pytest.raises(ValueError, match="different collections"):
        compared(first, second)


def test_nothing_in_common_is_refused(first: Path, second: Path) -> None:
    rewrite(second, lambda row: row | {"pair_id": "X" + row["pair_id"]})
    with pytest.raises(ValueError, match="a, b have no test image"):
        compared(first, second)


def test_one_evaluation_is_refused(first: Path) -> None:
    with pytest.raises(ValueError, match="at least two evaluations, got 1"):
        compared(first)


def test_tables_fit_a_terminal_and_the_file_holds_the_same(first: Path, second: Path, tmp_path: Path) -> None:
    comparison = compared(first, second)
    table, text = write_comparison(comparison, folder=tmp_path / "new" / "folder")
    lines = text.read_text().splitlines()
    assert max(len(line) for line in lines if line.startswith("|")) <= 120
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(comparison.differences) == 2 * 7
    assert rows[0]["difference"] == "0.050000"
    assert sum(row["p_holm"] == "" for row in rows) == 2 * 4


def test_the_command_ends_with_a_table_or_a_sentence(first: Path, second: Path, tmp_path: Path) -> None:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "scripts.compare", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    good = run(first, second, "--output", tmp_path / "compared")
    assert good.returncode == 0, good.stderr
    assert f"## CC -> MLO: {second}" in good.stdout
    assert (tmp_path / "compared" / "compare.csv").is_file()
    evaluated = write_made_evaluation(tmp_path / "run" / "evaluation", pairs=PAIRS)
    of_run = run(first, evaluated.parent)
    assert of_run.returncode == 0, of_run.stderr
    assert f"## CC -> MLO: {evaluated.parent}\n" in of_run.stdout
    twice = run(evaluated, evaluated.parent)
    assert twice.stderr == "compare: an evaluation is named twice\n"
    bad = run(first, tmp_path)
    assert bad.returncode == 1
    assert bad.stderr == f"compare: {tmp_path} holds no summary.json; give an evaluation's folder or its run's\n"
