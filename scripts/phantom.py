"""Write a cohort of phantom breasts as DICOM files: ``python -m scripts.phantom --breasts 160 --output demo/dicom``."""

from __future__ import annotations

import os
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import fire

from bundle.datasets.phantom.cohort import Layout, write_cohort


def phantom(
    *unexpected: object,
    output: str = "",
    layout: str = "cbis_ddsm",
    breasts: int = 160,
    seed: int = 0,
    film_spacing_mm: float = 1.0,
    workers: int = 0,
    overwrite: bool = False,
    **unknown: object,
) -> None:
    """Write phantom breasts, CC and MLO projected from the same 3-D breast, with their truth.

    Args:
        unexpected: refused.
        output: folder to write; it must not hold anything yet.
        layout: cbis_ddsm (tables, Secondary Capture films and ROI masks) or clinical (MG For Presentation).
        breasts: how many breasts; most women have both in the cohort.
        seed: the cohort's seed; the same seed gives the same bytes.
        film_spacing_mm: pixel spacing of the films.
        workers: processes; 0 takes all cores.
        overwrite: replace a phantom cohort that is in the folder.
        unknown: refused.
    """
    try:
        if unexpected or unknown:
            names = [str(value) for value in unexpected] + [f"--{name}" for name in unknown]
            raise ValueError(f"unknown argument {', '.join(names)}; see python -m scripts.phantom --help.")
        if not isinstance(output, (str, int)) or isinstance(output, bool) or str(output) == "":
            raise ValueError("output is missing; name the folder to write, as --output demo/dicom.")
        if layout not in set(Layout):
            raise ValueError(f"layout is {layout}; it must be one of {', '.join(Layout)}.")
        folder = Path(str(output))
        summary = write_cohort(
            layout=Layout(layout),
            breasts=_whole("breasts", breasts),
            seed=_whole("seed", seed),
            output=folder,
            film_spacing_mm=_number("film_spacing_mm", film_spacing_mm),
            workers=_whole("workers", workers) or _cores(),
            overwrite=_switch("overwrite", overwrite),
        )
    except BrokenProcessPool:
        sys.exit("phantom: a worker process was ended from outside, perhaps for memory; take fewer --workers.")
    except (ValueError, OSError) as error:
        sys.exit(f"phantom: {error}")
    print(
        f"Wrote {summary.films} films of {summary.breasts} breasts of {summary.women} women, with {summary.lesions} "
        f"lesions, to {folder}; truth in {folder / 'truth.json'}."
    )
    if layout == Layout.CBIS_DDSM:
        print(f"Next: python -m scripts.prepare cbis_ddsm --source {folder} --output {folder.parent / 'prepared'}")


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is {value}; it must be a whole number.")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} is {value}; it must be a number.")
    return float(value)


def _switch(name: str, value: object) -> bool:
    """Read a switch; Fire hands ``false`` on as a word."""
    if isinstance(value, bool):
        return value
    if str(value).lower() in {"true", "false"}:
        return str(value).lower() == "true"
    raise ValueError(f"{name} is {value}; it must be true or false.")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    fire.Fire(phantom)
