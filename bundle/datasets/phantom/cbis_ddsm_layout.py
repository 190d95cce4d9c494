"""The CBIS-DDSM layout: the four tables, and the files in any of three layouts on disk.

As in the collection, a table has one row per abnormality per view, with one pair of crop and mask in the series "ROI
mask images" (the first file is the crop for masses and the mask for calcifications), one path has a line break inside
its quotes, and a view that shows masses and calcifications stands in both tables, as two series of the same film.
Unlike the collection, there are films without any abnormality: they have a series of full mammogram images, which
`metadata.csv` names, and no table row. Without quirks the films know their pixel spacing, but in the JPEG edition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from bundle.datasets.phantom.case import Case
from bundle.datasets.phantom.dicom_file import uid
from bundle.datasets.phantom.layout import Layout, Table, WrittenCase
from bundle.datasets.phantom.lesions import Lesion
from bundle.datasets.phantom.quirks import Quirk
from bundle.datasets.phantom.secondary_capture import write_secondary_capture
from bundle.vocabulary import Laterality, ViewPosition

COLLECTION = "CBIS-DDSM"
METADATA = "metadata.csv"
# Of the JPEG edition.
DICOM_INFO = "dicom_info.csv"
META = "meta.csv"
JPEG_QUALITY = 90
# One series in so many has no description, as a twentieth of the edition's files.
_UNDESCRIBED = 16
_STUDY_DATE = "01-01-2020"
_FULL = "full mammogram images"
_ROI = "ROI mask images"
_CROPPED = "cropped images"
_TEST_SHARE = 0.2
_CROP_MARGIN_MM = 8.0
# Rows and columns of a mask of another size over the film's: the film of Calc-Test_P_00353_LEFT and its like differ so.
_MASK_SCALE = (1.25, 0.85)

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
_ABNORMALITY_TYPES = {"mass": "mass", "calc": "calcification"}
TABLES = {
    f"{kind}_case_description_{official}_set.csv": Table(header=header)
    for kind, header in TABLE_HEADERS.items()
    for official in ("train", "test")
}
DOWNLOAD_TABLES = {**TABLES, METADATA: Table(header=METADATA_HEADER)}
DICOM_INFO_HEADER = (
    *("file_path", "image_path", "AccessionNumber", "BitsAllocated", "BitsStored", "BodyPartExamined", "Columns"),
    *("InstanceNumber", "Laterality", "Modality", "PatientID", "PatientName", "PatientOrientation"),
    *("PhotometricInterpretation", "Rows", "SOPInstanceUID", "SeriesDescription", "SeriesInstanceUID"),
    *("SeriesNumber", "StudyDate", "StudyID", "StudyInstanceUID"),
)
META_HEADER = (
    *("SeriesInstanceUID", "StudyInstanceUID", "Modality", "SeriesDescription", "BodyPartExamined", "SeriesNumber"),
    *("Collection", "Visibility", "ImageCount"),
)
JPEG_TABLES = {
    name: replace(table, folder="csv")
    for name, table in {**TABLES, DICOM_INFO: Table(header=DICOM_INFO_HEADER), META: Table(header=META_HEADER)}.items()
}


def write_case(case: Case, folder: Path, *, layout: Layout) -> WrittenCase:
    """Write the files of one breast, and return its table rows.

    Args:
        case: the breast.
        folder: the collection's folder.
        layout: the download tool's folders, the tables' own paths without `metadata.csv`, or the JPEG edition's.
    """
    written = WrittenCase()
    numbers = _abnormality_numbers(case)
    for position in ViewPosition:
        written.files[position] = {"film": [], "mask": [], "crop": []}
        written.written[position] = []
        listed = {kind: _listed(case, position, kind=kind) for kind in TABLE_HEADERS}
        kinds = [kind for kind in TABLE_HEADERS if listed[kind]] or ["mass"]
        for kind in kinds:
            view = _View(case=case, position=position, kind=kind, layout=layout)
            _write_view(view, lesions=listed[kind], numbers=numbers, folder=folder, written=written)
        if len(kinds) > 1:
            written.add_quirk(Quirk.BOTH_TABLES, view=position.value)
            if Quirk.BOTH_OFFICIAL_SPLITS in case.plan.quirks:
                written.add_quirk(Quirk.BOTH_OFFICIAL_SPLITS, view=position.value)
        _note_film_quirks(case, position, written)
    counts = [len(written.written[position]) for position in ViewPosition]
    if counts[0] != counts[1]:
        written.add_quirk(Quirk.UNEQUAL_COUNTS)
    if max(counts) > 2:
        written.add_quirk(Quirk.SEVERAL_LESIONS)
    return written


def _note_film_quirks(case: Case, position: ViewPosition, written: WrittenCase) -> None:
    view, film = case.views[position], case.films[position]
    if view.mirrored:
        written.add_quirk(Quirk.MIRRORED, view=position.value)
    if round(view.border_mm / film.spacing_mm) > 0:
        written.add_quirk(Quirk.WHITE_BORDER, view=position.value)
    if Quirk.NO_SPACING in case.plan.quirks:
        written.add_quirk(Quirk.NO_SPACING, view=position.value)


def _kind(lesion: Lesion) -> str:
    """The table that a lesion stands in: architectural distortions are in the mass tables."""
    return "calc" if lesion.abnormality == "calcification" else "mass"


def _abnormality_numbers(case: Case) -> dict[int, int]:
    """Number the lesions that a view shows, per table: the same number in both views is the same lesion."""
    numbers: dict[int, int] = {}
    for kind in TABLE_HEADERS:
        reported = [
            k
            for k, lesion in enumerate(case.lesions)
            if _kind(lesion) == kind and any(case.shows(position, k) for position in ViewPosition)
        ]
        numbers.update({k: number for number, k in enumerate(reported, start=1)})
    return numbers


def _listed(case: Case, position: ViewPosition, *, kind: str) -> list[int]:
    """The lesions that one view's rows of one table are about."""
    shown = [k for k in range(len(case.lesions)) if case.shows(position, k)]
    if Quirk.UNEQUAL_COUNTS in case.plan.quirks and position is ViewPosition.MLO:
        in_both = [k for k in shown if case.shows(ViewPosition.CC, k)]
        shown = [k for k in shown if k not in in_both[-1:]]
    return [k for k in shown if _kind(case.lesions[k]) == kind]


@dataclass(frozen=True, kw_only=True)
class _View:
    """One view under one table's name."""

    case: Case
    position: ViewPosition
    kind: str
    layout: Layout

    @property
    def side(self) -> str:
        return "LEFT" if self.case.plan.laterality is Laterality.LEFT else "RIGHT"

    @property
    def official(self) -> str:
        is_test = self.case.plan.generator(5, of_breast=False).random() < _TEST_SHARE
        if self.kind == "calc" and Quirk.BOTH_OFFICIAL_SPLITS in self.case.plan.quirks:
            is_test = not is_test
        return "Test" if is_test else "Training"

    @property
    def table(self) -> str:
        return f"{self.kind}_case_description_{'test' if self.official == 'Test' else 'train'}_set.csv"

    @property
    def subject(self) -> str:
        return f"{self.kind.capitalize()}-{self.official}_{self.case.plan.patient_id}_{self.side}_{self.position.value}"


def _write_view(
    view: _View, *, lesions: list[int], numbers: dict[int, int], folder: Path, written: WrittenCase
) -> None:
    """Write one view under one table's name: its film, and a crop and a mask per lesion of that table."""
    case, position = view.case, view.position
    pixels = np.round(case.films[position].brightness * 65535).astype(np.uint16)
    full = _Series(view=view, subject=view.subject, description=_FULL)
    full.write(folder, [pixels], written)
    written.files[position]["film"].append(full.path(0))
    for k in lesions:
        _write_lesion(view, k, number=numbers[k], film=full, pixels=pixels, folder=folder, written=written)


def _write_lesion(
    view: _View, k: int, *, number: int, film: _Series, pixels: np.ndarray, folder: Path, written: WrittenCase
) -> None:
    """Write crop and mask of one lesion, and its row."""
    case, position, quirks = view.case, view.position, view.case.plan.quirks
    lesion, mask = case.lesions[k], case.films[position].masks[k]
    lesion_id = f"{_ABNORMALITY_TYPES[view.kind]}_{number}"

    def has(quirk: Quirk) -> bool:
        if quirk in quirks:
            written.add_quirk(quirk, view=position.value, lesion_id=lesion_id)
        return quirk in quirks

    shape = mask.shape
    if has(Quirk.MASK_OF_ANOTHER_SIZE):
        shape = tuple(round(size * scale) for size, scale in zip(mask.shape, _MASK_SCALE, strict=True))
    mask_pixels = np.where(_resized(mask, shape), 255, 0).astype(np.uint8)
    crop = pixels[_crop_window(mask, case.films[position].spacing_mm)]

    subject = f"{view.subject}_{number}"
    crop_index, mask_index = (0, 1) if view.kind == "mass" else (1, 0)
    roi = _Series(view=view, subject=subject, description=_ROI)
    if has(Quirk.SEPARATE_SERIES):
        roi.write(folder, [mask_pixels], written)
        cropped = _Series(view=view, subject=subject, description=_CROPPED)
        cropped.write(folder, [crop], written)
        crop_row, mask_row = cropped.table_path(0), roi.table_path(0)
        crop_file, mask_file = cropped.path(0), roi.path(0)
    else:
        crop_row, mask_row = roi.table_path(crop_index), roi.table_path(mask_index)
        if has(Quirk.SWAPPED_FILES):
            crop_index, mask_index = mask_index, crop_index
        roi.write(folder, [crop, mask_pixels] if crop_index == 0 else [mask_pixels, crop], written)
        crop_file, mask_file = roi.path(crop_index), roi.path(mask_index)
    written.files[position]["crop"].append(crop_file)
    written.files[position]["mask"].append(mask_file)

    pathology = lesion.pathology
    if position is ViewPosition.MLO and has(Quirk.PATHOLOGY_DIFFERS):
        pathology = "BENIGN" if pathology == "MALIGNANT" else "MALIGNANT"
    assessment = 0 if has(Quirk.ASSESSMENT_0) else lesion.assessment
    density = 0 if has(Quirk.DENSITY_0) else case.parameters.density.code
    # The collection's tables have a line break after the mask's path for masses, after the crop's for calcifications.
    paths = [film.table_path(0), crop_row, mask_row]
    broken = (0, 1, 2) if has(Quirk.LINE_BREAKS) else (2,) if view.kind == "mass" else (1,)
    paths = [path + "\n" if column in broken else path for column, path in enumerate(paths)]
    written.rows.setdefault(view.table, []).append(
        (
            case.plan.patient_id,
            str(density),
            view.side,
            position.value,
            str(number),
            _ABNORMALITY_TYPES[view.kind],
            lesion.form,
            lesion.border,
            str(assessment),
            pathology,
            str(lesion.subtlety),
            *paths,
        )
    )
    written.written[position].append(
        {
            "lesion": k,
            "lesion_id": lesion_id,
            "table": view.table,
            "pathology": pathology,
            "assessment": assessment,
            "density": density,
            "mask": str(mask_file),
            "mask_shape": list(shape),
            "crop": str(crop_file),
        }
    )


def _resized(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Stretch a mask to another size by nearest neighbour."""
    rows, columns = (
        np.minimum(((np.arange(wanted) + 0.5) * size / wanted).astype(int), size - 1)
        for wanted, size in zip(shape, mask.shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]


def _crop_window(mask: np.ndarray, spacing_mm: float) -> tuple[slice, slice]:
    """The mask's box and a margin, within the film."""
    margin = round(_CROP_MARGIN_MM / spacing_mm)
    spans = []
    for axis in (1, 0):
        index = np.flatnonzero(mask.any(axis=axis))
        spans.append(slice(max(0, int(index[0]) - margin), int(index[-1]) + margin + 1))
    return spans[0], spans[1]


@dataclass(frozen=True, kw_only=True)
class _Series:
    """One series of the collection: its UIDs, its folder, its rows in the lists of series."""

    view: _View
    subject: str
    description: str

    @property
    def study_uid(self) -> str:
        return uid(*self.view.case.identity, self.subject, "study")

    @property
    def series_uid(self) -> str:
        parts = ("series", self.description) if self.description == _CROPPED else ("series",)
        return uid(*self.view.case.identity, self.subject, *parts)

    @property
    def _folder(self) -> PurePosixPath:
        if self.view.layout is Layout.CBIS_DDSM_JPEG:
            return PurePosixPath("jpeg", self.series_uid)
        if self.view.layout is Layout.CBIS_DDSM_TABLES:
            return PurePosixPath(self.subject, self.study_uid, self.series_uid)
        # The download tool names the folders by the last five digits.
        return PurePosixPath(
            COLLECTION,
            self.subject,
            f"{_STUDY_DATE}-DDSM-NA-{self.study_uid[-5:]}",
            f"1.000000-{self.description}-{self.series_uid[-5:]}",
        )

    def path(self, index: int) -> PurePosixPath:
        """Path of a file, relative to the cohort's folder."""
        if self.view.layout is Layout.CBIS_DDSM_JPEG:
            return self._folder / f"{index + 1}-{int(self.series_uid[-3:]) % 300 + 1:03d}.jpg"
        return self._folder / (
            f"{index:06d}.dcm" if self.view.layout is Layout.CBIS_DDSM_TABLES else f"1-{index + 1}.dcm"
        )

    def table_path(self, index: int) -> str:
        """Path of a file as the tables write it."""
        return f"{self.subject}/{self.study_uid}/{self.series_uid}/{index:06d}.dcm"

    def write(self, folder: Path, images: list[np.ndarray], written: WrittenCase) -> None:
        """Write the files of the series, and its rows in the lists of series that the layout has."""
        (folder / self._folder).mkdir(parents=True)
        if self.view.layout is Layout.CBIS_DDSM_JPEG:
            self._write_pictures(folder, images, written)
            return
        case, position = self.view.case, self.view.position
        size = 0
        for index, pixels in enumerate(images):
            size += write_secondary_capture(
                folder / self.path(index),
                pixels=pixels,
                subject=self.subject,
                study_uid=self.study_uid,
                series_uid=self.series_uid,
                series_description=self.description,
                instance_number=index + 1,
                laterality=case.plan.laterality.value,
                view=position.value,
                spacing_mm=None if Quirk.NO_SPACING in case.plan.quirks else case.films[position].spacing_mm,
            )
        if self.view.layout is Layout.CBIS_DDSM:
            written.rows.setdefault(METADATA, []).append(self._metadata(count=len(images), size=size))

    def _write_pictures(self, folder: Path, images: list[np.ndarray], written: WrittenCase) -> None:
        """Write the series as the JPEG edition has it: 8 bits, and each file described by itself."""
        undescribed = int(self.series_uid[-3:]) % _UNDESCRIBED == 0
        for index, pixels in enumerate(images):
            is_mask = pixels.dtype == np.uint8
            grey = pixels if is_mask else np.round(pixels / 257).astype(np.uint8)
            Image.fromarray(grey).save(folder / self.path(index), format="JPEG", quality=JPEG_QUALITY)
            description = self.description if self.description == _FULL else _ROI if is_mask else _CROPPED
            row = self._dicom_info(index, shape=grey.shape, description="" if undescribed else description)
            written.rows.setdefault(DICOM_INFO, []).append(row)
        written.rows.setdefault(META, []).append(
            (
                *(self.series_uid, self.study_uid, "MG", self.description, "BREAST", "1"),
                *(COLLECTION, "1", str(len(images))),
            )
        )

    def _dicom_info(self, index: int, *, shape: tuple[int, ...], description: str) -> tuple[str, ...]:
        case, position = self.view.case, self.view.position
        side = "L" if case.plan.laterality is Laterality.LEFT else "R"
        return (
            f"{COLLECTION}/dicom/{self.table_path(index)}",
            f"{COLLECTION}/{self.path(index)}",
            *("", "16", "16", "BREAST", str(shape[1]), str(index + 1), side, "MG", self.subject, self.subject),
            *(position.value, "MONOCHROME2", str(shape[0]), uid(self.series_uid, index + 1, "picture")),
            *(description, self.series_uid, "1", "20200101", "DDSM", self.study_uid),
        )

    def _metadata(self, *, count: int, size: int) -> tuple[str, ...]:
        return (
            self.series_uid,
            COLLECTION,
            "null",
            "",
            self.subject,
            self.study_uid,
            "NA",
            _STUDY_DATE,
            self.description,
            "NA",
            "MG",
            "Secondary Capture Image Storage",
            "1.2.840.10008.5.1.4.1.1.7",
            str(count),
            f"{size / 1e6:.2f} MB",
            f"./{self._folder}",
            "2020-01-01T00:00:00",
        )
