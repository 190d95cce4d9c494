"""``report.html``, one page that holds everything in itself, and ``report.md``, its tables for the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bundle.atomic import replacing
from bundle.datasets.csv_rows import read_rows
from bundle.metrics.search_region import TOLERANCE_MM
from bundle.report.evaluation.folder import GROUPS, KINDS, Estimate, Evaluation, Measure, read_evaluation
from bundle.report.evaluation.gallery import FULL_DIFFERENCE, gallery_data
from bundle.report.evaluation.over_cases import grids
from bundle.report.evaluation.plots import interval_plot, trade_off_plot, training_plot
from bundle.report.evaluation.shares import NOTE as SHARE_NOTE
from bundle.report.evaluation.shares import share_grid
from bundle.report.evaluation.table import markdown
from bundle.report.evaluation.wording import (
    better_words,
    direction_words,
    headline_sentence,
    margin_words,
    p_value,
    share_words,
    spaced,
    with_interval,
)
from bundle.vocabulary import Direction

RESULTS_NAME = "results.csv"  # in the training run's folder
COPIED_NAME = "training_results.csv"  # in the evaluation's, which may be the same folder
_HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was written.

    Args:
        page: ``report.html``.
        table: ``report.md``.
        text: what the table says.
    """

    page: Path
    table: Path
    text: str


def write_report(folder: Path, *, results: Path | None = None, checkpoints: Sequence[Path] = ()) -> Report:
    """Write ``report.html`` and ``report.md`` into an evaluation's folder, from the files there.

    Args:
        folder: that an evaluation wrote.
        results: ``results.csv`` of the training run, for its curves; it is copied into the folder as
            ``training_results.csv``, so that the report can be made again from there. None = the copy of an earlier
            report, where there is one.
        checkpoints: folders of evaluations of other checkpoints of the same model, in their order, for the trade-off.

    Raises:
        FileNotFoundError: a folder lacks ``summary.json`` or ``metrics.csv``.
        ValueError: a file is damaged.
    """
    evaluation = read_evaluation(folder)
    copied = folder / COPIED_NAME
    if results is not None:
        with replacing(copied) as temporary:
            shutil.copyfile(results, temporary)
    others = [("/".join(path.resolve().parts[-2:]), read_evaluation(path)) for path in checkpoints]
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"spaced": spaced, "arrow": _arrow, "unbroken": _unbroken}
    html = environment.get_template("page.html").render(_content(evaluation, results=copied, others=others))
    text = markdown(evaluation)
    report = Report(page=folder / "report.html", table=folder / "report.md", text=text)
    for path, content in ((report.page, html), (report.table, text)):
        with replacing(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return report


def _content(evaluation: Evaluation, *, results: Path, others: Sequence[tuple[str, Evaluation]]) -> dict[str, Any]:
    trade_off = _trade_off(evaluation, others=others)
    training = _training(results) if results.is_file() else []
    gallery = gallery_data(evaluation)
    sections = [("result", "Result"), ("measures", "All measures")]
    over_cases = grids(evaluation)
    sections += [("over-cases", "All cases together")] * bool(over_cases)
    sections += [("trade-off", "Shape against sharpness")] * bool(trade_off)
    sections += [("training", "Training")] * bool(training)
    sections += [("cases", "Cases")] * bool(gallery)
    return {
        # Our own files, not data.
        "css": Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        "script": Markup((_HERE / "page.js").read_text(encoding="utf-8")),
        "sections": [*sections, ("protocol", "Protocol")],
        "directions": [_direction(evaluation, direction) for direction in evaluation.directions],
        "share_note": SHARE_NOTE,
        "kinds": evaluation.kinds,
        "kind_titles": {kind: title for kind, title in KINDS.items() if kind in evaluation.kinds.values()},
        "family": evaluation.family,
        "groups": [
            (
                GROUPS[group],
                [_measure(evaluation, each) for each in evaluation.measures.values() if each.group == group],
            )
            for group in GROUPS
            if any(each.group == group for each in evaluation.measures.values())
        ],
        "over_cases": over_cases,
        "trade_off": trade_off,
        "training": training,
        "gallery": gallery,
        "tolerance_mm": f"{TOLERANCE_MM:g}",
        "full_difference": FULL_DIFFERENCE,
        "protocol": evaluation.protocol,
    }


def _arrow(text: str) -> str:
    return text.replace("->", "→")


def _unbroken(text: str) -> str:
    """Keep an interval in one line; a line may break before it."""
    mean, bracket, interval = text.partition("[")
    return mean + bracket + interval.replace(" ", "\N{NO-BREAK SPACE}")


def _direction(evaluation: Evaluation, direction: Direction) -> dict[str, Any]:
    margins = evaluation.margins.get(direction, {})
    shares = evaluation.shares.get(evaluation.model, {}).get(direction, {})
    headline = []
    for measure in evaluation.headline:
        if (margin := margins.get(measure.name)) is None:
            continue
        decimals = measure.decimals
        headline.append(
            {
                "title": measure.title,
                "model": with_interval(
                    evaluation.methods[evaluation.model][direction][measure.name], decimals=decimals
                ),
                "baseline": f"{evaluation.methods[margin.baseline][direction][measure.name].mean:.{decimals}f}",
                "baseline_name": spaced(margin.baseline),
                "margin": with_interval(margin.advantage, decimals=decimals, sign="+"),
                "bar": _bar(margin.advantage),
                "share": share_words(shares[measure.name]) if measure.name in shares else "",
                "p": p_value(margin.deciding_p),
                "words": margin_words(margin),
                "verdict": margin.verdict,
            }
        )
    everything = []
    for measure in evaluation.measures.values():
        found = {name: cells[direction].get(measure.name) for name, cells in evaluation.methods.items()}
        if not any(found.values()):
            continue
        best = margins[measure.name].baseline if measure.name in margins else None
        everything.append(
            {
                "title": measure.title,
                "n": max(each.n for each in found.values() if each is not None),
                "cells": [
                    {"text": "" if each is None else f"{each.mean:.{measure.decimals}f}", "best": name == best}
                    for name, each in found.items()
                ],
            }
        )
    return {
        "name": str(direction),
        "words": _arrow(direction_words(direction)),
        "images": evaluation.images(direction),
        "patients": evaluation.patients(direction),
        "sentence": headline_sentence(evaluation, direction),
        "headline": headline,
        "shares": share_grid(evaluation, direction),
        "all": everything,
    }


def _bar(advantage: Estimate) -> dict[str, float]:
    """Scale a margin and its interval so that the farthest of them from zero is 1."""
    bounds = {"mean": advantage.mean, "low": advantage.low, "high": advantage.high}
    known = {name: advantage.mean if value is None else value for name, value in bounds.items()}
    farthest = max(map(abs, known.values())) or 1.0
    return {name: round(value / farthest, 3) for name, value in known.items()}


def _measure(evaluation: Evaluation, measure: Measure) -> dict[str, Any]:
    return {
        "name": measure.name,
        "title": measure.title,
        "description": measure.description,
        "better": better_words(measure),
        "plot": interval_plot(evaluation, measure),
    }


def _training(results: Path) -> list[tuple[str, Markup]]:
    """Draw each column of the training's results: the measures of the validation first, then the losses."""
    rows = [row for _, row in read_rows(results, required=("epoch",))]
    if not rows:
        return []
    try:
        columns = {name: [float(row[name]) for row in rows] for name in rows[0]}
    except ValueError as error:
        raise ValueError(f"{results} holds a value that is no number: {error}") from error
    epochs = columns.pop("epoch")
    names = sorted(columns, key=lambda name: not name.startswith("val_"))
    return [(spaced(name), training_plot(epochs, columns[name], name=name)) for name in names]


def _trade_off(evaluation: Evaluation, *, others: Sequence[tuple[str, Evaluation]]) -> list[tuple[str, Markup]]:
    return [
        (
            _arrow(direction_words(direction)),
            trade_off_plot(
                evaluation.trade_off[direction],
                kinds=evaluation.kinds,
                checkpoints=[
                    (name, other.trade_off[direction][other.model])
                    for name, other in others
                    if other.model in other.trade_off.get(direction, {})
                ],
                direction=direction,
            ),
        )
        for direction in evaluation.directions
        if evaluation.trade_off.get(direction)
    ]
