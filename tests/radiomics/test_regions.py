import math

import numpy as np
import pytest

from bundle.radiomics.regions import Region, draw_region, region_generator, region_mask

BREAST = np.add.outer((np.arange(200) - 100) ** 2 / 95**2, np.arange(120) ** 2 / 110**2) < 1


def draw(seed=0, name="P_1_L_CC", breast=BREAST, **changes):
    arguments = {"spacing_mm": 1.0, "least_radius_mm": 3.0, "greatest_radius_mm": 15.0, "least_pixels": 16, **changes}
    return draw_region(breast, generator=region_generator(seed=seed, name=name), **arguments)


def ellipse(**changes):
    values = {"centre_row_mm": 20.0, "centre_column_mm": 30.0, "major_radius_mm": 8.0, "minor_radius_mm": 4.0}
    return Region(**{**values, "angle_degrees": 0.0, **changes})


def test_a_small_circle_by_hand():
    circle = Region(
        centre_row_mm=2.0, centre_column_mm=3.0, major_radius_mm=1.0, minor_radius_mm=1.0, angle_degrees=0.0
    )
    expected = np.zeros((4, 5), bool)
    expected[1:3, 2:4] = True  # centres at 1.5 and 2.5, 2.5 and 3.5 mm: 0.71 mm away
    np.testing.assert_array_equal(region_mask(circle, shape=(4, 5), spacing_mm=1.0), expected)


@pytest.mark.parametrize("spacing_mm", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("angle_degrees", [0.0, 37.0, 90.0])
def test_area_and_centre_do_not_depend_on_the_spacing(spacing_mm, angle_degrees):
    shape = (round(50 / spacing_mm), round(60 / spacing_mm))
    mask = region_mask(ellipse(angle_degrees=angle_degrees), shape=shape, spacing_mm=spacing_mm)
    assert mask.sum() * spacing_mm**2 == pytest.approx(math.pi * 8 * 4, rel=0.05)
    centre = (np.argwhere(mask).mean(axis=0) + 0.5) * spacing_mm
    np.testing.assert_allclose(centre, [20.0, 30.0], atol=0.1)


def test_the_angle_turns_the_longer_axis_from_right_to_down():
    def extent(angle_degrees):
        mask = region_mask(ellipse(angle_degrees=angle_degrees), shape=(50, 60), spacing_mm=1.0)
        return mask.any(axis=1).sum(), mask.any(axis=0).sum()

    assert extent(0.0) == (8, 16)
    assert extent(90.0) == (16, 8)
    diagonal = np.argwhere(region_mask(ellipse(angle_degrees=45.0), shape=(50, 60), spacing_mm=1.0))
    assert np.corrcoef(diagonal.T)[0, 1] > 0.5


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0])
def test_drawn_regions_lie_in_the_breast_and_span_the_radii(spacing_mm):
    generator = region_generator(seed=1, name="a")
    majors = []
    for _ in range(150):
        region = draw_region(
            BREAST,
            spacing_mm=spacing_mm,
            least_radius_mm=3.0,
            greatest_radius_mm=15.0,
            least_pixels=16,
            generator=generator,
        )
        assert region is not None
        mask = region_mask(region, shape=BREAST.shape, spacing_mm=spacing_mm)
        assert mask.sum() >= 16
        assert BREAST[mask].all()
        # Nothing is cut off by the edge: a larger frame shows the same pixels.
        larger = region_mask(region, shape=(BREAST.shape[0] + 30, BREAST.shape[1] + 30), spacing_mm=spacing_mm)
        assert larger.sum() == mask.sum()
        assert 3.0 <= region.minor_radius_mm <= region.major_radius_mm <= 15.0
        majors.append(region.major_radius_mm)
    assert min(majors) < 5.0
    assert max(majors) > 12.0


def test_the_same_view_gives_the_same_regions_and_another_seed_or_view_others():
    assert draw() == draw()
    assert len({draw(), draw(seed=1), draw(name="P_1_L_MLO")}) == 3


def test_a_breast_that_holds_none_gives_none():
    assert draw(breast=np.zeros((20, 20), bool)) is None
    assert draw(breast=np.ones((5, 200), bool)) is None
