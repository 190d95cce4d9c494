"""The INbreast layout: DICOM files named by image and patient, the table with semicolons, a property list per image.

As in the collection the view MLO is ``ML`` in file names, the table's Patient ID is the word ``removed`` (the patient
is the hash in the file's name), and a normal image has no property list. A mass is one closed polygon, and a second one
named Spiculated Region where it has spicules; a cluster is a polygon and a single point for each calcification. The
edge of the pectoral muscle of an MLO is a contour in the second dialect, in a folder of its own. Points are (x, y),
that is (column, row), from the centre of the top left pixel.
"""

from __future__ import annotations

import hashlib
import plistlib
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation
from scipy import ndimage
from skimage.measure import find_contours

from bundle.datasets.phantom.case import Case
from bundle.datasets.phantom.clinical_layout import mammogram, show_full_range
from bundle.datasets.phantom.dicom_file import uid, write_dicom
from bundle.datasets.phantom.landmarks import muscle_edge
from bundle.datasets.phantom.layout import Table, WrittenCase
from bundle.datasets.phantom.lesions import Lesion
from bundle.datasets.phantom.quirks import Quirk
from bundle.vocabulary import Laterality, ViewPosition

TABLE = "INbreast.csv"
TABLES = {
    TABLE: Table(
        header=(
            "Patient ID",
            "Patient age",
            "Laterality",
            "View",
            "Acquisition date",
            "File Name",
            "ACR",
            "Bi-Rads",
        ),
        delimiter=";",
        line_end="\n",
    )
}
_MUSCLE_FOLDER = PurePosixPath("PectoralMuscle", "Pectoral Muscle XML")
_BITS_STORED = 14
_ACQUISITION_MONTH = "202001"
_FIRST_IMAGE_ID = 20_000_000
# Types of regions as the collection's annotation program counts them: closed polygon, point.
_POLYGON, _POINT = 15, 19


def write_case(case: Case, folder: Path) -> WrittenCase:
    """Write the two images of a breast, their property lists and their table rows."""
    written = WrittenCase()
    for name in ("AllDICOMs", "AllXML", _MUSCLE_FOLDER):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for position in ViewPosition:
        _write_view(case, position, folder, written)
    return written


def _write_view(case: Case, position: ViewPosition, folder: Path, written: WrittenCase) -> None:
    film, laterality, quirks = case.films[position], case.plan.laterality, case.plan.quirks
    image_id = _image_id(case, position)
    view_word = "ML" if position is ViewPosition.MLO else "CC"
    path = PurePosixPath("AllDICOMs", f"{image_id}_{_patient_hash(case)}_MG_{laterality.value}_{view_word}_ANON.dcm")
    ds = mammogram(case, position)
    ds.PatientName = ds.PatientID = "removed"
    ds.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    ds.SOPInstanceUID = uid("inbreast", *case.identity, image_id)
    ds.SeriesInstanceUID = uid("inbreast", *case.identity, image_id, "series")
    ds.StudyInstanceUID = uid("inbreast", *case.identity, case.plan.patient_id, "study")
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.DetectorType = "DIRECT"
    show_full_range(ds, bits_stored=_BITS_STORED)
    pixels = np.round(film.brightness * (2**_BITS_STORED - 1)).astype(np.uint16)
    write_dicom(folder / path, ds, pixels=pixels, bits_stored=_BITS_STORED)

    shown = [k for k in range(len(case.lesions)) if case.shows(position, k)]
    written.files[position] = {"film": [path], "regions": []}
    if shown:
        regions = PurePosixPath("AllXML", f"{image_id}.xml")
        written.files[position]["regions"].append(regions)
        document = _property_list(case, position, shown, written)
        (folder / regions).write_bytes(plistlib.dumps(document, fmt=plistlib.FMT_XML, sort_keys=False))
    edge = muscle_edge(case.parameters, case.compressions[position], case.views[position], film)
    if position is ViewPosition.MLO and len(edge):
        muscle = _MUSCLE_FOLDER / f"{image_id}_muscle.xml"
        written.files[position]["muscle"] = [muscle]
        (folder / muscle).write_bytes(plistlib.dumps(_second_dialect(edge), fmt=plistlib.FMT_XML))
    view_cell = position.value
    # The collection has one such row; the file's name still tells the view.
    if Quirk.VIEW_FB in quirks and position is ViewPosition.CC:
        view_cell = "FB"
        written.add_quirk(Quirk.VIEW_FB, view=position.value)
    bi_rads = _bi_rads([case.lesions[k] for k in shown])
    acr = case.parameters.density.code
    written.rows.setdefault(TABLE, []).append(
        ("removed", "removed", laterality.value, view_cell, _ACQUISITION_MONTH, str(image_id), str(acr), bi_rads)
    )
    written.written[position] = [{"image_id": str(image_id), "bi_rads": bi_rads, "acr": acr, "lesions": shown}]


def _image_id(case: Case, position: ViewPosition) -> int:
    return (
        _FIRST_IMAGE_ID + 4 * case.plan.woman + 2 * list(Laterality).index(case.plan.laterality) + position.class_index
    )


def _patient_hash(case: Case) -> str:
    return hashlib.sha256(f"{case.plan.cohort_seed}/{case.plan.patient_id}".encode()).hexdigest()[:16]


def _bi_rads(lesions: list[Lesion]) -> str:
    """The image's category, that of its most suspicious lesion: 1 without any, 4 with the letter of its likelihood."""
    if not lesions:
        return "1"
    worst = max(lesions, key=lambda lesion: (lesion.assessment, lesion.pathology == "MALIGNANT"))
    if worst.assessment != 4:
        return str(worst.assessment)
    if worst.pathology != "MALIGNANT":
        return "4a"
    return "4c" if worst.border in ("SPICULATED", "LINEAR") else "4b"


def _property_list(case: Case, position: ViewPosition, shown: list[int], written: WrittenCase) -> dict[str, Any]:
    film = case.films[position]
    polygons = {k: _polygons(film.masks[k]) for k in shown}
    if Quirk.ROI_POINTS in case.plan.quirks:
        written.add_quirk(Quirk.ROI_POINTS, view=position.value)
        longest = max((polygon for k in shown for polygon in polygons[k]), key=len)
        return _second_dialect(longest)
    odd = Quirk.ODD_NAMES in case.plan.quirks
    regions: list[dict[str, Any]] = []
    for k in shown:
        lesion = case.lesions[k]
        names = _names(lesion)
        for name in names:
            for polygon in polygons[k]:
                regions.append(_region(film.brightness, polygon, name, spacing_mm=film.spacing_mm, kind=_POLYGON))
        for point in case.calcifications_px(position, k):
            if not all(0 <= place <= size - 1 for place, size in zip(point, film.brightness.shape, strict=True)):
                continue
            name = "Calcification"
            if odd:
                name = "Point 1"
                written.add_quirk(Quirk.ODD_NAMES, view=position.value)
            regions.append(_region(film.brightness, point[None], name, spacing_mm=film.spacing_mm, kind=_POINT))
    for index, region in enumerate(regions):
        region["IndexInImage"] = index
    return {"Images": [{"ImageIndex": 0, "NumberOfROIs": len(regions), "ROIs": regions}]}


def _second_dialect(points: np.ndarray) -> dict[str, Any]:
    """Write one contour ``[N, 2]`` (row, column) without a name."""
    return {"ROIPoints": [f"{{{x:.6f}, {y:.6f}}}" for y, x in points]}


def _names(lesion: Lesion) -> tuple[str, ...]:
    if lesion.abnormality == "calcification":
        return ("Cluster",)
    if lesion.form == "ARCHITECTURAL_DISTORTION":
        return ("Distortion",)
    return ("Mass", "Spiculated Region") if lesion.border == "SPICULATED" else ("Mass",)


def _polygons(mask: np.ndarray) -> list[np.ndarray]:
    """Outline each connected part of a mask, ``[N, 2]`` (row, column), without its holes.

    The outline runs half-way between the pixels inside and outside: filled, it gives the part again.
    """
    parts, _ = ndimage.label(mask)
    outlines = []
    for number, window in enumerate(ndimage.find_objects(parts), start=1):
        part = np.pad(ndimage.binary_fill_holes(parts[window] == number), 1)
        (outline,) = find_contours(part.astype(float), 0.5)
        first = np.asarray([window[0].start, window[1].start]) - 1
        outlines.append(outline[:-1] + first)
    return outlines


def _region(brightness: np.ndarray, points: np.ndarray, name: str, *, spacing_mm: float, kind: int) -> dict[str, Any]:
    """Describe a region as the collection's annotation program exports it, ``points`` ``[N, 2]`` (row, column)."""
    row, column = points.mean(axis=0)
    at = brightness[tuple(np.clip(np.round(points).astype(int), 0, np.asarray(brightness.shape) - 1).T)]
    levels = at * (2**_BITS_STORED - 1)
    return {
        "Area": float(_area(points) * spacing_mm**2 / 100),
        "Center": f"({column * spacing_mm:.6f}, {row * spacing_mm:.6f}, 0.000000)",
        "Dev": float(levels.std()),
        "IndexInImage": 0,
        "Max": float(levels.max()),
        "Mean": float(levels.mean()),
        "Min": float(levels.min()),
        "Name": name,
        "NumberOfPoints": len(points),
        "Point_mm": [f"({x * spacing_mm:.6f}, {y * spacing_mm:.6f}, 0.000000)" for y, x in points],
        "Point_px": [f"({x:.6f}, {y:.6f})" for y, x in points],
        "Total": float(levels.sum()),
        "Type": kind,
    }


def _area(points: np.ndarray) -> float:
    """Area of a polygon by the shoelace formula."""
    y, x = points.T
    return 0.5 * abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))
