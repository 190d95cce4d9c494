"""Count a collection without reading pixels: ``python -m scripts.catalogue cbis_ddsm --source DIR --output DIR``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import fire

from bundle.atomic import replacing
from bundle.collection import COLLECTIONS
from bundle.collection.files import write_table
from bundle.collection.side_files import COLLECTIONS_WITH_FILES, SideFiles, require_fitting
from bundle.collection.side_files import find_views as find_views_with_files
from bundle.collection.view_task import relative_rejection
from bundle.datasets import cbis_ddsm
from bundle.datasets.catalogue import (
    COLUMNS,
    Catalogue,
    Count,
    catalogue_rows,
    choose_pairs,
    count_groups,
    manifest_lines,
)
from bundle.records import Rejection, View
from bundle.stopping import ending_with_a_sentence
from bundle.switches import read_switch
from scripts.arguments import path, refuse_unexpected, whole_number

LISTERS: Mapping[str, Callable[[Path], tuple[list[View], list[Rejection]]]] = {
    **COLLECTIONS,
    "cbis_ddsm": cbis_ddsm.list_views,
}
"""How views are listed: CBIS-DDSM's before anything is downloaded, those of others as they are prepared."""

SERIES: Mapping[str, Callable[[View], tuple[str, ...]]] = {"cbis_ddsm": cbis_ddsm.series_uids}
"""The series to download for a view, in the collections that The Cancer Imaging Archive holds."""


def catalogue(
    collection: str,
    *unknown_values: object,
    source: str,
    output: str,
    manifest: str | None = None,
    pairs: int | None = None,
    abnormality: str | None = None,
    seed: int = 0,
    key: str | None = None,
    masks: str | None = None,
    table: str | None = None,
    bits: int | None = None,
    inverted: bool | None = None,
    workers: int = -1,
    **unknown_options: object,
) -> None:
    """Count views, breasts, complete pairs and lesions, and write ``catalogue.csv`` with a row per view.

    No pixel is read. With --manifest the series of complete pairs are listed for the archive's download tool.

    Args:
        collection: cbis_ddsm, inbreast, dicom (any folder of DICOM files) or table (pictures that a table names).
        *unknown_values: refused.
        source: the collection's folder; of cbis_ddsm the tables are enough.
        output: folder for catalogue.csv and rejected.csv.
        manifest: file to write, of the form that the NBIA Data Retriever opens (.tcia); of cbis_ddsm only.
        pairs: how many complete pairs the manifest lists; all when it is not given.
        abnormality: only pairs with a lesion of this type in both views, e.g. mass or calcification.
        seed: of the choice of pairs.
        key: for dicom: file with the key of the patients' pseudonyms, outside the output; made at first use.
        masks: for dicom: CSV file with the columns image, mask and lesion.
        table: for table: CSV file with the columns patient, side, view, image and, if wanted, mask, lesion, spacing,
            bits and inverted.
        bits: for table: the bits that the pictures' values use, for instance 12, where the table does not state them.
        inverted: for table: whether the pictures have a white background, where the table does not say.
        workers: for dicom: processes that read headers; -1 for one per core.
        **unknown_options: refused.
    """
    refuse_unexpected(unknown_values, unknown_options, command="python -m scripts.catalogue")
    known = (*LISTERS, *COLLECTIONS_WITH_FILES)
    if collection not in known:
        raise ValueError(f"collection is {collection!r}; it must be one of {', '.join(known)}")
    source_path, output_path = path(source, name="source"), path(output, name="output")
    manifest_path = None if manifest is None else path(manifest, name="manifest")
    number = None if pairs is None else whole_number(pairs, name="pairs")
    seed = whole_number(seed, name="seed")
    if manifest_path is None and (number is not None or abnormality is not None):
        raise ValueError("--pairs and --abnormality choose what --manifest lists; give --manifest FILE too")
    if manifest_path is not None and collection not in SERIES:
        raise ValueError(f"--manifest lists series of {', '.join(SERIES)}; {collection} is not in the archive")

    files = SideFiles(
        key=None if key is None else path(key, name="key"),
        masks=None if masks is None else path(masks, name="masks"),
        table=None if table is None else path(table, name="table"),
        bits=None if bits is None else whole_number(bits, name="bits"),
        inverted=None if inverted is None else read_switch(inverted, name="inverted"),
    )
    require_fitting(collection, files, output=output_path)
    workers = whole_number(workers, name="workers")
    if collection in LISTERS:
        views, rejections = LISTERS[collection](source_path)
    else:
        views, rejections = find_views_with_files(collection, source_path, files=files, workers=workers)
    rejections = [relative_rejection(rejection, source=source_path.resolve()) for rejection in rejections]
    listed = Catalogue.of(views)
    # Chosen before anything is written: a wrong number leaves no half of the output.
    chosen = (
        []
        if manifest_path is None
        else choose_pairs(
            listed.pairs, number=number, abnormality=None if abnormality is None else str(abnormality), seed=seed
        )
    )
    output_path.mkdir(parents=True, exist_ok=True)
    write_table(output_path / "catalogue.csv", columns=COLUMNS, rows=catalogue_rows(listed, source=source_path))
    write_table(
        output_path / "rejected.csv",
        columns=("path", "stage", "reason"),
        rows=sorted((each.path, each.stage, each.reason) for each in rejections),
    )
    print("\n".join(table_lines(count_groups(listed))))
    print("a breast counts in every group that one of its views or lesions belongs to")
    print(f"complete pairs: {len(listed.pairs)}")
    print(f"{len(views)} views in {output_path / 'catalogue.csv'}; {len(rejections)} rejections in rejected.csv")
    if manifest_path is not None:
        series = [uid for pair in chosen for view in (pair.cc, pair.mlo) for uid in SERIES[collection](view)]
        lines = manifest_lines(series, name=manifest_path.name.replace(" ", "_"))
        manifest_path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(manifest_path) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{len(set(series))} series of {len(chosen)} pairs in {manifest_path}")


def table_lines(counts: Sequence[Count]) -> list[str]:
    """Lay the counts out as a table with aligned columns."""
    header = ("", "", "views", "breasts", "pairs", "lesions", "in both views")
    rows = [
        (
            each.criterion if not index or counts[index - 1].criterion != each.criterion else "",
            each.group,
            *map(str, (each.views, each.breasts, each.pairs, each.lesions, each.lesions_in_both_views)),
        )
        for index, each in enumerate(counts)
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = []
    for row in (header, *rows):
        words = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        numbers = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join([*words, *numbers]).rstrip())
    return lines


def main() -> None:
    """Run the command; a wrong argument or a source that holds nothing ends it with one sentence."""
    with ending_with_a_sentence("catalogue", again="give the same command again, --workers 1 needs least"):
        fire.Fire(catalogue, name="python -m scripts.catalogue")


if __name__ == "__main__":
    main()
