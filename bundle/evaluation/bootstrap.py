"""How sure a mean over images is, when images of one patient resemble each other."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over images with its bootstrap interval.

    Args:
        mean: over all images.
        low, high: bounds of the 95 % interval; None when all images are of one patient, which tells nothing about
            others.
        n: number of images.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


def mean_interval(values: Sequence[float], patient_ids: Sequence[str], *, resamples: int, seed: int) -> Interval:
    """Mean over images, with the expanded percentile bootstrap interval over patients.

    Patients are drawn with replacement and bring all their images along (cluster bootstrap: Davison and Hinkley 1997,
    section 3.8). The percentiles are those of `tail`. The result does not depend on the order of the images, and two
    sets of values of the same patients meet the same draws under one seed, so that their difference can be resampled
    likewise.

    Args:
        values: one finite number per image.
        patient_ids: whose image it is, as many.
        resamples: number of draws, at least 100.
        seed: of the draws.

    Raises:
        ValueError: no value, a value that is not finite, numbers that disagree, or too few resamples.
    """
    if len(values) == 0 or len(values) != len(patient_ids):
        raise ValueError(
            f"The bootstrap needs one patient per value and at least one value, got {len(values)} values and "
            f"{len(patient_ids)} patients."
        )
    if not all(math.isfinite(value) for value in values):
        raise ValueError("The bootstrap got a value that is NaN or infinite: score every image before averaging.")
    if resamples < 100:
        raise ValueError(f"resamples is {resamples}: a {LEVEL:.0%} interval needs at least 100, better 2000.")
    of_patient: dict[str, list[float]] = defaultdict(list)
    for value, patient_id in zip(values, patient_ids, strict=True):
        of_patient[patient_id].append(value)
    patients = sorted(of_patient)
    mean = math.fsum(values) / len(values)
    if len(patients) == 1:
        return Interval(mean=mean, low=None, high=None, n=len(values))
    sums = np.array([math.fsum(of_patient[patient]) for patient in patients])
    counts = np.array([len(of_patient[patient]) for patient in patients], dtype=np.float64)
    # How often each patient occurs in a draw of as many patients: [resamples, patients]
    draws = np.random.default_rng(seed).multinomial(len(patients), np.full(len(patients), 1 / len(patients)), resamples)
    outside = tail(len(patients))
    low, high = np.quantile((draws @ sums) / (draws @ counts), [outside, 1 - outside])
    return Interval(mean=mean, low=float(low), high=float(high), n=len(values))


def ratio_interval(
    numerators: Sequence[float], denominators: Sequence[float], patient_ids: Sequence[str], *, resamples: int, seed: int
) -> Interval:
    """Ratio of two means over images, with the interval of `mean_interval`.

    Args:
        numerators: one finite number per image.
        denominators: as many, with a mean that is not zero.
        patient_ids: whose image it is, as many.
        resamples: number of draws.
        seed: of the draws.

    Returns:
        The ratio as ``mean``; without bounds for one patient, or where some draw's denominator has the other sign: the
        ratio then means little.
    """
    patients = sorted(set(patient_ids))
    sums = np.zeros((len(patients), 2))
    for pair, patient in zip(zip(numerators, denominators, strict=True), patient_ids, strict=True):
        sums[patients.index(patient)] += pair
    total = sums.sum(axis=0)
    ratio = float(total[0] / total[1])
    draws = np.random.default_rng(seed).multinomial(len(patients), np.full(len(patients), 1 / len(patients)), resamples)
    drawn = draws @ sums
    if len(patients) == 1 or (drawn[:, 1] * total[1] <= 0).any():
        return Interval(mean=ratio, low=None, high=None, n=len(numerators))
    outside = tail(len(patients))
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [outside, 1 - outside])
    return Interval(mean=ratio, low=float(low), high=float(high), n=len(numerators))


def signed_rank_p(differences: Sequence[float], patient_ids: Sequence[str]) -> float | None:
    """Give the two-sided p value of the Wilcoxon signed-rank test that the patients' mean differences centre on zero.

    Images of one patient resemble each other, so each patient counts once, by the mean of the images.

    Args:
        differences: one finite number per image.
        patient_ids: whose image it is, as many.

    Returns:
        p in (0, 1], 1 where all differences are zero; None for one patient.
    """
    of_patient: dict[str, list[float]] = defaultdict(list)
    for difference, patient_id in zip(differences, patient_ids, strict=True):
        of_patient[patient_id].append(difference)
    means = np.array([math.fsum(of_patient[patient]) / len(of_patient[patient]) for patient in sorted(of_patient)])
    if len(means) < 2:
        return None
    if not means.any():
        return 1.0
    return float(stats.wilcoxon(means).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values for the number of tests (Holm 1979, Scand J Statist 6:65): the least one times their number."""
    adjusted = [0.0] * len(p_values)
    greatest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        greatest = max(greatest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = greatest
    return adjusted


def tail(patients: int) -> float:
    """Share of the draws to leave out at each end, so that few patients do not make the interval too narrow.

    Phi(-sqrt(P / (P - 1)) t), with t the quantile of Student's distribution with P - 1 degrees of freedom: less than
    0.025 and towards it as P grows (Hesterberg 2015, doi:10.1080/00031305.2015.1089789). The plain
    percentiles cover the true mean in 92 % of cases for 24 patients, not in 95 %.

    Args:
        patients: number of patients P, at least 2.
    """
    quantile = stats.t.ppf((1 + LEVEL) / 2, patients - 1)
    return float(stats.norm.cdf(-math.sqrt(patients / (patients - 1)) * quantile))
