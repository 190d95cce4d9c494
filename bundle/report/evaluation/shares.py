"""How far each score has come from the best baseline to the ceiling, which is as much as can be known."""

from __future__ import annotations

from bundle.report.evaluation.folder import Evaluation
from bundle.report.evaluation.over_cases import Grid
from bundle.report.evaluation.wording import direction_words, share_words
from bundle.vocabulary import Direction

NOTE = (
    "0% is the best baseline's mean, below it a method is worse; 100% is that of the same breast laid and exposed "
    "again, which is as much as can be known of a view: of one exposure for a single possible view, else of the mean "
    "of several. The blurred truth, made of the real view itself, can pass it. A share is absent where the ceiling is "
    "no better than the baseline, an interval where there is one patient or the ceiling may be no better."
)


def share_grid(evaluation: Evaluation, direction: Direction) -> Grid | None:
    """Lay out the shares of the model, its other epochs and views, and the blurred truth; None without a ceiling.

    The model's have intervals, the others stand beside.
    """
    having = [
        method
        for method, kind in evaluation.kinds.items()
        if kind in ("model", "checkpoint", "variant", "warning") and evaluation.shares.get(method, {}).get(direction)
    ]
    if evaluation.model not in having:
        return None
    rows = [("", "n", *(f"{each} [95 % interval]" if each == evaluation.model else each for each in having))]
    for measure in evaluation.measures.values():
        found = {method: evaluation.shares[method][direction].get(measure.name) for method in having}
        if (of_model := found[evaluation.model]) is None:
            continue
        cells = (
            "" if share is None else share_words(share) if share is of_model else f"{share.mean:.0%}"
            for share in found.values()
        )
        rows.append((measure.title, str(of_model.n), *cells))
    return Grid(
        title=f"{direction_words(direction)}: share of the way from the best baseline to the ceiling",
        note=NOTE,
        rows=tuple(rows),
    )
