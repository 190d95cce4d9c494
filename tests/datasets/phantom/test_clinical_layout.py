from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from PIL import Image

from bundle.datasets.phantom.dicom_file import TransferSyntax
from bundle.datasets.phantom.layout import Layout
from bundle.dicom.read import read_film
from bundle.vocabulary import Laterality, ViewPosition
from tests.datasets.phantom.cohorts import truth_of, write

ORIENTATIONS = {"L": {"CC": ["A", "R"], "MLO": ["A", "FR"]}, "R": {"CC": ["P", "L"], "MLO": ["P", "FL"]}}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("clinical") / "dicom"
    write(output, layout=Layout.CLINICAL)
    return output


def _views(cohort: Path):
    for breast in truth_of(cohort)["breasts"]:
        for view, of_view in breast["views"].items():
            yield breast, view, of_view


def test_each_view_is_there_for_presentation_and_for_processing(cohort: Path) -> None:
    for breast, view, of_view in _views(cohort):
        shown = pydicom.dcmread(cohort / of_view["files"]["film"][0])
        raw = pydicom.dcmread(cohort / of_view["files"]["for_processing"][0])
        assert (shown.SOPClassUID, shown.PresentationIntentType) == ("1.2.840.10008.5.1.4.1.1.1.2", "FOR PRESENTATION")
        assert (raw.SOPClassUID, raw.PresentationIntentType) == ("1.2.840.10008.5.1.4.1.1.1.2.1", "FOR PROCESSING")
        assert shown.SourceImageSequence[0].ReferencedSOPInstanceUID == raw.SOPInstanceUID
        assert shown.StudyInstanceUID == raw.StudyInstanceUID
        assert shown.SeriesInstanceUID != raw.SeriesInstanceUID
        for dataset in (shown, raw):
            assert dataset.ViewPosition == view
            assert dataset.ImageLaterality == breast["laterality"]
            assert dataset.ViewCodeSequence[0].CodeValue == {"CC": "399162004", "MLO": "399368009"}[view]
            assert list(dataset.PatientOrientation) == ORIENTATIONS[breast["laterality"]][view]
            assert [float(spacing) for spacing in dataset.ImagerPixelSpacing] == [2.0, 2.0]
            assert 1000 < dataset.pixel_array.max() < 2**dataset.BitsStored


def test_for_processing_counts_fall_where_the_other_image_is_bright(cohort: Path) -> None:
    for _, _, of_view in _views(cohort):
        shown, raw = (
            pydicom.dcmread(cohort / of_view["files"][role][0]).pixel_array.astype(float)
            for role in ("film", "for_processing")
        )
        breast = shown > 0.2 * shown.max()
        assert raw[breast].mean() < 0.3 * raw[~breast].mean()
        # Log counts are the line integral, of which brightness is a growing function.
        assert np.corrcoef(np.log(raw[breast]), shown[breast])[0, 1] < -0.5


def test_masks_are_beside_the_views_that_show_a_lesion(cohort: Path) -> None:
    for _, _, of_view in _views(cohort):
        assert bool(of_view["files"]["mask"]) == any(lesion["reported"] for lesion in of_view["lesions"])
        for path in of_view["files"]["mask"]:
            mask = np.asarray(Image.open(cohort / path))
            assert list(mask.shape) == of_view["film_shape"]
            assert set(np.unique(mask)) == {0, 255}


def test_the_bundle_reads_what_the_headers_say(cohort: Path) -> None:
    for breast, view, of_view in _views(cohort):
        film = read_film(cohort / of_view["files"]["film"][0])
        assert (film.view_position, film.laterality) == (ViewPosition(view), Laterality(breast["laterality"]))
        assert film.spacing_mm == (2.0, 2.0)
        # The first window shows the full range: pixels are the stored values over 4095.
        stored = pydicom.dcmread(cohort / of_view["files"]["film"][0]).pixel_array
        np.testing.assert_allclose(film.pixels, stored / 4095, atol=2e-4)
        # Air is dark in both: For Processing is MONOCHROME1.
        raw = read_film(cohort / of_view["files"]["for_processing"][0])
        assert raw.pixels[stored < 200].mean() < raw.pixels[stored > 2000].mean()


@pytest.mark.parametrize("syntax", list(TransferSyntax))
def test_any_syntax_holds_the_same_breast(cohort: Path, tmp_path: Path, syntax: TransferSyntax) -> None:
    write(tmp_path / "out", layout=Layout.CLINICAL, breasts=1, transfer_syntax=syntax)
    for name in ("L_CC.dcm", "L_CC_for_processing.dcm"):
        path = tmp_path / "out" / "P_00001" / name
        if not path.exists():
            path = path.with_name(f"R{name[1:]}")
        plain = pydicom.dcmread(cohort / "P_00001" / path.name)
        dataset = pydicom.dcmread(path)
        assert dataset.file_meta.TransferSyntaxUID == syntax.uid
        decoded = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).squeeze().astype(float)
        expected = plain.pixel_array.astype(float)
        if (
            dataset.PhotometricInterpretation == "MONOCHROME1"
            and not np.corrcoef(decoded.flat, expected.flat)[0, 1] > 0
        ):
            decoded = 2**dataset.BitsStored - 1 - decoded  # ITK inverts by itself
        if syntax.is_lossy:
            assert dataset.LossyImageCompression == "01"
            assert dataset.SOPInstanceUID != plain.SOPInstanceUID
            scale = 2.0 ** (plain.BitsStored - dataset.BitsStored)
            assert np.abs(decoded * scale - expected).mean() < 0.02 * 2**plain.BitsStored
        else:
            assert dataset.LossyImageCompression == "00"
            assert dataset.SOPInstanceUID == plain.SOPInstanceUID
            np.testing.assert_array_equal(decoded, expected)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian package dicom3tools) is not here")
def test_a_validator_of_others_finds_no_error(cohort: Path) -> None:
    files = sorted(cohort.rglob("*.dcm"))
    assert len(files) == 8
    for path in files:
        said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False).stderr
        assert [line for line in said.splitlines() if line.startswith("Error")] == [], path.name
