"""The summary, its table and its files, from scores that were chosen by hand."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from bundle.evaluation.files import write_metrics, write_summary
from bundle.evaluation.measures import MEASURES
from bundle.evaluation.methods import Kind
from bundle.evaluation.scoring import ImageScore
from bundle.evaluation.summary import summarize
from bundle.vocabulary import Direction

COLUMNS = [measure.name for measure in MEASURES]
NAMES = ["in_breast_ssim", "in_breast_psnr_db", "ssim", "psnr_db", "l1"]
# By method: these measures of three patients' images towards MLO; all others do not exist for them.
TO_MLO = {
    "model": [(0.7, 20, 0.8, 22, 0.02), (0.6, 19, 0.7, 21, 0.03), (0.8, 21, 0.9, 23, 0.01)],
    "source_copied": [(0.3, 12, 0.5, 14, 0.10), (0.4, 11, 0.4, 13, 0.11), (0.2, 13, 0.6, 15, 0.09)],
    "mean_target": [(0.5, 18, 0.6, 19, 0.05), (0.5, 17, 0.6, 18, 0.06), (0.5, 19, 0.6, 20, 0.04)],
    "nearest_source": [(0.6, 16, 0.7, 18, 0.04), (0.4, 15, 0.6, 17, 0.05), (0.6, 17, 0.8, 19, 0.03)],
}

KINDS = {method: Kind.MODEL if method == "model" else Kind.BASELINE for method in TO_MLO}
NOTHING_ELSE = {"concordance": {}, "distances": {}, "conditioning": {}, "spread": {}, "posterior": {}}


def made_scores(directions: tuple[Direction, ...] = tuple(Direction)) -> list[ImageScore]:
    return [
        ImageScore(
            patient_id=f"P{index}",
            pair_id=f"P{index}_L",
            direction=direction,
            method=method,
            values=dict.fromkeys(COLUMNS, math.nan) | dict(zip(NAMES, map(float, values), strict=True)),
        )
        for direction in directions
        for method, rows in TO_MLO.items()
        for index, values in enumerate(rows)
    ]


def test_means_and_numbers_by_hand() -> None:
    summary = summarize(made_scores(), kinds=KINDS, resamples=200, seed=0)
    model = summary.methods["model"][Direction.CC_TO_MLO]
    assert [model[name].mean for name in NAMES] == pytest.approx([0.7, 20, 0.8, 22, 0.02])
    assert {interval.n for interval in model.values()} == {3}
    assert summary.patients == {Direction.CC_TO_MLO: 3, Direction.MLO_TO_CC: 3}


def test_the_best_baseline_is_named_for_each_measure() -> None:
    margins = summarize(made_scores(), kinds=KINDS, resamples=200, seed=0).margins[Direction.CC_TO_MLO]
    assert {name: margin.baseline for name, margin in margins.items()} == {
        "in_breast_ssim": "nearest_source",  # 0.533 against 0.5
        "in_breast_psnr_db": "mean_target",
        "ssim": "nearest_source",
        "psnr_db": "mean_target",
        "l1": "nearest_source",  # less is better: 0.04 against 0.05
    }


def test_the_margin_is_paired_and_positive_where_the_model_is_better() -> None:
    margins = summarize(made_scores(), kinds=KINDS, resamples=2000, seed=0).margins[Direction.CC_TO_MLO]
    assert margins["in_breast_ssim"].difference.mean == pytest.approx(0.5 / 3)  # 0.1, 0.2, 0.2
    assert margins["l1"].difference.mean == pytest.approx(0.02)
    # The model is two decibels better on each image, though the images differ: no uncertainty is left.
    psnr = margins["in_breast_psnr_db"].difference
    assert (psnr.mean, psnr.low, psnr.high) == pytest.approx((2.0, 2.0, 2.0))


def test_a_direction_that_the_split_lacks_is_left_out() -> None:
    summary = summarize(made_scores((Direction.MLO_TO_CC,)), kinds=KINDS, resamples=200, seed=0)
    assert list(summary.methods["model"]) == [Direction.MLO_TO_CC]


def test_p_values_are_corrected_over_the_family_alone() -> None:
    """Three patients: the least possible p is 2 / 2 ** 3 = 0.25, and four tests of it make 1."""
    margins = summarize(made_scores(), kinds=KINDS, resamples=200, seed=0).margins
    for of_direction in margins.values():
        assert of_direction["in_breast_psnr_db"].p == pytest.approx(0.25)
        assert of_direction["in_breast_psnr_db"].p_holm == pytest.approx(1.0)
        assert of_direction["l1"].p_holm is None


def test_shares_of_the_way_to_the_ceiling_by_hand() -> None:
    """In-breast SSIM: baseline 1.6 / 3, model 0.7, ceiling 0.9. PSNR: a ceiling below the baseline is none."""
    scores = made_scores((Direction.CC_TO_MLO,))
    again = {"in_breast_ssim": (0.9, 0.8, 1.0), "in_breast_psnr_db": (17, 17, 17), "l1": (0.0, 0.01, 0.02)}
    for index in range(3):
        values = dict.fromkeys(COLUMNS, math.nan) | {name: float(column[index]) for name, column in again.items()}
        scores.append(
            ImageScore(
                patient_id=f"P{index}",
                pair_id=f"P{index}_L",
                direction=Direction.CC_TO_MLO,
                method="same_breast_again",
                values=values,
            )
        )
    kinds = KINDS | {"same_breast_again": Kind.CEILING}
    shares = summarize(scores, kinds=kinds, resamples=200, seed=0).shares
    of_model = shares["model"][Direction.CC_TO_MLO]
    assert set(of_model) == {"in_breast_ssim", "l1"}
    assert of_model["in_breast_ssim"].mean == pytest.approx((0.7 - 1.6 / 3) / (0.9 - 1.6 / 3))
    assert of_model["l1"].mean == pytest.approx((0.04 - 0.02) / (0.04 - 0.01))  # less is better
    assert shares["nearest_source"][Direction.CC_TO_MLO]["in_breast_ssim"].mean == 0
    assert shares["same_breast_again"][Direction.CC_TO_MLO]["in_breast_ssim"].mean == 1
    assert summarize(made_scores(), kinds=KINDS, resamples=200, seed=0).shares == {}


def test_the_ceiling_of_a_sample_is_one_exposure_of_the_same_breast() -> None:
    """In-breast SSIM: baseline 1.6 / 3, sample 0.6, the mean of the repeats 0.9, one of them 0.7."""
    scores = made_scores((Direction.CC_TO_MLO,))
    for method, ssim in (("sample", 0.6), ("same_breast_again", 0.9), ("same_breast_once", 0.7)):
        scores += [
            ImageScore(
                patient_id=f"P{index}",
                pair_id=f"P{index}_L",
                direction=Direction.CC_TO_MLO,
                method=method,
                values=dict.fromkeys(COLUMNS, math.nan) | {"in_breast_ssim": ssim},
            )
            for index in range(3)
        ]
    kinds = {**KINDS, "sample": Kind.VARIANT, "same_breast_again": Kind.CEILING, "same_breast_once": Kind.CEILING}
    base = 1.6 / 3
    for samples, of_sample, of_model in (
        ({"sample"}, (0.6 - base) / (0.7 - base), (0.7 - base) / (0.9 - base)),
        ({"sample", "model"}, (0.6 - base) / (0.7 - base), 1.0),
        ((), (0.6 - base) / (0.9 - base), (0.7 - base) / (0.9 - base)),
    ):
        shares = summarize(scores, kinds=kinds, samples=samples, resamples=200, seed=0).shares
        found = [shares[name][Direction.CC_TO_MLO]["in_breast_ssim"].mean for name in ("sample", "model")]
        assert found == pytest.approx([of_sample, of_model])


def test_only_baselines_are_compared_with() -> None:
    kinds = KINDS | {"nearest_source": Kind.WARNING, "mean_target": Kind.REFERENCE}
    margins = summarize(made_scores(), kinds=kinds, resamples=200, seed=0).margins
    assert {m.baseline for of_direction in margins.values() for m in of_direction.values()} == {"source_copied"}


def test_an_image_without_a_measure_counts_nowhere() -> None:
    scores = made_scores((Direction.CC_TO_MLO,))
    for score in scores:
        if (score.method, score.patient_id) in (("model", "P0"), ("mean_target", "P1")):
            score.values["in_breast_psnr_db"] = math.nan
    summary = summarize(scores, kinds=KINDS, resamples=200, seed=0)
    model = summary.methods["model"][Direction.CC_TO_MLO]["in_breast_psnr_db"]
    assert (model.mean, model.n) == (20, 2)  # 19 and 21
    margin = summary.margins[Direction.CC_TO_MLO]["in_breast_psnr_db"]
    assert (margin.difference.mean, margin.difference.n) == (2, 1)  # P2 alone has both
    assert margin.p is None


def test_order_does_not_matter() -> None:
    scores = made_scores()
    by_method = sorted(scores, key=lambda score: (list(TO_MLO).index(score.method), score.patient_id[::-1]))
    assert summarize(scores, kinds=KINDS, resamples=200, seed=0) == summarize(
        by_method[::-1][::-1], kinds=KINDS, resamples=200, seed=0
    )
    reversed_summary = summarize(scores[::-1], kinds=KINDS, resamples=200, seed=0)
    assert reversed_summary.methods == summarize(scores, kinds=KINDS, resamples=200, seed=0).methods


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ([], "no score at all"),
        ([score for score in made_scores() if score.method == "model"], "of a baseline"),
        ([score for score in made_scores() if score.method != "model"], "of the model"),
        ([*made_scores(), made_scores()[0]], "scored twice"),
        (made_scores()[1:], "Not every method has scored every case of cc_to_mlo"),
    ],
)
def test_wrong_scores(scores: list[ImageScore], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        summarize(scores, kinds=KINDS, resamples=200, seed=0)


class TestFiles:
    def test_metrics_has_a_row_per_case_and_method(self, tmp_path: Path) -> None:
        path = write_metrics(made_scores()[::-1], path=tmp_path / "metrics.csv")
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == ["patient_id", "pair_id", "direction", "method", *COLUMNS]
        assert len(rows) == 2 * 4 * 3
        row = next(row for row in rows if (row["pair_id"], row["method"]) == ("P2_L", "model"))
        assert [float(row[name]) for name in NAMES] == [0.8, 21, 0.9, 23, 0.01]
        assert {row[name] for name in COLUMNS if name not in NAMES} == {""}  # never zero
        assert {row["direction"] for row in rows} == {"cc_to_mlo", "mlo_to_cc"}

    def test_summary_has_the_agreed_form(self, tmp_path: Path) -> None:
        summary = summarize(made_scores(), kinds=KINDS, resamples=200, seed=0)
        path = write_summary(summary, protocol={"data_range": 1.0}, **NOTHING_ELSE, path=tmp_path / "summary.json")
        document = json.loads(path.read_text())
        assert document["protocol"] == {"data_range": 1.0}
        assert list(document["methods"]) == list(TO_MLO)
        for directions in document["methods"].values():
            assert list(directions) == ["cc_to_mlo", "mlo_to_cc"]
            for measures in directions.values():
                assert list(measures) == NAMES
                for cell in measures.values():
                    assert list(cell) == ["mean", "low", "high", "n"]
                    assert cell["low"] <= cell["mean"] <= cell["high"]
        assert document["margins"]["cc_to_mlo"]["in_breast_psnr_db"]["baseline"] == "mean_target"
        assert document["kinds"] == {method: "model" if method == "model" else "baseline" for method in TO_MLO}
        assert list(document["measures"]) == COLUMNS
        for measure in document["measures"].values():
            assert set(measure) == {"title", "description", "group", "better", "decimals"}
            assert measure["better"] in ("higher", "lower", None)
        tested = [cell for cells in document["margins"].values() for cell in cells.values() if "p_holm" in cell]
        assert len(tested) == document["family"]["tests"] == 4

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_nothing_is_written_half(self, tmp_path: Path, value: float) -> None:
        path = tmp_path / "summary.json"
        path.write_text("before")
        summary = summarize(made_scores(), kinds=KINDS, resamples=200, seed=0)
        with pytest.raises(ValueError, match="JSON compliant"):
            write_summary(summary, protocol={"data_range": value}, **NOTHING_ELSE, path=path)
        assert path.read_text() == "before"
        assert [found.name for found in tmp_path.iterdir()] == ["summary.json"]
