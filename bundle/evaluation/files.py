"""``metrics.csv`` and ``summary.json``: complete or not there."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.atomic import replacing
from bundle.evaluation.bootstrap import Interval
from bundle.evaluation.scoring import MEASURES, ImageScore
from bundle.evaluation.summary import Summary

DECIMALS = 6  # in both files


def write_metrics(scores: Sequence[ImageScore], *, path: Path) -> Path:
    """Write a row per test case and method: patient_id, pair_id, direction, method, one column per measure.

    Args:
        scores: in any order; the rows are sorted by direction and pair, the methods in the order of their first score.
        path: file to write; its folder exists.

    Raises:
        OSError: the file cannot be written.
    """
    names = [measure.name for measure in MEASURES]
    methods = list(dict.fromkeys(score.method for score in scores))
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["patient_id", "pair_id", "direction", "method", *names])
        for score in sorted(scores, key=lambda score: (score.direction, score.pair_id, methods.index(score.method))):
            values = [f"{score.values[name]:.{DECIMALS}f}" for name in names]
            writer.writerow([score.patient_id, score.pair_id, str(score.direction), score.method, *values])
    return path


def write_summary(summary: Summary, *, protocol: Mapping[str, Any], path: Path) -> Path:
    """Write the protocol, the methods' scores and the model's margins as JSON.

    ``{"protocol": …, "methods": {METHOD: {DIRECTION: {MEASURE: {"mean", "low", "high", "n"}}}}, "margins": …}``, where
    ``margins`` holds by direction and measure the best baseline and the model's advantage over it, positive where the
    model is better. ``low`` and ``high`` are null where all images are of one patient.

    Args:
        summary: what to write.
        protocol: how the figures came about, in words and numbers.
        path: file to write; its folder exists.

    Raises:
        OSError: the file cannot be written.
    """
    document = {
        "protocol": dict(protocol),
        "methods": {
            method: {
                str(direction): {measure: _interval(interval) for measure, interval in measures.items()}
                for direction, measures in directions.items()
            }
            for method, directions in summary.methods.items()
        },
        "margins": {
            str(direction): {
                measure: {"baseline": margin.baseline, **_interval(margin.difference)}
                for measure, margin in measures.items()
            }
            for direction, measures in summary.margins.items()
        },
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def write_table_text(table: str, *, path: Path) -> Path:
    """Write the table that the terminal shows.

    Args:
        table: its lines.
        path: file to write; its folder exists.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(table + "\n", encoding="utf-8")
    return path


def _interval(interval: Interval) -> dict[str, float | int | None]:
    bounds = {"low": interval.low, "high": interval.high}
    return {
        "mean": round(interval.mean, DECIMALS),
        **{name: None if bound is None else round(bound, DECIMALS) for name, bound in bounds.items()},
        "n": interval.n,
    }
