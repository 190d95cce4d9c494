from __future__ import annotations

import math

import numpy as np
import pytest

from bundle.metrics.lesion import REACH_MM, depth_mm, find_lesion, lesion_contrast, regions

WHOLE = np.ones((120, 90), dtype=bool)  # a breast that fills the frame


def textured(*, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.2, 0.6, (120, 90))


def lesion_mask(row: int = 60, column: int = 40) -> np.ndarray:
    mask = np.zeros((120, 90), dtype=bool)
    mask[row : row + 9, column : column + 7] = True
    return mask


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0])
def test_the_truth_itself_has_no_position_error(spacing_mm: float) -> None:
    match = find_lesion(textured(), textured(), lesion_mask(), spacing_mm=spacing_mm)
    assert match is not None
    assert (match.shift_px, match.distance_mm) == ((0, 0), 0.0)
    assert match.correlation == pytest.approx(1.0)


@pytest.mark.parametrize(("down", "right"), [(3, 4), (-7, 0), (0, 12), (-5, -12)])
@pytest.mark.parametrize("spacing_mm", [1.0, 2.0])
def test_a_known_shift_is_the_position_error(down: int, right: int, spacing_mm: float) -> None:
    shifted = np.roll(textured(), (down, right), axis=(0, 1))
    match = find_lesion(textured(), 0.5 * shifted + 0.1, lesion_mask(), spacing_mm=spacing_mm)
    assert match is not None
    assert match.shift_px == (down, right)
    assert match.distance_mm == pytest.approx(spacing_mm * math.hypot(down, right))


def test_a_lesion_at_the_chest_wall_is_found_too() -> None:
    match = find_lesion(textured(), np.roll(textured(), 5, axis=0), lesion_mask(row=0, column=0), spacing_mm=1.0)
    assert match is not None
    assert match.distance_mm == 5.0


def test_nothing_is_found_beyond_the_reach_nor_in_a_uniform_view() -> None:
    match = find_lesion(textured(), textured(seed=1), lesion_mask(), spacing_mm=1.0)
    assert match is not None
    assert match.distance_mm <= REACH_MM * math.sqrt(2)
    assert match.correlation < 0.5
    assert find_lesion(np.ones((120, 90)), textured(), lesion_mask(), spacing_mm=1.0) is None
    assert find_lesion(textured(), np.zeros((120, 90)), lesion_mask(), spacing_mm=1.0) is None


def test_contrast_is_the_step_over_the_noise_around() -> None:
    image = np.where(np.indices((60, 60)).sum(0) % 2 == 0, 0.4, 0.6)  # mean 0.5, deviation 0.1
    mask = np.zeros((60, 60), dtype=bool)
    mask[25:35, 25:35] = True
    image[mask] = 0.8
    assert lesion_contrast(image, mask, WHOLE[:60, :60], spacing_mm=1.0) == pytest.approx(3.0, abs=0.02)


def test_contrast_leaves_the_air_beside_a_lesion_out() -> None:
    image = np.where(np.indices((60, 60)).sum(0) % 2 == 0, 0.4, 0.6)
    mask = np.zeros((60, 60), dtype=bool)
    mask[25:35, 25:35] = True
    image[mask] = 0.8
    breast = np.zeros((60, 60), dtype=bool)
    breast[:, :38] = True  # the skin line 3 mm beside the lesion
    assert lesion_contrast(image * breast, mask, breast, spacing_mm=1.0) == pytest.approx(3.0, abs=0.02)


def test_no_lesion_and_uniform_surroundings_have_no_contrast() -> None:
    assert math.isnan(lesion_contrast(textured(), np.zeros((120, 90), dtype=bool), WHOLE, spacing_mm=1.0))
    assert math.isnan(lesion_contrast(np.ones((120, 90)), lesion_mask(), WHOLE, spacing_mm=1.0))


def test_depth_by_hand() -> None:
    # Columns 40 to 46, their middle 43, 27 columns of 2 mm behind the nipple at 70.
    assert depth_mm(lesion_mask(), 70.0, spacing_mm=2.0) == pytest.approx(54.0)


def test_lesions_apart_are_regions_of_their_own() -> None:
    found = regions(lesion_mask() | lesion_mask(row=10, column=70))
    assert [int(region.sum()) for region in found] == [63, 63]
