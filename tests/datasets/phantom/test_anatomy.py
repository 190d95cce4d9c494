from __future__ import annotations

import numpy as np
import pytest

from bundle.datasets.phantom.anatomy import FAT_PER_MM, GLANDULAR_PER_MM, MUSCLE_PER_MM, Breast
from bundle.datasets.phantom.parameters import (
    GLANDULAR_FRACTION_RANGE,
    DensityCategory,
    draw_breast,
    draw_woman,
)


@pytest.mark.parametrize("seed", range(4))
def test_glandular_fraction_is_the_target(seed: int) -> None:
    generator = np.random.default_rng(seed)
    parameters = draw_breast(draw_woman(generator), generator)
    breast = Breast.grow(parameters=parameters, generator=generator)
    assert breast.glandular_fraction() == pytest.approx(parameters.glandular_fraction, abs=0.02)


def test_slice_area_is_that_of_the_outline(breast: Breast) -> None:
    for x in (0.0, 30.0, 60.0):
        y, z = breast.slice_outline(x, points=2000)
        shoelace = 0.5 * abs(np.dot(y, np.roll(z, -1)) - np.dot(z, np.roll(y, -1)))
        assert breast.slice_area_mm2(np.asarray(x)) == pytest.approx(shoelace, rel=1e-3)


def test_volume_is_the_integral_of_the_slices(breast: Breast) -> None:
    x = np.linspace(0, breast.parameters.depth_mm, 20001)
    assert breast.parameters.volume_mm3 == pytest.approx(np.trapezoid(breast.slice_area_mm2(x), x), rel=1e-4)


def test_gauge_is_one_on_the_outline(breast: Breast) -> None:
    y, z = breast.slice_outline(25.0)
    gauge, distance = breast.surface(np.stack([np.full_like(y, 25.0), y, z]))
    np.testing.assert_allclose(gauge, 1.0, atol=1e-5)
    np.testing.assert_allclose(distance, 0.0, atol=1e-3)


def test_muscle_lies_at_the_back_towards_the_armpit_only(breast: Breast) -> None:
    armpit, front, medial_lower = [2.0, 60.0, 70.0], [70.0, 60.0, 70.0], [2.0, -40.0, -50.0]
    assert breast.is_muscle(np.asarray([armpit, front, medial_lower]).T).tolist() == [True, False, False]


def test_attenuation_lies_between_fat_and_muscle(breast: Breast) -> None:
    attenuation = breast.attenuation_per_mm(breast.interior_points(spacing_mm=5.0))
    assert attenuation.min() >= np.float32(FAT_PER_MM)
    assert attenuation.max() <= max(GLANDULAR_PER_MM, MUSCLE_PER_MM) + 1e-6


def test_under_the_skin_there_are_ligaments_only(breast: Breast) -> None:
    points = breast.interior_points(spacing_mm=3.0)
    _, distance = breast.surface(points)
    behind = points[0] < 0.6 * breast.parameters.depth_mm
    near_skin = behind & (distance < 0.3 * breast.parameters.subcutaneous_fat_mm)
    assert breast.glandular(points[:, near_skin]).max() <= breast.parameters.ligament_density + 1e-6


def test_densities_follow_their_categories() -> None:
    women = [draw_woman(np.random.default_rng(seed)) for seed in range(300)]
    for woman in women:
        low, high = GLANDULAR_FRACTION_RANGE[woman.density]
        assert low <= woman.glandular_fraction <= high
    share = np.mean([woman.density in (DensityCategory.B, DensityCategory.C) for woman in women])
    assert share == pytest.approx(0.8, abs=0.08)


def test_both_breasts_of_a_woman_are_alike() -> None:
    depths = []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        woman = draw_woman(generator)
        depths.append([draw_breast(woman, generator).depth_mm for _ in range(2)])
    left, right = np.asarray(depths).T
    assert np.corrcoef(left, right)[0, 1] > 0.85
    assert not np.allclose(left, right)


def test_mean_along_columns_is_that_of_dense_samples(breast: Breast) -> None:
    """Few points along a column, ligaments integrated between them, give what many points give."""
    rng = np.random.default_rng(8)
    start = np.stack([rng.uniform(15, 50, 300), rng.uniform(-25, 25, 300), np.full(300, -20.0)])
    means = []
    for samples in (16, 640):
        along = (np.arange(samples) + 0.5) / samples * 40.0
        points = np.broadcast_to(start[:, :, None], (3, 300, samples)).copy()
        points[2] += along
        means.append(breast.mean_attenuation_per_mm(points.astype(np.float32)))
    difference = means[0] - means[1]
    assert abs(difference.mean()) < 2e-4
    assert difference.std() < 0.15 * means[1].std()
