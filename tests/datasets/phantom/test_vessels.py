from __future__ import annotations

import numpy as np

from bundle.datasets.phantom.anatomy import Breast
from bundle.datasets.phantom.vessels import draw_vessels


def test_veins_run_in_the_fat_under_the_skin(breast: Breast) -> None:
    vessels = draw_vessels(breast, np.random.default_rng(1))
    assert 2 <= len(vessels) <= 6
    for vessel in vessels:
        gauge, distance = breast.surface(vessel.points_mm.T)
        assert (gauge < 1).all()
        assert (distance < 1.5 * breast.parameters.subcutaneous_fat_mm).all()
        assert (np.diff(vessel.points_mm[:, 0]) > 0).all()


def test_veins_repeat_from_the_seed(breast: Breast) -> None:
    one, same = (draw_vessels(breast, np.random.default_rng(2)) for _ in range(2))
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a.points_mm, b.points_mm)
