from radiomics import getFeatureClasses

from bundle.radiomics.features import FEATURE_NAMES, FEATURES_OF_CLASS


def test_they_are_all_of_pyradiomics_plane_features_that_are_not_deprecated():
    """Against PyRadiomics' own list."""
    classes = getFeatureClasses()
    expected = {
        f"{name}_{feature}"
        for name in ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape2D")
        for feature, deprecated in classes[name].getFeatureNames().items()
        if not deprecated
    }
    assert set(FEATURE_NAMES) == expected
    assert len(FEATURE_NAMES) == len(expected) == 102


def test_the_counts_of_each_class():
    counts = [len(names) for names in FEATURES_OF_CLASS.values()]
    assert counts == [18, 24, 14, 16, 16, 5, 9]
