from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.interpolate import RegularGridInterpolator
from skimage.transform import downscale_local_mean

from bundle.imaging.resampling import enlarge_outline, resample_image, resample_mask, resampled_shape

sides = st.integers(1, 60)
spacings = st.floats(0.05, 3.0)


def noise(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(rows * 100 + columns).random((rows, columns)).astype(np.float32)


def test_area_average_by_hand():
    # Two and a half input pixels per output pixel: (1 + 2 + 3 / 2) / 2.5 and (3 / 2 + 4 + 5) / 2.5.
    image = np.array([[1.0, 2.0, 3.0, 4.0, 5.0]] * 2)
    result = resample_image(image, spacing_mm=(1.0, 0.2), target_spacing_mm=(1.0, 0.5))
    np.testing.assert_allclose(result, [[1.8, 4.2]] * 2, rtol=1e-6)


def test_a_last_pixel_that_sticks_out_is_the_mean_of_what_is_there():
    # 5 pixels at ratio 2: centres 1, 3 and (5 on the edge, outside): two pixels; 7 at ratio 4: centres 2 and 6.
    image = np.arange(7, dtype=float)[None]
    assert resampled_shape((5, 5), spacing_mm=1.0, target_spacing_mm=2.0) == (2, 2)
    result = resample_image(image, spacing_mm=(1.0, 1.0), target_spacing_mm=(1.0, 4.0))
    np.testing.assert_allclose(result, [[(0 + 1 + 2 + 3) / 4, (4 + 5 + 6) / 3]], rtol=1e-6)


def test_whole_ratios_are_the_block_means_of_scikit_image():
    image = noise(60, 40)
    result = resample_image(image, spacing_mm=0.05, target_spacing_mm=0.2)
    np.testing.assert_allclose(result, downscale_local_mean(image, (4, 4)), rtol=1e-5)


def test_finer_is_bilinear_as_scipy_interpolates_between_centres():
    image = noise(12, 9)
    result = resample_image(image, spacing_mm=(1.0, 2.0), target_spacing_mm=(0.3, 0.7))
    rows = (np.arange(result.shape[0]) + 0.5) * 0.3 - 0.5
    columns = (np.arange(result.shape[1]) + 0.5) * 0.35 - 0.5
    grid = np.meshgrid(rows.clip(0, 11), columns.clip(0, 8), indexing="ij")
    expected = RegularGridInterpolator((np.arange(12), np.arange(9)), image)(np.stack(grid, axis=-1))
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_finer_equals_pillow():
    image = noise(12, 9)
    expected = np.asarray(Image.fromarray(image).resize((27, 36), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(resample_image(image, spacing_mm=0.3, target_spacing_mm=0.1), expected, atol=1e-6)


def test_one_axis_coarser_and_the_other_finer():
    result = resample_image(np.arange(4.0)[:, None] * np.ones(3), spacing_mm=(0.5, 2.0), target_spacing_mm=1.0)
    np.testing.assert_allclose(result, [[0.5] * 6, [2.5] * 6])


def test_the_same_spacing_changes_nothing():
    image = noise(7, 5)
    np.testing.assert_array_equal(resample_image(image, spacing_mm=0.07, target_spacing_mm=(0.07, 0.07)), image)
    mask = image > 0.5
    np.testing.assert_array_equal(resample_mask(mask, spacing_mm=0.07, target_spacing_mm=0.07), mask)


@given(rows=sides, columns=sides, row_mm=spacings, column_mm=spacings, target_mm=spacings)
@settings(max_examples=200, deadline=None)
def test_a_constant_stays_constant_and_no_value_leaves_the_range(rows, columns, row_mm, column_mm, target_mm):
    spacing = (row_mm, column_mm)
    constant = resample_image(np.full((rows, columns), 0.25), spacing_mm=spacing, target_spacing_mm=target_mm)
    np.testing.assert_allclose(constant, 0.25, rtol=1e-5)
    assert constant.shape == resampled_shape((rows, columns), spacing_mm=spacing, target_spacing_mm=target_mm)
    image = noise(rows, columns)
    result = resample_image(image, spacing_mm=spacing, target_spacing_mm=target_mm)
    assert result.min() >= image.min() - 1e-5
    assert result.max() <= image.max() + 1e-5


@given(rows=sides, columns=sides, spacing_mm=spacings, target_mm=spacings)
@settings(max_examples=200, deadline=None)
def test_masks_and_images_get_one_shape_and_masks_keep_their_values(rows, columns, spacing_mm, target_mm):
    labels = np.random.default_rng(0).integers(0, 4, (rows, columns)).astype(np.uint8)
    result = resample_mask(labels, spacing_mm=spacing_mm, target_spacing_mm=target_mm)
    assert result.shape == resample_image(labels, spacing_mm=spacing_mm, target_spacing_mm=target_mm).shape
    assert result.dtype == np.uint8
    assert set(np.unique(result)) <= set(np.unique(labels))
    # The extent is kept to half a pixel, or a whole one where there is but one.
    for size, new_size in zip((rows, columns), result.shape, strict=True):
        assert abs(size * spacing_mm - new_size * target_mm) <= 0.5 * target_mm * (1 + 1e-4) or new_size == 1


@given(rows=sides, columns=sides, factor=st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_a_mask_comes_back_from_a_finer_grid(rows, columns, factor):
    mask = noise(rows, columns) > 0.5
    finer = resample_mask(mask, spacing_mm=1.0, target_spacing_mm=1.0 / factor)
    np.testing.assert_array_equal(resample_mask(finer, spacing_mm=1.0 / factor, target_spacing_mm=1.0), mask)


@pytest.mark.parametrize(
    ("rows", "columns", "row_mm", "column_mm"), [(90, 70, 1.0, 1.0), (400, 123, 0.2, 0.5), (1, 1, 1.0, 1.0)]
)
def test_an_enlarged_outline_is_the_interpolated_mask_cut_at_one_half(rows, columns, row_mm, column_mm):
    mask = np.random.default_rng(0).random((90, 70)) > 0.4
    how = {"spacing_mm": 1.0, "target_spacing_mm": (row_mm, column_mm), "shape": (rows, columns)}
    found = enlarge_outline(mask, **how)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, resample_image(mask, **how) >= 0.5)
    assert 0 < found.mean() < 1 or found.size == 1


def test_a_mask_follows_its_image():
    mask = np.zeros((100, 80), dtype=bool)
    mask[30:70, 20:60] = True
    share = resample_image(mask, spacing_mm=0.07, target_spacing_mm=0.5)
    nearest = resample_mask(mask, spacing_mm=0.07, target_spacing_mm=0.5)
    clear = np.abs(share - 0.5) > 0.49
    np.testing.assert_array_equal(nearest[clear], share[clear] > 0.5)


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_spacings(spacing):
    with pytest.raises(ValueError, match="positive"):
        resample_image(np.zeros((4, 4)), spacing_mm=spacing, target_spacing_mm=1.0)
