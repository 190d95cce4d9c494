"""Numbers and results as readers meet them, the same on the page and in the terminal."""

from __future__ import annotations

from bundle.report.evaluation.folder import Estimate, Evaluation, Margin, Measure
from bundle.vocabulary import Direction


def with_interval(estimate: Estimate, *, decimals: int, sign: str = "") -> str:
    """Write ``0.712 [0.690, 0.731]``, or the mean alone where one patient gives no interval."""
    mean = f"{estimate.mean:{sign}.{decimals}f}"
    if estimate.low is None or estimate.high is None:
        return f"{mean} [one patient]"
    return f"{mean} [{estimate.low:{sign}.{decimals}f}, {estimate.high:{sign}.{decimals}f}]"


def share_words(share: Estimate) -> str:
    """Write ``42% [35%, 50%]``, or the share alone where there is no interval."""
    if share.low is None or share.high is None:
        return f"{share.mean:.0%}"
    return f"{share.mean:.0%} [{share.low:.0%}, {share.high:.0%}]"


def p_value(p: float | None) -> str:
    """Write a p value with three decimals, or that it is smaller; empty where there is none."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def margin_words(margin: Margin) -> str:
    """Say how the model stands against the best baseline."""
    return {
        "better": "the model beats it",
        "worse": "the model is worse",
        "undecided": "undecided",
    }[margin.verdict]


def headline_sentence(evaluation: Evaluation, direction: Direction) -> str:
    """Say in one sentence in which of the headline's measures the model beats the best baseline."""
    margins = evaluation.margins.get(direction, {})
    titles: dict[str, list[str]] = {"better": [], "worse": [], "undecided": []}
    for measure in evaluation.headline:
        if measure.name in margins:
            titles[margins[measure.name].verdict].append(measure.title)
    tested = sum(map(len, titles.values()))
    if not tested:
        return "No measure has a margin over a baseline."
    parts = [f"The model beats the best baseline in {len(titles['better'])} of {tested} measures"]
    if titles["worse"]:
        parts.append(f"is worse in {len(titles['worse'])} ({', '.join(titles['worse'])})")
    if titles["undecided"]:
        parts.append(f"undecided in {len(titles['undecided'])} ({', '.join(titles['undecided'])})")
    return "; ".join(parts) + "."


def direction_words(direction: Direction) -> str:
    """Write ``CC -> MLO``."""
    return f"{direction.source} -> {direction.target}"


def better_words(measure: Measure) -> str:
    """Say which way is better."""
    return {"higher": "higher is better", "lower": "lower is better", None: "neither way is better"}[measure.better]


def spaced(name: str) -> str:
    """Write a name of a file as words: ``nearest_source`` becomes ``nearest source``."""
    return name.replace("_", " ")
