"""Write a cohort of phantom breasts as DICOM files: ``python -m scripts.phantom --breasts 160 --output demo/dicom``."""

from __future__ import annotations

import errno
import os

import fire

from bundle.datasets.phantom.cohort import CohortSummary, write_cohort
from bundle.datasets.phantom.dicom_file import TransferSyntax
from bundle.datasets.phantom.layout import Layout
from bundle.stopping import ending_with_a_sentence
from bundle.switches import read_switch
from scripts.arguments import path, positive_number, refuse_unexpected, whole_number


def phantom(
    *unknown_values: object,
    output: str = "",
    layout: str = Layout.CBIS_DDSM.value,
    breasts: int = 160,
    seed: int = 0,
    film_spacing_mm: float = 0.8,
    quirks: bool = False,
    transfer_syntax: str = TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN.value,
    workers: int = 0,
    overwrite: bool = False,
    **unknown_options: object,
) -> None:
    """Write phantom breasts, CC and MLO projected from the same 3-D breast, with their truth.

    A run that was stopped goes on where it stopped when the same command is given again.

    Args:
        *unknown_values: refused.
        output: folder to write: absent, empty, or holding this very cohort.
        layout: cbis_ddsm (tables, Secondary Capture films and ROI masks in the download tool's folders),
            cbis_ddsm_tables (the same at the paths that the tables name), cbis_ddsm_jpeg (as the JPEG edition has it),
            inbreast (DICOM files, table, property lists) or clinical (MG For Presentation and For Processing).
        breasts: how many breasts; most women have both in the cohort.
        seed: the cohort's seed; the same seed gives the same bytes.
        film_spacing_mm: pixel spacing of the films.
        quirks: with the quirks of the real collection, each in at least one of twelve breasts; truth.json names them.
        transfer_syntax: of the clinical layout's files.
        workers: processes; 0 takes all cores.
        overwrite: replace another phantom cohort that is in the folder.
        **unknown_options: refused.
    """
    refuse_unexpected(unknown_values, unknown_options, command="python -m scripts.phantom")
    if output == "":
        raise ValueError("output is missing; name the folder to write, as --output demo/dicom.")
    folder = path(output, name="output")
    with_quirks = read_switch(quirks, name="quirks")
    spacing_mm = positive_number(film_spacing_mm, name="film_spacing_mm")
    summary = write_cohort(
        layout=Layout(_one_of(Layout, layout, name="layout")),
        breasts=whole_number(breasts, name="breasts"),
        seed=whole_number(seed, name="seed"),
        output=folder,
        film_spacing_mm=spacing_mm,
        workers=whole_number(workers, name="workers") or _cores(),
        overwrite=read_switch(overwrite, name="overwrite"),
        quirks=with_quirks,
        transfer_syntax=TransferSyntax(_one_of(TransferSyntax, transfer_syntax, name="transfer_syntax")),
    )
    print(_sentence(summary, str(folder)))
    if layout in (Layout.CBIS_DDSM, Layout.CBIS_DDSM_TABLES, Layout.CBIS_DDSM_JPEG):
        unknown = with_quirks or layout == Layout.CBIS_DDSM_JPEG
        assumed = f" --assumed_spacing_mm {spacing_mm:g}" if unknown else ""
        prepared = folder.parent / "prepared"
        print(f"Next: python -m scripts.prepare cbis_ddsm --source {folder} --output {prepared}{assumed}")


def _sentence(summary: CohortSummary, folder: str) -> str:
    reused = summary.breasts - summary.made
    earlier = f" ({reused} breasts were there from an earlier run)" if reused else ""
    done = "Wrote" if summary.made else "Nothing to do:"
    return (
        f"{done} {summary.films} films of {summary.breasts} breasts of {summary.women} women, with {summary.lesions} "
        f"lesions, in {folder}{earlier}; truth in {folder}/truth.json."
    )


def _one_of(choices: type[Layout] | type[TransferSyntax], value: object, *, name: str) -> str:
    if value not in set(choices):
        raise ValueError(f"{name} is {value}; it must be one of {', '.join(choices)}.")
    return str(value)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> None:
    """Run the command; whatever stops it ends it with one sentence."""
    with ending_with_a_sentence("phantom", again="the same command goes on, with fewer --workers it needs less"):
        try:
            fire.Fire(phantom, name="python -m scripts.phantom")
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise OSError(f"{error}; what is finished is kept: make room, and the same command goes on") from error


if __name__ == "__main__":
    main()
