"""``metrics.csv`` and ``summary.json``: complete or not there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.atomic import replacing
from bundle.csv_tables import write_csv
from bundle.evaluation.agreement import Concordance, Distance
from bundle.evaluation.bootstrap import Interval
from bundle.evaluation.conditioning import ConditioningResult, Tested
from bundle.evaluation.measures import MEASURES
from bundle.evaluation.posterior import PosteriorResult
from bundle.evaluation.scoring import ImageScore
from bundle.evaluation.summary import FAMILY, Margin, Summary
from bundle.vocabulary import Direction

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
    rows = []
    for score in sorted(scores, key=lambda score: (score.direction, score.pair_id, methods.index(score.method))):
        values = ["" if math.isnan(score.values[name]) else f"{score.values[name]:.{DECIMALS}f}" for name in names]
        rows.append([score.patient_id, score.pair_id, str(score.direction), score.method, *values])
    write_csv(path, columns=["patient_id", "pair_id", "direction", "method", *names], rows=rows)
    return path


def write_summary(
    summary: Summary,
    *,
    protocol: Mapping[str, Any],
    concordance: Mapping[str, Mapping[Direction, Mapping[str, Concordance]]],
    distances: Mapping[str, Mapping[str, Mapping[Direction, Distance]]],
    conditioning: Mapping[Direction, ConditioningResult],
    spread: Mapping[Direction, Interval],
    posterior: Mapping[Direction, PosteriorResult],
    path: Path,
) -> Path:
    """Write everything but the images' scores as JSON; docs/architecture.md has the keys.

    Args:
        summary: the methods' scores and the model's margins.
        protocol: how the figures came about, in words and numbers.
        concordance: of the lesions' radiomic features.
        distances: of the regions' features.
        conditioning: whether the radiomic vector matters.
        spread: squared error of samples over that of the posterior mean; empty for a generator without samples.
        posterior: the lesion's search regions and the ranks among samples; empty likewise.
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
        "spread": {str(direction): _interval(interval) for direction, interval in spread.items()},
        "lesion_search": {
            str(direction): {
                name: {"coverage": _interval(region.coverage), "area_cm2": _interval(region.area_cm2)}
                for name, region in found.search.items()
            }
            for direction, found in posterior.items()
            if found.search
        },
        "rank_histogram": {str(direction): list(found.ranks) for direction, found in posterior.items()},
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
        "shares": {
            method: {
                str(direction): {measure: _interval(share) for measure, share in measures.items()}
                for direction, measures in directions.items()
            }
            for method, directions in summary.shares.items()
        },
        "trade_off": _trade_off(summary),
        "lesion_concordance": {
            method: {
                str(direction): {
                    name: {**_interval(found.interval), "excellent": round(found.excellent, DECIMALS)}
                    for name, found in classes.items()
                }
                for direction, classes in directions.items()
            }
            for method, directions in concordance.items()
        },
        "distribution": {
            features: {
                method: {
                    str(direction): {
                        "distance": round(found.distance, DECIMALS),
                        "floor": round(found.floor, DECIMALS),
                        "ratio": round(found.ratio, DECIMALS),
                    }
                    for direction, found in directions.items()
                }
                for method, directions in methods.items()
            }
            for features, methods in distances.items()
        },
        "conditioning": {str(direction): _conditioning(found) for direction, found in conditioning.items()},
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _trade_off(summary: Summary) -> list[dict[str, Any]]:
    """Shape error (1 - breast Dice) beside spectral error, a point per method and direction."""
    return [
        {
            "method": method,
            "direction": str(direction),
            "shape_error": round(1 - measures["breast_dice"].mean, DECIMALS),
            "spectral_error": round(measures["spectral_error"].mean, DECIMALS),
        }
        for method, directions in summary.methods.items()
        for direction, measures in directions.items()
        if {"breast_dice", "spectral_error"} <= set(measures)
    ]


def _conditioning(found: ConditioningResult) -> dict[str, Any]:
    return {
        "shuffled": {
            "error_true": _interval(found.error_true),
            "error_shuffled": _interval(found.error_shuffled),
            "advantage": _tested(found.advantage),
        },
        "swap": {
            "correlation": _tested(found.correlation),
            "change_in_lesion": _interval(found.change_in_lesion),
            "change_elsewhere": _interval(found.change_elsewhere),
        },
    }


def _tested(found: Tested) -> dict[str, Any]:
    return {**_interval(found.interval), "p": _rounded(found.p)}


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
