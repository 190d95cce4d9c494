"""A clinical phantom cohort in each transfer syntax, prepared: the truth comes back."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from bundle.collection import prepare_collection
from bundle.collection.side_files import SideFiles
from bundle.datasets.phantom.layout import Layout
from bundle.preparation import PreparationSettings, load_prepared_image, load_prepared_mask
from bundle.radiomics.settings import read_settings
from bundle.vocabulary import Split, ViewPosition
from tests.datasets.phantom.cohorts import truth_of, write
from tests.dicom.encoders import DCMTK_DECODERS, ENCODERS, HAS_DCMTK, LOSSY, MOST_BITS, encoded

BREASTS, SPACING_MM = 5, 2.0
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
needs_dcmtk = pytest.mark.skipif(not HAS_DCMTK, reason="DCMTK (Debian package dcmtk) is not here")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    output = tmp_path_factory.mktemp("clinical") / "dicom"
    write(output, layout=Layout.CLINICAL, breasts=BREASTS, film_spacing_mm=SPACING_MM)
    for path in output.rglob("*_for_processing.dcm"):
        path.unlink()
    return output


@pytest.fixture(scope="module")
def plain(cohort, tmp_path_factory):
    return prepare(cohort, tmp_path_factory.mktemp("plain"))


def prepare(source, folder):
    """Prepare, and give image and mask of each view by the film's Study Instance UID and the view."""
    masks = sorted(path.relative_to(source) for path in source.rglob("*_mask.png"))
    table = folder / "masks.csv"
    with table.open("w", newline="") as stream:
        rows = [(str(path).replace("_mask.png", ".dcm"), path) for path in masks]
        csv.writer(stream).writerows([("image", "mask"), *rows])
    radiomics = read_settings(Path(__file__).resolve().parents[2] / "configs" / "radiomics.yaml")
    summary = prepare_collection(
        collection="dicom",
        source=source,
        output=folder / "prepared",
        preparation=PreparationSettings(spacing_mm=SPACING_MM),
        radiomics=replace(radiomics, canvas_spacings_mm=(SPACING_MM,), regions=replace(radiomics.regions, per_view=0)),
        fractions={Split.TRAINING: 0.70, Split.VALIDATION: 0.15, Split.TEST: 0.15},
        seed=0,
        workers=1,
        side_files=SideFiles(key=source.parent / "key.txt", masks=table),
    )
    assert sum(summary.pairs.values()) == BREASTS
    with (folder / "prepared" / "pairs.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {
        (row["pair_id"], view): (
            load_prepared_image(folder / "prepared" / row[f"{view.lower()}_image"]),
            load_prepared_mask(folder / "prepared" / row[f"{view.lower()}_mask"]) > 0,
        )
        for row in rows
        for view in ViewPosition
    }


def changed(dataset, *, bits, inverted):
    """Give an uncompressed film with fewer bits, or as MONOCHROME1, that shows the same."""
    shift = dataset.BitsStored - bits if dataset.BitsStored > bits else 0
    stored = dataset.pixel_array >> shift
    dataset.BitsStored -= shift
    dataset.HighBit -= shift
    levels = 1 << dataset.BitsStored
    # A window of (center, width), PS3.3 C.11.2.1.2.1, over values that were halved shift times.
    centers, widths = np.atleast_1d(dataset.WindowCenter), np.atleast_1d(dataset.WindowWidth)
    dataset.WindowWidth = [max(1, round(float(width) / 2**shift)) for width in widths]
    dataset.WindowCenter = [round(float(center) / 2**shift) for center in centers]
    if inverted:
        stored = levels - 1 - stored
        dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.PresentationLUTShape = "INVERSE"
        # LINEAR windows of values counted from the other end; the half is the standard's.
        dataset.WindowCenter = [levels - center for center in dataset.WindowCenter]
    if bits == 8:
        stored = stored.astype(np.uint8)
        dataset.BitsAllocated = 8
    dataset.PixelData = stored.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "syntax"),
    [
        *(("", UID(syntax)) for syntax in NATIVE),
        *(
            pytest.param(encoder, syntax, marks=[needs_dcmtk] * (encoder in DCMTK_DECODERS))
            for encoder, syntax in ENCODERS
        ),
    ],
)
def test_masks_pairs_and_pictures_are_those_of_the_uncompressed_files(cohort, plain, tmp_path, encoder, syntax):
    source = tmp_path / "dicom"
    shutil.copytree(cohort, source)
    shutil.copy(cohort.parent / "key.txt", tmp_path)
    bits = MOST_BITS.get((encoder, syntax), 16)
    for number, path in enumerate(sorted(source.rglob("*.dcm"))):
        dataset = pydicom.dcmread(path)
        changed(dataset, bits=bits, inverted=number % 2 == 1)
        if encoder:
            dataset = encoded(dataset, encoder, syntax, folder=tmp_path)
        else:
            dataset.file_meta.TransferSyntaxUID = syntax
            if syntax == ExplicitVRBigEndian:
                meta = dataset.file_meta
                dataset = pydicom.Dataset.from_json(dataset.to_json())  # pydicom does not turn a file's byte order
                dataset.file_meta = meta
                dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        dataset.save_as(path, enforce_file_format=True)
        assert pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID == syntax
    found = prepare(source, tmp_path)
    assert found.keys() == plain.keys()
    for key, (image, mask) in found.items():
        expected_image, expected_mask = plain[key]
        if syntax not in LOSSY:
            np.testing.assert_array_equal(mask, expected_mask)
            np.testing.assert_allclose(image, expected_image, atol=2 / 4095)
            continue
        # The breast's box may move by a pixel with the grey values of the skin.
        assert abs(np.count_nonzero(mask) - np.count_nonzero(expected_mask)) <= 2
        shape = np.minimum(image.shape, expected_image.shape)
        assert np.abs(np.subtract(image.shape, expected_image.shape)).max() <= 2
        difference = image[: shape[0], : shape[1]] - expected_image[: shape[0], : shape[1]]
        assert np.abs(difference).mean() < 0.05


def test_the_masks_are_the_true_ones(cohort, plain):
    known = [of_view for breast in truth_of(cohort)["breasts"] for of_view in breast["views"].values()]
    reported = sum(any(lesion["reported"] for lesion in of_view["lesions"]) for of_view in known)
    assert sum(mask.any() for _, mask in plain.values()) == reported > 0
