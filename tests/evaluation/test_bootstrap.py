from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from bundle.evaluation.bootstrap import holm, mean_interval, ratio_interval, signed_rank_p, tail

scores = st.lists(st.tuples(st.sampled_from("ABCDE"), st.floats(-50, 50)), min_size=1, max_size=20)


def test_mean_is_over_images_not_over_patients() -> None:
    interval = mean_interval([1.0, 1.0, 4.0], ["A", "A", "B"], resamples=200, seed=0)
    assert (interval.mean, interval.n) == (2.0, 3)


def test_two_patients_by_hand() -> None:
    """A has 1 and 1, B has 4: the draws AA, AB, BA, BB give 1, 2, 2, 4 with a quarter each."""
    interval = mean_interval([1.0, 1.0, 4.0], ["A", "A", "B"], resamples=2000, seed=0)
    assert (interval.low, interval.high) == (1.0, 4.0)


def test_the_tail_by_a_printed_table_of_students_distribution() -> None:
    # 23 degrees of freedom: t = 2.0687; times sqrt(24 / 23) = 2.1132, and Phi(-2.1132) = 0.0173
    assert tail(24) == pytest.approx(0.0173, abs=5e-5)
    assert tail(100_000) == pytest.approx(0.025, abs=1e-5)


def test_six_patients_by_enumeration() -> None:
    """All 6^6 equally likely draws of patients with 1 to 3 images."""
    images = {"A": [0.0, 1.0], "B": [5.0], "C": [9.0], "D": [2.0, 2.5, 3.0], "E": [4.0], "F": [7.0, 6.0]}
    sums = np.array([sum(column) for column in images.values()])
    counts = np.array([len(column) for column in images.values()])
    draws = np.array(list(itertools.product(range(6), repeat=6)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    values = [value for column in images.values() for value in column]
    owners = [name for name, column in images.items() for _ in column]
    interval = mean_interval(values, owners, resamples=200_000, seed=1)
    assert interval.low == pytest.approx(np.quantile(means, tail(6)), abs=0.05)
    assert interval.high == pytest.approx(np.quantile(means, 1 - tail(6)), abs=0.05)


def test_equals_scipy_where_each_patient_has_one_image() -> None:
    values = np.random.default_rng(0).normal(size=40)
    interval = mean_interval(list(values), [f"P{index}" for index in range(40)], resamples=20000, seed=0)
    expected = bootstrap(
        (values,),
        np.mean,
        n_resamples=20000,
        method="percentile",
        confidence_level=1 - 2 * tail(40),
        rng=np.random.default_rng(1),
    )
    assert interval.low == pytest.approx(expected.confidence_interval.low, abs=0.02)
    assert interval.high == pytest.approx(expected.confidence_interval.high, abs=0.02)


@pytest.mark.parametrize("patients", [16, 40])
def test_coverage_by_simulation(patients: int) -> None:
    """Patients with an effect of their own and 1 to 4 images each: about 95 of 100 intervals hold the true mean.

    An interval over images holds it far less often: the images of one patient are nearly copies.
    """
    rng = np.random.default_rng(0)
    repeats = 300
    covered = covered_by_images = 0
    for repeat in range(repeats):
        counts = rng.integers(1, 5, size=patients)
        owners = np.repeat(np.arange(patients), counts)
        values = rng.normal(size=patients)[owners] + 0.2 * rng.normal(size=len(owners))
        over_patients = mean_interval(list(values), [f"P{owner}" for owner in owners], resamples=400, seed=repeat)
        over_images = mean_interval(list(values), [f"I{i}" for i in range(len(owners))], resamples=400, seed=repeat)
        covered += over_patients.low <= 0 <= over_patients.high
        covered_by_images += over_images.low <= 0 <= over_images.high
    assert covered / repeats == pytest.approx(0.95, abs=0.038)  # three standard errors of the simulation
    assert covered_by_images / repeats < 0.85


@settings(deadline=None, max_examples=50)
@given(scores=scores, seed=st.integers(0, 5))
def test_order_does_not_matter(scores: list[tuple[str, float]], seed: int) -> None:
    there = mean_interval([v for _, v in scores], [p for p, _ in scores], resamples=100, seed=seed)
    shuffled = sorted(scores, key=lambda score: (score[1], score[0]))
    back = mean_interval([v for _, v in shuffled], [p for p, _ in shuffled], resamples=100, seed=seed)
    assert there == back


@settings(deadline=None, max_examples=50)
@given(scores=scores)
def test_interval_stays_between_the_extremes(scores: list[tuple[str, float]]) -> None:
    values = [value for _, value in scores]
    interval = mean_interval(values, [patient for patient, _ in scores], resamples=100, seed=0)
    if interval.low is None:
        assert len({patient for patient, _ in scores}) == 1
        return
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9


def test_the_seed_decides() -> None:
    values, owners = list(np.random.default_rng(0).normal(size=30)), [f"P{index}" for index in range(30)]
    one, same, other = (mean_interval(values, owners, resamples=200, seed=seed) for seed in (0, 0, 1))
    assert one == same
    assert one != other


def test_one_patient_gives_no_interval() -> None:
    interval = mean_interval([1.0, 2.0], ["A", "A"], resamples=100, seed=0)
    assert (interval.mean, interval.low, interval.high, interval.n) == (1.5, None, None, 2)


@pytest.mark.parametrize(
    ("values", "owners", "resamples", "reason"),
    [
        ([], [], 200, "at least one value"),
        ([1.0], ["A", "B"], 200, "1 values and 2 patients"),
        ([1.0, float("nan")], ["A", "B"], 200, "NaN"),
        ([1.0, float("inf")], ["A", "B"], 200, "infinite"),
        ([1.0, 2.0], ["A", "B"], 10, "resamples is 10"),
    ],
)
def test_wrong_input(values: list[float], owners: list[str], resamples: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        mean_interval(values, owners, resamples=resamples, seed=0)


class TestRatio:
    def test_one_ratio_everywhere_has_no_uncertainty(self) -> None:
        interval = ratio_interval([1.0, 2, 3], [2.0, 4, 6], ["A", "B", "C"], resamples=200, seed=0)
        assert (interval.mean, interval.low, interval.high, interval.n) == pytest.approx((0.5, 0.5, 0.5, 3))

    def test_it_is_of_means_not_a_mean_of_ratios(self) -> None:
        interval = ratio_interval([1.0, 0.0], [1.0, 3.0], ["A", "B"], resamples=2000, seed=0)
        assert interval.mean == 0.25
        assert (interval.low, interval.high) == (0.0, 1.0)  # BB and AA

    def test_a_denominator_that_may_be_zero_and_one_patient_give_no_bounds(self) -> None:
        assert ratio_interval([1.0, 1.0], [3.0, -1.0], ["A", "B"], resamples=200, seed=0).low is None
        assert ratio_interval([1.0, 1.0], [2.0, 2.0], ["A", "A"], resamples=200, seed=0).high is None

    def test_a_denominator_of_one_gives_the_interval_of_the_mean(self) -> None:
        values, owners = list(np.random.default_rng(0).normal(size=30)), [f"P{index % 11}" for index in range(30)]
        one = ratio_interval(values, [1.0] * 30, owners, resamples=400, seed=3)
        other = mean_interval(values, owners, resamples=400, seed=3)
        assert (one.mean, one.low, one.high) == pytest.approx((other.mean, other.low, other.high))


class TestTests:
    def test_holm_by_hand(self) -> None:
        # In order 0.01 * 4, 0.02 * 3, 0.03 * 2 (no less than the one before), 0.5.
        assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
        assert holm([0.9, 0.8]) == [1.0, 1.0]
        assert holm([]) == []

    def test_signed_rank_by_enumeration(self) -> None:
        """Five patients, all better: 2 of the 2^5 signs are as extreme."""
        assert signed_rank_p([1.0, 2, 3, 4, 5], list("ABCDE")) == pytest.approx(2 / 32)

    def test_images_of_one_patient_count_once(self) -> None:
        once = signed_rank_p([1.0, 2, 3, 4, -5], list("ABCDE"))
        assert signed_rank_p([1.0, 1, 1, 2, 3, 4, -4, -6], list("AAABCDEE")) == once

    def test_no_difference_and_one_patient(self) -> None:
        assert signed_rank_p([0.0, 0.0], ["A", "B"]) == 1.0
        assert signed_rank_p([1.0, 2.0], ["A", "A"]) is None
