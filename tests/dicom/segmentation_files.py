"""Small DICOM Segmentations, written for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.pixels.utils import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage


def item(**attributes):
    dataset = pydicom.Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def segmentation(
    frames: Sequence[np.ndarray],
    *,
    images: Sequence[str],
    numbers: Sequence[int],
    tracking: dict[int, str] | None = None,
    kind: str = "BINARY",
    **attributes,
) -> pydicom.Dataset:
    """Make a Segmentation whose frames show the segments ``numbers`` of ``images``; FRACTIONAL ones hold 0 to 200."""
    stack = np.stack(frames)
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SegmentationStorage
    dataset.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.77"
    dataset.Modality = "SEG"
    dataset.PatientID = "SECRET_ID"
    dataset.SegmentationType = kind
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = stack.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    bits = 1 if kind == "BINARY" else 8
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    if kind == "FRACTIONAL":
        dataset.MaximumFractionalValue = 200
    dataset.SegmentSequence = [
        item(SegmentNumber=number, SegmentLabel="SECRET", **({"TrackingUID": tracking[number]} if tracking else {}))
        for number in sorted(set(numbers))
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        item(
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=number)],
            DerivationImageSequence=[item(SourceImageSequence=[item(ReferencedSOPInstanceUID=image)])],
        )
        for number, image in zip(numbers, images, strict=True)
    ]
    dataset.PixelData = pack_bits(stack.astype(np.uint8).ravel()) if bits == 1 else stack.astype(np.uint8).tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def write_segmentation(path: Path, *arguments, **options) -> Path:
    segmentation(*arguments, **options).save_as(path, enforce_file_format=True)
    return path
