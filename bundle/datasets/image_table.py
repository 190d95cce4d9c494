"""The catalogue of a collection of pictures that a table describes: CDD-CESM, exports of VinDr-Mammo, private data.

The table is a CSV file with a row per image and lesion, as any spreadsheet writes it (`bundle.datasets.csv_rows`):

- ``patient``: an identifier of letters, digits, ``_``, ``.`` and ``-``; it appears in tables and file names;
- ``side``: L or R (or LEFT, RIGHT); ``view``: CC or MLO;
- ``image``: PNG, TIFF, BMP or PGM (grey, 8 or 16 bits), JPEG (grey, 8 bits) or DICOM file, relative to the source
  folder;
- ``mask`` (optional): the lesion's mask, PNG, TIFF, BMP, PGM, NIfTI or DICOM; empty = none. Several rows of one image
  are several lesions;
- ``lesion`` (optional): the same name in both views where it is the same lesion;
- ``spacing`` (optional): pixel spacing in millimetres;
- ``bits`` (optional): the bits that a picture's values use, for instance 12 where they stand in a file of 16;
- ``inverted`` (optional): true or yes where brighter means less attenuation, as on a white background.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bundle.datasets.containment import inside
from bundle.datasets.csv_rows import read_rows
from bundle.dicom.read import PLAUSIBLE_SPACING_MM
from bundle.records import Lesion, Rejection, View
from bundle.vocabulary import Laterality, ViewPosition

STAGE = "catalogue"
COLUMNS = ("patient", "side", "view", "image")
OPTIONAL_COLUMNS = ("mask", "lesion", "spacing", "bits", "inverted")
GREATEST_BITS = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SIDES = {
    "L": Laterality.LEFT,
    "LEFT": Laterality.LEFT,
    "R": Laterality.RIGHT,
    "RIGHT": Laterality.RIGHT,
}
_TRUTHS = {**dict.fromkeys(("true", "yes", "1"), True), **dict.fromkeys(("false", "no", "0"), False)}


@dataclass(frozen=True, kw_only=True)
class _Identity:
    """What all rows of one image must agree on."""

    patient_id: str
    laterality: Laterality
    view_position: ViewPosition
    spacing_mm: tuple[float, float] | None
    bits: int | None
    inverted: bool


@dataclass(kw_only=True)
class _Image:
    """One image, as its rows add up."""

    identity: _Identity
    lesions: list[Lesion] = field(default_factory=list)


def find_views(
    source: Path, *, table: Path, bits: int | None = None, inverted: bool = False
) -> tuple[list[View], list[Rejection]]:
    """Find the views that a table names.

    An image of which a row cannot be used is left out whole: without one of its lesions its mask would be wrong.

    Args:
        source: folder that holds the images and masks.
        table: the CSV file.
        bits: of pictures for which the table states none; None for those of the file's type.
        inverted: of pictures for which the table does not say.

    Returns:
        The views sorted by patient, side, position and file, and a rejection for each row or image that was left out.

    Raises:
        FileNotFoundError: the folder or the table is absent.
        ValueError: the table lacks a column or is no table, or ``bits`` is none that a picture can have.
    """
    if not source.is_dir():
        raise FileNotFoundError(f"source folder {source} does not exist")
    if bits is not None and not 1 <= bits <= GREATEST_BITS:
        raise ValueError(f"bits is {bits}; it must be 1 to {GREATEST_BITS}")
    root = source.resolve()
    images: dict[Path, _Image] = {}
    incomplete: set[Path] = set()
    rejections: list[Rejection] = []
    for line, row in read_rows(table, required=COLUMNS, optional=OPTIONAL_COLUMNS):
        where = f"{table.name}:{line}"
        try:
            path = _file(row["image"], column="image", root=root)
        except ValueError as error:
            rejections.append(Rejection(path=where, stage=STAGE, reason=str(error)))
            continue
        try:
            identity = _identity(row, bits=bits, inverted=inverted)
            image = images.setdefault(path, _Image(identity=identity))
            if image.identity != identity:
                raise ValueError(
                    "patient, side, view, spacing, bits or inverted differ from an earlier row of the same image"
                )
            _add_lesion(image, row, root=root)
        except ValueError as error:
            rejections.append(Rejection(path=where, stage=STAGE, reason=str(error)))
            incomplete.add(path)
    views = []
    for path, image in images.items():
        if path in incomplete:
            name = path.relative_to(root).as_posix()
            rejections.append(Rejection(path=name, stage=STAGE, reason="a row of this image cannot be used"))
            continue
        views.append(
            View(
                patient_id=image.identity.patient_id,
                laterality=image.identity.laterality,
                view_position=image.identity.view_position,
                image_path=path,
                lesions=tuple(image.lesions),
                spacing_mm=image.identity.spacing_mm,
                bits=image.identity.bits,
                inverted=image.identity.inverted,
            )
        )
    views.sort(key=lambda view: (view.patient_id, view.laterality, view.view_position, view.image_path))
    return views, rejections


def _identity(row: Mapping[str, str], *, bits: int | None, inverted: bool) -> _Identity:
    patient, side, view = row["patient"], row["side"].upper(), row["view"].upper()
    if not _NAME.fullmatch(patient):
        raise ValueError("patient must be of letters, digits, '_', '.' and '-', at most 64")
    if side not in _SIDES:
        raise ValueError(f"side is {row['side']!r}; it must be L or R")
    if view not in tuple(ViewPosition):
        raise ValueError(f"view is {row['view']!r}; it must be CC or MLO")
    return _Identity(
        patient_id=patient,
        laterality=_SIDES[side],
        view_position=ViewPosition(view),
        spacing_mm=_spacing(row.get("spacing", "")),
        bits=_bits(row["bits"]) if row.get("bits") else bits,
        inverted=_truth(row["inverted"]) if row.get("inverted") else inverted,
    )


def _spacing(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    low, high = PLAUSIBLE_SPACING_MM
    try:
        spacing_mm = float(text.replace(",", "."))  # as spreadsheets of many languages write it
    except ValueError:
        spacing_mm = 0.0
    if not low <= spacing_mm <= high:
        raise ValueError(f"spacing is {text!r}; it must be {low:g} to {high:g} mm, or empty where it is unknown")
    return spacing_mm, spacing_mm


def _bits(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= GREATEST_BITS:
        raise ValueError(f"bits is {text!r}; it must be 1 to {GREATEST_BITS}, or empty for those of the file's type")
    return int(text)


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise ValueError(f"inverted is {text!r}; it must be true or false")
    return _TRUTHS[text.lower()]


def _add_lesion(image: _Image, row: Mapping[str, str], *, root: Path) -> None:
    mask, name = row.get("mask", ""), row.get("lesion", "")
    if not mask:
        return
    if name and not _NAME.fullmatch(name):
        raise ValueError("lesion must be of letters, digits, '_', '.' and '-', at most 64")
    # Without a name lesions are not matched across views: the view stands in the name.
    name = name or f"{image.identity.view_position.lower()}_lesion_{len(image.lesions) + 1}"
    if name in {lesion.lesion_id for lesion in image.lesions}:
        raise ValueError(f"lesion {name} stands twice for the same image")
    image.lesions.append(Lesion(lesion_id=name, mask_paths=(_file(mask, column="mask", root=root),)))


def _file(text: str, *, column: str, root: Path) -> Path:
    """Find a file that the table names, inside the source folder.

    Raises:
        ValueError: there is none, or it lies outside.
    """
    shown = PurePosixPath(text.replace("\\", "/"))  # tables written on another system
    if not text or shown.is_absolute() or ".." in shown.parts:
        raise ValueError(f"{column} is {text!r}; it must be a path below the source folder")
    path = inside(root / shown, root=root, shown=shown)
    try:
        is_file = path.is_file()
    except OSError:
        is_file = False
    if not is_file:
        raise ValueError(f"{column} {text!r} is no file below the source folder")
    return path
