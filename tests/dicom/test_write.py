"""Every requirement on a synthetic mammogram in a PACS, on files that are written and read back."""

import logging
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import config, uid
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.tag import Tag

from bundle.dicom.write import require_traceable, write_synthetic_view
from bundle.vocabulary import Laterality, ViewPosition

SHA256 = "0123456789abcdef" * 4
NAME = "Doe^Jane"
PATIENT_ID = "PID-4711"


def source_header() -> Dataset:
    """A source film's header, with everything that must not be taken over."""
    header = Dataset()
    header.SOPClassUID = uid.DigitalMammographyXRayImageStorageForPresentation
    header.SOPInstanceUID = "1.2.840.99.1"
    header.StudyInstanceUID = "1.2.840.99.2"
    header.SeriesInstanceUID = "1.2.840.99.3"
    header.FrameOfReferenceUID = "1.2.840.99.4"
    header.PatientName = NAME
    header.PatientID = PATIENT_ID
    header.PatientBirthDate = "19600101"
    header.PatientSex = "F"
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = "by hand"
    header.StudyDate = "20200102"
    header.StudyTime = "101112"
    header.StudyID = "7"
    header.AccessionNumber = "A1"
    header.ReferringPhysicianName = "House^G"
    header.Modality = "MG"
    header.ImageType = ["ORIGINAL", "PRIMARY"]
    header.Manufacturer = "Acquirer"
    header.KVP = 28
    header.Exposure = 60
    header.ExposureTime = 500
    header.XRayTubeCurrent = 100
    header.ExposureInuAs = 60000
    header.EntranceDose = 5
    header.EntranceDoseInmGy = 5
    header.OrganDose = 0.01
    header.CompressionForce = 90
    header.BodyPartThickness = 45
    header.AnodeTargetMaterial = "TUNGSTEN"
    header.FilterMaterial = "RHODIUM"
    header.DetectorID = "DET-1"
    header.DetectorType = "DIRECT"
    header.DetectorDescription = "flat panel"
    header.DetectorActiveTime = 500
    header.DateOfLastDetectorCalibration = "20200101"
    header.DeviceSerialNumber = "SN-1"
    header.StationName = "ROOM1"
    header.PixelPaddingValue = 0
    header.PixelPaddingRangeLimit = 10
    header.PixelSpacing = [0.07, 0.07]
    header.AcquisitionDate = "20200102"
    header.WindowCenter = 500
    header.add_new(0x00091010, "LO", "private")
    return header


def write(
    folder: Path,
    *,
    pixels: np.ndarray | None = None,
    source: Dataset | None = None,
    target_view: ViewPosition = ViewPosition.MLO,
    laterality: Laterality = Laterality.LEFT,
    spacing_mm: float = 1.0,
    **options,
) -> Dataset:
    path = write_synthetic_view(
        np.zeros((128, 96)) if pixels is None else pixels,
        source=source_header() if source is None else source,
        target_view=target_view,
        laterality=laterality,
        spacing_mm=spacing_mm,
        model_name="mammography_view_synthesis",
        model_version="0.1.0",
        weights_sha256=SHA256,
        path=folder / "view.dcm",
        **options,
    )
    return pydicom.dcmread(path)


def code(item: Dataset) -> tuple[str, str]:
    return item.CodeValue, item.CodingSchemeDesignator


class TestIdentity:
    def test_digital_mammography_for_presentation(self, tmp_path):
        written = write(tmp_path)
        assert written.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1.2"
        assert written.file_meta.MediaStorageSOPClassUID == written.SOPClassUID
        assert written.file_meta.MediaStorageSOPInstanceUID == written.SOPInstanceUID
        assert written.Modality == "MG"
        assert written.PresentationIntentType == "FOR PRESENTATION"

    def test_new_instance_and_series_in_the_study_of_the_source(self, tmp_path):
        source = source_header()
        first, second = write(tmp_path, source=source), write(tmp_path, source=source)
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
            assert len({first[keyword].value, second[keyword].value, source[keyword].value}) == 3
            assert first[keyword].value.is_valid
        assert first.StudyInstanceUID == source.StudyInstanceUID

    def test_patient_and_study_come_from_the_source(self, tmp_path):
        source, written = source_header(), write(tmp_path)
        for keyword in (
            "PatientName",
            "PatientID",
            "PatientBirthDate",
            "PatientSex",
            "PatientIdentityRemoved",
            "DeidentificationMethod",
            "StudyDate",
            "StudyTime",
            "StudyID",
            "AccessionNumber",
            "ReferringPhysicianName",
        ):
            assert written[keyword].value == source[keyword].value, keyword

    def test_the_patients_sequences_come_without_private_elements(self, tmp_path):
        source = source_header()
        other = Dataset()
        other.PatientID = "OTHER"
        other.add_new(0x00091010, "LO", "private")
        source.OtherPatientIDsSequence = [other]
        written = write(tmp_path, source=source)
        assert written.OtherPatientIDsSequence[0].PatientID == "OTHER"
        assert len(written.OtherPatientIDsSequence[0]) == 1
        assert len(other) == 2  # the caller's header stays as it was

    def test_no_frame_of_reference(self, tmp_path):
        assert "FrameOfReferenceUID" not in write(tmp_path)

    def test_nothing_of_the_exposure_or_the_detector_is_copied(self, tmp_path):
        written = write(tmp_path)
        for keyword in (
            *("KVP", "Exposure", "ExposureTime", "XRayTubeCurrent", "ExposureInuAs", "EntranceDose", "OrganDose"),
            *("EntranceDoseInmGy", "CompressionForce", "BodyPartThickness", "AnodeTargetMaterial", "FilterMaterial"),
            *("DetectorDescription", "DetectorActiveTime", "DateOfLastDetectorCalibration", "DeviceSerialNumber"),
            *("StationName", "PixelPaddingValue", "PixelPaddingRangeLimit", "PixelSpacing", "AcquisitionDate"),
        ):
            assert keyword not in written, keyword
        assert not written.DetectorID
        assert not written.DetectorType
        assert not [element for element in written if element.tag.is_private]

    def test_text_keeps_its_encoding(self, tmp_path):
        source = source_header()
        source.SpecificCharacterSet = "ISO_IR 192"
        source.PatientName = "Иванова^Анна=山田^花子"
        written = write(tmp_path, source=source)
        assert written.SpecificCharacterSet == "ISO_IR 192"
        assert written.PatientName == "Иванова^Анна=山田^花子"


class TestMarkedSynthetic:
    def test_image_type_is_derived_secondary_and_empty(self, tmp_path):
        assert list(write(tmp_path).ImageType) == ["DERIVED", "SECONDARY", ""]

    def test_synthetic_data(self, tmp_path):
        assert write(tmp_path)[0x0008, 0x001C].value == "YES"

    @pytest.mark.parametrize("target_view", ViewPosition)
    def test_series_description(self, tmp_path, target_view):
        description = write(tmp_path, target_view=target_view).SeriesDescription
        assert description.startswith("SYNTHETIC")
        assert "not for diagnosis" in description
        assert len(description) <= 64

    def test_derivation_names_model_version_and_weights(self, tmp_path):
        derivation = write(tmp_path).DerivationDescription
        for part in ("mammography_view_synthesis", "0.1.0", SHA256):
            assert part in derivation
        assert len(derivation) <= 1024

    def test_source_image(self, tmp_path):
        (item,) = write(tmp_path).SourceImageSequence
        assert item.ReferencedSOPClassUID == source_header().SOPClassUID
        assert item.ReferencedSOPInstanceUID == source_header().SOPInstanceUID
        assert item.SpatialLocationsPreserved == "NO"
        assert code(item.PurposeOfReferenceCodeSequence[0]) == ("121322", "DCM")

    def test_contributing_equipment(self, tmp_path):
        written = write(tmp_path)
        (item,) = written.ContributingEquipmentSequence
        assert code(item.PurposeOfReferenceCodeSequence[0]) == ("109100", "DCM")
        for equipment in (item, written):
            assert "mammography_view_synthesis" in equipment.Manufacturer
            assert equipment.ManufacturerModelName == "mammography_view_synthesis"
            assert equipment.SoftwareVersions == "0.1.0"

    def test_what_was_assumed_is_told(self, tmp_path):
        assert "assumed_spacing" in write(tmp_path, flags=["assumed_spacing"]).ImageComments
        assert "ImageComments" not in write(tmp_path)


class TestViewAndHanging:
    @pytest.mark.parametrize(
        ("laterality", "target_view", "orientation", "view_code"),
        [
            ("L", "CC", ["A", "R"], "399162004"),
            ("L", "MLO", ["A", "FR"], "399368009"),
            ("R", "CC", ["P", "L"], "399162004"),
            ("R", "MLO", ["P", "FL"], "399368009"),
        ],
    )
    def test_view_side_and_orientation(self, tmp_path, laterality, target_view, orientation, view_code):
        written = write(tmp_path, laterality=Laterality(laterality), target_view=ViewPosition(target_view))
        assert written.ViewPosition == target_view
        (view,) = written.ViewCodeSequence
        assert code(view) == (view_code, "SCT")
        assert list(view.ViewModifierCodeSequence) == []
        assert written.ImageLaterality == laterality
        assert list(written.PatientOrientation) == orientation

    def test_a_right_breast_is_mirrored_back(self, tmp_path):
        canonical = np.zeros((128, 96))
        canonical[10:20, 0:30] = 1.0  # at the chest wall, at the left
        left = write(tmp_path, pixels=canonical, laterality=Laterality.LEFT).pixel_array
        right = write(tmp_path, pixels=canonical, laterality=Laterality.RIGHT).pixel_array
        assert left[15, 0] == 4095
        assert left[15, 95] == 0
        assert right[15, 95] == 4095
        assert right[15, 0] == 0
        assert np.array_equal(right, left[:, ::-1])


class TestPixels:
    def test_twelve_bits_on_an_absolute_scale(self, tmp_path):
        pixels = np.full((128, 96), 0.25)
        pixels[0, 0] = 0.3
        written = write(tmp_path, pixels=pixels)
        assert (written.BitsAllocated, written.BitsStored, written.HighBit) == (16, 12, 11)
        assert written.PixelRepresentation == 0
        assert written.pixel_array[5, 5] == 1024  # round(0.25 * 4095): no stretch to the image's own maximum
        assert written.pixel_array[0, 0] == 1228  # round(0.3 * 4095)

    def test_the_window_gives_back_the_pixels(self, tmp_path):
        pixels = np.linspace(0, 1, 128 * 96).reshape(128, 96)
        written = write(tmp_path, pixels=pixels)
        shown = pydicom.pixels.apply_voi_lut(written.pixel_array, written) / 4095.0
        assert np.abs(shown - pixels).max() <= 0.5 / 4095 + 1e-9
        assert written.PhotometricInterpretation == "MONOCHROME2"
        assert written.PresentationLUTShape == "IDENTITY"

    def test_grey_scale_attributes(self, tmp_path):
        written = write(tmp_path)
        assert (written.PixelIntensityRelationship, written.PixelIntensityRelationshipSign) == ("LOG", -1)
        assert (written.RescaleIntercept, written.RescaleSlope, written.RescaleType) == (0, 1, "US")

    def test_anatomy_and_positioner(self, tmp_path):
        written = write(tmp_path)
        assert code(written.AnatomicRegionSequence[0]) == ("76752008", "SCT")
        assert written.BodyPartExamined == written.OrganExposed == "BREAST"
        assert written.PositionerType == "NONE"
        assert list(written.AcquisitionContextSequence) == []

    def test_spacing_is_that_of_the_pixels(self, tmp_path):
        assert list(write(tmp_path, spacing_mm=1 / 0.7).ImagerPixelSpacing) == pytest.approx([1 / 0.7] * 2, rel=1e-9)

    @pytest.mark.parametrize("value", [-0.01, 1.01, np.nan, np.inf])
    def test_pixels_out_of_range_are_refused(self, tmp_path, value):
        pixels = np.zeros((128, 96))
        pixels[3, 3] = value
        with pytest.raises(ValueError, match=r"finite pixels in \[0, 1\]"):
            write(tmp_path, pixels=pixels)
        assert list(tmp_path.iterdir()) == []

    def test_a_stack_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match=r"shape \[1, 128, 96\]"):
            write(tmp_path, pixels=np.zeros((1, 128, 96)))


class TestMark:
    def test_without_a_mark(self, tmp_path):
        written = write(tmp_path)
        assert written.BurnedInAnnotation == "NO"
        assert written.pixel_array.max() == 0

    @pytest.mark.parametrize("laterality", Laterality)
    def test_the_mark_lies_low_and_away_from_the_chest_wall(self, tmp_path, laterality):
        written = write(tmp_path, pixels=np.zeros((256, 192)), laterality=laterality, mark=True)
        assert written.BurnedInAnnotation == "YES"
        rows, columns = np.nonzero(written.pixel_array)
        assert len(rows) > 100
        assert rows.min() > 200
        assert (columns.min() > 60) if laterality is Laterality.LEFT else (columns.max() < 130)

    def test_the_letters_are_not_mirrored(self, tmp_path):
        left = write(tmp_path, laterality=Laterality.LEFT, mark=True).pixel_array
        right = write(tmp_path, laterality=Laterality.RIGHT, mark=True).pixel_array
        ink = [
            image[:, np.flatnonzero(image.any(axis=0))[0] : np.flatnonzero(image.any(axis=0))[-1] + 1]
            for image in (left, right)
        ]
        assert np.array_equal(*ink)

    def test_no_room_for_the_mark(self, tmp_path):
        with pytest.raises(ValueError, match="larger canvas"):
            write(tmp_path, pixels=np.zeros((32, 32)), mark=True)


class TestLossyHistory:
    def test_lossless(self, tmp_path):
        written = write(tmp_path)
        assert written.LossyImageCompression == "00"
        assert "LossyImageCompressionRatio" not in written

    def test_flag_method_and_ratio_stay(self, tmp_path):
        source = source_header()
        source.LossyImageCompression = "01"
        source.LossyImageCompressionMethod = ["ISO_10918_1", "ISO_15444_1"]
        source.LossyImageCompressionRatio = [10, 12.5]
        written = write(tmp_path, source=source)
        assert written.LossyImageCompression == "01"
        assert list(written.LossyImageCompressionMethod) == ["ISO_10918_1", "ISO_15444_1"]
        assert list(written.LossyImageCompressionRatio) == [10, 12.5]

    def test_a_lossy_transfer_syntax_counts_without_the_flag(self, tmp_path):
        source = source_header()
        source.Rows, source.Columns, source.BitsStored = 100, 80, 12
        source.file_meta = FileMetaDataset()
        source.file_meta.TransferSyntaxUID = uid.JPEGExtended12Bit
        source.filename = str(tmp_path / "source.dcm")
        Path(source.filename).write_bytes(bytes(1000))
        written = write(tmp_path, source=source)
        assert written.LossyImageCompression == "01"
        assert written.LossyImageCompressionMethod == "ISO_10918_1"
        assert written.LossyImageCompressionRatio == 12.0  # 100 * 80 * 12 bits = 12000 bytes, in 1000

    @pytest.mark.parametrize(("syntax", "method"), [(uid.JPEG2000, "ISO_15444_1"), (uid.HTJ2K, "ISO_15444_15")])
    @pytest.mark.parametrize(("flag", "expected"), [("01", "01"), ("00", "00"), (None, "01")])
    def test_a_syntax_that_may_be_lossy(self, tmp_path, syntax, method, flag, expected):
        source = source_header()
        source.Rows, source.Columns, source.BitsStored = 100, 80, 12
        source.file_meta = FileMetaDataset()
        source.file_meta.TransferSyntaxUID = syntax
        source.filename = str(tmp_path / "source.dcm")
        Path(source.filename).write_bytes(bytes(1000))
        if flag:
            source.LossyImageCompression = flag
        written = write(tmp_path, source=source)
        assert written.LossyImageCompression == expected
        assert written.get("LossyImageCompressionMethod") == (method if expected == "01" else None)
        assert written.get("LossyImageCompressionRatio") == (12.0 if expected == "01" else None)


class TestUntrustedSource:
    @pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SOPClassUID"])
    @pytest.mark.parametrize("value", [None, "", "not a uid", "1." * 40 + "1"])
    def test_without_an_instance_nothing_is_written(self, tmp_path, keyword, value):
        source = source_header()
        if value is None:
            del source[keyword]
        else:
            with config.disable_value_validation():
                source.add_new(keyword, "UI", value)
        with pytest.raises(ValueError, match=rf"no valid {keyword} \(0008,001"):
            write(tmp_path, source=source)
        assert list(tmp_path.iterdir()) == []

    def test_the_file_meta_information_names_the_instance_too(self, tmp_path):
        source = source_header()
        source.file_meta = FileMetaDataset()
        source.file_meta.MediaStorageSOPInstanceUID = "1.2.840.99.77"
        del source.SOPInstanceUID
        assert write(tmp_path, source=source).SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.840.99.77"

    @pytest.mark.parametrize("value", [None, "", "rubbish"])
    def test_without_a_study_a_new_one(self, tmp_path, value, caplog):
        source = source_header()
        with config.disable_value_validation():
            source.add_new("StudyInstanceUID", "UI", value)
        written = write(tmp_path, source=source)
        assert written.StudyInstanceUID.is_valid
        assert "StudyInstanceUID" in caplog.text

    def test_uids_with_leading_zeros_are_kept_and_named_nowhere(self, tmp_path, recwarn):
        source = source_header()
        with config.disable_value_validation():
            source.add_new("StudyInstanceUID", "UI", "1.2.0034.5")
            source.add_new("SOPInstanceUID", "UI", "1.2.0034.6")
        written = write(tmp_path, source=source)
        assert [str(warning.message) for warning in recwarn] == []
        assert written.StudyInstanceUID == "1.2.0034.5"
        with config.disable_value_validation():
            assert written.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.0034.6"

    def test_an_unknown_character_set_is_not_carried_on(self, tmp_path, caplog, recwarn):
        source = source_header()
        with config.disable_value_validation():
            source.add_new("SpecificCharacterSet", "CS", "ISO_IR 999")
        written = write(tmp_path, source=source)
        assert "SpecificCharacterSet" not in written
        assert "SpecificCharacterSet (0008,0005) is no term of the standard" in caplog.text
        assert [str(warning.message) for warning in recwarn] == []

    @pytest.mark.parametrize(
        ("keyword", "value"),
        [
            ("PatientBirthDate", "about 1960"),
            ("PatientSex", "XYZ"),
            ("StudyTime", "noon"),
            ("StudyID", "x" * 40),
            ("AccessionNumber", ["A", "B"]),
        ],
    )
    def test_what_is_not_valid_stays_empty_and_is_logged_without_its_value(self, tmp_path, keyword, value, caplog):
        source = source_header()
        with config.disable_value_validation():
            source.add_new(keyword, pydicom.datadict.dictionary_VR(keyword), value)
        with caplog.at_level(logging.WARNING):
            written = write(tmp_path, source=source)
        assert not written[keyword].value
        assert keyword in caplog.text
        assert str(value) not in caplog.text

    def test_a_wrong_vr(self, tmp_path, caplog):
        source = source_header()
        tag = Tag("PatientName")
        source._dict[tag] = RawDataElement(tag, "FD", 8, b"\0" * 8, 0, False, True)
        assert not write(tmp_path, source=source).PatientName
        assert "FD" in caplog.text

    def test_a_patient_id_that_is_not_text_stops(self, tmp_path):
        source = source_header()
        tag = Tag("PatientID")
        source._dict[tag] = RawDataElement(tag, "OB", 4, b"\xff\xfe\0\0", 0, False, True)
        with pytest.raises(ValueError, match=r"PatientID \(0010,0020\) is encoded as OB"):
            require_traceable(source)

    def test_a_bare_secondary_capture_is_enough(self, tmp_path):
        source = Dataset()
        source.SOPClassUID = uid.SecondaryCaptureImageStorage
        source.SOPInstanceUID = "1.2.3.4"
        written = write(tmp_path, source=source)
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "AccessionNumber"):
            assert keyword in written

    @given(junk=st.binary(max_size=80), vr=st.sampled_from(["LO", "PN", "DA", "SQ", "UN", "US", None]))
    def test_no_junk_in_the_patient_module_crashes(self, tmp_path_factory, junk, vr):
        source = source_header()
        for keyword in ("PatientName", "PatientComments", "PatientBirthDate", "OtherPatientIDsSequence"):
            tag = Tag(keyword)
            source._dict[tag] = RawDataElement(tag, vr, len(junk), junk, 0, vr is None, True)
        write(tmp_path_factory.mktemp("junk"), source=source)

    @pytest.mark.parametrize("character_set", ["NONSENSE", "ISO_IR 192", ["", "ISO 2022 IR 87"]])
    def test_text_in_another_encoding_than_declared(self, tmp_path, character_set):
        source = source_header()
        source.SpecificCharacterSet = character_set
        tag = Tag("PatientName")
        source._dict[tag] = RawDataElement(tag, "PN", 4, b"M\xfcl\xff", 0, False, True)
        assert write(tmp_path, source=source).PatientID == PATIENT_ID

    def test_the_header_is_not_changed(self, tmp_path):
        source = source_header()
        before = DicomBytesIO()
        pydicom.dcmwrite(before, source, implicit_vr=False, little_endian=True)
        write(tmp_path, source=source)
        after = DicomBytesIO()
        pydicom.dcmwrite(after, source, implicit_vr=False, little_endian=True)
        assert before.getvalue() == after.getvalue()


class TestFile:
    def test_a_failed_write_leaves_the_old_file(self, tmp_path, monkeypatch):
        before = write(tmp_path)

        def full(path, _content):
            path.open("wb").close()
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match=r"^\[Errno 28\] No space left on device: '.*view\.dcm'$"):
            write(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["view.dcm"]
        assert pydicom.dcmread(tmp_path / "view.dcm").SOPInstanceUID == before.SOPInstanceUID

    @pytest.mark.parametrize("argument", ["model_name", "model_version"])
    @pytest.mark.parametrize("value", ["", "a\\b", "x" * 65, "naïve"])
    def test_arguments_that_fit_no_attribute(self, tmp_path, argument, value):
        options = {"model_name": "m", "model_version": "1", argument: value}
        with pytest.raises(ValueError, match=argument):
            write_synthetic_view(
                np.zeros((128, 96)),
                source=source_header(),
                target_view=ViewPosition.CC,
                laterality=Laterality.LEFT,
                spacing_mm=1.0,
                weights_sha256=SHA256,
                path=tmp_path / "view.dcm",
                **options,
            )

    @pytest.mark.parametrize("laterality", Laterality)
    @pytest.mark.parametrize("target_view", ViewPosition)
    @pytest.mark.parametrize("mark", [False, True])
    def test_dciodvfy_finds_no_error(self, tmp_path, laterality, target_view, mark):
        if shutil.which("dciodvfy") is None:
            pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
        source = source_header()
        source.LossyImageCompression = "01"
        source.LossyImageCompressionMethod = "ISO_10918_1"
        source.LossyImageCompressionRatio = 10
        write(tmp_path, source=source, laterality=laterality, target_view=target_view, mark=mark, flags=["x"])
        report = subprocess.run(["dciodvfy", str(tmp_path / "view.dcm")], capture_output=True, text=True, check=False)
        lines = (report.stdout + report.stderr).splitlines()
        assert "MammographyImageForPresentation" in lines
        errors = [line for line in lines if line.startswith("Error")]
        # Its version of 2022 does not know Synthetic Data, which came into the standard later.
        assert [
            line for line in errors if not re.search(r"not a recognized standard attribute - \(0x0008,0x001c\)", line)
        ] == []
