"""The CBIS-DDSM layout: the four tables, the download tool's folders and its `metadata.csv`.

As in the collection, a table has one row per abnormality per view, with one pair of crop and mask in the series "ROI
mask images" (the first file is the crop for masses and the mask for calcifications), and a view that shows masses and
calcifications stands in both tables, as two series of the same film. Unlike the collection, there are films without any
abnormality: they have a series of full mammogram images and no table row.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from bundle.datasets.phantom.case import Case
from bundle.datasets.phantom.lesions import Lesion
from bundle.datasets.phantom.secondary_capture import folder_number, uid, write_secondary_capture
from bundle.vocabulary import Laterality, ViewPosition

COLLECTION = "CBIS-DDSM"
_STUDY_DATE = "01-01-2020"
_FULL = "full mammogram images"
_ROI = "ROI mask images"
_TEST_SHARE = 0.2
_CROP_MARGIN_MM = 8.0

_SHARED_HEADER = (
    "assessment",
    "pathology",
    "subtlety",
    "image file path",
    "cropped image file path",
    "ROI mask file path",
)
TABLE_HEADERS = {
    "mass": (
        "patient_id",
        "breast_density",
        "left or right breast",
        "image view",
        "abnormality id",
        "abnormality type",
        "mass shape",
        "mass margins",
        *_SHARED_HEADER,
    ),
    "calc": (
        "patient_id",
        "breast density",
        "left or right breast",
        "image view",
        "abnormality id",
        "abnormality type",
        "calc type",
        "calc distribution",
        *_SHARED_HEADER,
    ),
}
METADATA_HEADER = (
    "Series UID",
    "Collection",
    "3rd Party Analysis",
    "Data Description URI",
    "Subject ID",
    "Study UID",
    "Study Description",
    "Study Date",
    "Series Description",
    "Manufacturer",
    "Modality",
    "SOP Class Name",
    "SOP Class UID",
    "Number of Images",
    "File Size",
    "File Location",
    "Download Timestamp",
)


@dataclass(frozen=True, kw_only=True)
class WrittenCase:
    """What one breast adds to the tables.

    Args:
        rows: per table name (``mass_case_description_train_set`` ...) its rows.
        series: rows of `metadata.csv`.
        files: per view the paths by role, relative to the cohort's folder.
    """

    rows: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    series: list[tuple[str, ...]] = field(default_factory=list)
    files: dict[ViewPosition, dict[str, list[PurePosixPath]]] = field(default_factory=dict)


def write_case(case: Case, folder: Path) -> WrittenCase:
    """Write the DICOM files of one breast and return its table rows."""
    written = WrittenCase()
    official = "Test" if case.plan.generator(5, of_breast=False).random() < _TEST_SHARE else "Training"
    for position in ViewPosition:
        written.files[position] = {"film": [], "mask": [], "crop": []}
        shown = {
            kind: [k for k, lesion in enumerate(case.lesions) if _kind(lesion) == kind and case.shows(position, k)]
            for kind in TABLE_HEADERS
        }
        kinds = [kind for kind in TABLE_HEADERS if shown[kind]] or ["mass"]
        for kind in kinds:
            _write_view(
                case, position, kind=kind, official=official, lesions=shown[kind], folder=folder, written=written
            )
    return written


def write_tables(cases: list[WrittenCase], folder: Path) -> None:
    """Write the four tables and `metadata.csv`, with CR LF line ends as the collection's."""
    for kind, header in TABLE_HEADERS.items():
        for official in ("train", "test"):
            name = f"{kind}_case_description_{official}_set"
            _write_csv(folder / f"{name}.csv", header, [row for case in cases for row in case.rows.get(name, [])])
    _write_csv(folder / "metadata.csv", METADATA_HEADER, [row for case in cases for row in case.series])


def _write_csv(path: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\r\n").writerows([header, *rows])


def _kind(lesion: Lesion) -> str:
    return "mass" if lesion.abnormality == "mass" else "calc"


def _write_view(
    case: Case,
    position: ViewPosition,
    *,
    kind: str,
    official: str,
    lesions: list[int],
    folder: Path,
    written: WrittenCase,
) -> None:
    """Write one view under one table's name: its film, and a crop and a mask per lesion of that table."""
    film = case.films[position]
    side = "LEFT" if case.plan.laterality is Laterality.LEFT else "RIGHT"
    subject = f"{kind.capitalize()}-{official}_{case.plan.patient_id}_{side}_{position.value}"
    pixels = np.round(film.brightness * 65535).astype(np.uint16)
    full = _Series(case=case, subject=subject, description=_FULL, position=position)
    full.write(folder, [pixels])
    written.series.append(full.metadata())
    written.files[position]["film"].append(full.path(0))
    table = f"{kind}_case_description_{'test' if official == 'Test' else 'train'}_set"
    for number, k in enumerate(lesions, start=1):
        lesion, mask = case.lesions[k], film.masks[k]
        crop_first = kind == "mass"
        mask_pixels = np.where(mask, 255, 0).astype(np.uint8)
        crop = pixels[_crop_window(mask, film.spacing_mm)]
        roi = _Series(case=case, subject=f"{subject}_{number}", description=_ROI, position=position)
        roi.write(folder, [crop, mask_pixels] if crop_first else [mask_pixels, crop])
        written.series.append(roi.metadata())
        written.files[position]["crop"].append(roi.path(0 if crop_first else 1))
        written.files[position]["mask"].append(roi.path(1 if crop_first else 0))
        crop_path, mask_path = (roi.table_path(int(is_mask == crop_first)) for is_mask in (False, True))
        # The collection's tables have a line break inside the quotes, after the mask's path or after the crop's.
        paths = (crop_path, mask_path + "\n") if crop_first else (crop_path + "\n", mask_path)
        written.rows.setdefault(table, []).append(
            (
                case.plan.patient_id,
                str(case.parameters.density.code),
                side,
                position.value,
                str(number),
                lesion.abnormality,
                lesion.form,
                lesion.border,
                str(lesion.assessment),
                lesion.pathology,
                str(lesion.subtlety),
                full.table_path(0),
                *paths,
            )
        )


def _crop_window(mask: np.ndarray, spacing_mm: float) -> tuple[slice, slice]:
    """The mask's box and a margin, within the film."""
    margin = round(_CROP_MARGIN_MM / spacing_mm)
    spans = []
    for axis in (1, 0):
        index = np.flatnonzero(mask.any(axis=axis))
        spans.append(slice(max(0, int(index[0]) - margin), int(index[-1]) + margin + 1))
    return spans[0], spans[1]


class _Series:
    """One series of the collection: its UIDs, its folder, its row in `metadata.csv`."""

    def __init__(self, *, case: Case, subject: str, description: str, position: ViewPosition) -> None:
        spacing_mm = case.films[position].spacing_mm
        self._case, self._subject, self._description, self._position = case, subject, description, position
        self._study_uid = uid(case.plan.cohort_seed, spacing_mm, subject, "study")
        self._series_uid = uid(case.plan.cohort_seed, spacing_mm, subject, "series")
        self._bytes = 0
        self._count = 0

    @property
    def _folder(self) -> PurePosixPath:
        return PurePosixPath(
            COLLECTION,
            self._subject,
            f"{_STUDY_DATE}-DDSM-NA-{folder_number(self._study_uid)}",
            f"1.000000-{self._description}-{folder_number(self._series_uid)}",
        )

    def path(self, index: int) -> PurePosixPath:
        """Path of a file, relative to the cohort's folder, in the download tool's layout."""
        return self._folder / f"1-{index + 1}.dcm"

    def table_path(self, index: int) -> str:
        """Path of a file as the tables write it."""
        return f"{self._subject}/{self._study_uid}/{self._series_uid}/{index:06d}.dcm"

    def write(self, folder: Path, images: list[np.ndarray]) -> None:
        """Write the files of the series."""
        (folder / self._folder).mkdir(parents=True)
        for index, pixels in enumerate(images):
            self._bytes += write_secondary_capture(
                folder / self.path(index),
                pixels=pixels,
                subject=self._subject,
                study_uid=self._study_uid,
                series_uid=self._series_uid,
                series_description=self._description,
                instance_number=index + 1,
                laterality=self._case.plan.laterality.value,
                view=self._position.value,
                spacing_mm=self._case.films[self._position].spacing_mm,
            )
        self._count = len(images)

    def metadata(self) -> tuple[str, ...]:
        """The series' row in `metadata.csv`."""
        return (
            self._series_uid,
            COLLECTION,
            "null",
            "",
            self._subject,
            self._study_uid,
            "NA",
            _STUDY_DATE,
            self._description,
            "NA",
            "MG",
            "Secondary Capture Image Storage",
            "1.2.840.10008.5.1.4.1.1.7",
            str(self._count),
            f"{self._bytes / 1e6:.2f} MB",
            f"./{self._folder}",
            "2020-01-01T00:00:00",
        )
