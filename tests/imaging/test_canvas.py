from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.imaging.canvas import canvas_scale, exceeds_canvas, place_on_canvas
from bundle.imaging.resampling import resample_image
from bundle.records import Canvas
from bundle.vocabulary import ViewPosition

CANVAS = Canvas(rows=256, columns=192, spacing_mm=1.0)
SMALL = Canvas(rows=20, columns=12, spacing_mm=1.0)


def noise(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(rows * 1000 + columns).random((rows, columns)).astype(np.float32) + 0.1


def test_cc_stands_in_the_middle_rows_and_mlo_at_the_top_both_at_the_chest_wall():
    view = noise(6, 4)
    for position, top in ((ViewPosition.CC, 7), (ViewPosition.MLO, 0)):
        placed = place_on_canvas(view, view_position=position, canvas=SMALL, spacing_mm=1.0, scale=1.0, is_mask=False)
        assert placed.shape == (20, 12)
        np.testing.assert_array_equal(placed[top : top + 6, :4], view)
        assert np.count_nonzero(placed) == view.size


def test_placing_is_resampling_then_a_shift():
    view = noise(31, 15)
    placed = place_on_canvas(
        view, view_position=ViewPosition.CC, canvas=SMALL, spacing_mm=0.5, scale=1.0, is_mask=False
    )
    resampled = resample_image(view, spacing_mm=0.5, target_spacing_mm=1.0)
    rows, columns = resampled.shape
    np.testing.assert_array_equal(placed[(20 - rows) // 2 :][:rows, :columns], resampled)
    np.testing.assert_allclose(placed.sum(), resampled.sum(), rtol=1e-6)


def test_the_source_alone_decides_the_scale():
    assert canvas_scale((256, 192), spacing_mm=1.0, canvas=CANVAS) == 1.0
    assert canvas_scale((100, 80), spacing_mm=1.0, canvas=CANVAS) == 1.0
    assert canvas_scale((512, 100), spacing_mm=1.0, canvas=CANVAS) == pytest.approx(0.5)
    assert canvas_scale((512, 384), spacing_mm=0.5, canvas=CANVAS) == 1.0
    assert canvas_scale((100, 240), spacing_mm=1.0, canvas=CANVAS) == pytest.approx(0.8)


def test_a_target_that_is_larger_than_the_canvas_is_cropped_and_told():
    target = noise(26, 14)
    assert exceeds_canvas(target.shape, spacing_mm=1.0, canvas=SMALL, scale=1.0)
    assert not exceeds_canvas(target.shape, spacing_mm=1.0, canvas=SMALL, scale=0.5)
    kwargs = {"canvas": SMALL, "spacing_mm": 1.0, "scale": 1.0, "is_mask": False}
    np.testing.assert_array_equal(place_on_canvas(target, view_position=ViewPosition.MLO, **kwargs), target[:20, :12])
    np.testing.assert_array_equal(place_on_canvas(target, view_position=ViewPosition.CC, **kwargs), target[3:23, :12])


@given(rows=st.integers(1, 20), columns=st.integers(1, 12), position=st.sampled_from(ViewPosition))
@settings(max_examples=50, deadline=None)
def test_placing_keeps_the_pixels_and_their_type_where_the_spacings_agree(rows, columns, position):
    view = noise(rows, columns)
    labels = (view * 3).astype(np.uint8)
    where = {"view_position": position, "canvas": SMALL, "spacing_mm": 1.0, "scale": 1.0}
    top = (20 - rows) // 2 if position is ViewPosition.CC else 0
    for array, is_mask in ((view, False), (labels, True)):
        placed = place_on_canvas(array, **where, is_mask=is_mask)
        assert placed.dtype == array.dtype
        np.testing.assert_array_equal(placed[top : top + rows, :columns], array)
        assert np.count_nonzero(placed) == np.count_nonzero(array)


@given(
    rows=st.integers(1, 400), columns=st.integers(1, 300), spacing_mm=st.floats(0.05, 2.0), canvas_mm=st.floats(0.2, 4)
)
@settings(max_examples=200, deadline=None)
def test_a_source_always_fits_and_never_grows(rows, columns, spacing_mm, canvas_mm):
    canvas = Canvas(rows=64, columns=48, spacing_mm=canvas_mm)
    scale = canvas_scale((rows, columns), spacing_mm=spacing_mm, canvas=canvas)
    assert 0 < scale <= 1
    assert not exceeds_canvas((rows, columns), spacing_mm=spacing_mm, canvas=canvas, scale=scale)
