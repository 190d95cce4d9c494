"""Several evaluations side by side: the models' scores, paired per image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bundle.atomic import replacing
from bundle.csv_tables import write_csv
from bundle.evaluation.bootstrap import holm, mean_interval, signed_rank_p
from bundle.report.evaluation.folder import SURE, Estimate, Evaluation, Measure, Row
from bundle.report.evaluation.table import aligned_table
from bundle.report.evaluation.wording import direction_words, p_value, with_interval
from bundle.vocabulary import Direction

# Where one of these differs, one name stands for different measures.
_DECISIVE = ("canvas", "data_range")
# They measure by the standardizer of radiomic features and the level of blobs, learned from the training split.
OF_THE_TRAINING_SPLIT = ("lesion_radiomics_error", "hallucinated_lesions")
_COLUMNS = (
    *("direction", "first", "run", "measure", "first_mean", "run_mean"),
    *("difference", "low", "high", "n", "p", "p_holm"),
)

Image = tuple[Direction, str]
"""Direction and pair_id: one test image."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One run against the first one, in one measure and direction.

    Args:
        run: its name.
        direction: of the views.
        measure: which one.
        first_mean, run_mean: over the images that have the measure in both.
        difference: the run's minus the first one's, image by image.
        p: of Wilcoxon's signed-rank test over the patients' mean differences; None where there is one patient.
        p_holm: corrected over all differences of the family's measures; None for other measures.
    """

    run: str
    direction: Direction
    measure: Measure
    first_mean: float
    run_mean: float
    difference: Estimate
    p: float | None
    p_holm: float | None = None

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` than the first one, ``undecided`` where it may be chance."""
        low, high = self.difference.low, self.difference.high
        p = self.p if self.p_holm is None else self.p_holm
        if low is None or high is None or low <= 0 <= high or p is None or p > SURE:
            return "undecided"
        if self.measure.better is None:
            return "higher" if low > 0 else "lower"
        return "better" if (low > 0) == (self.measure.better == "higher") else "worse"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a comparison found.

    Args:
        names: of the runs; the others are compared with the first one.
        images, patients: common to all runs, by direction.
        left_out: by run the test images that not all runs have.
        unlike: what differs in the protocols, and the measures that are not compared for that reason.
        differences: by direction, run and measure.
    """

    names: tuple[str, ...]
    images: Mapping[Direction, int]
    patients: Mapping[Direction, int]
    left_out: Mapping[str, tuple[Image, ...]]
    unlike: tuple[str, ...]
    differences: tuple[Difference, ...]


def compare(evaluations: Mapping[str, Evaluation], *, resamples: int, seed: int) -> Comparison:
    """Compare each further evaluation's model with the first one's, on the images that all of them have.

    Args:
        evaluations: by name, at least two.
        resamples: bootstrap draws.
        seed: of the draws.

    Raises:
        ValueError: fewer than two; canvas or data range differ; no image is common; or a pair_id stands for one image
            here and for another there.
    """
    if len(evaluations) < 2:
        raise ValueError(f"a comparison needs at least two evaluations, got {len(evaluations)}")
    (first_name, first), *others = evaluations.items()
    rows = {
        name: {(row.direction, row.pair_id): row for row in evaluation.rows if row.method == evaluation.model}
        for name, evaluation in evaluations.items()
    }
    common = set.intersection(*(set(each) for each in rows.values()))
    if not common:
        raise ValueError(f"{', '.join(evaluations)} have no test image (pair_id and direction) in common")
    unlike: list[str] = []
    for name, other in others:
        _require_the_same_images((first_name, first), (name, other), common=common)
        unlike += _unlike((first_name, first), (name, other))
    measures = [each for each in first.measures.values() if all(_is_compared(each.name, first, o) for _, o in others)]
    differences = [
        difference
        for direction in Direction
        for name, _ in others
        for measure in measures
        if (
            difference := _difference(
                name,
                measure,
                direction,
                pairs=[
                    (rows[first_name][image], rows[name][image]) for image in sorted(common) if image[0] is direction
                ],
                resamples=resamples,
                seed=seed,
            )
        )
    ]
    return Comparison(
        names=tuple(evaluations),
        images={direction: sum(image[0] is direction for image in common) for direction in Direction},
        patients={
            direction: len({rows[first_name][image].patient_id for image in common if image[0] is direction})
            for direction in Direction
        },
        left_out={name: tuple(sorted(set(each) - common)) for name, each in rows.items()},
        unlike=tuple(unlike),
        differences=_corrected(differences, family=first.family.get("measures") or ()),
    )


def comparison_markdown(comparison: Comparison) -> str:
    """Lay out a block per direction and run, for terminal and file."""
    first = comparison.names[0]
    parts = [f"# Evaluations compared with {first}"]
    for direction, images in comparison.images.items():
        for name in comparison.names[1:]:
            found = [each for each in comparison.differences if (each.run, each.direction) == (name, direction)]
            if not found:
                continue
            rows = [["measure", "first", "this", "this - first [95 % interval]", "n", "p", "verdict"]]
            rows += [
                [
                    each.measure.title,
                    f"{each.first_mean:.{each.measure.decimals}f}",
                    f"{each.run_mean:.{each.measure.decimals}f}",
                    with_interval(each.difference, decimals=each.measure.decimals, sign="+"),
                    str(each.difference.n),
                    p_value(each.p) if each.p_holm is None else f"{p_value(each.p_holm)}*",
                    each.verdict,
                ]
                for each in found
            ]
            parts += [
                f"## {direction_words(direction)}: {name}",
                f"{images} common test images of {comparison.patients[direction]} patients; first: {first}",
                aligned_table(rows),
            ]
    parts.append(
        "In brackets: 95 % interval over patients. p: Wilcoxon's signed-rank test over the patients' means; * with "
        "Holm's correction over all differences of the family's measures."
    )
    if any(comparison.left_out.values()):
        parts.append("Left out, because not all runs have them:")
        parts.append("\n".join(_left_out(name, images) for name, images in comparison.left_out.items() if images))
    if comparison.unlike:
        parts.append("The evaluations differ in:")
        parts.append("\n".join(f"- {entry}" for entry in comparison.unlike))
    return "\n\n".join(parts) + "\n"


def write_comparison(comparison: Comparison, *, folder: Path) -> tuple[Path, Path]:
    """Write ``compare.csv`` (a row per direction, run and measure) and ``compare.md``; return both paths.

    Args:
        comparison: what was found.
        folder: made where it is absent.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table, text = folder / "compare.csv", folder / "compare.md"
    rows = []
    for each in comparison.differences:
        found = each.difference
        numbers = (each.first_mean, each.run_mean, found.mean, found.low, found.high)
        named = (str(each.direction), comparison.names[0], each.run, each.measure.name)
        rows.append([*named, *map(_cell, numbers), found.n, _cell(each.p), _cell(each.p_holm)])
    write_csv(table, columns=_COLUMNS, rows=rows)
    with replacing(text) as temporary:
        temporary.write_text(comparison_markdown(comparison), encoding="utf-8")
    return table, text


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _left_out(name: str, images: Sequence[Image]) -> str:
    named = ", ".join(f"{pair_id} {direction_words(direction)}" for direction, pair_id in images[:5])
    return f"- {name}: {len(images)} ({named}{', …' if len(images) > 5 else ''})"


def _require_the_same_images(
    first: tuple[str, Evaluation], other: tuple[str, Evaluation], *, common: set[Image]
) -> None:
    """Refuse evaluations whose figures of one pair_id are not of one image.

    Methods that know nothing of the model (baselines apart, which know the training split) must score alike, in all
    measures that mean the same in both.

    Raises:
        ValueError: they are not.
    """
    for entry in _DECISIVE:
        values = [evaluation.protocol.get(entry) for _, evaluation in (first, other)]
        if values[0] != values[1]:
            raise ValueError(f"{first[0]} and {other[0]} differ in {entry} ({values[0]}, {values[1]}): no comparison")
    scores = [
        {
            (row.direction, row.pair_id, row.method): row
            for row in evaluation.rows
            if evaluation.kinds.get(row.method) in ("warning", "reference") and (row.direction, row.pair_id) in common
        }
        for _, evaluation in (first, other)
    ]
    owners = [{(r.direction, r.pair_id): r.patient_id for r in evaluation.rows} for _, evaluation in (first, other)]
    for image in sorted(common):
        if owners[0][image] != owners[1][image]:
            raise ValueError(
                f"{image[1]} is of patient {owners[0][image]} in {first[0]} and of {owners[1][image]} in {other[0]}: "
                "these are evaluations of different collections"
            )
    alike = [name for name in first[1].measures if _is_compared(name, first[1], other[1])]
    for key in sorted(set(scores[0]) & set(scores[1])):
        for name in alike:
            one, two = scores[0][key].values[name], scores[1][key].values[name]
            same = one == two if one is None or two is None else math.isclose(one, two, rel_tol=1e-3, abs_tol=1e-4)
            if not same:
                raise ValueError(
                    f"{key[2]} of {key[1]}, {key[0]}, has {name} {one} in {first[0]} and {two} in {other[0]}, though "
                    "it does not depend on the model: these are different images under one pair_id"
                )


def _unlike(first: tuple[str, Evaluation], other: tuple[str, Evaluation]) -> list[str]:
    one, two = (_flat(evaluation.protocol) for _, evaluation in (first, other))
    entries = [
        f"protocol, {key}: {one.get(key, 'absent')} in {first[0]}, {two.get(key, 'absent')} in {other[0]}"
        for key in dict.fromkeys([*one, *two])
        if one.get(key) != two.get(key)
    ]
    for name in dict.fromkeys([*first[1].measures, *other[1].measures]):
        if first[1].measures.get(name) != other[1].measures.get(name):
            entries.append(f"measure {name}: not the same in {first[0]} and {other[0]}, so not compared")
        elif not _is_compared(name, first[1], other[1]):
            entries.append(
                f"measure {name}: learned from training splits that are not known to be one in {first[0]} and "
                f"{other[0]}, so not compared"
            )
    return entries


def _is_compared(name: str, first: Evaluation, other: Evaluation) -> bool:
    """Tell whether a measure means the same in both; earlier versions' evaluations do not tell their training split."""
    if first.measures.get(name) != other.measures.get(name):
        return False
    splits = [evaluation.protocol.get("training_split") for evaluation in (first, other)]
    return name not in OF_THE_TRAINING_SPLIT or (splits[0] is not None and splits[0] == splits[1])


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, entry in value.items():
        flat |= _flat(entry, f"{prefix}{key}.") if isinstance(entry, Mapping) else {f"{prefix}{key}": entry}
    return flat


def _difference(
    run: str,
    measure: Measure,
    direction: Direction,
    *,
    pairs: Sequence[tuple[Row, Row]],
    resamples: int,
    seed: int,
) -> Difference | None:
    """Compare the images that have the measure in both; None where none has."""
    found = [
        (one, two, row.patient_id)
        for row, other in pairs
        if (one := row.values[measure.name]) is not None and (two := other.values[measure.name]) is not None
    ]
    if not found:
        return None
    differences = [two - one for one, two, _ in found]
    patients = [patient for *_, patient in found]
    return Difference(
        run=run,
        direction=direction,
        measure=measure,
        first_mean=float(np.mean([one for one, _, _ in found])),
        run_mean=float(np.mean([two for _, two, _ in found])),
        difference=Estimate(**asdict(mean_interval(differences, patients, resamples=resamples, seed=seed))),
        p=signed_rank_p(differences, patients),
    )


def _corrected(differences: Sequence[Difference], *, family: Sequence[str]) -> tuple[Difference, ...]:
    tested = [each for each in differences if each.measure.name in family and each.p is not None]
    corrected = dict(zip(map(id, tested), holm([each.p for each in tested if each.p is not None]), strict=True))
    return tuple(replace(each, p_holm=corrected.get(id(each))) for each in differences)
