"""Made-up films for the tests of inference: a half disc of breast with a lesion, as DICOM files."""

from pathlib import Path

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

LESION_CENTRE = (60, 30)  # (row, column) with the chest wall at the left
LESION_RADIUS = 8


def breast_pixels(*, chest_wall_right: bool = False) -> np.ndarray:
    """uint16 ``[128, 96]`` of 12 bits: a textured half disc, brighter in its lesion."""
    rows, columns = np.mgrid[:128, :96]
    inside = (rows - 64.0) ** 2 + (0.8 * columns) ** 2 < 50.0**2
    texture = np.random.default_rng(0).normal(0, 100, (128, 96))
    pixels = np.where(inside, 1800 + texture + 6 * (64 - np.abs(rows - 64)), 0)
    pixels[lesion_mask()] += 700
    pixels = np.clip(pixels, 0, 4095).astype(np.uint16)
    return pixels[:, ::-1] if chest_wall_right else pixels


def lesion_mask(*, chest_wall_right: bool = False) -> np.ndarray:
    """bool ``[128, 96]``."""
    rows, columns = np.mgrid[:128, :96]
    mask = (rows - LESION_CENTRE[0]) ** 2 + (columns - LESION_CENTRE[1]) ** 2 < LESION_RADIUS**2
    return mask[:, ::-1] if chest_wall_right else mask


def write_dicom(path: Path, pixels: np.ndarray, **attributes) -> Path:
    """Write a mammogram; an attribute that is None is left out."""
    dataset = Dataset()
    dataset.SOPClassUID = uid.DigitalMammographyXRayImageStorageForPresentation
    dataset.SOPInstanceUID = uid.generate_uid()
    dataset.StudyInstanceUID = "1.2.3.4"
    dataset.SeriesInstanceUID = uid.generate_uid()
    dataset.Modality = "MG"
    dataset.PatientName = "Secret^Name"
    dataset.PatientID = "SECRET-ID"
    dataset.ImageLaterality = "L"
    dataset.ViewPosition = "CC"
    dataset.ImagerPixelSpacing = [2.0, 2.0]
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    for keyword, value in attributes.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    dataset.PixelData = np.ascontiguousarray(pixels).astype("<u2").tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_film(path: Path, **attributes) -> Path:
    """Write the left CC of the made-up breast."""
    return write_dicom(path, breast_pixels(), **attributes)


def write_mask(path: Path) -> Path:
    """Write its lesion mask."""
    return write_dicom(path, lesion_mask().astype(np.uint16) * 255)
