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
    "checkpoint": "#010108",
    "ceiling": "#010109",
    "variant": "#01010a",
}
_MARKERS = {Direction.CC_TO_MLO: "o", Direction.MLO_TO_CC: "D"}
_WIDENED = 1.5  # times the range of model and baselines: so far the truth and its blurred form may widen the axis
_LINE_PT, _LETTER_PT = 10.0, 5.5  # of the labels
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
        _keep_in_view(axes, evaluation, measure)
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
    direction: Direction,
) -> Markup:
    """Draw breast shape against sharpness: a point per method, and further checkpoints joined in their order.

    Args:
        points: by method, shape error and spectral error.
        kinds: of the methods.
        checkpoints: name and errors of further evaluations of the model.
        direction: of the views.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.6, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.set_axisbelow(True)
        axes.grid()
        labelled = [(spaced(name), point, PAINTS[kinds[name]]) for name, point in points.items()]
        if checkpoints:
            axes.plot(
                *zip(*(point for _, point in checkpoints), strict=True), color=PAINTS["checkpoint"], linewidth=0.8
            )
            labelled += [(name, point, PAINTS["checkpoint"]) for name, point in checkpoints]
        for _, point, paint in labelled:
            axes.plot(*point, marker=_MARKERS[direction], color=paint, linestyle="")
        low, high = axes.get_xlim()
        axes.set_xlim(low, high + 0.3 * (high - low))  # room for the names
        axes.set_box_aspect(0.8)
        figure.draw_without_rendering()  # the labels' places are known only then
        _label(axes, labelled)
        axes.set_xlabel("shape error (1 - breast Dice)")
        axes.set_ylabel("spectral error")
        return _svg(
            figure,
            name=f"trade-off {direction}",
            label=f"{direction_words(direction)}: spectral error against shape error, a point per method",
        )


def _keep_in_view(axes: Axes, evaluation: Evaluation, measure: Measure) -> None:
    """Let model, checkpoint and baselines decide the axis; what lies far beyond becomes an arrow with the number.

    The real target's PSNR of 100 dB would otherwise press all others into one point.
    """
    bounds: list[float] = []
    beside: list[tuple[int, str, float]] = []
    for row, (method, kind) in enumerate(evaluation.kinds.items()):
        for direction in evaluation.directions:
            estimate = evaluation.methods[method][direction].get(measure.name)
            if estimate is None:
                continue
            if kind in ("model", "checkpoint", "variant", "baseline"):
                bounds += [bound for bound in (estimate.low, estimate.mean, estimate.high) if bound is not None]
            else:
                beside.append((row, kind, estimate.mean))
    if not bounds:
        return
    low, high = min(bounds), max(bounds)
    widest = _WIDENED * (high - low)
    near = [value for *_, value in beside if low - widest <= value <= high + widest]
    low, high = min([low, *near]), max([high, *near])
    margin = 0.06 * (high - low) or 0.5
    axes.set_xlim(low - margin, high + margin)
    for row, kind, value in dict.fromkeys(each for each in beside if not low <= each[2] <= high):
        left = value < low
        axes.annotate(
            f"{value:.{measure.decimals}f}",
            xy=(0 if left else 1, row),
            xytext=(26 if left else -26, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            ha="left" if left else "right",
            va="center",
            color=PAINTS[kind],
            arrowprops={"arrowstyle": "->", "color": PAINTS[kind]},
        )


def _label(axes: Axes, labelled: Sequence[tuple[str, tuple[float, float], str]]) -> None:
    """Write the points' names beside them, lower or higher where another name is in the way."""
    scale = 72 / axes.figure.dpi
    taken: list[tuple[float, float, float]] = []
    for name, point, paint in labelled:
        column, row = scale * axes.transData.transform(point)
        for up in (3, -9, 13, -19, 23):
            free = all(
                abs(row + up - other) >= _LINE_PT or column > right or column + _LETTER_PT * len(name) < left
                for left, right, other in taken
            )
            if free:
                break
        taken.append((column, column + _LETTER_PT * len(name), row + up))
        axes.annotate(name, point, xytext=(6, up), textcoords="offset points", color=paint)


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
