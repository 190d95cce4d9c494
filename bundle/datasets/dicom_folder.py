"""The catalogue of any folder of DICOM files, as an archive exports them: headers first, pixels never.

Of the images of a breast in one examination and projection one is taken: For Presentation before For Processing, then
the latest exposure. Magnifications, spot compressions, displaced implants, tomosynthesis and what was made from it are
left out, each with its reason.

Lesion masks come from DICOM Segmentations below the folder, by the SOP Instance UID that they reference, and from a
table ``image, mask, lesion``. Patients and examinations are named by a keyed hash (`bundle.datasets.pseudonym`).
"""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import joblib
from pydicom.uid import MediaStorageDirectoryStorage
from tqdm import tqdm

from bundle.datasets.containment import inside
from bundle.datasets.csv_rows import read_rows
from bundle.datasets.pseudonym import Pseudonyms, read_or_make_key
from bundle.dicom.elements import element_texts, sop_uid
from bundle.dicom.exposure import Exposure, read_exposure
from bundle.dicom.parsing import read_header
from bundle.dicom.segmentation import Segment, find_segments, is_segmentation, referenced_images
from bundle.file_kinds import START_BYTES, may_be_dicom
from bundle.records import Lesion, Rejection, View
from bundle.vocabulary import Laterality, ViewPosition

STAGE = "catalogue"
# Processes cost a second or two to start: below this many files one process is faster.
_FEW_FILES = 256
# Headers take about a millisecond each: handing files over one by one would cost as much as reading them.
_BATCH_FILES = 64
_DICOM_SUFFIXES = (".dcm", ".dicom")
_MASK_COLUMNS = ("image", "mask")
_OPTIONAL_MASK_COLUMNS = ("lesion",)
_LESION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

_Group = tuple[str, str, Laterality, ViewPosition]


@dataclass(frozen=True, kw_only=True)
class _Scanned:
    """What the headers of one file tell; nothing at all of a file that is no DICOM file.

    Args:
        name: path relative to the source.
        exposure: of a standard mammogram.
        uid: SOP Instance UID of a Segmentation.
        segments: of a Segmentation.
        reason: why a DICOM file is left out.
        lost_images: SOP Instance UIDs of the images that a Segmentation names which is left out.
    """

    name: PurePosixPath
    exposure: Exposure | None = None
    uid: str = ""
    segments: tuple[Segment, ...] = ()
    reason: str = ""
    lost_images: frozenset[str] = frozenset()


@dataclass(kw_only=True)
class _Found:
    """The lesions of one image, gathered from Segmentations and the table."""

    lesions: list[Lesion] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    is_incomplete: bool = False

    def add(self, path: Path, *, name: str, frames: tuple[int, ...] = ()) -> None:
        """Add a lesion under a name that no other lesion of the image has."""
        taken = {lesion.lesion_id for lesion in self.lesions}
        unique = next(each for each in (name, *(f"{name}_{k}" for k in range(2, len(taken) + 3))) if each not in taken)
        self.lesions.append(Lesion(lesion_id=unique, mask_paths=(path,), mask_frames=frames))


def find_views(
    source: Path, *, key: Path, masks: Path | None = None, workers: int = 1
) -> tuple[list[View], list[Rejection]]:
    """Find the standard views in a folder of DICOM files.

    Args:
        source: the folder; it is searched with its subfolders, without following links out of it.
        key: file with the key of the pseudonyms; made where it is absent. Who has it can find a patient again.
        masks: a CSV file with the columns ``image`` (path below the source, or SOP Instance UID), ``mask`` (path below
            the source) and, if wanted, ``lesion`` (the same name in both views where it is the same lesion).
        workers: processes that read headers; -1 for one per core.

    Returns:
        The views sorted by patient, examination, side and position, and a rejection for each file or row that was left
        out; files that are no DICOM files have one rejection together, with their number.

    Raises:
        FileNotFoundError: the folder or the table is absent.
        OSError: the key cannot be read or made.
        ValueError: the key file holds no key, or the table lacks a column.
    """
    if not source.is_dir():
        raise FileNotFoundError(f"source folder {source} does not exist")
    root = source.resolve()
    mask_rows = [] if masks is None else _read_mask_rows(masks)
    pseudonyms = read_or_make_key(key)
    files, rejections = _list_files(root)
    # A mask that was saved with its film's headers would pass for one more exposure of the view.
    named_as_mask = {PurePosixPath(row["mask"]) for _, row in mask_rows}
    scanned = [
        each for each in _scan(files, root=root, workers=workers) if each.segments or each.name not in named_as_mask
    ]
    rejections.extend(_reject(each.name, each.reason) for each in scanned if each.reason)
    others = sum(each.exposure is None and not each.segments and not each.reason for each in scanned)
    if others:
        rejections.append(_reject(PurePosixPath("."), f"{others} file(s) are no DICOM images and were passed over"))

    exposures, repeated = _without_copies([each for each in scanned if each.exposure is not None])
    rejections.extend(repeated)
    chosen, passed_over = _choose(exposures)
    rejections.extend(passed_over)
    found = _Masks(chosen=chosen, exposures=exposures, root=root)
    rejections.extend(found.add_segmentations(scanned, pseudonyms=pseudonyms))
    if masks is not None:
        rejections.extend(found.add_table(mask_rows, table=masks.name))
    views: list[View] = []
    for name, exposure in chosen.values():
        lesions = found.of_image[exposure.image_uid]
        if lesions.is_incomplete:
            rejections.append(_reject(name, "a mask of this view cannot be used; the row of the mask says why"))
            continue
        views.append(
            View(
                patient_id=pseudonyms.patient(exposure.patient_id),
                laterality=exposure.laterality,
                view_position=exposure.view_position,
                image_path=root / name,
                lesions=tuple(lesions.lesions),
                flags=(*exposure.flags, *dict.fromkeys(lesions.flags)),
                study_id=pseudonyms.study(exposure.study_uid),
            )
        )
    return sorted(views, key=lambda view: (view.patient_id, view.study_id, view.laterality, view.view_position)), (
        rejections
    )


def _read_mask_rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Read the table of masks; a path may be written as on another system, with backslashes."""
    return [
        (line, {**row, **{column: row[column].replace("\\", "/") for column in _MASK_COLUMNS}})
        for line, row in read_rows(table, required=_MASK_COLUMNS, optional=_OPTIONAL_MASK_COLUMNS)
    ]


def _list_files(root: Path) -> tuple[list[PurePosixPath], list[Rejection]]:
    """List the regular files below a folder; links to folders are not followed, so that no loop can arise."""
    files: list[PurePosixPath] = []
    rejections: list[Rejection] = []

    def refuse(error: OSError) -> None:
        name = PurePosixPath(os.path.relpath(error.filename or root, root))
        rejections.append(_reject(name, f"the folder cannot be read ({type(error).__name__})"))

    for folder, folder_names, file_names in os.walk(root, onerror=refuse):
        here = PurePosixPath(os.path.relpath(folder, root))
        for each in folder_names:
            if os.path.islink(os.path.join(folder, each)):
                rejections.append(_reject(here / each, "a link to a folder is not followed"))
        for each in file_names:
            name = here / each
            try:
                resolved = inside(root / name, root=root, shown=name)
                is_regular = stat.S_ISREG(resolved.stat().st_mode)
            except (OSError, ValueError) as error:
                reason = str(error) if isinstance(error, ValueError) else f"cannot be read ({type(error).__name__})"
                rejections.append(_reject(name, reason))
                continue
            if is_regular:
                files.append(name)
            else:
                rejections.append(_reject(name, "this is no regular file"))
    return sorted(files), rejections


def _scan(files: Sequence[PurePosixPath], *, root: Path, workers: int) -> list[_Scanned]:
    """Read the headers of all files, in as many processes as are asked for."""
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        results = joblib.Parallel(
            n_jobs=workers if len(files) > _FEW_FILES else 1, batch_size=_BATCH_FILES, return_as="generator"
        )(joblib.delayed(_scan_file)(root, name) for name in files)
        return list(tqdm(results, total=len(files), desc="headers", unit="file"))


def _scan_file(root: Path, name: PurePosixPath) -> _Scanned:
    path = root / name
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
        if not may_be_dicom(start) and path.suffix.lower() not in _DICOM_SUFFIXES:
            return _Scanned(name=name)
        dataset = read_header(path)
        if element_texts(dataset.file_meta, "MediaStorageSOPClassUID")[:1] == [MediaStorageDirectoryStorage]:
            return _Scanned(name=name)
        if is_segmentation(dataset):
            uid = sop_uid(dataset, "SOPInstanceUID")
            try:
                return _Scanned(name=name, uid=uid, segments=tuple(find_segments(dataset)))
            except ValueError as error:
                return _Scanned(name=name, reason=str(error), lost_images=frozenset(referenced_images(dataset)))
        return _Scanned(name=name, exposure=read_exposure(dataset))
    except OSError as error:
        return _Scanned(name=name, reason=f"cannot be read ({type(error).__name__})")
    except ValueError as error:
        return _Scanned(name=name, reason=str(error).removeprefix(f"{path}: "))


def _without_copies(
    scanned: Sequence[_Scanned],
) -> tuple[list[tuple[PurePosixPath, Exposure]], list[Rejection]]:
    """Keep the first by path of the files that hold the very same image."""
    first: dict[str, PurePosixPath] = {}
    kept: list[tuple[PurePosixPath, Exposure]] = []
    rejections: list[Rejection] = []
    for each in scanned:
        if each.exposure is None:
            continue
        original = first.setdefault(each.exposure.image_uid, each.name)
        if original is each.name:
            kept.append((each.name, each.exposure))
        else:
            rejections.append(_reject(each.name, f"has the same SOP Instance UID as {original}, which is kept"))
    return kept, rejections


def _group(exposure: Exposure) -> _Group:
    return exposure.patient_id, exposure.study_uid, exposure.laterality, exposure.view_position


def _choose(
    exposures: Sequence[tuple[PurePosixPath, Exposure]],
) -> tuple[dict[_Group, tuple[PurePosixPath, Exposure]], list[Rejection]]:
    """Take one image of each view: the best class, of these the latest, of equals the last by path."""
    groups: dict[_Group, list[tuple[PurePosixPath, Exposure]]] = defaultdict(list)
    for name, exposure in exposures:
        groups[_group(exposure)].append((name, exposure))
    chosen: dict[_Group, tuple[PurePosixPath, Exposure]] = {}
    rejections: list[Rejection] = []
    for group, members in groups.items():
        best, *others = sorted(members, key=lambda each: (-each[1].rank, each[1].time, each[0]), reverse=True)
        chosen[group] = best
        for name, exposure in others:
            if exposure.rank > best[1].rank:
                reason = f"a less suited class (such as For Processing) of the view in {best[0]}, which is taken"
            else:
                reason = f"repeats the view in {best[0]}, which was exposed later or at the same time and is taken"
            rejections.append(_reject(name, reason))
    return chosen, rejections


class _Masks:
    """The lesions of the chosen images, by SOP Instance UID."""

    def __init__(
        self,
        *,
        chosen: Mapping[_Group, tuple[PurePosixPath, Exposure]],
        exposures: Sequence[tuple[PurePosixPath, Exposure]],
        root: Path,
    ) -> None:
        self.of_image: dict[str, _Found] = {exposure.image_uid: _Found() for _, exposure in chosen.values()}
        self.root = root
        self.exposures = {exposure.image_uid: exposure for _, exposure in exposures}
        self.uid_of_path = {name: exposure.image_uid for name, exposure in exposures}
        self.chosen_uids = {group: exposure.image_uid for group, (_, exposure) in chosen.items()}

    def add_segmentations(self, scanned: Sequence[_Scanned], *, pseudonyms: Pseudonyms) -> Iterator[Rejection]:
        """Add the segments to the images that they reference; yield what has no image.

        An image whose segmentation is left out is incomplete: it would pass for one without that lesion.
        """
        seen: set[str] = set()
        for each in scanned:
            for image_uid in each.lost_images & self.exposures.keys():
                if (lost := self.of_image.get(image_uid)) is not None:
                    lost.is_incomplete = True
                else:
                    self._flag_taken_instead(image_uid)
            if each.segments and each.uid and each.uid in seen:
                yield _reject(each.name, "has the same SOP Instance UID as another segmentation, which is kept")
                continue
            seen.add(each.uid)
            for segment in each.segments:
                if (found := self.of_image.get(segment.image_uid)) is None:
                    yield _reject(each.name, f"segment {segment.number}: {self._explain_unused(segment.image_uid)}")
                    continue
                view = self.exposures[segment.image_uid].view_position.lower()
                # A segment's number means nothing in another file; a name with the view is never taken for a match.
                name = (
                    f"lesion_{pseudonyms.lesion(segment.tracking_uid)}"
                    if segment.tracking_uid
                    else f"{view}_lesion_{len(found.lesions) + 1}"
                )
                found.add(self.root / each.name, name=name, frames=segment.frames)

    def add_table(self, rows: Sequence[tuple[int, Mapping[str, str]]], *, table: str) -> Iterator[Rejection]:
        """Add the masks that a table names; yield the rows that cannot be used."""
        for line, row in rows:
            where = PurePosixPath(f"{table}:{line}")
            uid = self.uid_of_path.get(PurePosixPath(row["image"]), row["image"])
            if (found := self.of_image.get(uid)) is None:
                yield _reject(where, self._explain_unused(uid))
                continue
            try:
                path = inside(self.root / row["mask"], root=self.root, shown=PurePosixPath(row["mask"]))
                if not path.is_file():
                    raise ValueError(f"mask {row['mask']!r} is no file below the source folder")
                name = row.get("lesion", "")
                if name and not _LESION_NAME.fullmatch(name):
                    raise ValueError("lesion must be of letters, digits, '_', '.' and '-', at most 64")
            except (OSError, ValueError) as error:
                found.is_incomplete = True
                yield _reject(where, str(error))
                continue
            view = self.exposures[uid].view_position.lower()
            found.add(path, name=name or f"{view}_lesion_{len(found.lesions) + 1}")

    def _explain_unused(self, uid: str) -> str:
        """Say why an image has no mask from here; flag the view that was taken instead of it."""
        if uid not in self.exposures:
            return "the image that the mask belongs to is not here, or is left out"
        self._flag_taken_instead(uid)
        return "the image that the mask belongs to is passed over for another one of the same view"

    def _flag_taken_instead(self, uid: str) -> None:
        self.of_image[self.chosen_uids[_group(self.exposures[uid])]].flags.append("mask_on_other_image")


def _reject(name: PurePosixPath, reason: str) -> Rejection:
    return Rejection(path=str(name), stage=STAGE, reason=reason)
