"""A whole cohort: planned, made in parallel, written in one go."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bundle.datasets.phantom import cbis_ddsm_layout, clinical_layout
from bundle.datasets.phantom.case import CasePlan, make_case, plan_cohort
from bundle.datasets.phantom.truth import truth_of

TRUTH_FILE = "truth.json"
FINEST_SPACING_MM, COARSEST_SPACING_MM = 0.05, 4.0


class Layout(StrEnum):
    """In which collection's way the cohort is written."""

    CBIS_DDSM = "cbis_ddsm"
    CLINICAL = "clinical"


@dataclass(frozen=True, kw_only=True)
class CohortSummary:
    """What was written: counts of women, breasts, films, and lesions reported in at least one view."""

    women: int
    breasts: int
    films: int
    lesions: int


def write_cohort(
    *,
    layout: Layout,
    breasts: int,
    seed: int,
    output: Path,
    film_spacing_mm: float,
    workers: int,
    overwrite: bool,
    show_progress: bool = True,
) -> CohortSummary:
    """Write a cohort. The bytes depend on layout, breasts, seed and spacing alone, not on the workers.

    The cohort is made beside the output folder and moved there at the end: a run that stops leaves nothing.

    Raises:
        ValueError: a count, seed or spacing is out of its range.
        FileExistsError: the output folder holds something, and overwriting was not asked for or it is no cohort.
    """
    _check(breasts=breasts, seed=seed, film_spacing_mm=film_spacing_mm, workers=workers)
    _check_output(output, overwrite=overwrite)
    plans = plan_cohort(breasts=breasts, seed=seed)
    with _written_at_once(output) as folder:
        job = partial(_write_case, layout=layout, film_spacing_mm=film_spacing_mm, folder=folder)
        made = _map(job, plans, workers=min(workers, breasts))
        results = list(tqdm(made, total=breasts, desc="breasts", unit="breast", disable=not show_progress))
        truths = [truth for truth, _ in results]
        if layout is Layout.CBIS_DDSM:
            cbis_ddsm_layout.write_tables([written for _, written in results if written is not None], folder)
        document = {
            "layout": layout.value,
            "seed": seed,
            "film_spacing_mm": film_spacing_mm,
            "axes": "uncompressed breast, mm: x chest wall to nipple, y to lateral, z to the head; film: (row, column)",
            "breasts": truths,
        }
        (folder / TRUTH_FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return CohortSummary(
        women=len({plan.woman for plan in plans}),
        breasts=breasts,
        films=2 * breasts,
        lesions=sum(
            any(truth["views"][view]["lesions"][k]["reported"] for view in truth["views"])
            for truth in truths
            for k in range(len(truth["lesions"]))
        ),
    )


def _check(*, breasts: int, seed: int, film_spacing_mm: float, workers: int) -> None:
    if breasts < 1:
        raise ValueError(f"breasts is {breasts}; it must be at least 1.")
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must not be negative.")
    if not FINEST_SPACING_MM <= film_spacing_mm <= COARSEST_SPACING_MM:
        raise ValueError(
            f"film_spacing_mm is {film_spacing_mm}; it must lie from {FINEST_SPACING_MM} to {COARSEST_SPACING_MM}."
        )
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be at least 1.")


def _check_output(output: Path, *, overwrite: bool) -> None:
    if not output.exists():
        return
    if not output.is_dir():
        raise FileExistsError(f"output {output} is a file; name a folder.")
    if not any(output.iterdir()):
        return
    if not overwrite:
        raise FileExistsError(f"output {output} already holds something; name another folder or give --overwrite.")
    if not (output / TRUTH_FILE).is_file():
        raise FileExistsError(
            f"output {output} holds something that is no phantom cohort (no {TRUTH_FILE}); it is not overwritten, "
            "name another folder."
        )


@contextmanager
def _written_at_once(output: Path) -> Iterator[Path]:
    """Give a folder beside the output that becomes the output at the end, or vanishes."""
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished, replaced = (
        output.parent / f".{output.name}.{state}-{os.getpid()}" for state in ("unfinished", "replaced")
    )
    unfinished.mkdir()
    try:
        yield unfinished
        if output.exists():
            os.replace(output, replaced)
        os.replace(unfinished, output)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def _write_case(
    plan: CasePlan, *, layout: Layout, film_spacing_mm: float, folder: Path
) -> tuple[dict[str, Any], cbis_ddsm_layout.WrittenCase | None]:
    case = make_case(plan, film_spacing_mm=film_spacing_mm, digital=layout is Layout.CLINICAL)
    if layout is Layout.CLINICAL:
        return truth_of(case, clinical_layout.write_case(case, folder)), None
    written = cbis_ddsm_layout.write_case(case, folder)
    return truth_of(case, written.files), written


def _map(job: Callable[[CasePlan], Any], plans: list[CasePlan], *, workers: int) -> Iterator[Any]:
    """Map over the plans in their order, in other processes when there is more than one worker."""
    if workers == 1:
        yield from map(job, plans)
        return
    with ProcessPoolExecutor(max_workers=workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(job, plans)
