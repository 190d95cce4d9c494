"""A small tree in any layout of CBIS-DDSM, written for the tests: tables, DICOM files or pictures, lists of series."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

ROWS, COLUMNS, SPACING_MM = 130, 90, 1.0

MASS_COLUMNS = (
    *("patient_id", "breast_density", "left or right breast", "image view", "abnormality id", "abnormality type"),
    *("mass shape", "mass margins", "assessment", "pathology", "subtlety"),
    *("image file path", "cropped image file path", "ROI mask file path"),
)
CALC_COLUMNS = tuple(
    {"breast_density": "breast density", "mass shape": "calc type", "mass margins": "calc distribution"}.get(name, name)
    for name in MASS_COLUMNS
)
DICOM_INFO_COLUMNS = ("image_path", "PatientID", "SeriesDescription", "SeriesInstanceUID")
METADATA_COLUMNS = ("Series UID", "Collection", "Subject ID", "Study UID", "Series Description", "File Location")


@dataclass
class Row:
    """One row of a table; the defaults make a plain mass."""

    patient: str
    side: str = "LEFT"
    view: str = "CC"
    number: int = 1
    kind: str = "mass"
    official: str = "Training"
    pathology: str = "BENIGN"
    density: str = "2"
    centre: tuple[int, int] = (60, 30)
    radius: int = 8

    @property
    def table(self) -> str:
        kind = "mass" if self.kind == "mass" else "calc"
        return f"{kind}_case_description_{'train' if self.official == 'Training' else 'test'}_set.csv"

    @property
    def subject(self) -> str:
        return f"{'Mass' if self.kind == 'mass' else 'Calc'}-{self.official}_{self.patient}_{self.side}_{self.view}"

    @property
    def image_path(self) -> str:
        return f"{self.subject}/{uid(self.subject, 'study')}/{uid(self.subject, 'series')}/000000.dcm"

    def roi_path(self, name: str) -> str:
        subject = f"{self.subject}_{self.number}"
        return f"{subject}/{uid(subject, 'study')}/{uid(subject, 'series')}/{name}"

    def values(self) -> dict[str, str]:
        mask, crop = ("000001.dcm", "000000.dcm") if self.kind == "mass" else ("000000.dcm", "000001.dcm")
        return {
            "patient_id": self.patient,
            "breast_density": self.density,
            "breast density": self.density,
            "left or right breast": self.side,
            "image view": self.view,
            "abnormality id": str(self.number),
            "abnormality type": self.kind,
            "assessment": "4",
            "pathology": self.pathology,
            "subtlety": "3",
            "image file path": self.image_path,
            # A line break inside the quotes, as in the real tables.
            "cropped image file path": self.roi_path(crop) + "\r\n",
            "ROI mask file path": self.roi_path(mask),
        }


@dataclass
class Tree:
    """Where things were written."""

    root: Path
    files: dict[str, Path] = field(default_factory=dict)


def both_views(patient: str, **changes: object) -> list[Row]:
    """Make the CC and the MLO row of one mass."""
    return [Row(patient, view=view, **changes) for view in ("CC", "MLO")]  # type: ignore[arg-type]


def uid(*parts: str) -> str:
    return "1.3.6.1.4.1.9590.100.1.2." + str(int(hashlib.sha256("/".join(parts).encode()).hexdigest()[:24], 16))


def write_tables(root: Path, rows: Sequence[Row]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name in sorted({row.table for row in rows}):
        with (root / name).open("w", newline="", encoding="utf-8") as stream:
            columns = MASS_COLUMNS if name.startswith("mass") else CALC_COLUMNS
            writer = csv.DictWriter(stream, columns, restval="N/A", extrasaction="ignore", lineterminator="\r\n")
            writer.writeheader()
            writer.writerows(row.values() for row in rows if row.table == name)


def write_tree(root: Path, rows: Sequence[Row], *, layout: str, without_lesion: Sequence[Row] = ()) -> Tree:
    """Write tables and images; ``layout`` is ``table_paths``, ``download_tool`` or ``jpeg``."""
    tree = Tree(root)
    write_tables(root / "csv" if layout == "jpeg" else root, rows)
    series: dict[str, tuple[str, str, list[np.ndarray]]] = {}
    for row in [*rows, *without_lesion]:
        others = [each for each in rows if (each.patient, each.side, each.view) == (row.patient, row.side, row.view)]
        series[row.image_path] = (row.subject, "full mammogram images", [film(row, others)])
    for row in rows:
        crop_and_mask = [film(row, [row])[40:80, 10:50], lesion_mask(row)]
        files = crop_and_mask if row.kind == "mass" else crop_and_mask[::-1]
        series[row.roi_path("")] = (f"{row.subject}_{row.number}", "ROI mask images", files)
    metadata = []
    for path, (subject, description, images) in series.items():
        _, study, series_uid, *_ = path.split("/")
        if layout == "jpeg":
            folder = Path("jpeg", series_uid)
            for number, pixels in enumerate(images):
                path = root / folder / f"{number + 1}-{172 + number}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                grey = pixels if pixels.dtype == np.uint8 else np.round(pixels / 257).astype(np.uint8)
                Image.fromarray(grey).save(path, quality=90)
                # As in the edition: each file is described by itself, some are not.
                file_description = "" if number else description
                metadata.append((f"CBIS-DDSM/{folder.as_posix()}/{path.name}", subject, file_description, series_uid))
                tree.files[f"{subject}/{number}"] = path
            continue
        if layout == "table_paths":
            folder = Path(subject, study, series_uid)
        else:
            folder = Path(
                "CBIS-DDSM", subject, f"08-29-2017-DDSM-NA-{study[-5:]}", f"1.000000-{description}-{series_uid[-5:]}"
            )
            metadata.append((series_uid, "CBIS-DDSM", subject, study, description, f"./{folder.as_posix()}"))
        for number, pixels in enumerate(images):
            name = f"{number:06d}.dcm" if layout == "table_paths" else f"1-{number + 1}.dcm"
            write_dicom(root / folder / name, pixels, subject=subject)
            tree.files[f"{subject}/{number}"] = root / folder / name
    if layout == "jpeg":
        with (root / "csv" / "dicom_info.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([DICOM_INFO_COLUMNS, *metadata])
    elif metadata:
        with (root / "metadata.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([METADATA_COLUMNS, *metadata])
    return tree


def film(row: Row, lesions: Sequence[Row]) -> np.ndarray:
    """Make a half ellipse of textured tissue at the left edge, brighter at its lesions: uint16 ``[rows, columns]``."""
    generator = np.random.default_rng(int(hashlib.sha256(row.subject[4:].encode()).hexdigest()[:8], 16))
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    breast = ((rows - ROWS / 2) / (0.42 * ROWS)) ** 2 + (columns / (0.75 * COLUMNS)) ** 2 < 1
    coarse = generator.random((ROWS // 5 + 1, COLUMNS // 5 + 1)).repeat(5, axis=0).repeat(5, axis=1)[:ROWS, :COLUMNS]
    tissue = 20000 + 12000 * coarse + 4000 * generator.random((ROWS, COLUMNS))
    for lesion in lesions:
        tissue = tissue + 15000 * (lesion_mask(lesion) > 0)
    return np.where(breast, tissue, 300).astype(np.uint16)


def lesion_mask(row: Row) -> np.ndarray:
    """Make the mask of a row's lesion: uint8 ``[rows, columns]``, 0 and 255."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    inside = (rows - row.centre[0]) ** 2 + (columns - row.centre[1]) ** 2 <= row.radius**2
    return np.where(inside, 255, 0).astype(np.uint8)


def write_dicom(path: Path, pixels: np.ndarray, *, subject: str, spacing_mm: float | None = SPACING_MM) -> None:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = uid(subject, path.name, "instance")
    dataset.PatientID = subject
    dataset.Modality = "MG"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = pixels.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = 0
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    if spacing_mm is not None:
        dataset.PixelSpacing = [spacing_mm, spacing_mm]
    dataset.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
