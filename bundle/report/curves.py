"""The curves of a training run as one picture: losses, their weights, validation metrics, the best epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bundle.atomic import replacing

_COLUMNS = 3
_LOGARITHMIC_FROM = 1e-3  # a logarithmic axis is linear below this value, so that a zero has its place


@dataclass(frozen=True, kw_only=True)
class CurvePanel:
    """One panel: which values of the rows it shows.

    Args:
        title: with the unit, if there is one.
        names: keys of the rows, to what the legend calls them.
        logarithmic: values of very different sizes share the panel, none of them negative.
    """

    title: str
    names: Mapping[str, str]
    logarithmic: bool = False


def write_curves(
    rows: Sequence[Mapping[str, float]], *, panels: Sequence[CurvePanel], best_epoch: int, key_metric: str, path: Path
) -> None:
    """Draw the panels over the epochs as PNG, which is complete or not there; a dashed line marks the best epoch.

    Args:
        rows: one per epoch, with ``epoch`` and every name of the panels; at least one.
        panels: what is drawn, row by row.
        best_epoch: the epoch whose model was kept.
        key_metric: the metric that chose it, for the title.
        path: the PNG.

    Raises:
        ValueError: no row, or no panel.
    """
    if not rows or not panels:
        raise ValueError(f"Curves need at least one epoch and one panel; got {len(rows)} and {len(panels)}.")
    epochs = [row["epoch"] for row in rows]
    best = next(row for row in rows if row["epoch"] == best_epoch)
    figure = Figure(figsize=(15, 4.2 * -(-len(panels) // _COLUMNS)), layout="constrained")
    figure.suptitle(f"{len(rows)} epochs; best: epoch {best_epoch:.0f}, {key_metric} {best[key_metric]:.4f} (dashed)")
    for index, panel in enumerate(panels):
        axes = figure.add_subplot(-(-len(panels) // _COLUMNS), _COLUMNS, index + 1)
        for name, label in panel.names.items():
            axes.plot(epochs, [row[name] for row in rows], marker=".", label=label)
        axes.axvline(best_epoch, color="black", linestyle="--", linewidth=1)
        if panel.logarithmic:
            axes.set_yscale("symlog", linthresh=_LOGARITHMIC_FROM)
            axes.set_ylim(bottom=0)
        axes.set_title(panel.title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    with replacing(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=100)
