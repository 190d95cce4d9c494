"""The summary as plain text for a terminal, at most 120 columns wide."""

from __future__ import annotations

from bundle.evaluation.bootstrap import Interval
from bundle.evaluation.scoring import MEASURES, MODEL
from bundle.evaluation.summary import Summary
from bundle.vocabulary import Direction


def summary_table(summary: Summary) -> str:
    """Lay out one block per direction: a row per measure, the model with its interval, the baselines, the margin.

    The best baseline of each row is marked with ``*``; the margin is positive where the model is better.
    """
    baselines = [name for name in summary.methods if name != MODEL]
    lines: list[str] = []
    for direction, margins in summary.margins.items():
        images = summary.methods[MODEL][direction][MEASURES[0].name].n
        rows = [["", "model [95 % interval]", *baselines, "margin over the best *"]]
        for measure in MEASURES:
            margin = margins[measure.name]
            row = [measure.title, with_interval(summary.methods[MODEL][direction][measure.name], measure.decimals)]
            for name in baselines:
                mark = "*" if name == margin.baseline else " "
                row.append(f"{summary.methods[name][direction][measure.name].mean:.{measure.decimals}f}{mark}")
            row.append(with_interval(margin.difference, measure.decimals, sign="+"))
            rows.append(row)
        lines.append(
            f"{direction.source} -> {direction.target}: {images} test images of {summary.patients[direction]} patients"
        )
        lines += aligned(rows)
        lines += [*verdict(summary, direction=direction), ""]
    return "\n".join(lines)


def verdict(summary: Summary, *, direction: Direction) -> list[str]:
    """Say in words, for the in-breast measures, how the model stands against the best baseline."""
    sentences = []
    for measure in MEASURES[:2]:
        margin = summary.margins[direction][measure.name]
        difference = margin.difference
        word = "beats" if difference.mean > 0 else "does NOT beat"
        sure = ""
        if difference.low is not None and difference.high is not None and difference.low <= 0 <= difference.high:
            sure = ", within what chance gives"
        sentences.append(
            f"  {measure.title}: the model {word} the best baseline, {margin.baseline} "
            f"({difference.mean:+.{measure.decimals}f}{sure})."
        )
    return sentences


def with_interval(interval: Interval, decimals: int, *, sign: str = "") -> str:
    """Write ``0.712 [0.690, 0.731]``, or the mean alone where one patient gives no interval."""
    mean = f"{interval.mean:{sign}.{decimals}f}"
    if interval.low is None or interval.high is None:
        return f"{mean} [one patient]"
    return f"{mean} [{interval.low:{sign}.{decimals}f}, {interval.high:{sign}.{decimals}f}]"


def aligned(rows: list[list[str]]) -> list[str]:
    """Pad the cells: the first column to the left, all others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
