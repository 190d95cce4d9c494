"""Prepare a collection: find views, pair, split by patient, make each view ready, extract radiomics, write tables.

In the output folder:

- ``images/``: prepared image, lesion label map and breast mask of each view;
- ``views/``: one result per view, which lets a run that was stopped go on;
- ``pairs.csv``, ``datalist.json``: the pairs, by split;
- ``radiomics.csv``, ``regions.csv``: vectors of lesions and of random regions;
- ``rejected.csv``: what was left out, at which stage and why;
- ``preparation.json``: the settings that the folder's content was made with.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bundle.collection.datalist import DATALIST_NAME, IMAGES_NAME
from bundle.collection.files import write_json, write_table
from bundle.collection.film_file import ADVICE
from bundle.collection.side_files import COLLECTIONS_WITH_FILES, SideFiles, require_fitting
from bundle.collection.side_files import find_views as find_views_with_files
from bundle.collection.view_task import (
    ViewResult,
    ViewTask,
    is_outdated,
    relative_rejection,
    stored_features,
    stored_result,
    without_features,
)
from bundle.collection.workers import decisive_versions, prepare_views, require_address
from bundle.datasets import cbis_ddsm, inbreast
from bundle.datasets.pairing import STAGE as PAIRING
from bundle.datasets.pairing import BreastViews, pair_views
from bundle.datasets.splitting import SplitRule, require_fractions, split_officially, split_patients
from bundle.imaging.canvas import FRAME_MM, canvas_scale, exceeds_canvas
from bundle.preparation import PreparationSettings
from bundle.radiomics.features import FEATURE_NAMES
from bundle.radiomics.regions import Region
from bundle.radiomics.settings import RadiomicsSettings, settings_hash
from bundle.records import Canvas, Pair, Rejection, View
from bundle.vocabulary import Direction, Split, ViewPosition

COLLECTIONS: Mapping[str, Callable[[Path], tuple[list[View], list[Rejection]]]] = {
    "cbis_ddsm": cbis_ddsm.find_views,
    "inbreast": inbreast.find_views,
}
"""How each collection's views are found; a collection is added by adding its reader here."""

_PREPARATION_NAME = "preparation.json"
_FOLDERS = (IMAGES_NAME, "views")
_REJECTED_NAME = "rejected.csv"
# The list of pairs goes first and comes last: a folder that has it is complete.
_TABLES = (DATALIST_NAME, "pairs.csv", "radiomics.csv", "regions.csv")


@dataclass(frozen=True, kw_only=True)
class PreparationSummary:
    """The counts of the closing lines.

    Args:
        output: the prepared collection's folder.
        found_views: views of the catalogue.
        prepared_views: views made ready in this or an earlier run.
        reused_views: those of them, and of the rejected ones, that an earlier run had done.
        pairs: number of complete pairs by split.
        rejections: number of rows in ``rejected.csv`` by stage.
        straddling_patients: number of patients whom the official split has in both training and test; None without it.
        grey_scale_flags: number of prepared views by flag of their grey scale.
    """

    output: Path
    found_views: int
    prepared_views: int
    reused_views: int
    pairs: Mapping[Split, int]
    rejections: Mapping[str, int]
    straddling_patients: int | None = None
    grey_scale_flags: Mapping[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Say it in sentences."""
        reused = f" ({self.reused_views} by an earlier run)" if self.reused_views else ""
        by_split = ", ".join(f"{count} {split}" for split, count in self.pairs.items())
        by_stage = ", ".join(f"{count} {stage}" for stage, count in self.rejections.items())
        lines = [
            f"views: {self.found_views} found, {self.prepared_views} prepared{reused}",
            f"pairs: {sum(self.pairs.values())} ({by_split}) in {self.output / 'pairs.csv'}",
            f"rejections: {sum(self.rejections.values())}{f' ({by_stage})' if by_stage else ''} "
            f"in {self.output / 'rejected.csv'}",
        ]
        if self.straddling_patients is not None:
            lines.append(
                f"official split: {self.straddling_patients} patient(s) stand in both training and test; "
                "all their views went to test"
            )
        lines.extend(
            f"warning: {count} view(s) {ADVICE[flag]} (flag {flag} in pairs.csv)"
            for flag, count in self.grey_scale_flags.items()
        )
        lines.extend(
            f"warning: no pair is left in the {split} split; add patients or use another seed"
            for split, count in self.pairs.items()
            if count == 0
        )
        return lines


def prepare_collection(
    *,
    collection: str,
    source: Path,
    output: Path,
    preparation: PreparationSettings,
    radiomics: RadiomicsSettings,
    fractions: Mapping[Split, float],
    seed: int,
    workers: int,
    overwrite: bool = False,
    split_rule: SplitRule = SplitRule.RANDOM,
    side_files: SideFiles | None = None,
    scheduler: str = "",
) -> PreparationSummary:
    """Prepare a collection; what an earlier run with the same settings has done is not done again.

    Args:
        collection: one of `COLLECTIONS` or `COLLECTIONS_WITH_FILES`.
        source: the collection's folder.
        output: a folder that is absent, empty, or holds a preparation.
        preparation: how views are made ready.
        radiomics: how features are extracted.
        fractions: part of the patients in each split.
        seed: of the split and of the random regions.
        workers: views worked on at once; -1 for one per core.
        overwrite: bring a preparation that the output holds to these settings; the views that the change does not touch
            are kept, those that are no longer wanted are removed.
        split_rule: by chance, or the collection's own.
        side_files: what the collections dicom and table need beside their folder.
        scheduler: address of a Dask scheduler whose workers make the views ready; empty for this machine's cores.

    Returns:
        The counts.

    Raises:
        FileNotFoundError: the source or its tables are absent.
        FileExistsError: the output holds other files, or a preparation with other settings.
        ValueError: an argument is not allowed, a table is no table, or nothing is left to prepare: ``rejected.csv``
            then holds the reasons.
        ConnectionError: the scheduler cannot be reached, or has no worker.
    """
    if collection not in (*COLLECTIONS, *COLLECTIONS_WITH_FILES):
        raise ValueError(
            f"collection is {collection!r}; it must be one of {', '.join((*COLLECTIONS, *COLLECTIONS_WITH_FILES))}"
        )
    side_files = side_files or SideFiles()
    require_fitting(collection, side_files, output=output)
    finest_canvas_mm = min(radiomics.canvas_spacings_mm)
    if finest_canvas_mm < preparation.spacing_mm:
        raise ValueError(
            f"canvas features at {finest_canvas_mm:g} mm cannot come from views of {preparation.spacing_mm:g} mm; "
            "give a smaller --spacing_mm, or change canvas_spacings_mm in the radiomics settings"
        )
    require_fractions(fractions, rule=split_rule)
    if workers == 0 or workers < -1:
        raise ValueError(f"workers is {workers}; it must be 1 or more, or -1 for one per core")
    if scheduler:
        require_address(scheduler)
        # Its workers have other working directories.
        source, output = source.absolute(), output.absolute()
    if collection in COLLECTIONS:
        views, rejections = COLLECTIONS[collection](source)
    else:
        views, rejections = find_views_with_files(collection, source, files=side_files, workers=workers)
    source = source.resolve()
    breasts, unpaired = pair_views(views)
    rejections.extend(unpaired)
    rejections = [relative_rejection(rejection, source=source) for rejection in rejections]
    settings = {
        "collection": collection,
        "seed": seed,
        "split": split_rule.value,
        "fractions": {split.value: fraction for split, fraction in fractions.items()},
        "preparation": asdict(preparation),
        "radiomics": {**radiomics.as_dict(), "settings_hash": settings_hash(radiomics)},
    }
    _open_output(output, settings=settings, versions=decisive_versions(), overwrite=overwrite)
    try:
        if not breasts:
            raise ValueError(f"nothing is left of {source}: no breast has both views")
        splits, straddling_patients = _splits(views, breasts, rule=split_rule, fractions=fractions, seed=seed)
    except ValueError as error:
        raise _stopped(str(error), rejections, output=output) from None
    pairs = [breast.in_split(splits[breast.patient_id]) for breast in breasts]

    versions = decisive_versions()
    pair_tasks = [
        (
            pair,
            ViewTask(
                view=view,
                name=f"{pair.pair_id}_{view.view_position}",
                split=pair.split,
                source=source,
                output=output,
                preparation=preparation,
                radiomics=radiomics,
                seed=seed,
                versions=versions,
            ),
        )
        for pair in pairs
        for view in (pair.cc, pair.mlo)
    ]
    tasks = [task for _, task in pair_tasks]
    results: dict[str, ViewResult] = {}
    for task in tasks:
        if (earlier := stored_result(task)) is not None:
            results[task.name] = without_features(earlier)
    reused = len(results)
    missing = [task for task in tasks if task.name not in results]
    if any(map(is_outdated, missing)):
        _remove_tables(output)  # they would not fit the images that come now
    results.update(prepare_views(missing, workers=workers, scheduler=scheduler))
    _remove_leftovers(output, names=set(results) if overwrite else None)

    complete: list[Pair] = []
    for pair in pairs:
        in_pair = {view.view_position: results[f"{pair.pair_id}_{view.view_position}"] for view in (pair.cc, pair.mlo)}
        for result in in_pair.values():
            rejections.extend(result.rejections)
        if all(result.problem is None for result in in_pair.values()):
            complete.append(pair)
        else:
            rejections.extend(relative_rejection(each, source=source) for each in _rejections_of_pair(pair, in_pair))
    if not complete:
        raise _stopped(f"nothing is left of {source}: no pair could be prepared", rejections, output=output)
    _write_rejections(output, rejections)
    complete_ids = {pair.pair_id for pair in complete}
    _write_features(
        output,
        [(pair, task) for pair, task in pair_tasks if pair.pair_id in complete_ids],
        features_hash=settings_hash(radiomics),
    )
    _write_pairs(output, complete, results)
    return PreparationSummary(
        output=output,
        found_views=len(views),
        prepared_views=sum(result.problem is None for result in results.values()),
        reused_views=reused,
        pairs={split: sum(pair.split is split for pair in complete) for split in Split},
        rejections=dict(sorted(Counter(rejection.stage for rejection in rejections).items())),
        straddling_patients=straddling_patients,
        grey_scale_flags=_grey_scale_flags(results.values()),
    )


def _grey_scale_flags(results: Iterable[ViewResult]) -> dict[str, int]:
    """Count the prepared views by flag of their grey scale."""
    counts = Counter(flag for result in results for flag in result.flags)
    return {flag: counts[flag] for flag in ADVICE if counts[flag]}


def _splits(
    views: Sequence[View],
    breasts: Sequence[BreastViews],
    *,
    rule: SplitRule,
    fractions: Mapping[Split, float],
    seed: int,
) -> tuple[Mapping[str, Split], int | None]:
    """Give the split of each patient with a pair and, of the official split, how many patients stand in two of it."""
    paired = {breast.patient_id for breast in breasts}
    if rule is SplitRule.RANDOM:
        return split_patients(paired, fractions=fractions, seed=seed), None
    # Of all views of the patients, paired or not: none may have been seen on the other side.
    official: dict[str, set[Split]] = {patient_id: set() for patient_id in paired}
    for view in views:
        if view.patient_id in paired:
            official[view.patient_id].update(view.official_splits)
    official_split = split_officially(official, fractions=fractions, seed=seed)
    return official_split.splits, len(official_split.straddling)


def _rejections_of_pair(pair: Pair, results: Mapping[ViewPosition, ViewResult]) -> list[Rejection]:
    """Give each bad view's own reason, and for a good view left alone the reason of its pair."""
    rejections: list[Rejection] = []
    for view in (pair.cc, pair.mlo):
        problem = results[view.view_position].problem
        partner_problem = results[view.view_position.complement].problem
        if problem is not None:
            rejections.append(problem)
        elif partner_problem is not None:
            reason = (
                f"pair {pair.pair_id} is left out: its {view.view_position.complement} view was rejected at stage "
                f"{partner_problem.stage} ({partner_problem.path})"
            )
            rejections.append(Rejection(path=str(view.image_path), stage=PAIRING, reason=reason))
    return rejections


def _open_output(output: Path, *, settings: Mapping[str, Any], versions: Mapping[str, str], overwrite: bool) -> None:
    """Make the output folder ready for a preparation with these settings, and write them there first."""
    preparation_path = output / _PREPARATION_NAME
    document = {**settings, "versions": dict(versions)}
    if output.exists() and not output.is_dir():
        raise FileExistsError(f"output {output} is a file; give a folder")
    before: Any = None
    if preparation_path.is_file():
        before = _settings_before(preparation_path, settings, overwrite=overwrite)
    elif output.is_dir() and any(output.iterdir()):
        raise FileExistsError(f"output {output} holds other files and no {_PREPARATION_NAME}; give an empty folder")
    output.mkdir(parents=True, exist_ok=True)
    if before != json.loads(json.dumps(document)):
        # A run that is stopped must not leave an older run's pairs beside newer settings or images.
        _remove_tables(output)
        # The older settings are replaced in one step, and new ones come before any other file: without settings the
        # folder would be refused as somebody else's.
        write_json(preparation_path, document)
    for name in _FOLDERS:
        (output / name).mkdir(exist_ok=True)


def _remove_tables(output: Path) -> None:
    for name in (*_TABLES, _REJECTED_NAME):
        (output / name).unlink(missing_ok=True)


def _remove_leftovers(output: Path, *, names: set[str] | None) -> None:
    """Remove what workers that died were writing and, where names are given, the files of all other views."""
    for path in (path for folder in _FOLDERS for path in (output / folder).iterdir()):
        name = path.stem if path.suffix == ".json" else path.name.rpartition("_")[0]
        if path.name.startswith(".") or (names is not None and name not in names):
            path.unlink()


def _settings_before(preparation_path: Path, settings: Mapping[str, Any], *, overwrite: bool) -> Any:
    """Read the settings of an earlier preparation, None where they are damaged; refuse others, or go over them."""
    before: Any = None
    try:
        before = json.loads(preparation_path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        if not overwrite and _holds_views(preparation_path.parent):
            raise FileExistsError(f"{preparation_path} cannot be read; use --overwrite or another output") from error
    after = json.loads(json.dumps(settings))
    different = [name for name in after if not isinstance(before, dict) or before.get(name) != after[name]]
    if different and not overwrite and _holds_views(preparation_path.parent):
        raise FileExistsError(
            f"{preparation_path.parent} was prepared with other settings ({', '.join(different)}); "
            "use --overwrite or another output"
        )
    return before


def _holds_views(output: Path) -> bool:
    """Tell whether an earlier run has made anything that other settings would undo."""
    return any((output / name).is_dir() and any((output / name).iterdir()) for name in _FOLDERS)


def _write_rejections(output: Path, rejections: Sequence[Rejection]) -> None:
    write_table(
        output / _REJECTED_NAME,
        columns=("path", "stage", "reason"),
        rows=sorted((rejection.path, rejection.stage, rejection.reason) for rejection in rejections),
    )


def _write_pairs(output: Path, pairs: Sequence[Pair], results: Mapping[str, ViewResult]) -> None:
    """Write ``pairs.csv``, and ``datalist.json`` with the same content for MONAI."""
    rows: list[Sequence[object]] = []
    datalist: dict[str, list[dict[str, Any]]] = {split.value: [] for split in Split}
    for pair in pairs:
        cc, mlo = (results[f"{pair.pair_id}_{position}"] for position in ViewPosition)
        flags = [*pair.flags, *(f"cc:{flag}" for flag in cc.flags), *(f"mlo:{flag}" for flag in mlo.flags)]
        flags += _canvas_flags({ViewPosition.CC: cc, ViewPosition.MLO: mlo})
        rows.append(
            (
                *(pair.pair_id, pair.patient_id, pair.laterality, pair.split, cc.image, mlo.image, cc.mask, mlo.mask),
                *(cc.spacing_mm, mlo.spacing_mm, ";".join(flags), cc.breast, mlo.breast),
            )
        )
        files_of_view = {
            name: {"image": result.image, "mask": result.mask, "breast": result.breast, "spacing_mm": result.spacing_mm}
            for name, result in (("cc", cc), ("mlo", mlo))
        }
        identity = {"pair_id": pair.pair_id, "patient_id": pair.patient_id, "laterality": pair.laterality.value}
        datalist[pair.split].append({**identity, **files_of_view, "flags": flags})
    columns = (
        *("pair_id", "patient_id", "laterality", "split", "cc_image", "mlo_image", "cc_mask", "mlo_mask"),
        *("cc_spacing_mm", "mlo_spacing_mm", "flags", "cc_breast", "mlo_breast"),
    )
    write_table(output / "pairs.csv", columns=columns, rows=rows)
    write_json(output / DATALIST_NAME, datalist)


def _canvas_flags(results: Mapping[ViewPosition, ViewResult]) -> list[str]:
    """Flag what a standard canvas does to the pair: a source that must shrink, a target that is cropped for it."""
    flags = []
    for direction in Direction:
        source, target = results[direction.source], results[direction.target]
        rows, columns = (round(extent_mm / source.spacing_mm) for extent_mm in FRAME_MM)
        canvas = Canvas(rows=rows, columns=columns, spacing_mm=source.spacing_mm)
        scale = canvas_scale(source.shape, spacing_mm=source.spacing_mm, canvas=canvas)
        if scale < 1:
            flags.append(f"{direction}:source_shrunk")
        if exceeds_canvas(target.shape, spacing_mm=target.spacing_mm, canvas=canvas, scale=scale):
            flags.append(f"{direction}:target_cropped")
    return flags


def _write_features(output: Path, pair_tasks: Sequence[tuple[Pair, ViewTask]], *, features_hash: str) -> None:
    """Write ``radiomics.csv`` and ``regions.csv`` view by view from the stored results, so that memory stays flat."""

    def identity(pair: Pair, task: ViewTask) -> tuple[str, ...]:
        return pair.patient_id, pair.pair_id, task.view.view_position

    def lesion_rows() -> Iterator[Sequence[object]]:
        for pair, task in pair_tasks:
            for each in stored_features(task).lesions:
                yield (
                    *(*identity(pair, task), each.lesion_id, each.scale, features_hash),
                    *(each.spacing_mm, each.area_mm2, *each.features),
                )

    region_columns = tuple(Region.__dataclass_fields__)

    def region_rows() -> Iterator[Sequence[object]]:
        for pair, task in pair_tasks:
            for each in stored_features(task).regions:
                yield (
                    *(*identity(pair, task), each.region_id, each.spacing_mm, features_hash),
                    *(getattr(each.region, column) for column in region_columns),
                    *each.features,
                )

    write_table(
        output / "radiomics.csv",
        columns=(
            *("patient_id", "pair_id", "view", "lesion_id", "scale", "settings_hash", "spacing_mm", "area_mm2"),
            *FEATURE_NAMES,
        ),
        rows=lesion_rows(),
    )
    write_table(
        output / "regions.csv",
        columns=(
            *("patient_id", "pair_id", "view", "region_id", "spacing_mm", "settings_hash"),
            *region_columns,
            *FEATURE_NAMES,
        ),
        rows=region_rows(),
    )


def _stopped(sentence: str, rejections: Sequence[Rejection], *, output: Path) -> ValueError:
    """Leave all rejections, and no tables of an earlier run, in the output; give the error that names the first one."""
    _remove_tables(output)
    _write_rejections(output, rejections)
    if rejections:
        first = rejections[0]
        sentence += (
            f"; {output / _REJECTED_NAME} holds the reasons ({len(rejections)}), the first: {first.path} "
            f"({first.stage}): {first.reason}"
        )
    return ValueError(sentence)
