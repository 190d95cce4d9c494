import numpy as np
import pytest
from skimage.draw import polygon2mask

from bundle.imaging import contours
from bundle.imaging.contours import POINT_RADIUS_MM, contour_mask, holds_point

UNIT = (1.0, 1.0)


def random_polygons(count=60):
    """Polygons whose edges meet no pixel's centre: there two rasterizers may rightly differ."""
    generator = np.random.default_rng(5)
    return [generator.uniform(-9, 29, (generator.integers(3, 12), 2)) for _ in range(count)]


def test_polygons_are_filled_as_scikit_image_does():
    filled = 0
    for polygon in random_polygons():
        expected = polygon2mask((20, 17), polygon)
        if expected.any():
            np.testing.assert_array_equal(contour_mask([polygon], (20, 17), spacing_mm=UNIT), expected)
            filled += 1
    assert filled > 40


def test_a_point_is_held_where_the_polygon_is_filled():
    for polygon in random_polygons(20):
        expected = polygon2mask((20, 17), polygon)
        assert [holds_point(polygon, (row, column)) for row, column in np.ndindex(20, 17)] == expected.ravel().tolist()


def test_a_long_contour_is_worked_on_in_parts(monkeypatch):
    angle = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    circle = np.stack([20.3 + 15.1 * np.sin(angle), 18.2 + 14.7 * np.cos(angle)], axis=1)
    whole = contour_mask([circle], (40, 40), spacing_mm=UNIT)
    monkeypatch.setattr(contours, "_CROSSINGS_AT_ONCE", 7)
    np.testing.assert_array_equal(contour_mask([circle], (40, 40), spacing_mm=UNIT), whole)
    assert whole.sum() == pytest.approx(np.pi * 15.1 * 14.7, rel=0.02)


def test_the_half_pixel_outline_of_a_square_gives_the_square():
    square = [(1.5, 2.5), (1.5, 5.5), (4.5, 5.5), (4.5, 2.5)]
    mask = contour_mask([square], (8, 8), spacing_mm=UNIT)
    expected = np.zeros((8, 8), dtype=bool)
    expected[2:5, 3:6] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_point_is_a_disk_in_millimetres():
    mask = contour_mask([[(10.0, 12.0)]], (30, 30), spacing_mm=(0.05, 0.10))
    rows, columns = np.mgrid[:30, :30]
    expected = ((rows - 10) * 0.05) ** 2 + ((columns - 12) * 0.10) ** 2 <= POINT_RADIUS_MM**2
    np.testing.assert_array_equal(mask, expected)
    assert mask[:, 12].sum() == 11  # 0.25 mm up and down are 5 pixels of 0.05 mm
    assert mask[10].sum() == 5


def test_a_point_between_large_pixels_is_one_pixel():
    mask = contour_mask([[(3.4, 3.4)]], (8, 8), spacing_mm=UNIT)
    assert np.argwhere(mask).tolist() == [[3, 3]]


def test_a_polygon_between_the_centres_marks_its_corners_pixels():
    mask = contour_mask([[(3.1, 3.1), (3.4, 3.1), (3.4, 3.4)]], (8, 8), spacing_mm=UNIT)
    assert np.argwhere(mask).tolist() == [[3, 3]]


def test_contours_are_joined_and_cut_at_the_film():
    square = [(-5.5, -5.5), (-5.5, 1.5), (1.5, 1.5), (1.5, -5.5)]
    mask = contour_mask([square, square, [(7.0, 7.0)], [(90.0, 90.0)]], (8, 8), spacing_mm=UNIT)
    assert (mask[:2, :2].all(), mask[7, 7], mask.sum()) == (True, True, 5)


def test_contours_beyond_the_film_are_refused():
    far = [(100.0, 100.0), (100.0, 110.0), (110.0, 110.0)]
    with pytest.raises(ValueError, match="hold no pixel of the film of 8 x 8 pixels"):
        contour_mask([far, [(-20_000.0, 3.0)]], (8, 8), spacing_mm=UNIT)
