"""A phantom cohort with every quirk of CBIS-DDSM, in each of its layouts, prepared: the truth comes back."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.draw import polygon2mask

from bundle.collection import prepare_collection
from bundle.datasets.phantom.layout import Layout
from bundle.datasets.phantom.quirks import Quirk
from bundle.datasets.splitting import SplitRule
from bundle.preparation import PreparationSettings, load_prepared_mask
from bundle.radiomics.settings import read_settings
from bundle.vocabulary import Split, ViewPosition
from tests.datasets.phantom.cohorts import truth_of, write

SPACING_MM = 2.0
BREASTS = 12
QUIRKS_OF_TABLES = {
    *(Quirk.LINE_BREAKS, Quirk.SWAPPED_FILES, Quirk.SEPARATE_SERIES, Quirk.MASK_OF_ANOTHER_SIZE, Quirk.BOTH_TABLES),
    *(Quirk.BOTH_OFFICIAL_SPLITS, Quirk.UNEQUAL_COUNTS, Quirk.PATHOLOGY_DIFFERS, Quirk.NO_SPACING),
}


def prepare(source, output):
    radiomics = read_settings(Path(__file__).resolve().parents[2] / "configs" / "radiomics.yaml")
    radiomics = replace(radiomics, canvas_spacings_mm=(SPACING_MM,), regions=replace(radiomics.regions, per_view=1))
    return prepare_collection(
        collection="cbis_ddsm",
        source=source,
        output=output,
        preparation=PreparationSettings(spacing_mm=SPACING_MM, assumed_spacing_mm=SPACING_MM),
        radiomics=radiomics,
        fractions={Split.TRAINING: 0.70, Split.VALIDATION: 0.15, Split.TEST: 0.15},
        seed=0,
        workers=1,
        split_rule=SplitRule.OFFICIAL,
    )


@pytest.fixture(scope="module", params=[Layout.CBIS_DDSM, Layout.CBIS_DDSM_TABLES, Layout.CBIS_DDSM_JPEG])
def prepared(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("cbis_ddsm")
    write(root / "dicom", layout=request.param, breasts=BREASTS, quirks=True, film_spacing_mm=SPACING_MM)
    summary = prepare(root / "dicom", root / "prepared")
    with (root / "prepared" / "pairs.csv").open(newline="") as stream:
        rows = {row["pair_id"]: row for row in csv.DictReader(stream)}
    breasts = {f"{each['patient_id']}_{each['laterality']}": each for each in truth_of(root / "dicom")["breasts"]}
    return summary, root / "prepared", rows, breasts, request.param


def quirks_of(breast, view=None):
    return {each["quirk"] for each in breast["quirks"] if view is None or each.get("view") == view}


def test_every_breast_is_a_pair_and_nothing_is_rejected(prepared):
    summary, _, rows, breasts, _ = prepared
    assert set(rows) == set(breasts)
    assert len(rows) == BREASTS
    assert summary.rejections.get("catalogue", 0) == summary.rejections.get("pairing", 0) == 0
    assert set().union(*map(quirks_of, breasts.values())) >= QUIRKS_OF_TABLES


def test_the_masks_of_all_lesions_are_the_true_ones(prepared):
    _, output, rows, breasts, _ = prepared
    exact = 0
    for pair_id, breast in breasts.items():
        for view in ViewPosition:
            known = breast["views"][view]
            truth = np.zeros(known["film_shape"], dtype=bool)
            for written in known["written"]:
                for outline in known["lesions"][written["lesion"]]["outlines_px"]:
                    truth |= polygon2mask(truth.shape, np.asarray(outline))
            mask = load_prepared_mask(output / rows[pair_id][f"{view.lower()}_mask"]) > 0
            # Prepared views have the chest wall at the left, whatever side the film has it.
            expected = cut_to_box(truth if known["chest_wall_at_left"] else truth[:, ::-1])
            if Quirk.MASK_OF_ANOTHER_SIZE in quirks_of(breast, view):
                assert f"{view.lower()}:mask_resized:" in rows[pair_id]["flags"]
                assert np.count_nonzero(mask) == pytest.approx(np.count_nonzero(truth), rel=0.25)
            else:
                np.testing.assert_array_equal(cut_to_box(mask), expected)
                exact += truth.any()
    assert exact >= BREASTS


def cut_to_box(mask):
    rows, columns = np.nonzero(mask)
    return mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] if len(rows) else mask[:0, :0]


def test_what_the_views_disagree_about_is_flagged(prepared):
    _, _, rows, breasts, layout = prepared
    for pair_id, breast in breasts.items():
        flags = rows[pair_id]["flags"].split(";")
        written = [{each["lesion_id"]: each for each in breast["views"][view]["written"]} for view in ViewPosition]
        in_both = written[0].keys() & written[1].keys()
        assert ("lesion_counts_differ" in flags) == (len(written[0]) != len(written[1]))
        for each in in_both:
            differs = written[0][each]["pathology"] != written[1][each]["pathology"]
            assert (f"pathology_differs:{each}" in flags) == differs
        assert any("two_series" in flag for flag in flags) == (Quirk.BOTH_TABLES in quirks_of(breast))
        without = layout is Layout.CBIS_DDSM_JPEG or Quirk.NO_SPACING in quirks_of(breast, ViewPosition.CC)
        assert ("cc:assumed_spacing" in flags) == without


def test_the_jpeg_edition_lists_its_pictures_file_by_file(prepared):
    _, output, _, breasts, layout = prepared
    root = output.parent / "dicom"
    if layout is not Layout.CBIS_DDSM_JPEG:
        assert not list(root.rglob("*.jpg"))
        return
    with (root / "csv" / "dicom_info.csv").open(newline="") as stream:
        listed = list(csv.DictReader(stream))
    assert {path.name for path in root.iterdir()} == {"csv", "jpeg", "truth.json"}
    assert sorted(root / row["image_path"].removeprefix("CBIS-DDSM/") for row in listed) == sorted(root.rglob("*.jpg"))
    descriptions = {"full mammogram images", "cropped images", "ROI mask images", ""}
    assert {row["SeriesDescription"] for row in listed} == descriptions
    films = {path for breast in breasts.values() for view in breast["views"].values() for path in view["files"]["film"]}
    for path in films:
        with Image.open(root / path) as picture:
            assert (picture.format, picture.mode) == ("JPEG", "L")


def test_no_patient_straddles_and_those_of_both_official_splits_are_in_test(prepared):
    summary, _, rows, breasts, _ = prepared
    official = {}
    for breast in breasts.values():
        for view in ViewPosition:
            for written in breast["views"][view]["written"]:
                official.setdefault(breast["patient_id"], set()).add("_test_" in written["table"])
    assert summary.straddling_patients == sum(len(each) == 2 for each in official.values()) > 0
    for row in rows.values():
        if row["patient_id"] in official:
            assert (row["split"] == "test") == (True in official[row["patient_id"]])
    patients = {row["patient_id"] for row in rows.values()}
    assert len({(row["patient_id"], row["split"]) for row in rows.values()}) == len(patients)
