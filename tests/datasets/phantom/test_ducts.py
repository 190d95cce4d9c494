from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bundle.datasets.phantom.acquisition import expose
from bundle.datasets.phantom.anatomy import FAT_PER_MM, GLANDULAR_PER_MM, Breast
from bundle.datasets.phantom.compression import Compression
from bundle.datasets.phantom.ducts import draw_ducts
from bundle.datasets.phantom.parameters import ViewParameters
from bundle.vocabulary import ViewPosition


def test_ducts_lie_in_the_breast_and_converge_on_the_nipple(breast: Breast) -> None:
    ducts = draw_ducts(breast, np.random.default_rng(1))
    points = np.concatenate([duct.points_mm for duct in ducts])
    gauge, _ = breast.surface(points[points[:, 0] < breast.parameters.depth_mm - 3.0].T)
    assert (gauge < 1).all()
    assert points[:, 0].min() > breast.parameters.retromammary_fat_mm
    front = np.asarray([breast.parameters.depth_mm, *(float(c) for c in breast.centre(np.asarray(1e3)))])
    mains = [duct for duct in ducts if np.linalg.norm(duct.points_mm[0] - front) < breast.parameters.nipple_radius_mm]
    assert 7 <= len(mains) <= 12
    for duct in ducts:
        assert (np.diff(duct.points_mm[:, 0]) < 0).all()  # from the nipple's side backwards


def test_branches_are_thinner_than_what_they_leave(breast: Breast) -> None:
    ducts = draw_ducts(breast, np.random.default_rng(2))
    ends = {tuple(duct.points_mm[-1]): duct.radius_mm for duct in ducts}
    branches = [duct for duct in ducts if tuple(duct.points_mm[0]) in ends]
    assert branches
    for duct in branches:
        # Two branches hold the cube of the trunk's radius.
        assert 2 * duct.radius_mm**3 == pytest.approx(ends[tuple(duct.points_mm[0])] ** 3)


def test_ducts_repeat_from_the_seed(breast: Breast) -> None:
    one, same = (draw_ducts(breast, np.random.default_rng(3)) for _ in range(2))
    assert len(one) == len(same)
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a.points_mm, b.points_mm)


@pytest.mark.parametrize("position", list(ViewPosition))
def test_a_film_holds_the_ducts_tissue_that_is_not_glandular_anyway(
    breast: Breast, views: dict[ViewPosition, ViewParameters], position: ViewPosition
) -> None:
    # Projected in a breast of fat each duct adds its volume times the tissues' difference.
    fatty = replace(breast, threshold=np.inf, parameters=replace(breast.parameters, ligament_density=0.0))
    compression = Compression.press(breast=fatty, view=views[position])
    sums = []
    for ducts in (breast.ducts, ()):
        exposure = expose(
            breast=replace(fatty, ducts=ducts),
            lesions=(),
            vessels=(),
            compression=compression,
            view=views[position],
            cassette_mm=(300.0, 240.0),
            spacing_mm=1.0,
        )
        sums.append(exposure.line_integral.astype(np.float64).sum())
    volume = 0.0
    for duct in breast.ducts:
        pressed = compression.compressed_points(duct.points_mm.T)
        volume += np.pi * duct.radius_mm**2 * np.linalg.norm(np.diff(pressed, axis=1), axis=0).sum()
    assert sums[0] - sums[1] == pytest.approx(volume * (GLANDULAR_PER_MM - FAT_PER_MM), rel=0.03)
