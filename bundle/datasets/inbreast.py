"""INbreast: films by their names, the table with semicolons, outlines (doi 10.1016/j.acra.2011.09.014).

- ``AllDICOMs/<image id>_<patient hash>_MG_<L|R>_<CC|ML>_ANON.dcm``: patient, side and view (``ML`` is the MLO).
- ``INbreast.csv``: month of the examination, density (ACR) and BI-RADS category of each image, joined by File Name =
  image id.
- ``AllXML/<image id>.xml``: the outlines (`bundle.datasets.property_list`); a normal image has none.

Lesions have no identifier that both views share, so their identifiers name the view: ``cc_mass_1``.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bundle.datasets.containment import inside
from bundle.datasets.csv_rows import read_rows
from bundle.datasets.property_list import Region, read_regions
from bundle.imaging.contours import holds_point
from bundle.records import Contour, Lesion, Rejection, View
from bundle.vocabulary import Laterality, ViewPosition

STAGE = "catalogue"
TABLE_NAME = "INbreast.csv"
FILM_FOLDER = "AllDICOMs"
REGION_FOLDER = "AllXML"

_COLUMNS = ("Laterality", "View", "File Name", "ACR", "Bi-Rads")
_OPTIONAL_COLUMNS = ("Acquisition date",)
_NAME = re.compile(
    r"(?P<image>\d+)_(?P<patient>[0-9A-Za-z]+)_MG_(?P<side>[LR])_(?P<view>CC|MLO?)_ANON\.dcm", re.IGNORECASE
)
_VIEWS = {"CC": ViewPosition.CC, "ML": ViewPosition.MLO, "MLO": ViewPosition.MLO}
_DENSITIES = frozenset("1234")
# As 201001; some copies may have the day, too.
_DATE = re.compile(r"[0-9]{6}([0-9]{2})?")
_ASSESSMENTS = frozenset(("0", "1", "2", "3", "4", "4a", "4b", "4c", "5", "6"))
_SUSPICIOUS = ("4", "5", "6")
_POINT_NAME = re.compile(r"point \d+")
_ABNORMALITIES = {
    "mass": "mass",
    "calcification": "calcification",
    "calcifications": "calcification",
    "cluster": "cluster",
    "spiculated region": "spiculated_region",
    "espiculated region": "spiculated_region",
    "asymmetry": "asymmetry",
    "assymetry": "asymmetry",
    "distortion": "distortion",
}
_OTHER = "other"
MOST_LESIONS = 64
"""Of one view; each one costs a mask of the film's size."""


@dataclass(frozen=True, kw_only=True)
class ImageRow:
    """What the table says of one image.

    Args:
        where: table and line, for messages.
        laterality: None when it is not L or R.
        view: the table's word: CC or MLO, once FB.
        date: year and month of the acquisition, as 201001; empty when it is something else.
        density: ACR, 1 to 4; empty when it is something else.
        assessment: BI-RADS category, 1 to 6 with 4a, 4b, 4c; empty when it is something else.
    """

    where: str
    laterality: Laterality | None
    view: str
    date: str
    density: str
    assessment: str


@dataclass
class _LesionDraft:
    abnormality: str
    contours: list[Contour] = field(default_factory=list)


def find_views(source: Path) -> tuple[list[View], list[Rejection]]:
    """Find the views of INbreast below a folder.

    The month of the examination is that of the table: films of different months are no pair. A film without a table
    row stays, flagged ``no_table_row``; its name tells all but the month, so it pairs with films of unknown month.
    Further flags: ``region_name_unknown``; ``regions_unknown`` for a property list that holds a contour of the pectoral
    muscle alone; ``suspicious_without_region`` for a category of 4 and more without an outline.

    Args:
        source: folder that holds ``INbreast.csv``, ``AllDICOMs`` and ``AllXML``.

    Returns:
        The views sorted by patient, side, position and file, and a rejection for each row or film that was left out.

    Raises:
        FileNotFoundError: one of the three is absent.
        ValueError: the table lacks a column, is no table, or is a link that leads out of the folder.
    """
    for name in (FILM_FOLDER, REGION_FOLDER):
        # Without its folder of outlines every image would pass for a normal one.
        if not (source / name).is_dir():
            raise FileNotFoundError(f"{source} holds no folder {name}; give the folder of INbreast")
    if not (source / TABLE_NAME).is_file():
        raise FileNotFoundError(f"{source} holds no {TABLE_NAME}; save the collection's table under that name, with ;")
    root = source.resolve()
    rows, rejections = _read_table(inside(source / TABLE_NAME, root=root, shown=PurePosixPath(TABLE_NAME)))
    views: list[View] = []
    taken: dict[str, str] = {}
    for path in sorted((source / FILM_FOLDER).iterdir()):
        shown = PurePosixPath(FILM_FOLDER, path.name)
        try:
            match = _NAME.fullmatch(path.name)
            if match is None:
                raise ValueError("the name is not <image id>_<patient>_MG_<L|R>_<CC|ML>_ANON.dcm")
            image_id = match["image"]
            if image_id in taken:
                raise ValueError(f"repeats image {image_id} of {taken[image_id]}, which is kept")
            taken[image_id] = path.name
            views.append(_view(path, match, row=rows.get(image_id), root=root))
        except (OSError, ValueError) as error:
            rejections.append(Rejection(path=str(shown), stage=STAGE, reason=str(error)))
    rejections.extend(
        Rejection(path=row.where, stage=STAGE, reason=f"no film of image {image_id} is in {FILM_FOLDER}")
        for image_id, row in rows.items()
        if image_id not in taken
    )
    views.sort(key=lambda view: (view.patient_id, view.laterality, view.view_position, view.image_path.name))
    return views, rejections


def _read_table(path: Path) -> tuple[dict[str, ImageRow], list[Rejection]]:
    rows: dict[str, ImageRow] = {}
    rejections: list[Rejection] = []
    for line, row in read_rows(path, required=_COLUMNS, optional=_OPTIONAL_COLUMNS, delimiter=";"):
        where = f"{TABLE_NAME}:{line}"
        if not any(row.values()):  # spreadsheets leave empty rows at the end
            continue
        image_id = row["File Name"]
        reason = ""
        if not (image_id.isascii() and image_id.isdigit()):
            reason = f"File Name is {image_id!r}; it must be the number of an image"
        elif image_id in rows:
            reason = f"repeats image {image_id} of {rows[image_id].where}, which is kept"
        if reason:
            rejections.append(Rejection(path=where, stage=STAGE, reason=reason))
            continue
        date, assessment = row.get("Acquisition date", ""), row["Bi-Rads"].lower()
        rows[image_id] = ImageRow(
            where=where,
            laterality=Laterality(row["Laterality"]) if row["Laterality"] in set(Laterality) else None,
            view=row["View"],
            date=date if _DATE.fullmatch(date) else "",
            density=row["ACR"] if row["ACR"] in _DENSITIES else "",
            assessment=assessment if assessment in _ASSESSMENTS else "",
        )
    return rows, rejections


def _view(path: Path, name: re.Match[str], *, row: ImageRow | None, root: Path) -> View:
    """Describe one film.

    Raises:
        OSError: its outlines cannot be opened.
        ValueError: name and table disagree, or its outlines cannot be used.
    """
    laterality, view_position = Laterality(name["side"].upper()), _VIEWS[name["view"].upper()]
    flags: list[str] = []
    if row is None:
        flags.append("no_table_row")
    else:
        if row.view not in _VIEWS:
            raise ValueError(f"{row.where}: View is {row.view!r}; it must be CC or MLO")
        if _VIEWS[row.view] is not view_position:
            raise ValueError(f"{row.where}: View is {row.view!r}, the file's name says {view_position}")
        if row.laterality is not laterality:
            raise ValueError(f"{row.where}: Laterality is {row.laterality}, the file's name says {laterality}")
    image_path = inside(path, root=root, shown=PurePosixPath(FILM_FOLDER, path.name))
    if not image_path.is_file():
        raise ValueError("this is no file")
    shown = PurePosixPath(REGION_FOLDER, f"{name['image']}.xml")
    regions: list[Region] | None = []
    # A link counts as a file even where it leads nowhere: the image is not a normal one.
    if (linked := root / shown).exists() or linked.is_symlink():
        regions = read_regions(inside(linked, root=root, shown=shown))
    if regions is None:
        flags.append("regions_unknown")
    lesions, unknown_names = _lesions(regions or [], view_position)
    if unknown_names:
        flags.append("region_name_unknown")
    if len(lesions) > MOST_LESIONS:
        raise ValueError(f"{shown} holds {len(lesions)} lesions; at most {MOST_LESIONS} are possible")
    assessment = row.assessment if row else ""
    if assessment.startswith(_SUSPICIOUS) and regions == []:
        flags.append("suspicious_without_region")
    return View(
        # Upper and lower case of the hash are one patient: copies on some systems change the case of names.
        patient_id=name["patient"].lower(),
        laterality=laterality,
        view_position=view_position,
        image_path=image_path,
        lesions=lesions,
        density=row.density if row else "",
        assessment=assessment,
        flags=tuple(flags),
        study_id=row.date if row else "",
    )


def _lesions(regions: list[Region], view_position: ViewPosition) -> tuple[tuple[Lesion, ...], bool]:
    """Gather outlines into lesions.

    A view can have hundreds of outlined calcifications: those inside a cluster are part of it, all others of the view
    are one lesion. A spiculated region around a mass belongs to that mass.

    Returns:
        The lesions, and whether a region has a name that is not known.
    """
    named = [(_abnormality(region.name), region.contour) for region in regions]
    drafts = [
        _LesionDraft(abnormality="calcification" if kind == "cluster" else kind, contours=[contour])
        for kind, contour in named
        if kind not in ("calcification", "spiculated_region")
    ]
    clusters = [contour for kind, contour in named if kind == "cluster"]
    masses = [draft for draft in drafts if draft.abnormality == "mass"]
    scattered = _LesionDraft(abnormality="calcification")
    for kind, contour in named:
        if kind == "calcification" and not any(holds_point(cluster, _centre(contour)) for cluster in clusters):
            scattered.contours.append(contour)
        if kind == "spiculated_region":
            around = [mass for mass in masses if holds_point(contour, _centre(mass.contours[0]))]
            if around:
                around[0].contours.append(contour)
            else:
                drafts.append(_LesionDraft(abnormality=kind, contours=[contour]))
    if scattered.contours:
        drafts.append(scattered)
    numbers: Counter[str] = Counter()
    lesions: list[Lesion] = []
    for draft in drafts:
        numbers[draft.abnormality] += 1
        lesions.append(
            Lesion(
                lesion_id=f"{view_position.lower()}_{draft.abnormality}_{numbers[draft.abnormality]}",
                abnormality=draft.abnormality,
                contours=tuple(draft.contours),
            )
        )
    return tuple(lesions), any(kind == _OTHER for kind, _ in named)


def _abnormality(name: str) -> str:
    word = " ".join(name.lower().split())
    return "calcification" if _POINT_NAME.fullmatch(word) else _ABNORMALITIES.get(word, _OTHER)


def _centre(contour: Contour) -> tuple[float, float]:
    """Give the mean of the corners."""
    return sum(row for row, _ in contour) / len(contour), sum(column for _, column in contour) / len(contour)
