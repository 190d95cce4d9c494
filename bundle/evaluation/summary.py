"""From the scores of images to the scores of methods."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bundle.evaluation.bootstrap import Interval, holm, mean_interval, ratio_interval, signed_rank_p
from bundle.evaluation.measures import MEASURES, Measure
from bundle.evaluation.methods import CEILING, CEILING_ONCE, MODEL, Kind
from bundle.evaluation.scoring import ImageScore
from bundle.vocabulary import Direction

FAMILY = tuple(measure for measure in MEASURES if measure.in_family)


@dataclass(frozen=True, kw_only=True)
class Margin:
    """By how much the model beats the best baseline, image by image.

    Args:
        baseline: the baseline with the best mean.
        difference: mean and interval of the model's advantage; positive where the model is better, also for measures
            of which less is better.
        p: of the Wilcoxon signed-rank test over patients; None for one patient.
        p_holm: corrected over the family; None where the measure does not belong to it.
    """

    baseline: str
    difference: Interval
    p: float | None
    p_holm: float | None = None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The scores of all methods.

    Args:
        kinds: what each method stands for.
        methods: mean and interval by method, direction and measure; only directions that the test split holds, and
            only measures that an image has.
        margins: the model against the best baseline, by direction and measure.
        shares: of the way from the best baseline to the method's ceiling, by method, direction and measure; only where
            there is a ceiling that is better than every baseline.
        tests: number of margins in the family.
        images: number of test images by direction.
        patients: number of patients by direction.
    """

    kinds: dict[str, Kind]
    methods: dict[str, dict[Direction, dict[str, Interval]]]
    margins: dict[Direction, dict[str, Margin]]
    shares: dict[str, dict[Direction, dict[str, Interval]]]
    tests: int
    images: dict[Direction, int]
    patients: dict[Direction, int]


def summarize(
    scores: Sequence[ImageScore],
    *,
    kinds: Mapping[str, Kind],
    samples: Collection[str] = (),
    resamples: int,
    seed: int,
) -> Summary:
    """Average the images' scores, resample the patients, and test the model against the best baseline.

    Args:
        scores: of all methods, the model among them; each method has scored the same cases.
        kinds: what each method stands for.
        samples: the methods that show one possible view: their ceiling is one exposure of the same breast, that of the
            others the mean of several.
        resamples: bootstrap draws.
        seed: of the draws; all methods meet the same ones.

    Raises:
        ValueError: there is no score, the model or all baselines are missing, a method has no kind, or a case was
            scored twice or not by all.
    """
    names = list(dict.fromkeys(score.method for score in scores))
    baselines = [name for name in names if kinds.get(name) is Kind.BASELINE]
    if MODEL not in names or not baselines or not set(names) <= set(kinds):
        raise ValueError(f"A summary needs scores of the model and of a baseline, got {names or 'no score at all'}.")
    by_case = {(score.method, score.direction, score.pair_id): score for score in scores}
    if len(by_case) != len(scores):
        raise ValueError("A test case was scored twice: evaluate in one process, on a test split without duplicates.")
    methods: dict[str, dict[Direction, dict[str, Interval]]] = {name: {} for name in names}
    margins: dict[Direction, dict[str, Margin]] = {}
    shares: dict[str, dict[Direction, dict[str, Interval]]] = {}
    images: dict[Direction, int] = {}
    patients: dict[Direction, int] = {}
    for direction in Direction:
        pairs = sorted({score.pair_id for score in scores if score.direction is direction})
        if not pairs:
            continue
        if any((name, direction, pair) not in by_case for name in names for pair in pairs):
            raise ValueError(f"Not every method has scored every case of {direction}: their means do not compare.")
        columns = {name: [by_case[name, direction, pair] for pair in pairs] for name in names}
        images[direction] = len(pairs)
        patients[direction] = len({score.patient_id for score in columns[MODEL]})
        for name, column in columns.items():
            methods[name][direction] = {}
            for measure in MEASURES:
                known = [score for score in column if not math.isnan(score.values[measure.name])]
                if known:
                    values, owners = [s.values[measure.name] for s in known], [s.patient_id for s in known]
                    interval = mean_interval(values, owners, resamples=resamples, seed=seed)
                    methods[name][direction][measure.name] = interval
        margins[direction] = {}
        for measure in MEASURES:
            best = best_baseline(methods, baselines, direction=direction, measure=measure)
            if best is None:
                continue
            margin = _margin(columns[MODEL], columns[best], measure=measure, resamples=resamples, seed=seed)
            if margin is not None:
                margins[direction][measure.name] = margin
            if CEILING not in columns:
                continue
            for name, column in columns.items():
                ceiling = columns[CEILING_ONCE if name in samples else CEILING]
                share = _share(column, columns[best], ceiling, measure=measure, resamples=resamples, seed=seed)
                if share is not None:
                    shares.setdefault(name, {}).setdefault(direction, {})[measure.name] = share
    tests = _correct(margins)
    return Summary(
        kinds={name: kinds[name] for name in names},
        methods=methods,
        margins=margins,
        shares=shares,
        tests=tests,
        images=images,
        patients=patients,
    )


def best_baseline(
    methods: Mapping[str, Mapping[Direction, Mapping[str, Interval]]],
    baselines: Sequence[str],
    *,
    direction: Direction,
    measure: Measure,
) -> str | None:
    """Return the name of the baseline with the best mean, of equals the first; None where no baseline can be best."""
    having = [name for name in baselines if measure.name in methods[name][direction]]
    if measure.better is None or not having:
        return None
    return max(having, key=lambda name: measure.sign * methods[name][direction][measure.name].mean)


def _margin(
    model: Sequence[ImageScore], other: Sequence[ImageScore], *, measure: Measure, resamples: int, seed: int
) -> Margin | None:
    """Compare the model with a baseline over the images where both have the measure; None where there is none."""
    advantages, owners = [], []
    for ours, theirs in zip(model, other, strict=True):
        advantage = measure.sign * (ours.values[measure.name] - theirs.values[measure.name])
        if not math.isnan(advantage):
            advantages.append(advantage)
            owners.append(ours.patient_id)
    if not advantages:
        return None
    return Margin(
        baseline=other[0].method,
        difference=mean_interval(advantages, owners, resamples=resamples, seed=seed),
        p=signed_rank_p(advantages, owners),
    )


def _share(
    column: Sequence[ImageScore],
    baseline: Sequence[ImageScore],
    ceiling: Sequence[ImageScore],
    *,
    measure: Measure,
    resamples: int,
    seed: int,
) -> Interval | None:
    """Where a method's mean lies between the baseline's (0) and the ceiling's (1); None where that is no better."""
    gained, possible, owners = [], [], []
    for scores in zip(column, baseline, ceiling, strict=True):
        method, low, high = (measure.sign * score.values[measure.name] for score in scores)
        if not math.isnan(method + low + high):
            gained.append(method - low)
            possible.append(high - low)
            owners.append(scores[0].patient_id)
    if not possible or math.fsum(possible) <= 0:
        return None
    return ratio_interval(gained, possible, owners, resamples=resamples, seed=seed)


def _correct(margins: dict[Direction, dict[str, Margin]]) -> int:
    """Fill in the family's corrected p values; return how many tests there are."""
    family = {
        (direction, measure.name): margin.p
        for direction, of_direction in margins.items()
        for measure in FAMILY
        if (margin := of_direction.get(measure.name)) is not None and margin.p is not None
    }
    for (direction, name), corrected in zip(family, holm([p for p in family.values() if p is not None]), strict=True):
        margins[direction][name] = replace(margins[direction][name], p_holm=corrected)
    return len(family)
