"""Secondary Capture files as the CBIS-DDSM collection has them, except that the phantom's films know their spacing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from bundle.datasets.phantom.dicom_file import STUDY_DATE, uid, write_dicom


def write_secondary_capture(
    path: Path,
    *,
    pixels: np.ndarray,
    subject: str,
    study_uid: str,
    series_uid: str,
    series_description: str,
    instance_number: int,
    laterality: str,
    view: str,
    spacing_mm: float | None,
) -> int:
    """Write one file, without pixel spacing where that is None; return its size in bytes."""
    dataset = Dataset()
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = uid(series_uid, instance_number, hashlib.sha256(pixels.tobytes()).hexdigest())
    dataset.StudyDate = dataset.ContentDate = STUDY_DATE
    dataset.StudyTime = dataset.ContentTime = "000000"
    dataset.AccessionNumber = ""
    dataset.Modality = "MG"
    dataset.ConversionType = "WSD"
    dataset.ReferringPhysicianName = ""
    dataset.SeriesDescription = series_description
    dataset.PatientName = subject
    dataset.PatientID = subject
    dataset.PatientBirthDate = ""
    dataset.PatientSex = ""
    dataset.BodyPartExamined = "BREAST"
    dataset.StudyInstanceUID = study_uid
    dataset.SeriesInstanceUID = series_uid
    dataset.StudyID = "DDSM"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = instance_number
    dataset.PatientOrientation = view
    dataset.Laterality = laterality
    if spacing_mm is not None:
        dataset.PixelSpacing = [spacing_mm, spacing_mm]
    return write_dicom(path, dataset, pixels=pixels, bits_stored=8 * pixels.dtype.itemsize)
