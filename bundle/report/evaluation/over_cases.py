"""Figures that only all cases together have, such as lesions' concordance, regions' distances, samples' spread."""

from __future__ import annotations

from dataclasses import dataclass

from bundle.metrics.search_region import TOLERANCE_MM
from bundle.report.evaluation.folder import SURE, Evaluation, Tested
from bundle.report.evaluation.wording import direction_words, p_value, share_words, spaced, with_interval

DECIMALS = 2
_REGIONS = {"region_50": "50 % of the probability", "region_90": "90 % of the probability", "band": "readers' band"}


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table for page and terminal.

    Args:
        title: above it.
        note: how to read it.
        rows: of cells; the first row is the head, the first column names the rows.
    """

    title: str
    note: str
    rows: tuple[tuple[str, ...], ...]


def grids(evaluation: Evaluation) -> list[Grid]:
    """Lay out what the evaluation has of them; a table without any figure is left out."""
    found = [
        _lesion_search(evaluation),
        _spread(evaluation),
        _ranks(evaluation),
        *_concordance(evaluation),
        *_distances(evaluation),
        _shuffled(evaluation),
        _swap(evaluation),
    ]
    return [grid for grid in found if len(grid.rows) > 1]


def _lesion_search(evaluation: Evaluation) -> Grid:
    rows = [("", "n", "holds the lesion [95 % interval]", "area in cm2 [95 % interval]")]
    for direction, regions in evaluation.lesion_search.items():
        for name, found in regions.items():
            rows.append(
                (
                    f"{direction_words(direction)}, {_REGIONS.get(name, spaced(name))}",
                    str(found.coverage.n),
                    share_words(found.coverage),
                    with_interval(found.area_cm2, decimals=1),
                )
            )
    return Grid(
        title="Where to look for the lesion",
        note="The smallest region that holds so much of the lesion's probability by the model should hold the real "
        "lesion's centre as often. Beside it the band where readers look without a model: as far from the nipple as "
        f"the source's lesion, give or take {TOLERANCE_MM:g} mm. Of images with one lesion in each view.",
        rows=tuple(rows),
    )


def _spread(evaluation: Evaluation) -> Grid:
    rows = [("", "n", "sample over mean [95 % interval]")]
    for direction, found in evaluation.spread.items():
        rows.append((direction_words(direction), str(found.n), with_interval(found, decimals=DECIMALS)))
    return Grid(
        title="Do samples vary enough",
        note="Squared error in the breast of one possible view over that of the posterior mean: 2 is right, less means "
        "that samples vary too little.",
        rows=tuple(rows),
    )


def _ranks(evaluation: Evaluation) -> Grid:
    histograms = {direction: counts for direction, counts in evaluation.rank_histogram.items() if sum(counts)}
    ranks = max(map(len, histograms.values()), default=1)
    rows: list[tuple[str, ...]] = [("", "squares", *map(str, range(ranks)))]
    for direction, counts in histograms.items():
        shares = (f"{count / sum(counts):.0%}" for count in counts)
        rows.append((direction_words(direction), str(sum(counts)), *shares))
    return Grid(
        title=f"Rank of the real view among {ranks - 1} samples",
        note="Share of the squares of breast in which so many samples are darker than the real view: right where all "
        f"are alike ({1 / ranks:.0%}). Where the outer ones are greater, samples vary too little.",
        rows=tuple(rows),
    )


def _concordance(evaluation: Evaluation) -> list[Grid]:
    tables = []
    for direction in evaluation.directions:
        of_methods = {
            method: evaluation.concordance[method][direction]
            for method in evaluation.kinds
            if evaluation.concordance.get(method, {}).get(direction)
        }
        classes = [
            name for name in dict.fromkeys(name for each in of_methods.values() for name in each) if name != "all"
        ]
        rows: list[tuple[str, ...]] = [("", "all [95 % interval]", "excellent", *classes)]
        lesions = 0
        for method, found in of_methods.items():
            everything = found.get("all")
            lesions = max(lesions, *(each.ccc.n for each in found.values()))
            rows.append(
                (
                    method,
                    "" if everything is None else with_interval(everything.ccc, decimals=DECIMALS),
                    "" if everything is None else f"{everything.excellent:.0%}",
                    *(f"{found[name].ccc.mean:.{DECIMALS}f}" if name in found else "" for name in classes),
                )
            )
        tables.append(
            Grid(
                title=f"{direction_words(direction)}: radiomics of {lesions} lesions",
                note="Concordance correlation coefficient with the real lesions' features, mean over the features of a "
                "class; excellent: share of all features with 0.9 or more.",
                rows=tuple(rows),
            )
        )
    return tables


def _distances(evaluation: Evaluation) -> list[Grid]:
    tables = []
    for features, of_methods in evaluation.distribution.items():
        rows: list[tuple[str, ...]] = [("", *map(direction_words, evaluation.directions))]
        for method in evaluation.kinds:
            if ratios := of_methods.get(method):
                cells = (f"{ratios[each]:.{DECIMALS}f}" if each in ratios else "" for each in evaluation.directions)
                rows.append((method, *cells))
        tables.append(
            Grid(
                title=f"Distance to real views: {spaced(features)}",
                note="Frechet distance of random regions' features to those of the training split's real views, over "
                "that of the real test views: 1 is as near as real views are.",
                rows=tuple(rows),
            )
        )
    return tables


def _shuffled(evaluation: Evaluation) -> Grid:
    rows = [("", "n", "own vector", "another's", "advantage [95 % interval]", "p", "verdict")]
    for direction, found in evaluation.conditioning.items():
        rows.append(
            (
                direction_words(direction),
                str(found.advantage.estimate.n),
                f"{found.error_true.mean:.3f}",
                f"{found.error_shuffled.mean:.3f}",
                with_interval(found.advantage.estimate, decimals=3, sign="+"),
                p_value(found.advantage.p),
                _verdict(found.advantage, better="own is better", worse="own is worse"),
            )
        )
    return Grid(
        title="Does the radiomic vector matter: shuffled",
        note="Error of the lesion's features with the lesion's own vector, and with other lesions' vectors.",
        rows=tuple(rows),
    )


def _swap(evaluation: Evaluation) -> Grid:
    rows = [("", "n", "correlation [95 % interval]", "p", "verdict", "change in lesion", "elsewhere")]
    for direction, found in evaluation.conditioning.items():
        rows.append(
            (
                direction_words(direction),
                str(found.correlation.estimate.n),
                with_interval(found.correlation.estimate, decimals=3, sign="+"),
                p_value(found.correlation.p),
                _verdict(found.correlation, better="follows it", worse="opposes it"),
                f"{found.change_in_lesion.mean:.4f}",
                f"{found.change_elsewhere.mean:.4f}",
            )
        )
    return Grid(
        title="Does the radiomic vector matter: swap",
        note="Whether the lesion's features change as the vector did; the views' changes are of grey values in [0, 1].",
        rows=tuple(rows),
    )


def _verdict(tested: Tested, *, better: str, worse: str) -> str:
    low, high = tested.estimate.low, tested.estimate.high
    if low is None or high is None or low <= 0 <= high or tested.p is None or tested.p > SURE:
        return "undecided"
    return better if low > 0 else worse
