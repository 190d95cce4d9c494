"""The catalogue of CBIS-DDSM: which films, which lesions, which files (doi 10.7937/K9/TCIA.2016.7O02S9CY).

Two steps. `read_tables` reads the collection's tables alone: one `Abnormality` per lesion and view, and the views that
only a list of series names; `list_views` needs no more. `find_views` then finds the files in any of three layouts on
disk:

- the tables' own paths, ``<Subject>/<StudyUID>/<SeriesUID>/00000N.dcm``;
- the download tool's, where ``metadata.csv`` maps each Series UID to a folder (File Location);
- the JPEG edition's: the tables in ``csv``, and for each series a folder ``jpeg/<SeriesUID>``, which ``dicom_info.csv``
  lists file by file. Its pictures have 8 bits and no pixel spacing.

The file names inside a series say nothing reliable, so a lesion hands on all files of its mask and crop series, and
the mask is told from the crop by content (`bundle.dicom.masks`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from bundle.datasets.containment import inside
from bundle.datasets.csv_rows import read_rows
from bundle.records import Lesion, Rejection, View
from bundle.vocabulary import Laterality, Split, ViewPosition

STAGE = "catalogue"
TABLE_NAMES = tuple(
    f"{kind}_case_description_{split}_set.csv" for kind in ("mass", "calc") for split in ("train", "test")
)
METADATA_NAME = "metadata.csv"
DICOM_INFO_NAME = "dicom_info.csv"
_TABLE_FOLDERS = ("", "csv")
_JPEG_FOLDER = "jpeg"
_FILE_ENDINGS = (".dcm", ".jpg", ".jpeg")

_DENSITY_COLUMNS = ("breast_density", "breast density")
_TABLE_COLUMNS = (
    "patient_id",
    "left or right breast",
    "image view",
    "abnormality id",
    "abnormality type",
    "pathology",
    "image file path",
    "cropped image file path",
    "ROI mask file path",
)
_DESCRIPTOR_COLUMNS = ("mass shape", "mass margins", "calc type", "calc distribution")
_OPTIONAL_COLUMNS = ("assessment", *_DESCRIPTOR_COLUMNS)
# Series UID, subject, description, and the folder or a file in it.
_METADATA_COLUMNS = ("Series UID", "Subject ID", "Series Description", "File Location")
_DICOM_INFO_COLUMNS = ("SeriesInstanceUID", "PatientID", "SeriesDescription", "image_path")
_FULL_MAMMOGRAM = "full mammogram images"
_LATERALITIES = {"LEFT": Laterality.LEFT, "RIGHT": Laterality.RIGHT}
_ABNORMALITIES = {"Mass": "mass", "Calc": "calcification"}
_OFFICIAL_SPLITS = {"Training": Split.TRAINING, "Test": Split.TEST}
_PATIENT = re.compile(r"P_\d+")
_SUBJECT = re.compile(
    r"(?P<kind>Mass|Calc)-(?P<split>Training|Test)_(?P<patient>P_\d+)_(?P<side>LEFT|RIGHT)_(?P<view>CC|MLO)(?:_(?P<id>\d+))?"
)


@dataclass(frozen=True, kw_only=True, order=True)
class ViewKey:
    """One view of one breast; a patient is the same over all four tables."""

    patient_id: str
    laterality: Laterality
    view_position: ViewPosition


@dataclass(frozen=True, kw_only=True)
class Abnormality:
    """One lesion in one view: one row of a table.

    Args:
        key: the view that it lies in.
        where: table and line, for messages.
        lesion_id: type and number, e.g. ``mass_1``; numbers start anew in the mass and the calcification tables.
        abnormality: ``mass`` or ``calcification``.
        pathology: ``BENIGN``, ``BENIGN_WITHOUT_CALLBACK`` or ``MALIGNANT``; empty when only the metadata tell.
        density: the table's BI-RADS density, 0 to 4, as written.
        image: path of the film in the tables' layout.
        assessment: the table's BI-RADS assessment, 0 to 5, as written.
        descriptors: shape and margins of a mass, type and distribution of calcifications, as written.
        official_split: that of the table or, where only the metadata tell, of the subject's name.
        masks: paths of the ROI mask and of the crop, in the tables' layout.
    """

    key: ViewKey
    where: str
    lesion_id: str
    abnormality: str
    pathology: str
    density: str
    assessment: str
    descriptors: tuple[str, ...]
    official_split: Split | None
    image: PurePosixPath
    masks: tuple[PurePosixPath, ...]


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What tables and metadata say, before any file is looked for.

    Args:
        abnormalities: one per lesion and view.
        views_without_lesion: films that only the lists of series name, with their path in the tables' layout.
        folders: Series UID -> folder relative to the source, from the lists of series; empty without them.
        rejections: rows that cannot be used.
        incomplete: views of which a row was rejected: their masks would miss a lesion.
    """

    abnormalities: tuple[Abnormality, ...]
    views_without_lesion: Mapping[ViewKey, PurePosixPath]
    folders: Mapping[str, PurePosixPath]
    rejections: tuple[Rejection, ...]
    incomplete: frozenset[ViewKey] = field(default=frozenset())


@dataclass(frozen=True, kw_only=True)
class _Series:
    """A row of a list of series: ``metadata.csv`` has one per series, ``dicom_info.csv`` one per file."""

    uid: str
    subject: str
    description: str
    folder: PurePosixPath


def find_views(source: Path) -> tuple[list[View], list[Rejection]]:
    """Find the views of CBIS-DDSM below a folder.

    A view that stands in both a mass and a calcification table, as two series of the same film, is one view with all
    its lesions. A view of which a file is absent, or of which a row cannot be used, is left out whole: without one of
    its lesions its mask would be wrong.

    Args:
        source: folder that holds at least one of the four tables or a list of series, itself or in ``csv``, and the
            images.

    Returns:
        The views sorted by patient, side and position, and a rejection for each row or view that was left out.

    Raises:
        FileNotFoundError: the folder, or every table in it, is absent.
        ValueError: a table lacks a column or is no table.
    """
    tables = read_tables(source)
    root = source.resolve()
    by_view, rejections = _complete_views(tables)
    views: list[View] = []
    for key, abnormalities in by_view:
        images = _images(key, abnormalities, tables)
        try:
            view = replace(
                _listed_view(key, abnormalities, images),
                image_path=_image_file(images, root=root, folders=tables.folders),
                lesions=tuple(_lesion(each, root=root, folders=tables.folders) for each in abnormalities),
            )
        except (OSError, ValueError) as error:
            rejections.append(Rejection(path=str(images[0]), stage=STAGE, reason=str(error)))
            continue
        views.append(view)
    return views, rejections


def list_views(source: Path) -> tuple[list[View], list[Rejection]]:
    """List the views that the tables name, as `find_views` would find them were every file there.

    Returns:
        The views with the tables' paths, relative to the source and not looked for, and a rejection for each row or
        view that cannot be used.

    Raises:
        FileNotFoundError: the folder, or every table in it, is absent.
        ValueError: a table lacks a column or is no table.
    """
    tables = read_tables(source)
    by_view, rejections = _complete_views(tables)
    return [_listed_view(key, found, _images(key, found, tables)) for key, found in by_view], rejections


def series_uids(view: View) -> tuple[str, ...]:
    """Give the Series Instance UIDs (0020,000E) of a listed view: one film, and the masks and crops of its lesions.

    Of a film that stands in two tables as two series, one is enough.

    Args:
        view: from `list_views`.
    """
    files = [view.image_path, *(path for lesion in view.lesions for path in lesion.mask_paths)]
    return tuple(dict.fromkeys(path.parent.name for path in files))


def _complete_views(tables: Tables) -> tuple[list[tuple[ViewKey, list[Abnormality]]], list[Rejection]]:
    """Gather each view's lesions, sorted by view; a view of which a row was rejected is rejected too."""
    by_view: dict[ViewKey, list[Abnormality]] = {key: [] for key in tables.views_without_lesion}
    for abnormality in tables.abnormalities:
        by_view.setdefault(abnormality.key, []).append(abnormality)
    complete: list[tuple[ViewKey, list[Abnormality]]] = []
    rejections = list(tables.rejections)
    for key, abnormalities in sorted(by_view.items()):
        if key in tables.incomplete:
            where = str(_images(key, abnormalities, tables)[0])
            rejections.append(
                Rejection(path=where, stage=STAGE, reason="another table row of this view cannot be used")
            )
        else:
            complete.append((key, abnormalities))
    return complete, rejections


def _images(key: ViewKey, abnormalities: Sequence[Abnormality], tables: Tables) -> list[PurePosixPath]:
    """Give the view's films in the tables' layout: one, or two series of the same film."""
    return list(dict.fromkeys(each.image for each in abnormalities)) or [tables.views_without_lesion[key]]


def _listed_view(key: ViewKey, abnormalities: Sequence[Abnormality], images: Sequence[PurePosixPath]) -> View:
    """Describe a view by its rows alone, with the tables' paths."""
    official = {each.official_split for each in abnormalities} or {_official_split(images[0])} - {None}
    return View(
        patient_id=key.patient_id,
        laterality=key.laterality,
        view_position=key.view_position,
        image_path=Path(images[0]),
        lesions=tuple(_listed_lesion(each) for each in abnormalities),
        density=next((each.density for each in abnormalities if each.density), ""),
        flags=_flags(abnormalities, images),
        official_splits=tuple(split for split in Split if split in official),
    )


def _listed_lesion(abnormality: Abnormality) -> Lesion:
    return Lesion(
        lesion_id=abnormality.lesion_id,
        mask_paths=tuple(Path(path) for path in abnormality.masks),
        abnormality=abnormality.abnormality,
        pathology=abnormality.pathology,
        assessment=abnormality.assessment,
        descriptors=abnormality.descriptors,
    )


def read_tables(source: Path) -> Tables:
    """Read whichever of the four tables and the two lists of series the folder holds; no image file is needed.

    Raises:
        FileNotFoundError: the folder, or every table in it, is absent.
        ValueError: a table lacks a column, is no table, or is a link that leads out of the folder.
    """
    if not source.is_dir():
        raise FileNotFoundError(f"source folder {source} does not exist")
    root = source.resolve()
    paths = {
        name: inside(_table_file(source, name), root=root, shown=PurePosixPath(name))
        for name in (*TABLE_NAMES, METADATA_NAME, DICOM_INFO_NAME)
    }
    present = [name for name in TABLE_NAMES if paths[name].is_file()]
    lists = [name for name in (METADATA_NAME, DICOM_INFO_NAME) if paths[name].is_file()]
    if not present and not lists:
        raise FileNotFoundError(
            f"{source} holds none of {', '.join(paths)}, nor does its folder csv; give the folder of CBIS-DDSM"
        )
    abnormalities: dict[tuple[ViewKey, str], Abnormality] = {}
    rejections: list[Rejection] = []
    incomplete: set[ViewKey] = set()
    for name in present:
        official_split = Split.TRAINING if "_train_" in name else Split.TEST
        for line, row in read_rows(
            paths[name], required=_TABLE_COLUMNS, optional=_OPTIONAL_COLUMNS, one_of=_DENSITY_COLUMNS
        ):
            where = f"{name}:{line}"
            try:
                key = _view_key(row)
            except ValueError as error:
                rejections.append(Rejection(path=where, stage=STAGE, reason=str(error)))
                continue
            try:
                abnormality = _abnormality(row, key=key, where=where, official_split=official_split)
            except ValueError as error:
                rejections.append(Rejection(path=where, stage=STAGE, reason=str(error)))
                incomplete.add(key)
                continue
            first = abnormalities.setdefault((key, abnormality.lesion_id), abnormality)
            if first is not abnormality:
                reason = f"repeats {abnormality.lesion_id} of the same view from {first.where}, which is kept"
                rejections.append(Rejection(path=where, stage=STAGE, reason=reason))
    series = [row for name in lists for row in _series(paths[name])]
    from_lists, views_without_lesion = _beyond_the_tables(
        series, known={abnormality.key for abnormality in abnormalities.values()} | incomplete
    )
    for abnormality in from_lists:
        abnormalities.setdefault((abnormality.key, abnormality.lesion_id), abnormality)
    return Tables(
        abnormalities=tuple(abnormalities.values()),
        views_without_lesion=views_without_lesion,
        folders={row.uid: row.folder for row in series if row.folder.parts},
        rejections=tuple(rejections),
        incomplete=frozenset(incomplete),
    )


def _table_file(source: Path, name: str) -> Path:
    """Look for a table in the source and in the folder that the JPEG edition keeps it in."""
    places = [source / folder / name for folder in _TABLE_FOLDERS]
    return next((place for place in places if place.is_file()), places[0])


def _series(path: Path) -> list[_Series]:
    """Read a list of series."""
    columns = _METADATA_COLUMNS if path.name == METADATA_NAME else _DICOM_INFO_COLUMNS
    series = []
    for _, row in read_rows(path, required=columns):
        uid, subject, description, location = (row[column] for column in columns)
        # Backslashes: the download tool writes the separator of the machine that it ran on.
        folder = PurePosixPath(location.replace("\\", "/"))
        if path.name == DICOM_INFO_NAME:
            # CBIS-DDSM/jpeg/<SeriesUID>/<file>, wherever the user has put the edition.
            parts = folder.parent.parts
            folder = PurePosixPath(*parts[parts.index(_JPEG_FOLDER) :] if _JPEG_FOLDER in parts else parts)
        series.append(_Series(uid=uid, subject=subject, description=description, folder=folder))
    return series


def _view_key(row: Mapping[str, str]) -> ViewKey:
    patient_id, side, view = row["patient_id"], row["left or right breast"], row["image view"]
    if not _PATIENT.fullmatch(patient_id):
        raise ValueError(f"patient_id is {patient_id!r}; it must be P_ and digits")
    if side not in _LATERALITIES:
        raise ValueError(f"left or right breast is {side!r}; it must be LEFT or RIGHT")
    if view not in set(ViewPosition):
        raise ValueError(f"image view is {view!r}; it must be CC or MLO")
    return ViewKey(patient_id=patient_id, laterality=_LATERALITIES[side], view_position=ViewPosition(view))


def _abnormality(row: Mapping[str, str], *, key: ViewKey, where: str, official_split: Split) -> Abnormality:
    number, kind = row["abnormality id"], row["abnormality type"]
    if not number.isdigit():
        raise ValueError(f"abnormality id is {number!r}; it must be a number")
    if kind not in set(_ABNORMALITIES.values()):
        raise ValueError(f"abnormality type is {kind!r}; it must be one of {', '.join(_ABNORMALITIES.values())}")
    image = _table_path(row["image file path"], column="image file path")
    subject = _SUBJECT.fullmatch(image.parts[0])
    if subject and _subject_key(subject) != key:
        raise ValueError(f"the row and its image file path {image.parts[0]} name different views")
    return Abnormality(
        key=key,
        where=where,
        lesion_id=f"{kind}_{int(number)}",
        abnormality=kind,
        pathology=row["pathology"],
        density=next(row[column] for column in _DENSITY_COLUMNS if column in row),
        assessment=row.get("assessment", ""),
        descriptors=tuple(row[column] for column in _DESCRIPTOR_COLUMNS if column in row),
        official_split=official_split,
        image=image,
        masks=tuple(
            _table_path(row[column], column=column) for column in ("ROI mask file path", "cropped image file path")
        ),
    )


def _table_path(text: str, *, column: str) -> PurePosixPath:
    """Check a path of a table: ``<Subject>/<StudyUID>/<SeriesUID>/<file>``, staying inside the source."""
    path = PurePosixPath(text)
    if len(path.parts) != 4 or path.is_absolute() or ".." in path.parts or "\0" in text:
        raise ValueError(f"{column} is {text!r}; it must be <Subject>/<StudyUID>/<SeriesUID>/<file>")
    return path


def _subject_key(subject: re.Match[str]) -> ViewKey:
    return ViewKey(
        patient_id=subject["patient"],
        laterality=_LATERALITIES[subject["side"]],
        view_position=ViewPosition(subject["view"]),
    )


def _official_split(path: PurePosixPath) -> Split | None:
    """Read the official split from the subject's name that a path of the tables' layout begins with."""
    subject = _SUBJECT.fullmatch(path.parts[0])
    return _OFFICIAL_SPLITS[subject["split"]] if subject else None


def _beyond_the_tables(
    series: Iterable[_Series], *, known: set[ViewKey]
) -> tuple[list[Abnormality], dict[ViewKey, PurePosixPath]]:
    """Read from the lists of series the views that no table row names.

    A subject's name holds patient, side, view and, for masks and crops, the abnormality's number, so that a missing
    table costs pathology and density, not the masks. A description may be empty.

    Returns:
        Lesions of such views, and the views without any.
    """
    images: dict[ViewKey, dict[str, PurePosixPath]] = {}
    masks: dict[tuple[ViewKey, str, str], list[PurePosixPath]] = {}
    for row in series:
        subject = _SUBJECT.fullmatch(row.subject)
        if subject is None or _subject_key(subject) in known:
            continue
        # A path of the tables' layout, of which only the Series UID matters: the list knows the folder.
        path = PurePosixPath(row.subject, "metadata", row.uid or "-", "1-1.dcm")
        if subject["id"]:
            masks.setdefault((_subject_key(subject), subject["kind"], subject["id"]), []).append(path)
        elif row.description in (_FULL_MAMMOGRAM, ""):
            images.setdefault(_subject_key(subject), {})[subject["kind"]] = path
    abnormalities = [
        Abnormality(
            key=key,
            where="the list of series",
            lesion_id=f"{_ABNORMALITIES[kind]}_{int(number)}",
            abnormality=_ABNORMALITIES[kind],
            pathology="",
            density="",
            assessment="",
            descriptors=(),
            official_split=_official_split(paths[0]),
            image=images[key].get(kind) or next(iter(images[key].values())),
            masks=tuple(paths),
        )
        for (key, kind, number), paths in sorted(masks.items())
        if key in images
    ]
    with_lesion = {abnormality.key for abnormality in abnormalities}
    return abnormalities, {
        key: next(iter(by_kind.values())) for key, by_kind in images.items() if key not in with_lesion
    }


def _image_file(images: Sequence[PurePosixPath], *, root: Path, folders: Mapping[str, PurePosixPath]) -> Path:
    """Return the film: of a view that two tables name as separate series, the first series that is on disk."""
    problems: list[str] = []
    for image in images:
        try:
            files = _series_files(image, root=root, folders=folders)
        except (OSError, ValueError) as error:
            problems.append(str(error))
            continue
        named = [path for path in files if path.name == image.name] or files
        if len(named) == 1:
            return named[0]
        problems.append(f"folder of {image} holds {len(files)} files, none of that name; a film is one file")
    raise FileNotFoundError("; ".join(problems))


def _lesion(abnormality: Abnormality, *, root: Path, folders: Mapping[str, PurePosixPath]) -> Lesion:
    mask_paths: list[Path] = []
    problems: list[str] = []
    for series in dict.fromkeys(path.parent for path in abnormality.masks):
        try:
            mask_paths.extend(_series_files(series / "1-1.dcm", root=root, folders=folders))
        except FileNotFoundError as error:  # the crop's own series is not needed where the mask's is there
            problems.append(str(error))
    if not mask_paths:
        raise FileNotFoundError(f"no file for the mask of {abnormality.lesion_id}: {'; '.join(problems)}")
    return replace(_listed_lesion(abnormality), mask_paths=tuple(mask_paths))


def _series_files(path: PurePosixPath, *, root: Path, folders: Mapping[str, PurePosixPath]) -> list[Path]:
    """Return the DICOM or JPEG files of the series that a table's path names, in whichever of the layouts it is.

    Raises:
        FileNotFoundError: there is no such folder, or no such file in it.
        ValueError: the folder or a file lies outside the source, or is a loop of links.
    """
    series_uid = path.parent.name
    candidates = [folders[series_uid]] if series_uid in folders else []
    candidates += [path.parent, PurePosixPath(_JPEG_FOLDER, series_uid)]
    for relative in candidates:
        folder = inside(root / relative, root=root, shown=relative)
        if folder.is_dir():
            files = sorted(each for each in folder.iterdir() if each.suffix.lower() in _FILE_ENDINGS)
            if not files:
                raise FileNotFoundError(f"folder {relative} holds no {' or '.join(_FILE_ENDINGS)} file")
            return [inside(each, root=root, shown=relative / each.name) for each in files]
    raise FileNotFoundError(f"folder {candidates[0]} is not there")


def _flags(abnormalities: Sequence[Abnormality], images: Sequence[PurePosixPath]) -> tuple[str, ...]:
    flags = []
    if len(images) > 1:
        flags.append("two_series")
    if len({abnormality.density for abnormality in abnormalities}) > 1:
        flags.append("density_differs")
    return tuple(flags)
