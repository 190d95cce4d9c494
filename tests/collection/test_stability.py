import csv
import shutil

import numpy as np
import pytest

from bundle.collection import stability
from bundle.collection.stability import Stability, measure_stability
from bundle.radiomics.features import FEATURE_NAMES
from bundle.radiomics.stability import CHANGES


@pytest.fixture(scope="module")
def measured(prepared_collection):
    return measure_stability(prepared_collection, spacing_mm=None, seed=0, workers=1)


def test_features_of_the_whole_region_agree_better_than_the_finest_texture(measured):
    least = dict(zip(FEATURE_NAMES, measured.least, strict=True))
    assert least["firstorder_Mean"] > 0.95
    assert least["firstorder_Mean"] > least["glszm_SmallAreaLowGrayLevelEmphasis"]
    # Noise leaves the mask, and with it the shape, as it is.
    shape = [index for index, name in enumerate(FEATURE_NAMES) if name.startswith("shape2D_")]
    np.testing.assert_allclose(measured.concordance["noise"][shape], 1.0)
    assert (measured.concordance["grown"][shape] < 1.0).all()
    # A shift inside the breast keeps the shape but for what the breast's edge cuts off.
    assert (measured.concordance["shifted_right"][shape] > 0.95).all()


def test_only_lesions_of_training_patients_count(measured, prepared_collection):
    with (prepared_collection / "radiomics.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["scale"] == "canvas"]
    with (prepared_collection / "pairs.csv").open(newline="") as stream:
        training = {row["pair_id"] for row in csv.DictReader(stream) if row["split"] == "training"}
    spacing = f"{measured.spacing_mm:g}"
    lesions = {
        (row["pair_id"], row["view"], row["lesion_id"])
        for row in rows
        if row["pair_id"] in training and row["spacing_mm"] == spacing
    }
    assert 0 < measured.lesions <= len(lesions)
    assert measured.patients <= len({row["patient_id"] for row in rows if row["pair_id"] in training})


def test_the_same_seed_gives_the_same_whatever_the_number_of_workers(measured, prepared_collection):
    again = measure_stability(prepared_collection, spacing_mm=None, seed=0, workers=2)
    for change in CHANGES:
        np.testing.assert_array_equal(again.concordance[change], measured.concordance[change])


def test_table_and_lines_say_the_same(measured, tmp_path):
    measured.write(tmp_path / "stability.csv")
    with (tmp_path / "stability.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["feature"] for row in rows] == list(FEATURE_NAMES)
    surviving = [row["feature"] for row in rows if row["survives"] == "true"]
    for row in rows:
        assert float(row["least"]) == min(float(row[change]) for change in CHANGES)
        assert (float(row["least"]) >= 0.9) is (row["survives"] == "true")
    lines = measured.lines()
    together = next(line for line in lines if line.split()[0] == "together")
    assert together.split()[1] == "102"
    assert together.split()[-1] == str(len(surviving))
    assert all(name not in lines[-1].replace("(", ",").split(", ") for name in surviving)


def test_a_feature_without_a_coefficient_does_not_survive():
    values = np.full(len(FEATURE_NAMES), 0.99)
    values[3] = np.nan
    found = Stability(spacing_mm=1.0, lesions=12, patients=9, left_out=1, concordance=dict.fromkeys(CHANGES, values))
    assert found.survives.sum() == len(FEATURE_NAMES) - 1
    assert f"{FEATURE_NAMES[3]} (nan)" in found.lines()[-1]


def test_a_finer_spacing_than_the_views_is_refused(prepared_collection):
    with pytest.raises(ValueError, match="no finer detail"):
        measure_stability(prepared_collection, spacing_mm=0.1, seed=0, workers=1)


def test_too_few_lesions_are_refused(prepared_collection, monkeypatch):
    monkeypatch.setattr(stability, "LEAST_LESIONS", 10_000)
    with pytest.raises(ValueError, match="at least 10000 are needed"):
        measure_stability(prepared_collection, spacing_mm=None, seed=0, workers=1)


def test_a_folder_that_is_no_preparation_is_refused(prepared_collection, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no pairs\.csv"):
        measure_stability(tmp_path, spacing_mm=None, seed=0, workers=1)
    shutil.copy(prepared_collection / "pairs.csv", tmp_path)
    (tmp_path / "preparation.json").write_text("{}")
    with pytest.raises(ValueError, match=r"preparation\.json cannot be read"):
        measure_stability(tmp_path, spacing_mm=None, seed=0, workers=1)
