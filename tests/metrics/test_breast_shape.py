from __future__ import annotations

import math

import numpy as np
import pytest

from bundle.metrics.breast_shape import dice, find_breast, nipple_position


def half_disk(*, rows: int = 100, columns: int = 80, centre: int = 50, radius: int = 40) -> np.ndarray:
    row, column = np.indices((rows, columns))
    return (row - centre) ** 2 + column**2 <= radius**2


def test_the_breast_is_the_largest_region_above_the_level_without_holes() -> None:
    breast = half_disk()
    image = np.where(breast, 0.4, 0.02)
    image[45:50, 10:15] = 0.0  # a hole
    image[:5, 70:] = 0.9  # a speck in the corner
    np.testing.assert_array_equal(find_breast(image), breast)


def test_a_black_view_has_no_breast_and_no_nipple() -> None:
    breast = find_breast(np.zeros((20, 10)))
    assert not breast.any()
    assert nipple_position(breast, spacing_mm=1.0) is None


@pytest.mark.parametrize(("spacing_mm", "centre"), [(1.0, 50), (2.0, 37)])
def test_the_nipple_is_the_front(spacing_mm: float, centre: int) -> None:
    assert nipple_position(half_disk(centre=centre, radius=30), spacing_mm=spacing_mm) == (centre, 30)


def test_dice_by_hand() -> None:
    one, other = np.zeros((2, 4), dtype=bool), np.zeros((2, 4), dtype=bool)
    one[0, :3], other[0, 1:] = True, True  # 3 and 3 pixels, 2 in common
    assert dice(one, other) == pytest.approx(2 / 3)
    assert dice(one, one) == 1.0
    assert dice(one, ~one) == 0.0
    assert math.isnan(dice(np.zeros((2, 2), dtype=bool), np.zeros((2, 2), dtype=bool)))
