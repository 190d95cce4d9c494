"""The summary as plain text for a terminal, at most 120 columns wide."""

from __future__ import annotations

from bundle.evaluation.bootstrap import Interval
from bundle.evaluation.measures import MEASURES
from bundle.evaluation.methods import MODEL, TARGET
from bundle.evaluation.summary import Margin, Summary
from bundle.vocabulary import Direction

SIGNIFICANT = 0.05


def summary_table(summary: Summary) -> str:
    """Lay out one block per direction: a row per measure with model, best baseline, margin, real target.

    The margin is positive where the model is better; ``*`` marks those with p below 0.05 after Holm's correction.
    """
    lines: list[str] = []
    for direction, margins in summary.margins.items():
        rows = [["", "model [95 % interval]", "best baseline", "", "margin over it", "", "target"]]
        for measure in MEASURES:
            model = summary.methods[MODEL][direction].get(measure.name)
            if model is None:
                continue
            margin = margins.get(measure.name)
            row = [measure.title, with_interval(model, measure.decimals)]
            if margin is None:
                row += ["", "", "", ""]
            else:
                best = summary.methods[margin.baseline][direction][measure.name]
                row += [
                    margin.baseline,
                    f"{best.mean:.{measure.decimals}f}",
                    with_interval(margin.difference, measure.decimals, sign="+"),
                    "*" if margin.p_holm is not None and margin.p_holm < SIGNIFICANT else "",
                ]
            real = summary.methods.get(TARGET, {}).get(direction, {}).get(measure.name)
            row.append("" if real is None else f"{real.mean:.{measure.decimals}f}")
            rows.append(row)
        lines.append(
            f"{direction.source} -> {direction.target}: {summary.images[direction]} test images of "
            f"{summary.patients[direction]} patients"
        )
        lines += aligned(rows)
        lines += [*verdict(summary, direction=direction), ""]
    lines.append(f"* p below {SIGNIFICANT} after Holm's correction over {summary.tests} tests (Wilcoxon, patients).")
    return "\n".join(lines)


def verdict(summary: Summary, *, direction: Direction) -> list[str]:
    """Say in words, for in-breast SSIM and PSNR, how the model stands against the best baseline."""
    sentences = []
    for measure in MEASURES[:2]:
        margin = summary.margins[direction][measure.name]
        word = "beats" if margin.difference.mean > 0 else "does NOT beat"
        sentences.append(
            f"  {measure.title}: the model {word} the best baseline, {margin.baseline} "
            f"({margin.difference.mean:+.{measure.decimals}f}{_doubt(margin)})."
        )
    return sentences


def _doubt(margin: Margin) -> str:
    low, high = margin.difference.low, margin.difference.high
    return ", within what chance gives" if low is not None and high is not None and low <= 0 <= high else ""


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
