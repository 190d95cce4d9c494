import numpy as np
import pytest

from bundle.dicom.masks import choose_mask
from bundle.dicom.parsing import read_header
from bundle.dicom.segmentation import Segment, find_segments, read_frames
from tests.dicom.film_files import ramp, write_film
from tests.dicom.segmentation_files import item, segmentation, write_segmentation


def disc(row, column, *, shape=(21, 33)):
    """21 x 33 pixels: not a multiple of 8, so that frames do not begin at a byte."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - row) ** 2 + (columns - column) ** 2 <= 16


FRAMES = [disc(6, 6), disc(14, 25), disc(10, 12)]


def test_frames_are_sorted_to_images_and_segments_and_decoded_one_by_one(tmp_path):
    path = write_segmentation(
        tmp_path / "seg.dcm", FRAMES, images=["1.2", "1.3", "1.2"], numbers=[1, 1, 2], tracking={1: "9.1", 2: "9.2"}
    )
    assert find_segments(read_header(path)) == [
        Segment(image_uid="1.2", number=1, tracking_uid="9.1", frames=(0,)),
        Segment(image_uid="1.2", number=2, tracking_uid="9.2", frames=(2,)),
        Segment(image_uid="1.3", number=1, tracking_uid="9.1", frames=(1,)),
    ]
    for frame, mask in enumerate(FRAMES):
        assert (read_frames(path, [frame]) == mask).all()
    assert (read_frames(path, [0, 2]) == (FRAMES[0] | FRAMES[2])).all()
    assert (choose_mask([path], (21, 33), frames=[1])[1] == FRAMES[1]).all()


def test_a_fractional_segment_is_cut_at_half_of_its_greatest_value(tmp_path):
    values = np.zeros((16, 16))
    values[4, 4], values[4, 5] = 100, 99
    path = write_segmentation(tmp_path / "seg.dcm", [values], images=["1.2"], numbers=[1], kind="FRACTIONAL")
    assert np.argwhere(read_frames(path, [0])).tolist() == [[4, 4]]


def test_without_groups_per_frame_the_series_tells_the_image():
    dataset = segmentation(FRAMES[:1], images=["1.2"], numbers=[4])
    dataset.PerFrameFunctionalGroupsSequence = []
    dataset.ReferencedSeriesSequence = [item(ReferencedInstanceSequence=[item(ReferencedSOPInstanceUID="1.9")])]
    assert find_segments(dataset) == [Segment(image_uid="1.9", number=4, tracking_uid="", frames=(0,))]


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"SegmentationType": "LABELMAP"}, "Segmentation Type"),
        ({"SegmentSequence": []}, "names no segment"),
        ({"NumberOfFrames": 4}, "there are 4 frames, but functional groups for 3"),
        ({"NumberOfFrames": 10**8}, "Number of Frames"),
        ({"PerFrameFunctionalGroupsSequence": []}, "does not tell which of 2 segments"),
        ({"SegmentSequence": [item(SegmentNumber=1)]}, "segment 2, which Segment Sequence"),
    ],
)
def test_headers_that_do_not_fit_are_refused_with_a_reason(attributes, reason):
    dataset = segmentation(FRAMES, images=["1.2"] * 3, numbers=[1, 1, 2], **attributes)
    with pytest.raises(ValueError, match=reason):
        find_segments(dataset)


@pytest.mark.parametrize(
    ("attributes", "frames", "reason"),
    [
        ({}, [3], "frame 4 is not there"),
        ({"Rows": 60000}, [0], "Rows x Columns"),
        ({"PixelData": b"\0\0"}, [2], r"frame 3: Pixel Data .* cut short"),
        ({"BitsAllocated": 16}, [0], "Bits Allocated"),
        ({"PixelData": bytes(300)}, [0], "the mask is empty"),
    ],
)
def test_pixels_that_cannot_be_a_mask_are_refused_with_a_reason(tmp_path, attributes, frames, reason):
    path = write_segmentation(tmp_path / "seg.dcm", FRAMES, images=["1.2"] * 3, numbers=[1, 1, 2], **attributes)
    with pytest.raises(ValueError, match=reason) as caught:
        read_frames(path, frames)
    assert "SECRET" not in str(caught.value)


def test_frames_of_a_mammogram_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no DICOM Segmentation"):
        read_frames(write_film(tmp_path / "film.dcm", ramp(bits=12)), [0])
