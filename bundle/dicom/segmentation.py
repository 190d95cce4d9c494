"""Lesion masks in DICOM Segmentations (PS3.3 section A.51): which frames show which segment of which image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SegmentationStorage,
)

from bundle.dicom.decoding import checked_shape, decode_frame
from bundle.dicom.elements import element_items, element_numbers, element_texts, element_values, sop_uid
from bundle.dicom.parsing import read_dataset

# A mammogram has a handful of lesions: beyond it a header is not believed.
MOST_FRAMES = 1024
# Label Map Segmentation Storage, of the standard since 2024: known as a segmentation, but not read.
LABEL_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"
UNCOMPRESSED = ([ImplicitVRLittleEndian], [ExplicitVRLittleEndian], [DeflatedExplicitVRLittleEndian])
# A segmentation of probabilities or occupancies marks the lesion where at least half of the greatest is reached.
FRACTION = 0.5


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One segment of one image: one lesion's mask.

    Args:
        image_uid: SOP Instance UID of the image that the mask was drawn on.
        number: Segment Number (0062,0004).
        tracking_uid: Tracking UID (0062,0021): the same in every image that shows the same lesion; empty when absent.
        frames: from 0; their union is the mask.
    """

    image_uid: str
    number: int
    tracking_uid: str
    frames: tuple[int, ...]


def is_segmentation(dataset: pydicom.Dataset) -> bool:
    """Tell a DICOM Segmentation by its SOP class."""
    return sop_uid(dataset, "SOPClassUID") in (SegmentationStorage, LABEL_MAP_STORAGE)


def find_segments(dataset: pydicom.Dataset) -> list[Segment]:
    """Find the segments of a DICOM Segmentation by its headers, without pixels.

    A frame belongs to the image that its functional groups name; where they name none, to the only image that the
    series' references name.

    Args:
        dataset: of a Segmentation, up to the pixels at least.

    Returns:
        One segment for each number and image, sorted by image and number.

    Raises:
        ValueError: the dataset is no Segmentation of images with two dimensions, or does not tell what a frame shows.
    """
    kind = "".join(element_texts(dataset, "SegmentationType")[:1])
    if kind not in ("BINARY", "FRACTIONAL"):
        # The value is not quoted: in a damaged file it may hold the elements behind it.
        raise ValueError("Segmentation Type (0062,0001) is neither BINARY nor FRACTIONAL")
    tracking = {
        int(number): "".join(element_texts(item, "TrackingUID")[:1])
        for item in element_items(dataset, "SegmentSequence")
        for number in element_numbers(item, "SegmentNumber")[:1]
    }
    if not tracking:
        raise ValueError("Segment Sequence (0062,0002) names no segment")
    frames = _frame_count(dataset)
    shared = element_items(dataset, "SharedFunctionalGroupsSequence")[:1]
    per_frame = element_items(dataset, "PerFrameFunctionalGroupsSequence")
    if per_frame and len(per_frame) != frames:
        raise ValueError(f"there are {frames} frames, but functional groups for {len(per_frame)}")
    default_images = _referenced_in_series(dataset)
    found: dict[tuple[str, int], list[int]] = {}
    for frame in range(frames):
        groups = [*per_frame[frame : frame + 1], *shared]
        number = _segment_number(groups, known=tracking)
        images = _source_images(groups) or default_images
        if len(images) != 1:
            raise ValueError(f"frame {frame + 1} belongs to {len(images)} images; it must belong to one")
        found.setdefault((next(iter(images)), number), []).append(frame)
    return [
        Segment(image_uid=image, number=number, tracking_uid=tracking[number], frames=tuple(indices))
        for (image, number), indices in sorted(found.items())
    ]


def referenced_images(dataset: pydicom.Dataset) -> set[str]:
    """Give the SOP Instance UIDs of all images that a Segmentation names, whether or not its headers fit each other."""
    shared = element_items(dataset, "SharedFunctionalGroupsSequence")
    per_frame = element_items(dataset, "PerFrameFunctionalGroupsSequence")
    return _source_images([*shared, *per_frame]) or _referenced_in_series(dataset)


def read_frames(path: Path, frames: Sequence[int]) -> np.ndarray:
    """Read the union of some frames of a DICOM Segmentation; only these frames are decoded.

    Args:
        path: the file.
        frames: from 0, at least one.

    Returns:
        bool ``[rows, columns]``.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is damaged, is no Segmentation, lacks a frame, or the mask is empty.
    """
    dataset = read_dataset(path)
    try:
        return _union(dataset, frames)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _union(dataset: pydicom.Dataset, frames: Sequence[int]) -> np.ndarray:
    if not is_segmentation(dataset):
        raise ValueError("this is no DICOM Segmentation, which alone has frames to choose from")
    shape = checked_shape(dataset)
    bits = (element_numbers(dataset, "BitsAllocated") or [0.0])[0]
    if bits not in (1, 8):
        raise ValueError(f"Bits Allocated (0028,0100) is {bits:g}; 1 or 8 are possible")
    mask = np.zeros(shape, dtype=bool)
    count = _frame_count(dataset)
    threshold = 1.0
    if "".join(element_texts(dataset, "SegmentationType")[:1]) == "FRACTIONAL":
        threshold = FRACTION * (element_numbers(dataset, "MaximumFractionalValue") or [255.0])[0]
    for frame in frames:
        if not 0 <= frame < count:
            raise ValueError(f"frame {frame + 1} is not there; the file has {count}")
        try:
            pixels = _frame_pixels(dataset, frame, shape=shape, frames=count)
        except ValueError as error:
            raise ValueError(f"frame {frame + 1}: {error}") from None
        mask |= pixels >= threshold
    if not mask.any():
        raise ValueError("the mask is empty, no pixel of its frames is marked")
    return mask


def _frame_pixels(dataset: pydicom.Dataset, frame: int, *, shape: tuple[int, int], frames: int) -> np.ndarray:
    """Decode one frame.

    Frames of one bit a pixel follow each other without filling bits (PS3.5 section 8.1.1): a frame may begin within a
    byte, where pydicom decodes no single frame.
    """
    is_packed = element_numbers(dataset, "BitsAllocated") == [1.0]
    if not is_packed or element_texts(dataset.file_meta, "TransferSyntaxUID")[:1] not in UNCOMPRESSED:
        return decode_frame(dataset, shape=shape, frame=frame, frames=frames)
    first = frame * shape[0] * shape[1]
    last = first + shape[0] * shape[1]
    content = (element_values(dataset, "PixelData") or [b""])[0]
    octets = np.frombuffer(content if isinstance(content, bytes) else b"", np.uint8)[first // 8 : -(-last // 8)]
    bits = np.unpackbits(octets, bitorder="little")[first % 8 :]
    if bits.size < last - first:
        raise ValueError("Pixel Data (7FE0,0010) is absent or cut short")
    return bits[: last - first].reshape(shape)


def _frame_count(dataset: pydicom.Dataset) -> int:
    count = (element_numbers(dataset, "NumberOfFrames") or [1.0])[0]
    if not count.is_integer() or not 1 <= count <= MOST_FRAMES:
        raise ValueError(f"Number of Frames (0028,0008) is {count:g}; 1 to {MOST_FRAMES} are possible")
    return int(count)


def _segment_number(groups: Sequence[pydicom.Dataset], *, known: dict[int, str]) -> int:
    for group in groups:
        for item in element_items(group, "SegmentIdentificationSequence"):
            for number in element_numbers(item, "ReferencedSegmentNumber")[:1]:
                if int(number) not in known:
                    raise ValueError(f"a frame shows segment {number:g}, which Segment Sequence (0062,0002) lacks")
                return int(number)
    if len(known) == 1:
        return next(iter(known))
    raise ValueError(f"a frame does not tell which of {len(known)} segments it shows")


def _source_images(groups: Sequence[pydicom.Dataset]) -> set[str]:
    return {
        uid
        for group in groups
        for derivation in element_items(group, "DerivationImageSequence")
        for source in element_items(derivation, "SourceImageSequence")
        for uid in element_texts(source, "ReferencedSOPInstanceUID")[:1]
    }


def _referenced_in_series(dataset: pydicom.Dataset) -> set[str]:
    """Give the images that Referenced Series Sequence names, else Source Image Sequence."""
    in_series = {
        uid
        for series in element_items(dataset, "ReferencedSeriesSequence")
        for item in element_items(series, "ReferencedInstanceSequence")
        for uid in element_texts(item, "ReferencedSOPInstanceUID")[:1]
    }
    return in_series or {
        uid
        for item in element_items(dataset, "SourceImageSequence")
        for uid in element_texts(item, "ReferencedSOPInstanceUID")[:1]
    }
