import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from radiomics.featureextractor import RadiomicsFeatureExtractor

from bundle.radiomics.extraction import extract_features
from bundle.radiomics.features import FEATURE_NAMES
from bundle.radiomics.settings import read_settings

SETTINGS = read_settings(Path(__file__).resolve().parents[2] / "configs" / "radiomics.yaml")


def textured(shape=(60, 50), seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def disc(shape=(60, 50), centre=(30, 22), radius=9):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2


def feature(vector, name):
    return vector[FEATURE_NAMES.index(name)]


@pytest.mark.parametrize("spacing_mm", [0.2, 1.0, 2.0])
def test_golden_against_pyradiomics_own_extractor_on_files(tmp_path, spacing_mm):
    """PyRadiomics called on NIfTI files of the whole image, its settings typed here and not read from our file."""
    image, mask = textured(), disc()
    for name, pixels in (("image", image.astype(np.float64)), ("mask", mask.astype(np.uint8))):
        volume = SimpleITK.GetImageFromArray(pixels[np.newaxis])
        volume.SetSpacing((spacing_mm, spacing_mm, 1.0))
        SimpleITK.WriteImage(volume, str(tmp_path / f"{name}.nii"))
    extractor = RadiomicsFeatureExtractor(binCount=32, force2D=True, force2Ddimension=0)
    extractor.enableFeatureClassByName("shape2D")
    found = extractor.execute(str(tmp_path / "image.nii"), str(tmp_path / "mask.nii"))
    expected = {name.removeprefix("original_"): value for name, value in found.items() if name.startswith("original")}
    vector = extract_features(image, mask, spacing_mm=spacing_mm, settings=SETTINGS)
    assert set(FEATURE_NAMES) == {name for name in expected if not name.startswith("shape_")}
    np.testing.assert_allclose(vector, [float(expected[name]) for name in FEATURE_NAMES], rtol=1e-6, atol=1e-12)


def test_first_order_and_shape_by_hand():
    image = np.zeros((10, 12))
    image[3:7, 2:8] = np.arange(24).reshape(4, 6) / 24
    vector = extract_features(image, image.astype(bool) | disc((10, 12), (3, 2), 0), spacing_mm=2.0, settings=SETTINGS)
    values = np.arange(24) / 24
    assert feature(vector, "firstorder_Mean") == pytest.approx(values.mean())
    assert feature(vector, "firstorder_Variance") == pytest.approx(values.var())
    assert feature(vector, "firstorder_Energy") == pytest.approx((values**2).sum())
    assert feature(vector, "firstorder_TotalEnergy") == pytest.approx((values**2).sum() * 4.0)
    assert feature(vector, "shape2D_PixelSurface") == pytest.approx(24 * 4.0)


def test_only_the_region_and_its_shape_matter():
    image, mask = textured(), disc()
    vector = extract_features(image, mask, spacing_mm=1.0, settings=SETTINGS)
    elsewhere = np.where(mask, image, 0.0)
    np.testing.assert_array_equal(vector, extract_features(elsewhere, mask, spacing_mm=1.0, settings=SETTINGS))
    moved = [np.roll(array, (7, -5), axis=(0, 1)) for array in (image, mask)]
    np.testing.assert_allclose(vector, extract_features(*moved, spacing_mm=1.0, settings=SETTINGS), rtol=1e-9)


def test_texture_hardly_depends_on_the_intensity_scale_but_first_order_does():
    image, mask = textured(), disc()
    vector = extract_features(image, mask, spacing_mm=1.0, settings=SETTINGS)
    halved = extract_features(image / 2, mask, spacing_mm=1.0, settings=SETTINGS)
    assert feature(halved, "glcm_Contrast") == pytest.approx(feature(vector, "glcm_Contrast"))
    assert feature(halved, "firstorder_Mean") == pytest.approx(feature(vector, "firstorder_Mean") / 2)


def test_a_region_that_fills_the_image_has_features():
    vector = extract_features(textured((6, 7)), np.ones((6, 7), bool), spacing_mm=1.0, settings=SETTINGS)
    assert np.isfinite(vector).all()


def line():
    mask = np.zeros((60, 50), bool)
    mask[30, 5:45] = True
    return mask


@pytest.mark.parametrize(
    ("image", "mask", "sentence"),
    [
        (textured(), np.zeros((60, 50), bool), "region has 0 pixels; features need at least 16"),
        (textured(), disc(radius=2), "region has 13 pixels; features need at least 16"),
        (textured(), line(), "region of 40 pixels is a line one pixel wide"),
        (np.full((60, 50), 0.3), disc(), "fills 1 of 32 grey levels; features need at least 4"),
        (np.round(textured()), disc(), "fills 2 of 32 grey levels"),
        (np.full((60, 50), np.nan), disc(), "not finite"),
        (textured((60, 51)), disc(), "must be two-dimensional and have the same shape"),
    ],
)
def test_what_has_no_features_is_refused_by_our_own_rule(image, mask, sentence):
    with pytest.raises(ValueError, match=sentence):
        extract_features(image, mask, spacing_mm=1.0, settings=SETTINGS)


def test_the_rule_is_that_of_the_settings():
    image, mask = textured(), disc(radius=2)
    lenient = replace(SETTINGS, least_pixels=13)
    assert len(extract_features(image, mask, spacing_mm=1.0, settings=lenient)) == 102


def test_pyradiomics_is_silent(capfd, caplog):
    with caplog.at_level(logging.WARNING):
        extract_features(textured(), disc(), spacing_mm=1.0, settings=SETTINGS)
    assert caplog.records == []
    assert capfd.readouterr().err == ""
