"""Plots as SVG to stand inside an HTML page, whose style sheet gives the colours: dark on screen, light on paper."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bundle.report.evaluation.folder import Estimate, Evaluation, Measure
from bundle.report.evaluation.wording import direction_words, spaced
from bundle.vocabulary import Direction

# matplotlib knows no CSS variables: it draws with these colours, which stand for variables of page.css.
PAINTS = {
    "ink": "#010101",
    "dim": "#010102",
    "faint": "#010103",
    "model": "#010104",
    "baseline": "#010105",
    "warning": "#010106",
    "reference": "#010107",
}
_MARKERS = {Direction.CC_TO_MLO: "o", Direction.MLO_TO_CC: "D"}
_STYLE = {
    "svg.fonttype": "none",  # text stays text
    "font.size": 9,
    "text.color": PAINTS["ink"],
    "axes.edgecolor": PAINTS["faint"],
    "axes.labelcolor": PAINTS["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": PAINTS["dim"],
    "ytick.color": PAINTS["dim"],
    "xtick.labelcolor": PAINTS["ink"],
    "ytick.labelcolor": PAINTS["ink"],
    "grid.color": PAINTS["faint"],
    "grid.linewidth": 0.5,
}


def interval_plot(evaluation: Evaluation, measure: Measure) -> Markup:
    """Draw every method's mean and 95 % interval of one measure: a circle for CC -> MLO, a diamond for MLO -> CC."""
    methods = list(evaluation.kinds)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(3.9, 0.55 + 0.3 * len(methods)), layout="constrained")
        axes = figure.subplots()
        for number, direction in enumerate(evaluation.directions):
            for row, method in enumerate(methods):
                estimate = evaluation.methods[method][direction].get(measure.name)
                if estimate is not None:
                    offset = 0.17 * (2 * number - len(evaluation.directions) + 1)
                    _whisker(
                        axes,
                        estimate,
                        row=row + offset,
                        paint=PAINTS[evaluation.kinds[method]],
                        marker=_MARKERS[direction],
                    )
        axes.set_yticks(range(len(methods)), [spaced(method) for method in methods])
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.locator_params(axis="x", nbins=5)
        return _svg(figure, name=f"interval {measure.name}", label=f"{measure.title}: means and intervals by method")


def training_plot(epochs: Sequence[float], values: Sequence[float], *, name: str) -> Markup:
    """Draw one column of ``results.csv`` over the epochs."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(2.9, 1.5), layout="constrained")
        axes = figure.subplots()
        axes.plot(epochs, values, color=PAINTS["model"], linewidth=1.4, marker="o" if len(epochs) == 1 else "")
        axes.grid()
        axes.locator_params(axis="y", nbins=4)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        axes.set_xlabel("epoch")
        return _svg(figure, name=f"training {name}", label=f"{name} over {len(epochs)} epochs")


def trade_off_plot(
    points: Mapping[str, tuple[float, float]],
    *,
    kinds: Mapping[str, str],
    checkpoints: Sequence[tuple[str, tuple[float, float]]],
    x: Measure,
    y: Measure,
    direction: Direction,
) -> Markup:
    """Draw one error against another: a point per method, and the model's checkpoints joined in their order.

    Args:
        points: by method, the two errors.
        kinds: of the methods.
        checkpoints: name and errors of further evaluations of the model.
        x: the measure along the horizontal axis; less is better.
        y: that along the vertical one; less is better.
        direction: of the views.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.6, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.set_axisbelow(True)
        axes.grid()
        labelled = [(spaced(name), point, PAINTS[kinds[name]]) for name, point in points.items()]
        if checkpoints:
            axes.plot(*zip(*(point for _, point in checkpoints), strict=True), color=PAINTS["model"], linewidth=0.8)
            labelled += [(name, point, PAINTS["model"]) for name, point in checkpoints]
        for name, point, paint in labelled:
            axes.plot(*point, marker=_MARKERS[direction], color=paint, linestyle="")
            axes.annotate(name, point, xytext=(6, 3), textcoords="offset points", color=paint)
        axes.margins(x=0.22, y=0.12)
        axes.set_xlabel(x.title)
        axes.set_ylabel(y.title)
        return _svg(
            figure,
            name=f"trade-off {direction}",
            label=f"{direction_words(direction)}: {y.title} against {x.title}, a point per method",
        )


def _whisker(axes: Axes, estimate: Estimate, *, row: float, paint: str, marker: str) -> None:
    if estimate.low is not None and estimate.high is not None:
        axes.plot([estimate.low, estimate.high], [row, row], color=paint, linewidth=1.4, solid_capstyle="butt")
    axes.plot(estimate.mean, row, color=paint, marker=marker, markersize=5, linestyle="")


def _svg(figure: Figure, *, name: str, label: str) -> Markup:
    """Give the figure as an SVG element: no time and no random name in it, so equal figures are equal bytes.

    Args:
        figure: drawn with `PAINTS`.
        name: of its own in the page, so that the page's pictures share no id.
        label: for readers who do not see it.
    """
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(
            stream,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")),
        )
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", text)  # of groups; nothing refers to them
    for paint, colour in PAINTS.items():
        text = text.replace(colour, f"var(--{paint})")
    attributes = Markup('<svg role="img" aria-label="{}" ').format(label)
    return Markup(text.replace("<svg ", str(attributes), 1))
