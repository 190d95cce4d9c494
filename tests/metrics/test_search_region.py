from __future__ import annotations

import numpy as np
import pytest

from bundle.metrics.search_region import area_cm2, band_around_nipple, centre_of, holds, smallest_region


@pytest.mark.parametrize(
    ("share", "held"),
    [
        (0.4, [[0, 0, 0], [0, 1, 0]]),  # the pixel of 4 of 10
        (0.5, [[0, 0, 1], [0, 1, 0]]),  # 4 + 3
        (0.7, [[0, 0, 1], [0, 1, 0]]),
        (0.71, [[1, 0, 1], [0, 1, 0]]),  # of the two equal ones the first
        (0.9, [[1, 0, 1], [0, 1, 0]]),
        (1.0, [[1, 0, 1], [0, 1, 1]]),
    ],
)
def test_the_smallest_region_takes_the_most_probable_pixels(share: float, held: list[list[int]]) -> None:
    probability = np.array([[0.2, 0.0, 0.3], [0.0, 0.4, 0.1]])
    np.testing.assert_array_equal(smallest_region(probability, share=share), np.array(held, dtype=bool))


def test_of_equal_pixels_as_many_as_needed_are_held() -> None:
    region = smallest_region(np.full((10, 10), 0.1), share=0.9)
    assert region.sum() == 90
    assert not region[9].any()


def test_no_probability_gives_no_region() -> None:
    assert not smallest_region(np.zeros((3, 2)), share=0.5).any()


def test_the_band_is_a_ring_within_the_breast() -> None:
    breast = np.zeros((41, 41), dtype=bool)
    breast[20] = True  # one row, 40 mm on each side of the nipple
    band = band_around_nipple(breast, (20.0, 40.0), distance_mm=30.0, spacing_mm=2.0)
    # 20 to 40 mm from column 40 are columns 20 to 30
    assert np.flatnonzero(band[20]).tolist() == list(range(20, 31))
    assert not np.delete(band, 20, axis=0).any()


def test_the_band_follows_the_arc() -> None:
    band = band_around_nipple(np.ones((60, 60), dtype=bool), (0.0, 0.0), distance_mm=25.0, spacing_mm=1.0)
    assert band[15, 20]  # 25 mm
    assert band[21, 28]  # 35 mm
    assert not band[22, 28]
    assert band[9, 12]  # 15 mm
    assert not band[9, 11]


def test_a_centre_lies_in_the_pixel_nearest_to_it() -> None:
    mask = np.zeros((6, 8), dtype=bool)
    mask[2:4, 3:6] = True
    assert centre_of(mask) == (2.5, 4.0)
    region = np.zeros((6, 8), dtype=bool)
    region[3, 4] = True
    assert holds(region, (2.5, 4.0))
    assert not holds(region, (2.4, 4.0))
    assert not holds(region, (3.0, 4.6))


def test_an_area_is_in_square_centimetres() -> None:
    assert area_cm2(np.ones((10, 5), dtype=bool), spacing_mm=2.0) == pytest.approx(2.0)
