from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bundle.radiomics.settings import read_settings, settings_from_dict, settings_hash

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "radiomics.yaml"


def changed(path, value):
    document = yaml.safe_load(CONFIG.read_text())
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place[name]
    place[last] = value
    return document


def test_the_config_is_read_and_goes_round():
    settings = read_settings(CONFIG)
    assert (settings.bin_count, settings.fine_spacing_mm, settings.canvas_spacings_mm) == (32, 0.2, (1.0, 2.0))
    assert settings_from_dict(settings.as_dict()) == settings


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("pyradiomics.setting.binCount", 16),
        ("pyradiomics.setting.distances", [1, 2]),
        ("rule.least_pixels", 9),
        ("rule.least_grey_levels", 2),
        ("fine_spacing_mm", 0.1),
    ],
)
def test_the_hash_follows_what_decides_a_feature(path, value):
    assert settings_hash(settings_from_dict(changed(path, value))) != settings_hash(read_settings(CONFIG))


def test_the_hash_ignores_what_does_not(monkeypatch):
    settings = read_settings(CONFIG)
    assert settings_hash(replace(settings, canvas_spacings_mm=(0.5,))) == settings_hash(settings)
    before = settings_hash(settings)
    monkeypatch.setattr("bundle.radiomics.settings.version", lambda package: "3.0.2")
    assert settings_hash(settings) != before


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("pyradiomics.setting.binCount", 0, "binCount is 0"),
        # Defect 11: a bin width of 25 leaves one grey level of a view in [0, 1].
        ("pyradiomics.setting", {"binWidth": 25, "force2D": True, "force2Ddimension": 0}, "binCount is None"),
        ("pyradiomics.setting.force2D", False, "force2D: true"),
        ("pyradiomics.imageType", {"Original": {}, "LoG": {}}, "Original alone"),
        ("pyradiomics.featureClass.glcm", ["Contrast"], "without a choice of features"),
        ("pyradiomics", "default", "must be a mapping"),
        ("rule.least_pixels", 1.5, "rule.least_pixels is 1.5"),
        ("rule.most_pixels", 9, "rule holds .*it must hold exactly"),
        ("fine_spacing_mm", -0.2, "-0.2 mm is not positive"),
        ("fine_spacing_mm", "wide", "could not convert"),
        ("canvas_spacings_mm", [], "needs one or more"),
        ("canvas_spacings_mm", [1.0, 1], "all different"),
        ("canvas_spacings_mm", 1.0, "wrong type"),
        ("regions.per_view", -1, "regions.per_view is -1"),
        ("regions.least_radius_mm", 20.0, "from 20.0 to 15.0 mm"),
    ],
)
def test_wrong_values_are_refused(path, value, sentence):
    with pytest.raises(ValueError, match=sentence):
        settings_from_dict(changed(path, value))


def test_a_file_that_is_no_yaml_is_named(tmp_path):
    path = tmp_path / "radiomics.yaml"
    path.write_text("rule: [")
    with pytest.raises(ValueError, match=r"radiomics\.yaml cannot be read as YAML"):
        read_settings(path)
    path.write_text("rule: 1")
    with pytest.raises(ValueError, match=r"radiomics\.yaml: the document holds rule"):
        read_settings(path)
