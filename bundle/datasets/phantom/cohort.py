"""A whole cohort: planned, made in parallel breast by breast, put in its place when it is complete."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bundle.datasets.phantom import cbis_ddsm_layout, clinical_layout, inbreast_layout
from bundle.datasets.phantom.case import Case, CasePlan, make_case, plan_cohort
from bundle.datasets.phantom.dicom_file import TransferSyntax
from bundle.datasets.phantom.layout import Layout, Table, WrittenCase
from bundle.datasets.phantom.quirks import quirks_of_breast
from bundle.datasets.phantom.truth import truth_of
from bundle.datasets.phantom.unfinished import TRUTH_FILE, UnfinishedCohort, refuse_another
from bundle.vocabulary import ViewPosition

FINEST_SPACING_MM, COARSEST_SPACING_MM = 0.05, 4.0
_DECISIVE_PACKAGES = ("numpy", "scipy", "pydicom", "pillow", "simpleitk", "scikit-image")


@dataclass(frozen=True, kw_only=True)
class CohortSettings:
    """All that decides a cohort's bytes, with the code that makes it.

    Args:
        layout: in which collection's way.
        breasts: how many.
        seed: the same seed gives the same breasts.
        film_spacing_mm: pixel spacing of the films.
        quirks: with the quirks of the real collection.
        transfer_syntax: of clinical files; the collections have one of their own.
    """

    layout: Layout
    breasts: int
    seed: int
    film_spacing_mm: float
    quirks: bool = False
    transfer_syntax: TransferSyntax = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN

    def __post_init__(self) -> None:
        if self.breasts < 1:
            raise ValueError(f"breasts is {self.breasts}; it must be at least 1.")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; it must not be negative.")
        if not FINEST_SPACING_MM <= self.film_spacing_mm <= COARSEST_SPACING_MM:
            raise ValueError(
                f"film_spacing_mm is {self.film_spacing_mm}; "
                f"it must lie from {FINEST_SPACING_MM} to {COARSEST_SPACING_MM}."
            )
        if self.quirks:
            quirks_of_breast(0, layout=self.layout)
        plain = self.transfer_syntax is TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN
        if not plain and self.layout is not Layout.CLINICAL:
            raise ValueError(
                f"transfer_syntax is {self.transfer_syntax}, but the files of layout {self.layout} are always "
                f"{TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN}; only layout {Layout.CLINICAL} has a choice."
            )

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, and a hash of the code and its libraries: other code may give other bytes."""
        return {
            "layout": self.layout.value,
            "seed": self.seed,
            "film_spacing_mm": self.film_spacing_mm,
            "quirks": self.quirks,
            "transfer_syntax": self.transfer_syntax.value,
            "breast_count": self.breasts,
            "code": _code_hash(),
        }


@dataclass(frozen=True, kw_only=True)
class CohortSummary:
    """What the cohort holds: counts of women, breasts, films, and lesions reported in at least one view.

    Args:
        made: breasts made by this run; the others were there from an earlier one.
    """

    women: int
    breasts: int
    films: int
    lesions: int
    made: int


def write_cohort(
    *,
    layout: Layout,
    breasts: int,
    seed: int,
    output: Path,
    film_spacing_mm: float,
    workers: int,
    overwrite: bool,
    quirks: bool = False,
    transfer_syntax: TransferSyntax = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN,
    show_progress: bool = True,
) -> CohortSummary:
    """Write a cohort, or go on with one that an earlier run has left unfinished.

    The bytes depend on the settings alone, not on the workers nor on how often the run was stopped.

    Args:
        layout: and the next ones, see `CohortSettings`.
        breasts: how many.
        seed: of all that is drawn.
        output: a folder that is absent, empty, or holds this very cohort.
        film_spacing_mm: of the films.
        workers: processes.
        overwrite: replace another phantom cohort, finished or not.
        quirks: of the real collection.
        transfer_syntax: of clinical files.
        show_progress: with a bar.

    Raises:
        ValueError: an argument is out of its range.
        FileExistsError: the output holds something else, and overwriting was not asked for or it is no cohort.
        BlockingIOError: another run is writing the same cohort.
        OSError: a file cannot be written; the finished breasts are kept, and the same command goes on.
    """
    settings = CohortSettings(
        layout=layout,
        breasts=breasts,
        seed=seed,
        film_spacing_mm=film_spacing_mm,
        quirks=quirks,
        transfer_syntax=transfer_syntax,
    )
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be at least 1.")
    document = settings.as_dict()
    if _is_finished(output, document, overwrite=overwrite):
        truth = json.loads((output / TRUTH_FILE).read_text(encoding="utf-8"))
        return _summary(truth["breasts"], made=0)
    plans = plan_cohort(breasts=breasts, seed=seed)
    if quirks:
        plans = [replace(plan, quirks=quirks_of_breast(index, layout=layout)) for index, plan in enumerate(plans)]
    with UnfinishedCohort.opened(output, document, overwrite=overwrite) as growing:
        missing = [index for index in range(breasts) if not growing.has(index)]
        job = partial(_make_breast, settings=settings, growing=growing)
        bar = tqdm(
            total=breasts, initial=breasts - len(missing), desc="breasts", unit="breast", disable=not show_progress
        )
        with bar:
            for _ in _map(
                job, [(index, plans[index]) for index in missing], workers=min(workers, max(1, len(missing)))
            ):
                bar.update()
        growing.finish(document, tables=_tables(layout), breasts=breasts)
        summary = _summary((growing.result(index)["truth"] for index in range(breasts)), made=len(missing))
        growing.become(output)
    return summary


def _is_finished(output: Path, document: Mapping[str, Any], *, overwrite: bool) -> bool:
    """Whether the output holds this very cohort; refuse it where it holds anything else that is not to be replaced."""
    if not output.exists():
        return False
    if not output.is_dir():
        raise FileExistsError(f"output {output} is a file; name a folder.")
    if not any(output.iterdir()):
        return False
    if not (output / TRUTH_FILE).is_file():
        raise FileExistsError(
            f"output {output} holds something that is no phantom cohort (no {TRUTH_FILE}); it is not overwritten, "
            "name another folder."
        )
    if overwrite:
        return False
    refuse_another(output / TRUTH_FILE, document, what=f"output {output} already holds a cohort")
    return True


def _make_breast(numbered: tuple[int, CasePlan], *, settings: CohortSettings, growing: UnfinishedCohort) -> None:
    """Make one breast and write its files; runs in a worker."""
    index, plan = numbered
    with growing.making(index) as (folder, result):
        digital = settings.layout in (Layout.CLINICAL, Layout.INBREAST)
        case = make_case(plan, film_spacing_mm=settings.film_spacing_mm, digital=digital)
        written = _write_case(case, folder, settings=settings)
        truth = truth_of(case, written.files)
        truth["quirks"] = written.quirks
        for position in ViewPosition:
            truth["views"][position.value]["written"] = written.written.get(position, [])
        result.update({"truth": truth, "rows": written.rows})


def _write_case(case: Case, folder: Path, *, settings: CohortSettings) -> WrittenCase:
    if settings.layout is Layout.CLINICAL:
        return clinical_layout.write_case(case, folder, syntax=settings.transfer_syntax)
    if settings.layout is Layout.INBREAST:
        return inbreast_layout.write_case(case, folder)
    return cbis_ddsm_layout.write_case(case, folder, layout=settings.layout)


def _tables(layout: Layout) -> Mapping[str, Table]:
    return {
        Layout.CBIS_DDSM: cbis_ddsm_layout.DOWNLOAD_TABLES,
        Layout.CBIS_DDSM_TABLES: cbis_ddsm_layout.TABLES,
        Layout.CBIS_DDSM_JPEG: cbis_ddsm_layout.JPEG_TABLES,
        Layout.INBREAST: inbreast_layout.TABLES,
        Layout.CLINICAL: {},
    }[layout]


def _summary(truths: Any, *, made: int) -> CohortSummary:
    women, breasts, lesions = set(), 0, 0
    for truth in truths:
        women.add(truth["woman"])
        breasts += 1
        lesions += sum(
            any(view["lesions"][k]["reported"] for view in truth["views"].values())
            for k in range(len(truth["lesions"]))
        )
    return CohortSummary(women=len(women), breasts=breasts, films=2 * breasts, lesions=lesions, made=made)


def _map(
    job: Callable[[tuple[int, CasePlan]], None], plans: list[tuple[int, CasePlan]], *, workers: int
) -> Iterator[None]:
    """Map over the plans in their order, in other processes when there is more than one worker."""
    if workers == 1:
        yield from map(job, plans)
        return
    with ProcessPoolExecutor(max_workers=workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(job, plans)


def _code_hash() -> str:
    versions = {package: version(package) for package in _DECISIVE_PACKAGES}
    digest = hashlib.sha256(json.dumps(versions, sort_keys=True).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
