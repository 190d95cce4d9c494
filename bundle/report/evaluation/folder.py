"""An evaluation as it lies on the disk: what ``summary.json`` and ``metrics.csv`` say, checked.

Both files name their columns themselves, so nothing here knows the name of a measure or of a method.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.datasets.csv_rows import read_rows
from bundle.vocabulary import Direction

CASE_COLUMNS = ("patient_id", "pair_id", "direction", "method")
GROUPS = {
    "fidelity": "Fidelity",
    "reference": "Fidelity by the reference system's protocol",
    "realism": "Realism",
    "shape": "Shape",
    "lesion": "Lesion",
}
"""Titles of the measures' groups, in their order."""
KINDS = {
    "model": "model",
    "checkpoint": "the model of another epoch",
    "variant": "the model's mean and one of its samples",
    "baseline": "baselines",
    "warning": "the truth blurred, as a warning",
    "ceiling": "the same breast exposed again: as much as can be known",
    "reference": "the truth itself",
}
"""Titles of the methods' kinds, in their order."""
SURE = 0.05  # a p value above it decides nothing


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A column of ``metrics.csv``.

    Args:
        name: of the column.
        title: for readers, with the unit.
        description: how it is computed.
        group: one of `GROUPS`.
        better: ``higher``, ``lower`` or None, where more is neither.
        decimals: how many are worth printing.
    """

    name: str
    title: str
    description: str
    group: str
    better: str | None
    decimals: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over ``n`` images with its 95 % interval over patients; no interval where there is one patient."""

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, kw_only=True)
class Margin:
    """The model against the best baseline, image by image.

    Args:
        baseline: its name.
        advantage: of the model; positive where it is better.
        p: of the paired test; None where there are too few patients.
        p_holm: corrected; None where the measure does not belong to the family.
    """

    baseline: str
    advantage: Estimate
    p: float | None
    p_holm: float | None

    @property
    def deciding_p(self) -> float | None:
        """The corrected p value where there is one."""
        return self.p if self.p_holm is None else self.p_holm

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` where interval and test agree, ``undecided`` where it may be chance."""
        low, high = self.advantage.low, self.advantage.high
        if low is None or high is None or low <= 0 <= high or self.deciding_p is None or self.deciding_p > SURE:
            return "undecided"
        return "better" if low > 0 else "worse"


@dataclass(frozen=True, kw_only=True)
class Concordance:
    """CCC of a class of the lesions' radiomic features, and the share of its features that is excellent."""

    ccc: Estimate
    excellent: float


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A mean with the p value of the test that it is zero; None where there are too few patients."""

    estimate: Estimate
    p: float | None


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """What other cases' radiomic vectors do to the lesions; see docs/architecture.md."""

    error_true: Estimate
    error_shuffled: Estimate
    advantage: Tested
    correlation: Tested
    change_in_lesion: Estimate
    change_elsewhere: Estimate


@dataclass(frozen=True, kw_only=True)
class Search:
    """How often a region holds the lesion, and its area; see docs/architecture.md."""

    coverage: Estimate
    area_cm2: Estimate


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of ``metrics.csv``: one synthetic view's scores by the measures' names, None where there is none."""

    patient_id: str
    pair_id: str
    direction: Direction
    method: str
    values: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What an evaluation found.

    Args:
        folder: where it lies.
        protocol: how the figures came about.
        measures: by name.
        kinds: one of `KINDS` by method; the model first.
        methods: estimates by method, direction and measure.
        margins: by direction and measure.
        family: the measures that are tested together, and how; may be empty.
        shares: of the way from the best baseline's mean (0) to the ceiling's (1), by method, direction and measure;
            empty without a ceiling.
        trade_off: shape error and spectral error by direction and method.
        concordance: by method, direction and class of features.
        distribution: ratio to the real test views' distance, by kind of features, method and direction.
        conditioning: by direction.
        spread: squared error of samples over that of the mean, by direction; empty without samples.
        lesion_search: by direction and region; empty likewise.
        rank_histogram: number of places by rank of the real view among the samples, by direction; empty likewise.
        rows: of ``metrics.csv``.
    """

    folder: Path
    protocol: Mapping[str, Any]
    measures: Mapping[str, Measure]
    kinds: Mapping[str, str]
    methods: Mapping[str, Mapping[Direction, Mapping[str, Estimate]]]
    margins: Mapping[Direction, Mapping[str, Margin]]
    family: Mapping[str, Any]
    shares: Mapping[str, Mapping[Direction, Mapping[str, Estimate]]]
    trade_off: Mapping[Direction, Mapping[str, tuple[float, float]]]
    concordance: Mapping[str, Mapping[Direction, Mapping[str, Concordance]]]
    distribution: Mapping[str, Mapping[str, Mapping[Direction, float]]]
    conditioning: Mapping[Direction, Conditioning]
    spread: Mapping[Direction, Estimate]
    lesion_search: Mapping[Direction, Mapping[str, Search]]
    rank_histogram: Mapping[Direction, tuple[int, ...]]
    rows: tuple[Row, ...]

    @property
    def model(self) -> str:
        """The method that is the model."""
        return next(name for name, kind in self.kinds.items() if kind == "model")

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions that the test split holds."""
        return tuple(direction for direction in Direction if direction in self.methods[self.model])

    @property
    def headline(self) -> tuple[Measure, ...]:
        """The measures of the declared family; all that have a margin where none is declared."""
        named = self.family.get("measures") or [
            name for name in self.measures if any(name in margins for margins in self.margins.values())
        ]
        return tuple(self.measures[name] for name in named)

    def patients(self, direction: Direction) -> int:
        """Count the patients of a direction."""
        return len({row.patient_id for row in self.rows if row.direction is direction})

    def images(self, direction: Direction) -> int:
        """Count the test images of a direction."""
        return sum(row.direction is direction and row.method == self.model for row in self.rows)


def evaluation_folder(folder: Path) -> Path:
    """Find an evaluation's folder.

    Args:
        folder: the evaluation's own, or that of a training run whose evaluation lies in it.
    """
    inside = folder / "evaluation"
    return inside if (inside / "summary.json").is_file() else folder


def read_evaluation(folder: Path) -> Evaluation:
    """Read ``summary.json`` and ``metrics.csv``.

    Args:
        folder: that an evaluation wrote.

    Raises:
        FileNotFoundError: one of the two is not there.
        ValueError: one of them is damaged, or not of the form that docs/architecture.md describes.
    """
    summary_path, metrics_path = folder / "summary.json", folder / "metrics.csv"
    for path in (summary_path, metrics_path):
        if not path.is_file():
            raise FileNotFoundError(f"{folder} holds no {path.name}; give an evaluation's folder or its run's")
    try:
        summary = json.loads(summary_path.read_text(encoding="utf-8"))
        measures = {name: Measure(name=name, **entry) for name, entry in summary["measures"].items()}
        kinds = dict(sorted(summary["kinds"].items(), key=lambda item: list(KINDS).index(item[1])))
        methods, shares = (
            {
                method: {
                    Direction(direction): {name: _estimate(cell) for name, cell in cells.items()}
                    for direction, cells in directions.items()
                }
                for method, directions in of_methods.items()
            }
            for of_methods in (summary["methods"], summary.get("shares", {}))
        )
        margins = {
            Direction(direction): {name: _margin(cell) for name, cell in cells.items()}
            for direction, cells in summary["margins"].items()
        }
        protocol, family = dict(summary["protocol"]), dict(summary.get("family") or {})
        trade_off: dict[Direction, dict[str, tuple[float, float]]] = {}
        for point in summary.get("trade_off", ()):
            errors = float(point["shape_error"]), float(point["spectral_error"])
            trade_off.setdefault(Direction(point["direction"]), {})[point["method"]] = errors
        concordance = {
            method: {
                Direction(direction): {
                    name: Concordance(ccc=_estimate(cell), excellent=float(cell["excellent"]))
                    for name, cell in cells.items()
                }
                for direction, cells in directions.items()
            }
            for method, directions in summary.get("lesion_concordance", {}).items()
        }
        distribution = {
            features: {
                method: {Direction(direction): float(cell["ratio"]) for direction, cell in directions.items()}
                for method, directions in of_methods.items()
            }
            for features, of_methods in summary.get("distribution", {}).items()
        }
        conditioning = {
            Direction(direction): _conditioning(cell) for direction, cell in summary.get("conditioning", {}).items()
        }
        spread = {Direction(direction): _estimate(cell) for direction, cell in summary.get("spread", {}).items()}
        lesion_search = {
            Direction(direction): {
                name: Search(coverage=_estimate(cell["coverage"]), area_cm2=_estimate(cell["area_cm2"]))
                for name, cell in cells.items()
            }
            for direction, cells in summary.get("lesion_search", {}).items()
        }
        rank_histogram = {
            Direction(direction): tuple(int(count) for count in counts)
            for direction, counts in summary.get("rank_histogram", {}).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{summary_path} cannot be read ({type(error).__name__}: {error}); evaluate again to write it anew"
        ) from error
    _require(
        summary_path, measures=measures, kinds=kinds, methods=methods, margins=margins, family=family, shares=shares
    )
    return Evaluation(
        folder=folder,
        protocol=protocol,
        measures=measures,
        kinds=kinds,
        methods={name: methods[name] for name in kinds},
        margins=margins,
        family=family,
        shares=shares,
        trade_off=trade_off,
        concordance=concordance,
        distribution=distribution,
        conditioning=conditioning,
        spread=spread,
        lesion_search=lesion_search,
        rank_histogram=rank_histogram,
        rows=_read_rows(metrics_path, measures=measures),
    )


def _estimate(cell: Mapping[str, Any]) -> Estimate:
    return Estimate(mean=float(cell["mean"]), low=cell["low"], high=cell["high"], n=int(cell["n"]))


def _margin(cell: Mapping[str, Any]) -> Margin:
    return Margin(baseline=str(cell["baseline"]), advantage=_estimate(cell), p=cell.get("p"), p_holm=cell.get("p_holm"))


def _conditioning(cell: Mapping[str, Any]) -> Conditioning:
    shuffled, swap = cell["shuffled"], cell["swap"]
    return Conditioning(
        error_true=_estimate(shuffled["error_true"]),
        error_shuffled=_estimate(shuffled["error_shuffled"]),
        advantage=_tested(shuffled["advantage"]),
        correlation=_tested(swap["correlation"]),
        change_in_lesion=_estimate(swap["change_in_lesion"]),
        change_elsewhere=_estimate(swap["change_elsewhere"]),
    )


def _tested(cell: Mapping[str, Any]) -> Tested:
    return Tested(estimate=_estimate(cell), p=cell["p"])


def _require(
    path: Path,
    *,
    measures: Mapping[str, Measure],
    kinds: Mapping[str, str],
    methods: Mapping[str, Mapping[Direction, Mapping[str, Estimate]]],
    margins: Mapping[Direction, Mapping[str, Margin]],
    family: Mapping[str, Any],
    shares: Mapping[str, Mapping[Direction, Mapping[str, Estimate]]],
) -> None:
    if list(kinds.values()).count("model") != 1 or set(kinds) != set(methods):
        raise ValueError(f"{path}: kinds must name one model and all methods ({', '.join(methods)}); got {dict(kinds)}")
    (model,) = (name for name, kind in kinds.items() if kind == "model")
    for name, directions in methods.items():
        if set(directions) != set(methods[model]):
            theirs, ours = (", ".join(sorted(each)) or "none" for each in (directions, methods[model]))
            raise ValueError(f"{path}: {name} has the direction(s) {theirs}, {model} {ours}")
    for measure in measures.values():
        if measure.group not in GROUPS or measure.better not in ("higher", "lower", None):
            raise ValueError(f"{path}: measure {measure.name} has group {measure.group!r}, better {measure.better!r}")
    by_method = (*methods.values(), *shares.values())
    named = {name for cells in (d for m in by_method for d in m.values()) for name in cells}
    named |= {name for cells in margins.values() for name in cells} | set(family.get("measures") or ())
    if unknown := sorted(named - set(measures)):
        raise ValueError(f"{path}: measures does not describe {', '.join(unknown)}")


def _read_rows(path: Path, *, measures: Mapping[str, Measure]) -> tuple[Row, ...]:
    rows = []
    for line, row in read_rows(path, required=(*CASE_COLUMNS, *measures)):
        try:
            values = {name: float(row[name]) if row[name] else None for name in measures}
            direction = Direction(row["direction"])
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}") from error
        if not all(value is None or math.isfinite(value) for value in values.values()):
            raise ValueError(f"{path}, line {line}: a score is not finite; one that does not exist is an empty cell")
        rows.append(
            Row(
                patient_id=row["patient_id"],
                pair_id=row["pair_id"],
                direction=direction,
                method=row["method"],
                values=values,
            )
        )
    if not rows:
        raise ValueError(f"{path} has no row: the evaluation has scored nothing")
    return tuple(rows)
