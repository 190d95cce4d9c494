"""What is read from an evaluation's folder, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle.report.evaluation.folder import Estimate, Margin, read_evaluation
from bundle.vocabulary import Direction
from tests.report.made_evaluation import KINDS, MEASURES, write_made_evaluation


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_made_evaluation(tmp_path / "evaluation")


def edited(folder: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    edit(summary)
    path.write_text(json.dumps(summary))
    return folder


def test_everything_is_read(folder: Path) -> None:
    evaluation = read_evaluation(folder)
    assert evaluation.model == "model"
    assert dict(evaluation.kinds) == KINDS
    assert list(evaluation.measures) == list(MEASURES)
    assert evaluation.directions == tuple(Direction)
    assert (evaluation.images(Direction.CC_TO_MLO), evaluation.patients(Direction.CC_TO_MLO)) == (4, 2)
    assert [measure.name for measure in evaluation.headline] == ["in_breast_ssim", "in_breast_psnr_db", "shape_error"]
    assert evaluation.margins[Direction.MLO_TO_CC]["shape_error"].p_holm == 0.03
    assert evaluation.margins[Direction.MLO_TO_CC]["lesion_error_mm"].p_holm is None
    row = next(row for row in evaluation.rows if row.pair_id == "P_00000_R" and row.method == "model")
    assert row.values["lesion_error_mm"] is None
    assert row.values["in_breast_ssim"] is not None


def test_without_a_family_all_measures_with_a_margin_are_the_headline(folder: Path) -> None:
    evaluation = read_evaluation(edited(folder, lambda summary: summary.pop("family")))
    assert [each.name for each in evaluation.headline] == [name for name, m in MEASURES.items() if m["better"]]


@pytest.mark.parametrize(
    ("low", "high", "p", "p_holm", "verdict"),
    [
        (0.1, 0.3, 0.01, 0.04, "better"),
        (0.1, 0.3, 0.01, 0.06, "undecided"),
        (0.1, 0.3, 0.01, None, "better"),
        (-0.1, 0.5, 0.01, 0.01, "undecided"),
        (-0.4, -0.1, 0.01, 0.01, "worse"),
        (None, None, None, None, "undecided"),
        (0.1, 0.3, None, None, "undecided"),
    ],
)
def test_a_verdict_needs_interval_and_test(
    low: float | None, high: float | None, p: float | None, p_holm: float | None, verdict: str
) -> None:
    advantage = Estimate(mean=0.2, low=low, high=high, n=9)
    assert Margin(baseline="mean_target", advantage=advantage, p=p, p_holm=p_holm).verdict == verdict


@pytest.mark.parametrize("name", ["summary.json", "metrics.csv"])
def test_an_absent_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"holds no {name}; give an evaluation's folder or its run's"):
        read_evaluation(folder)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda s: s.pop("kinds"), "cannot be read .*kinds"),
        (lambda s: s["kinds"].pop("model"), "kinds must name one model and all methods"),
        (lambda s: s["kinds"].update(mean_target="best"), "cannot be read"),
        (lambda s: s["measures"].pop("shape_error"), "measures does not describe shape_error"),
        (lambda s: s["measures"]["shape_error"].update(group="beauty"), "shape_error has group 'beauty'"),
        (lambda s: s["methods"]["model"]["cc_to_mlo"]["shape_error"].pop("mean"), "cannot be read .*mean"),
        (
            lambda s: s["methods"]["mean_target"].pop("cc_to_mlo"),
            r"mean_target has the direction\(s\) mlo_to_cc, model cc",
        ),
        (lambda s: s["methods"]["model"].update(sideways={}), "cannot be read .*sideways"),
    ],
)
def test_a_damaged_summary_is_a_sentence(folder: Path, edit: Callable[[dict[str, Any]], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"summary.json.*{sentence}"):
        read_evaluation(edited(folder, edit))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("cc_to_mlo", "sideways", "line 2: 'sideways' is not a valid Direction"),
        ("in_breast_ssim", "other", r"lacks the column\(s\) in_breast_ssim"),
        (",0.6,", ",nan,", "line 2: a score is not finite"),
        (",0.6,", ",high,", "line 2: could not convert string to float: 'high'"),
    ],
)
def test_a_damaged_table_is_a_sentence(folder: Path, old: str, new: str, sentence: str) -> None:
    path = folder / "metrics.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=f"metrics.csv.*{sentence}"):
        read_evaluation(folder)


def test_a_table_without_rows_is_a_sentence(folder: Path) -> None:
    path = folder / "metrics.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(ValueError, match=r"metrics\.csv has no row"):
        read_evaluation(folder)
