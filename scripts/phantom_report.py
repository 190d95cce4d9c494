"""Measure the phantom against reality: ``python -m scripts.phantom_report --output work/phantom_report``."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import fire
from tqdm import tqdm

from bundle.atomic import replacing
from bundle.datasets.phantom.case import CasePlan, plan_cohort
from bundle.metrics.spectrum import COARSEST_SPACING_MM
from bundle.report.phantom_gallery import write_gallery
from bundle.report.phantom_histograms import write_histograms
from bundle.report.phantom_measures import BreastMeasures, measure_breast, predictability
from bundle.report.phantom_tables import (
    exponent_table,
    measure_real_films,
    profile_table,
    score_table,
    size_table,
)
from bundle.stopping import ending_with_a_sentence
from scripts.arguments import path, positive_number, refuse_unexpected, whole_number

FEWEST_BREASTS = 40
REPEATS = 6


def phantom_report(
    *unknown_values: object,
    output: str = "",
    breasts: int = 120,
    seed: int = 0,
    film_spacing_mm: float = 0.8,
    workers: int = 1,
    real: str = "",
    **unknown_options: object,
) -> None:
    """Write ``measures.md``, ``phantom_sizes.png``, ``phantom_12.png``; the last quarter is the test part.

    Args:
        *unknown_values: refused.
        output: folder to write to.
        breasts: how many breasts of the cohort.
        seed: of the cohort.
        film_spacing_mm: of the films, at most 0.8: the spectrum's band needs it.
        workers: processes.
        real: folders of real films as PNG, separated by commas; those that do not exist are left out.
        **unknown_options: refused.
    """
    refuse_unexpected(unknown_values, unknown_options, command="python -m scripts.phantom_report")
    folder = path(output, name="output")
    count, processes = whole_number(breasts, name="breasts"), whole_number(workers, name="workers")
    spacing_mm = positive_number(film_spacing_mm, name="film_spacing_mm")
    if count < FEWEST_BREASTS:
        raise ValueError(f"--breasts is {count}; it must be at least {FEWEST_BREASTS}, as a quarter is the test part")
    if spacing_mm > COARSEST_SPACING_MM:
        raise ValueError(f"--film_spacing_mm is {spacing_mm:g}; it must be at most {COARSEST_SPACING_MM:g}")
    if processes < 1:
        raise ValueError(f"--workers is {processes}; it must be at least 1")
    folder.mkdir(parents=True, exist_ok=True)

    plans = plan_cohort(breasts=count, seed=whole_number(seed, name="seed"))
    first_test_woman = plans[3 * count // 4].woman
    repeats = [REPEATS * (plan.woman >= first_test_woman) for plan in plans]
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        made = pool.map(partial(_measure, film_spacing_mm=spacing_mm), plans, repeats)
        measured = list(tqdm(made, total=count, desc="breasts", unit="breast"))
    films = {
        f"real: {place.name}": measure_real_films(place, spacing_mm=spacing_mm)
        for place in map(Path, real if isinstance(real, list | tuple) else filter(None, str(real).split(",")))
        if place.is_dir()
    }
    training = [b for b in measured if b.woman < first_test_woman]
    test = [b for b in measured if b.woman >= first_test_woman]
    parts = [
        exponent_table(measured, films, film_spacing_mm=spacing_mm),
        size_table(measured),
        profile_table(measured, films),
        f"{len(training)} training and {len(test)} test breasts of other women:",
        score_table(predictability(training, test)),
    ]
    with replacing(folder / "measures.md") as unfinished:
        unfinished.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    write_histograms(measured, folder / "phantom_sizes.png")
    write_gallery(plans[:12], folder / "phantom_12.png", film_spacing_mm=spacing_mm, columns=6)
    print(f"Wrote measures.md, phantom_sizes.png and phantom_12.png to {folder}.")


def _measure(plan: CasePlan, repeats: int, *, film_spacing_mm: float) -> BreastMeasures:
    return measure_breast(plan, film_spacing_mm=film_spacing_mm, repeats=repeats)


def main() -> None:
    """Run the command; whatever stops it ends it with one sentence."""
    with ending_with_a_sentence("phantom_report"):
        fire.Fire(phantom_report, name="python -m scripts.phantom_report")


if __name__ == "__main__":
    main()
