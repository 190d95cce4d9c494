"""The result as Markdown whose tables are aligned, so that a terminal shows them as well."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from bundle.report.evaluation.folder import GROUPS, Evaluation, Measure
from bundle.report.evaluation.over_cases import Grid, grids
from bundle.report.evaluation.shares import share_grid
from bundle.report.evaluation.wording import (
    direction_words,
    headline_sentence,
    p_value,
    with_interval,
)
from bundle.vocabulary import Direction

WIDEST = 110  # columns of a terminal


def markdown(evaluation: Evaluation) -> str:
    """Write the report's tables: per direction the verdict, the headline and every method's mean.

    The best baseline of each measure is marked with ``*``.
    """
    parts = ["# Evaluation of synthetic mammographic views"]
    for direction in evaluation.directions:
        parts += [
            f"## {direction_words(direction)}: {evaluation.images(direction)} test images "
            f"of {evaluation.patients(direction)} patients",
            textwrap.fill(headline_sentence(evaluation, direction), WIDEST),
            _headline(evaluation, direction),
            _means(evaluation, direction),
        ]
        if (shares := share_grid(evaluation, direction)) is not None:
            parts += _grid(shares)
    for grid in grids(evaluation):
        parts += _grid(grid)
    parts.append(
        "In brackets: 95 % interval over patients. A margin is positive where the model is better. * the best baseline."
        "\nn is given where not every image has the measure."
    )
    return "\n\n".join(parts) + "\n"


def aligned_table(rows: Sequence[Sequence[str]]) -> str:
    """Lay out a Markdown table: the first row is the head, the first column stands left, all others right."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(cells[0]))]
    lines = [
        "| "
        + " | ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in cells
    ]
    rule = "| " + " | ".join("-" * (width - 1) + (":" if column else "-") for column, width in enumerate(widths)) + " |"
    return "\n".join([lines[0], rule, *lines[1:]])


def _grid(grid: Grid) -> list[str]:
    return [f"## {grid.title}", textwrap.fill(grid.note, WIDEST), aligned_table(grid.rows)]


def _headline(evaluation: Evaluation, direction: Direction) -> str:
    rows = [["measure", "model [95 % interval]", "best baseline", "margin [95 % interval]", "p", "verdict"]]
    for measure in evaluation.headline:
        margin = evaluation.margins.get(direction, {}).get(measure.name)
        if margin is None:
            continue
        model = evaluation.methods[evaluation.model][direction][measure.name]
        rows.append(
            [
                measure.title,
                with_interval(model, decimals=measure.decimals),
                margin.baseline,
                with_interval(margin.advantage, decimals=measure.decimals, sign="+"),
                p_value(margin.deciding_p),
                margin.verdict,
            ]
        )
    return aligned_table(rows)


def _means(evaluation: Evaluation, direction: Direction) -> str:
    """Lay out all methods' means: a row per method, as many measures beside each other as fit."""
    names = ["", *evaluation.kinds]
    tables = [[names]]
    for group in GROUPS:
        for measure in (each for each in evaluation.measures.values() if each.group == group):
            column = _column(evaluation, direction, measure)
            if any(column[1:]):
                wider = [*tables[-1], column]
                if len(wider) > 2 and len(_sideways(wider).split("\n", 1)[0]) > WIDEST:
                    tables.append([names, column])
                else:
                    tables[-1] = wider
    return "\n\n".join(_sideways(columns) for columns in tables)


def _column(evaluation: Evaluation, direction: Direction, measure: Measure) -> list[str]:
    found = [cells[direction].get(measure.name) for cells in evaluation.methods.values()]
    most = max((estimate.n for estimate in found if estimate is not None), default=0)
    margin = evaluation.margins.get(direction, {}).get(measure.name)
    column = [measure.title if most == evaluation.images(direction) else f"{measure.title}, n = {most}"]
    for name, estimate in zip(evaluation.kinds, found, strict=True):
        mark = "*" if margin is not None and name == margin.baseline else ""
        column.append("" if estimate is None else f"{mark}{estimate.mean:.{measure.decimals}f}")
    return column


def _sideways(columns: Sequence[Sequence[str]]) -> str:
    return aligned_table(list(zip(*columns, strict=True)))
