from __future__ import annotations

import math

import numpy as np
import pytest

from bundle.metrics.depth_profile import depth_profile, profile_distance_mm


def test_distance_is_how_far_the_tissue_moved() -> None:
    profile = np.asarray([0.0, 0.5, 0.5, 0.0, 0.0])
    assert profile_distance_mm(profile, profile) == 0.0
    # Two steps of 2 mm further behind the nipple.
    assert profile_distance_mm(profile, np.asarray([0.0, 0.0, 0.0, 0.5, 0.5])) == pytest.approx(4.0)


def test_profile_by_hand() -> None:
    """Fat of 0.2, and a bright column 6 mm behind the front, at 1 mm: all dense tissue lies in the fourth step."""
    tissue = np.ones((4, 10), dtype=bool)
    image = np.full((4, 10), 0.2)
    image[:, 3] = 0.8
    np.testing.assert_allclose(depth_profile(image, tissue, spacing_mm=1.0), [0, 0, 0, 1, 0])


def test_tissue_that_moves_along_the_axis_moves_the_profile_by_as_much() -> None:
    tissue = np.ones((30, 60), dtype=bool)
    profiles = []
    for column in (20, 26):
        image = np.full((30, 60), 0.2)
        image[10:20, column : column + 4] = 0.8
        profiles.append(depth_profile(image, tissue, spacing_mm=1.0))
    assert profile_distance_mm(*profiles) == pytest.approx(6.0)


def test_a_view_without_breast_or_without_dense_tissue_has_no_distance() -> None:
    tissue = np.ones((5, 5), dtype=bool)
    for profile in (
        depth_profile(np.ones((5, 5)), tissue, spacing_mm=1.0),
        depth_profile(np.ones((5, 5)), ~tissue, spacing_mm=1.0),
    ):
        assert math.isnan(profile_distance_mm(profile, np.asarray([1.0])))
