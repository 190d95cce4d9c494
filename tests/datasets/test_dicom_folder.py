import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import DigitalMammographyXRayImageStorageForProcessing

from bundle.datasets import dicom_folder
from bundle.datasets.dicom_folder import find_views
from bundle.dicom.segmentation import LABEL_MAP_STORAGE
from tests.dicom.film_files import film_dataset, ramp
from tests.dicom.segmentation_files import item, write_segmentation


def film(path: Path, uid: str, *, view="CC", patient="SECRET_ID", study="1.5", time="100000", **attributes) -> str:
    """Write a mammogram; give its SOP Instance UID."""
    path.parent.mkdir(parents=True, exist_ok=True)
    film_dataset(
        ramp(bits=12),
        Modality="MG",
        SOPInstanceUID=uid,
        StudyInstanceUID=study,
        PatientID=patient,
        ViewPosition=view,
        ImageLaterality="L",
        AcquisitionDate="20200102",
        AcquisitionTime=time,
        **attributes,
    ).save_as(path, enforce_file_format=True)
    return uid


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def key(tmp_path):
    return tmp_path / "key.txt"


def found(source, key, **options):
    views, rejections = find_views(source, key=key, **options)
    for each in (*views, *rejections):
        assert "SECRET_ID" not in repr(each)
    return views, {each.path: each.reason for each in rejections}


def test_of_several_images_of_a_view_the_latest_for_presentation_is_taken(source, key):
    film(source / "a" / "early.dcm", "1.1", time="100000")
    film(source / "a" / "late", "1.2", time="100100.5")
    film(source / "a" / "raw.dcm", "1.3", time="110000", SOPClassUID=DigitalMammographyXRayImageStorageForProcessing)
    film(source / "a" / "mlo.dcm", "1.4", view="MLO", SOPClassUID=DigitalMammographyXRayImageStorageForProcessing)
    film(source / "copy.dcm", "1.2", time="100100.5")
    views, reasons = found(source, key)
    assert [(view.view_position, view.image_path.name, view.flags) for view in views] == [
        ("CC", "late", ()),
        ("MLO", "mlo.dcm", ("for_processing",)),
    ]
    assert "repeats the view in a/late" in reasons["a/early.dcm"]
    assert "a less suited class" in reasons["a/raw.dcm"]
    assert "same SOP Instance UID as a/late" in reasons["copy.dcm"]


def test_examinations_of_a_patient_are_kept_apart_and_patients_named_by_the_key(source, key, tmp_path):
    film(source / "1.dcm", "1.1")
    film(source / "2.dcm", "1.2", study="1.6")
    film(source / "3.dcm", "1.3", patient="OTHER", study="1.7")
    views, reasons = found(source, key)
    assert not reasons
    by_file = {view.image_path.name: view for view in views}
    assert by_file["1.dcm"].patient_id == by_file["2.dcm"].patient_id != by_file["3.dcm"].patient_id
    assert by_file["1.dcm"].study_id != by_file["2.dcm"].study_id
    again, _ = found(source, key)
    assert again == views
    others, _ = found(source, tmp_path / "another_key.txt")
    assert not {view.patient_id for view in others} & {view.patient_id for view in views}


def test_segmentations_find_their_images_and_lesions_match_by_tracking_uid_only(source, key):
    film(source / "cc.dcm", "1.1")
    film(source / "mlo.dcm", "1.2", view="MLO")
    film(source / "earlier.dcm", "1.3", time="090000")
    mask = ramp(bits=12) > 4000
    write_segmentation(
        source / "seg1.dcm", [mask, mask, mask], images=["1.1", "1.2", "1.9"], numbers=[1] * 3, tracking={1: "5.5"}
    )
    write_segmentation(
        source / "seg2.dcm", [mask, mask], images=["1.1", "1.3"], numbers=[1, 1], SOPInstanceUID="1.2.78"
    )
    (cc, mlo), reasons = found(source, key)
    assert [(each.mask_paths[0].name, each.mask_frames) for each in cc.lesions] == [
        ("seg1.dcm", (0,)),
        ("seg2.dcm", (0,)),
    ]
    assert [lesion.lesion_id for lesion in mlo.lesions] == [cc.lesions[0].lesion_id]
    assert cc.lesions[1].lesion_id == "cc_lesion_2"
    assert cc.flags == ("mask_on_other_image",)
    assert "not here, or is left out" in reasons["seg1.dcm"]
    assert "passed over for another one" in reasons["seg2.dcm"]


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"NumberOfFrames": 2}, "functional groups for 1"),
        ({"SegmentationType": "LABELMAP"}, "Segmentation Type"),
        ({"SegmentationType": "LABELMAP", "SOPClassUID": LABEL_MAP_STORAGE}, "Segmentation Type"),
    ],
)
def test_a_segmentation_that_cannot_be_used_costs_its_view(source, key, attributes, reason):
    film(source / "cc.dcm", "1.1")
    film(source / "mlo.dcm", "1.2", view="MLO")
    write_segmentation(source / "seg.dcm", [ramp(bits=12) > 4000], images=["1.1"], numbers=[1], **attributes)
    (view,), reasons = found(source, key)
    assert (view.view_position, view.flags) == ("MLO", ())
    assert "a mask of this view cannot be used" in reasons["cc.dcm"]
    assert reason in reasons["seg.dcm"]


def test_a_segmentation_that_cannot_be_used_flags_the_view_that_was_taken_instead_of_its_own(source, key):
    film(source / "early.dcm", "1.1", time="090000")
    film(source / "late.dcm", "1.2")
    write_segmentation(
        source / "seg.dcm", [ramp(bits=12) > 4000], images=["1.1"], numbers=[1], SegmentationType="LABELMAP"
    )
    (view,), _ = found(source, key)
    assert (view.image_path.name, view.flags) == ("late.dcm", ("mask_on_other_image",))


def test_a_table_may_write_paths_with_backslashes(source, key, tmp_path):
    film(source / "sub" / "cc.dcm", "1.1")
    (source / "sub" / "mask.png").write_bytes(b"\x89PNG")
    table = tmp_path / "masks.csv"
    table.write_text("image,mask\nsub\\cc.dcm,sub\\mask.png\n")
    (view,), reasons = found(source, key, masks=table)
    assert [lesion.mask_paths[0].name for lesion in view.lesions] == ["mask.png"]
    assert not reasons


def test_a_table_names_masks_by_path_or_uid_and_a_bad_row_costs_its_view(source, key, tmp_path):
    film(source / "cc.dcm", "1.1")
    film(source / "mlo.dcm", "1.2", view="MLO")
    film(source / "other.dcm", "1.3", patient="OTHER")
    for name in ("m1.png", "m2.png", "note.txt"):
        (source / name).write_bytes(b"\x89PNG")
    table = tmp_path / "masks.csv"
    table.write_text(
        "image,mask,lesion\ncc.dcm,m1.png,A\n1.2,m2.png,A\n1.2,m1.png,\nother.dcm,../key.txt,\nnone.dcm,m1.png,\n"
        "other.dcm,m1.png,SECRET ID\n"
    )
    views, reasons = found(source, key, masks=table)
    assert [[lesion.lesion_id for lesion in view.lesions] for view in views] == [["A"], ["A", "mlo_lesion_2"]]
    assert "leads out of the source folder" in reasons["masks.csv:5"]
    assert "not here" in reasons["masks.csv:6"]
    assert "letters, digits" in reasons["masks.csv:7"]
    assert "cannot be used" in reasons["other.dcm"]
    assert reasons["."].startswith("1 file(s) are no DICOM images")  # note.txt: the named masks are not counted


def test_a_mask_that_was_saved_with_its_films_headers_is_no_film(source, key, tmp_path):
    film(source / "cc.dcm", "1.1")
    film(source / "cc_mask.dcm", "1.9")  # of the same time, and behind its film by path
    film(source / "mlo.dcm", "1.2", view="MLO")
    film(source / "a_mask_mlo.dcm", "1.2", view="MLO")  # the very same headers, and before its film by path
    table = tmp_path / "masks.csv"
    table.write_text("image,mask\ncc.dcm,cc_mask.dcm\n1.2,a_mask_mlo.dcm\n")
    views, reasons = found(source, key, masks=table)
    assert [(view.image_path.name, view.lesions[0].mask_paths[0].name, view.flags) for view in views] == [
        ("cc.dcm", "cc_mask.dcm", ()),
        ("mlo.dcm", "a_mask_mlo.dcm", ()),
    ]
    assert not reasons


def test_links_pipes_and_rubbish_are_left_out_with_their_reason(source, key, tmp_path):
    film(tmp_path / "outside" / "secret.dcm", "1.9")
    film(source / "cc.dcm", "1.1")
    (source / "loop").symlink_to(source)
    (source / "self.dcm").symlink_to(source / "self.dcm")
    (source / "out.dcm").symlink_to(tmp_path / "outside" / "secret.dcm")
    (source / "folder").symlink_to(tmp_path / "outside")
    os.mkfifo(source / "pipe.dcm")
    (source / "rubbish.dcm").write_bytes(os.urandom(300))
    (source / "picture.jpg").write_bytes(b"\xff\xd8")
    (source / "empty").write_bytes(b"")
    views, reasons = found(source, key)
    assert [view.image_path.name for view in views] == ["cc.dcm"]
    assert "cannot be followed" in reasons["self.dcm"]
    assert "leads out of the source" in reasons["out.dcm"]
    assert reasons["loop"] == reasons["folder"] == "a link to a folder is not followed"
    assert "no regular file" in reasons["pipe.dcm"]
    assert "no DICOM file" in reasons["rubbish.dcm"]
    assert reasons["."].startswith("2 file(s)")


def test_processes_give_the_same_as_one(source, key, monkeypatch):
    for number in range(6):
        film(source / f"{number}.dcm", f"1.{number}", patient=f"P{number}", view="CC" if number % 2 else "MLO")
    monkeypatch.setattr(dicom_folder, "_FEW_FILES", 2)
    assert find_views(source, key=key, workers=2) == find_views(source, key=key, workers=1)


@pytest.mark.filterwarnings("error")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), flips=st.integers(1, 40), cut=st.floats(0, 1))
def test_damaged_files_are_reasons_and_never_crash(tmp_path_factory, seed, flips, cut):
    folder = tmp_path_factory.mktemp("damaged")
    film(
        folder / "in" / "film.dcm",
        "1.1",
        ViewCodeSequence=[item(CodeValue="R-10242", ViewModifierCodeSequence=[item()])],
    )
    mask = ramp(bits=12) > 4000
    write_segmentation(folder / "in" / "seg.dcm", [mask], images=["1.1"], numbers=[1])
    random_source = random.Random(seed)
    for path in sorted((folder / "in").iterdir()):
        # The pixels are left alone: the reader never comes so far.
        content = bytearray(path.read_bytes())
        for _ in range(flips):
            content[random_source.randrange(132, min(len(content), 1200))] = random_source.randrange(256)
        path.write_bytes(content[: max(140, int(len(content) * (1 if seed % 2 else cut)))])
    views, rejections = find_views(folder / "in", key=folder / "key.txt")
    assert len(views) <= 1
    assert all(each.reason and str(folder) not in each.reason for each in rejections)
