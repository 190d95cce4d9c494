"""Small DICOM films, written for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian


def film_dataset(stored: np.ndarray, *, bits_stored: int = 16, **attributes: Any) -> pydicom.Dataset:
    """Make a dataset around stored values; an attribute that is None is left out."""
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    dataset.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    dataset.PatientName = "SECRET^NAME"
    dataset.PatientID = "SECRET_ID"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 8 * stored.itemsize
    dataset.BitsStored = bits_stored
    dataset.HighBit = bits_stored - 1
    dataset.PixelRepresentation = int(np.issubdtype(stored.dtype, np.signedinteger))
    dataset.PixelData = stored.tobytes()
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def write_film(path: Path, stored: np.ndarray, *, bits_stored: int = 16, **attributes: Any) -> Path:
    """Write `film_dataset` to a file."""
    film_dataset(stored, bits_stored=bits_stored, **attributes).save_as(path, enforce_file_format=True)
    return path


def lut_item(entries: list[int], *, first_mapped: int, bits: int) -> pydicom.Dataset:
    """Make an item of a Modality or VOI LUT Sequence."""
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first_mapped, bits])
    item.add_new("LUTData", "US", entries)
    return item


def ramp(*, bits: int, shape: tuple[int, int] = (32, 48)) -> np.ndarray:
    """Give uint16 values spread over all that the bits allow, the least and the greatest among them."""
    return np.linspace(0, 2**bits - 1, num=shape[0] * shape[1]).astype(np.uint16).reshape(shape)
