"""From the scores of images to the scores of methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bundle.evaluation.bootstrap import Interval, mean_interval
from bundle.evaluation.scoring import MEASURES, MODEL, ImageScore, Measure
from bundle.vocabulary import Direction


@dataclass(frozen=True, kw_only=True)
class Margin:
    """By how much the model beats the best baseline, image by image.

    Args:
        baseline: the baseline with the best mean.
        difference: mean and interval of the model's advantage; positive where the model is better, also for measures
            of which less is better.
    """

    baseline: str
    difference: Interval


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The scores of all methods.

    Args:
        methods: mean and interval by method, direction and measure; only directions that the test split holds.
        margins: the model against the best baseline, by direction and measure.
        patients: number of patients by direction.
    """

    methods: dict[str, dict[Direction, dict[str, Interval]]]
    margins: dict[Direction, dict[str, Margin]]
    patients: dict[Direction, int]


def summarize(scores: Sequence[ImageScore], *, resamples: int, seed: int) -> Summary:
    """Average the images' scores and resample the patients.

    Args:
        scores: of all methods, the model among them; each method has scored the same cases.
        resamples: bootstrap draws.
        seed: of the draws; all methods meet the same ones.

    Raises:
        ValueError: there is no score, the model or all baselines are missing, or a case was scored twice or not by all.
    """
    names = list(dict.fromkeys(score.method for score in scores))
    if MODEL not in names or len(names) < 2:
        raise ValueError(f"A summary needs scores of the model and of a baseline, got {names or 'no score at all'}.")
    by_case = {(score.method, score.direction, score.pair_id): score for score in scores}
    if len(by_case) != len(scores):
        raise ValueError("A test case was scored twice: evaluate in one process, on a test split without duplicates.")
    methods: dict[str, dict[Direction, dict[str, Interval]]] = {name: {} for name in names}
    margins: dict[Direction, dict[str, Margin]] = {}
    patients: dict[Direction, int] = {}
    for direction in Direction:
        pairs = sorted({score.pair_id for score in scores if score.direction is direction})
        if not pairs:
            continue
        if any((name, direction, pair) not in by_case for name in names for pair in pairs):
            raise ValueError(f"Not every method has scored every case of {direction}: their means do not compare.")
        columns = {name: [by_case[name, direction, pair] for pair in pairs] for name in names}
        owners = [score.patient_id for score in columns[MODEL]]
        patients[direction] = len(set(owners))
        for name, column in columns.items():
            methods[name][direction] = {
                measure.name: mean_interval(
                    [score.values[measure.name] for score in column], owners, resamples=resamples, seed=seed
                )
                for measure in MEASURES
            }
        margins[direction] = {}
        for measure in MEASURES:
            best = best_baseline(methods, direction=direction, measure=measure)
            sign = 1 if measure.higher_is_better else -1
            advantages = [
                sign * (model.values[measure.name] - other.values[measure.name])
                for model, other in zip(columns[MODEL], columns[best], strict=True)
            ]
            difference = mean_interval(advantages, owners, resamples=resamples, seed=seed)
            margins[direction][measure.name] = Margin(baseline=best, difference=difference)
    return Summary(methods=methods, margins=margins, patients=patients)


def best_baseline(
    methods: dict[str, dict[Direction, dict[str, Interval]]], *, direction: Direction, measure: Measure
) -> str:
    """Return the name of the baseline with the best mean; among equals the first."""
    sign = 1 if measure.higher_is_better else -1
    baselines = [name for name in methods if name != MODEL]
    return max(baselines, key=lambda name: sign * methods[name][direction][measure.name].mean)
