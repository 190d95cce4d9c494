"""Histograms of the cohort's sizes beside published figures, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from bundle.atomic import replacing
from bundle.report.phantom_measures import BreastMeasures
from bundle.vocabulary import ViewPosition

_BINS = 20
_COLOURS = {"CC": "#0072b2", "MLO": "#d55e00", "": "#555555"}


@dataclass(frozen=True)
class Published:
    """A published distribution: a central value, and values that mark its spread, in the panel's unit."""

    centre: float
    marks: tuple[float, ...]
    words: str


# McCormack et al. 2007, Cancer Epidemiol Biomarkers Prev 16(6):1148, table 1: median and quartiles of the breast's
# area by a threshold method, left breasts of 244 (CC) and 246 (MLO) women.
AREA_CM2 = {
    ViewPosition.CC: Published(171.0, (126.0, 225.0), "median and quartiles, McCormack et al. 2007"),
    ViewPosition.MLO: Published(171.0, (135.0, 217.0), "median and quartiles, McCormack et al. 2007"),
}
# Yaffe et al. 2009, Med Phys 36(12):5437: 2640 women (thickness), 2831 women (fibroglandular tissue with the skin).
THICKNESS_MM = Published(59.0, (43.0, 75.0), "mean +- sd, Yaffe et al. 2009")
GLANDULAR_PERCENT = Published(19.3, (27.0, 45.0), "mean, 80 % and 95 % of women, Yaffe et al. 2009")


def write_histograms(breasts: Sequence[BreastMeasures], path: Path) -> None:
    """Draw breast area per view, compressed thickness and glandular fraction as PNG; dashed lines are published.

    Args:
        breasts: the measured cohort, at least one.
        path: the PNG.
    """
    panels: list[tuple[str, dict[str, list[float]], Published]] = [
        (
            f"{position.value} breast area with muscle, cm2",
            {position.value: [b.films[position].area_cm2 for b in breasts]},
            AREA_CM2[position],
        )
        for position in ViewPosition
    ]
    thickness = {position.value: [b.thickness_mm[position] for b in breasts] for position in ViewPosition}
    panels.append(("compressed thickness, mm", thickness, THICKNESS_MM))
    glandular = {"": [100 * b.glandular_fraction for b in breasts]}
    panels.append(("glandular fraction without skin, %", glandular, GLANDULAR_PERCENT))

    figure = Figure(figsize=(10, 6), layout="constrained")
    for axes, (title, groups, published) in zip(figure.subplots(2, 2).ravel(), panels, strict=True):
        values = [value for group in groups.values() for value in group]
        limits = (min(values), max(values) if max(values) > min(values) else min(values) + 1.0)
        for name, group in groups.items():
            label = f"phantom {name}".strip() + f" (n = {len(group)})"
            axes.hist(group, bins=_BINS, range=limits, alpha=0.55, color=_COLOURS[name], label=label)
        axes.axvline(published.centre, color="black", label=published.words)
        for mark in published.marks:
            axes.axvline(mark, color="black", linestyle="--")
        axes.set_xlabel(title)
        axes.set_ylabel("breasts")
        axes.margins(y=0.4)  # room for the legend
        axes.legend(fontsize="small", loc="upper right")
    with replacing(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=100)
