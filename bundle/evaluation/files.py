"""``metrics.csv`` and ``summary.json``: complete or not there."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.atomic import replacing
from bundle.evaluation.bootstrap import Interval
from bundle.evaluation.measures import MEASURES
from bundle.evaluation.scoring import ImageScore
from bundle.evaluation.summary import FAMILY, Margin, Summary

DECIMALS = 6  # in both files


def write_metrics(scores: Sequence[ImageScore], *, path: Path) -> Path:
    """Write a row per test case and method: patient_id, pair_id, direction, method, one column per measure.

    A cell is empty where the measure does not exist for the image.

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
            values = ["" if math.isnan(score.values[name]) else f"{score.values[name]:.{DECIMALS}f}" for name in names]
            writer.writerow([score.patient_id, score.pair_id, str(score.direction), score.method, *values])
    return path


def write_summary(summary: Summary, *, protocol: Mapping[str, Any], path: Path) -> Path:
    """Write protocol, measures, methods' scores and the model's margins as JSON; docs/architecture.md has the keys.

    Args:
        summary: what to write.
        protocol: how the figures came about, in words and numbers.
        path: file to write; its folder exists.

    Raises:
        OSError: the file cannot be written.
    """
    document = {
        "protocol": dict(protocol),
        "measures": {
            measure.name: {
                "title": measure.title,
                "description": measure.description,
                "group": measure.group,
                "better": measure.better,
                "decimals": measure.decimals,
            }
            for measure in MEASURES
        },
        "kinds": summary.kinds,
        "methods": {
            method: {
                str(direction): {measure: _interval(interval) for measure, interval in measures.items()}
                for direction, measures in directions.items()
            }
            for method, directions in summary.methods.items()
        },
        "margins": {
            str(direction): {measure: _margin(margin) for measure, margin in measures.items()}
            for direction, measures in summary.margins.items()
        },
        "family": {
            "measures": [measure.name for measure in FAMILY],
            "tests": summary.tests,
            "test": "Wilcoxon signed-rank test of the patients' mean advantages over the best baseline, two-sided",
            "correction": "Holm",
        },
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _margin(margin: Margin) -> dict[str, Any]:
    found = {"baseline": margin.baseline, **_interval(margin.difference), "p": _rounded(margin.p)}
    return found if margin.p_holm is None else {**found, "p_holm": _rounded(margin.p_holm)}


def _interval(interval: Interval) -> dict[str, float | int | None]:
    return {
        "mean": round(interval.mean, DECIMALS),
        "low": _rounded(interval.low),
        "high": _rounded(interval.high),
        "n": interval.n,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)
