"""Secondary Capture files as the CBIS-DDSM collection has them, except that the phantom's films know their spacing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

STUDY_DATE = "20200101"


def uid(*parts: object) -> str:
    """Make a UID that depends on the parts alone."""
    return str(generate_uid(entropy_srcs=["phantom", *(str(part) for part in parts)]))


def folder_number(of_uid: str) -> str:
    """The last five digits, by which the download tool names the folders."""
    return of_uid[-5:]


def with_file_meta(dataset: Dataset) -> Dataset:
    """Add the file meta information of an uncompressed file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("implementation")
    dataset.file_meta = meta
    return dataset


def set_pixels(dataset: Dataset, pixels: np.ndarray, *, bits_stored: int) -> None:
    """Set the pixels, uint8 or uint16 ``[rows, columns]``, and the attributes that describe them."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = (int(size) for size in pixels.shape)
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = bits_stored
    dataset.HighBit = bits_stored - 1
    dataset.PixelRepresentation = 0
    data = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"


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
    spacing_mm: float,
) -> int:
    """Write one file; return its size in bytes."""
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
    dataset.PixelSpacing = [spacing_mm, spacing_mm]
    set_pixels(dataset, pixels, bits_stored=8 * pixels.dtype.itemsize)
    with_file_meta(dataset).save_as(path, enforce_file_format=True)
    return path.stat().st_size
