"""Measure the phantom against reality: ``python -m scripts.phantom_report --output work/phantom_report``."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import fire
from tqdm import tqdm

from bundle.datasets.phantom.case import CasePlan, plan_cohort
from bundle.report.phantom_gallery import write_gallery
from bundle.report.phantom_measures import BreastMeasures, measure_breast, predictability
from bundle.report.phantom_tables import (
    exponent_table,
    measure_real_films,
    profile_table,
    score_table,
    size_table,
)
from scripts.arguments import positive_number, refuse_unexpected, whole_number

FEWEST_BREASTS = 40
REPEATS = 6


def phantom_report(
    *unexpected: object,
    output: str,
    breasts: int = 160,
    seed: int = 0,
    film_spacing_mm: float = 0.8,
    workers: int = 1,
    real: str = "",
    **unknown: object,
) -> None:
    """Write ``measures.md`` and ``phantom_12.png``; the last quarter of the breasts is the test part.

    Args:
        unexpected: refused.
        output: folder to write to.
        breasts: how many breasts of the cohort.
        seed: of the cohort.
        film_spacing_mm: of the films, at most 0.8 (see `bundle.metrics.spectrum`).
        workers: processes.
        real: folders of real films as PNG, separated by commas; those that do not exist are left out.
        unknown: refused.
    """
    try:
        refuse_unexpected(unexpected, unknown, command="python -m scripts.phantom_report")
        count = whole_number(breasts, name="breasts")
        spacing_mm = positive_number(film_spacing_mm, name="film_spacing_mm")
        if count < FEWEST_BREASTS:
            raise ValueError(f"--breasts is {count}; it must be at least {FEWEST_BREASTS}, a quarter is the test part")
        plans = plan_cohort(breasts=count, seed=whole_number(seed, name="seed"))
        first_test_woman = plans[3 * count // 4].woman
        repeats = [REPEATS * (plan.woman >= first_test_woman) for plan in plans]
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(whole_number(workers, name="workers"), mp_context=context) as pool:
            made = pool.map(partial(_measure, film_spacing_mm=spacing_mm), plans, repeats)
            measured = list(tqdm(made, total=count, desc="breasts", unit="breast"))
        films = {
            f"real: {Path(name).name}": measure_real_films(Path(name), spacing_mm=spacing_mm)
            for name in (real if isinstance(real, (list, tuple)) else str(real).split(","))
            if name and Path(name).is_dir()
        }
        training = [b for b in measured if b.woman < first_test_woman]
        test = [b for b in measured if b.woman >= first_test_woman]
        parts = [
            exponent_table(measured, films, film_spacing_mm=spacing_mm),
            size_table(measured),
            profile_table(measured, films),
            f"{len(training)} training and {len(test)} test breasts of other women:\n\n"
            + score_table(predictability(training, test)),
        ]
        folder = Path(str(output))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "measures.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        write_gallery(plans[:12], folder / "phantom_12.png", film_spacing_mm=spacing_mm, columns=6)
    except (ValueError, OSError) as error:
        sys.exit(f"phantom_report: {error}")
    print(f"Wrote {folder / 'measures.md'} and {folder / 'phantom_12.png'}.")


def _measure(plan: CasePlan, repeats: int, *, film_spacing_mm: float) -> BreastMeasures:
    return measure_breast(plan, film_spacing_mm=film_spacing_mm, repeats=repeats)


if __name__ == "__main__":
    fire.Fire(phantom_report)
