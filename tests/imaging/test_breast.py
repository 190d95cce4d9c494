from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from bundle.imaging.breast import segment_breast
from bundle.imaging.orientation import chest_wall_is_right
from bundle.preparation import load_prepared_image

REAL = Path(__file__).parents[3] / "shared" / "real"
ROWS, COLUMNS = 300, 240


def made_film(*, brightness: float = 0.5, background: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A half disk with a gradual skin line at the left edge, and the mask of it."""
    row, column = np.mgrid[:ROWS, :COLUMNS]
    depth = 90 - np.hypot(row - 150, column)
    film = background + (brightness - background) * np.clip(depth / 8, 0, 1)
    film += np.random.default_rng(0).normal(0, 0.004, film.shape)
    return film.clip(0, 1).astype(np.float32), depth > 0.5


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.mark.parametrize(("brightness", "background"), [(0.5, 0.0), (1.0, 0.0), (0.1, 0.0), (0.7, 0.2)])
def test_a_simple_breast(brightness, background):
    film, truth = made_film(brightness=brightness, background=background)
    assert dice(segment_breast(film, spacing_mm=1.0), truth) > 0.98


@pytest.mark.parametrize("spacing_mm", [0.01, 0.05, 1.0, (0.05, 0.05)])
def test_the_stated_spacing_does_not_matter(spacing_mm):
    film, truth = made_film()
    assert dice(segment_breast(film, spacing_mm=spacing_mm), truth) > 0.98


def test_pixels_that_are_not_square():
    film, truth = made_film()
    tall = np.repeat(film, 2, axis=0)
    assert dice(segment_breast(tall, spacing_mm=(0.5, 1.0)), np.repeat(truth, 2, axis=0)) > 0.98


def test_mirrored_and_upside_down():
    film, truth = made_film()
    np.testing.assert_array_equal(
        segment_breast(film[:, ::-1], spacing_mm=1.0), segment_breast(film, spacing_mm=1.0)[:, ::-1]
    )
    assert dice(segment_breast(film[::-1], spacing_mm=1.0), truth[::-1]) > 0.98


def test_a_finer_film_gives_a_smooth_outline():
    film, truth = made_film()
    mask = segment_breast(ndimage.zoom(film, 8, order=1), spacing_mm=0.125)
    assert dice(mask, ndimage.zoom(truth.astype(float), 8, order=1) > 0.5) > 0.98
    # Steps of the reduced copy would give runs of equal extents in neighbouring rows near the nipple's quarter.
    extents = mask[1000:1400].sum(axis=1)
    assert np.abs(np.diff(extents.astype(int))).max() <= 8


def test_labels_borders_and_dirt_are_left_out():
    film, truth = made_film()
    film[:, -9:] = 1.0  # white border with a notch, of the kind that scanned films have
    film[-6:] = 1.0
    film[100:106, -9:] = 0.0
    film[20:50, 150:156] = 0.9  # a label's strokes
    film[20:26, 150:190] = 0.9
    film[200, 200] = 1.0
    mask = segment_breast(film, spacing_mm=1.0)
    assert dice(mask, truth) > 0.98
    assert not (mask & ~ndimage.binary_dilation(truth, iterations=4)).any()


def test_a_border_at_the_chest_wall_is_cut_off():
    film, truth = made_film()
    film = np.pad(film, ((0, 0), (8, 0)), constant_values=1.0)
    mask = segment_breast(film, spacing_mm=1.0)
    assert not mask[:, :7].any()
    assert dice(mask[:, 8:], truth) > 0.97


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_tilted_border_is_cut_off_where_a_white_muscle_meets_it_too(mirrored):
    film, truth = made_film()
    row, column = np.mgrid[:ROWS, :COLUMNS]
    muscle = (column < 60) & (row < 150)
    film[muscle] = 1.0
    border = row < 10 - 0.03 * column  # 10 pixels deep over the muscle, 3 at the other side
    film[border] = 1.0
    expected = (truth | muscle) & ~border
    if mirrored:
        film, expected, border = film[:, ::-1], expected[:, ::-1], border[:, ::-1]
    mask = segment_breast(film, spacing_mm=1.0)
    assert not (mask & border).any()
    assert dice(mask, expected) > 0.98


def test_a_fold_at_the_chest_wall_is_no_border_of_the_breast():
    film, truth = made_film()
    film[235:, :10] = 0.5  # all that is bright below the breast, and nothing of it above
    mask = segment_breast(film, spacing_mm=1.0)
    assert mask[100:200, 0].all()
    assert dice(mask, truth) > 0.97


def test_a_bright_breast_at_the_whole_side_is_no_border():
    film = np.zeros((300, 240), dtype=np.float32)
    film[:, :120] = 0.9
    mask = segment_breast(film, spacing_mm=1.0)
    assert mask[:, :118].all()
    assert not mask[:, 123:].any()


def test_a_fold_below_the_breast_is_cut_off():
    film, truth = made_film()
    film[235:, :14] = 0.5
    mask = segment_breast(film, spacing_mm=1.0)
    assert not mask[255:].any()
    assert dice(mask, truth) > 0.97


def test_padding_is_no_breast():
    film, truth = made_film()
    film = np.pad(film, ((0, 0), (0, 200)), constant_values=1.0)
    padding = np.zeros(film.shape, dtype=bool)
    padding[:, COLUMNS:] = True
    mask = segment_breast(film, padding, spacing_mm=1.0)
    assert dice(mask[:, :COLUMNS], truth) > 0.98
    assert not mask[:, COLUMNS:].any()


def test_padding_that_covers_the_air_is_background(prepared_collection):
    for path in sorted((prepared_collection / "images").glob("*_image.nii"))[:4]:
        # Above, below and to the right the film goes on, as on a detector; a phantom's breast has a bright middle.
        film = np.pad(load_prepared_image(path), ((20, 20), (0, 40)))
        breast = segment_breast(film, spacing_mm=1.0)
        assert dice(segment_breast(film, film == 0, spacing_mm=1.0), breast) > 0.98


@pytest.mark.parametrize("upside_down", [False, True])
def test_a_region_that_leans_and_meets_the_chest_wall_only_above_the_nipple_is_kept(upside_down):
    row, column = np.mgrid[:ROWS, :COLUMNS]
    truth = np.abs(row - 60 - column) + 0.4 * np.abs(row - 150) < 70
    film = np.where(truth, 0.5, 0.0).astype(np.float32)
    if upside_down:
        film, truth = film[::-1], truth[::-1]
    assert dice(segment_breast(film, spacing_mm=1.0), truth) > 0.98


def test_one_connected_region_without_holes():
    film, _ = made_film()
    film[140:160, 20:60] = 0.0
    mask = segment_breast(film, spacing_mm=1.0)
    assert ndimage.label(mask)[1] == 1
    assert ndimage.label(~mask)[1] == 1


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_uniform_picture_has_no_breast(value):
    with pytest.raises(ValueError, match="no breast found"):
        segment_breast(np.full((100, 80), value, dtype=np.float32), spacing_mm=1.0)


def test_a_label_alone_is_no_breast():
    film = np.zeros((300, 240), dtype=np.float32)
    film[20:40, 180:210] = 1.0
    with pytest.raises(ValueError, match="no breast found"):
        segment_breast(film, spacing_mm=1.0)


def test_nothing_but_padding_has_no_breast():
    film, _ = made_film()
    with pytest.raises(ValueError, match="no breast found"):
        segment_breast(film, np.ones(film.shape, dtype=bool), spacing_mm=1.0)


# Points read off the real films by eye, as (row, column) in pixels: deep in the breast, and in what is none.
REAL_FILMS = {
    "cbis-ddsm/Calc-Test_P_00041_LEFT_CC": {
        "right": False,
        "breast": [(500, 300), (200, 100), (850, 250)],
        "other": [(40, 800), (1120, 80), (600, 890), (1000, 500)],
    },
    "cbis-ddsm/Calc-Test_P_00041_LEFT_MLO": {
        "right": False,
        "breast": [(100, 200), (600, 500), (850, 300)],
        "other": [(120, 790), (600, 890), (1100, 400), (840, 20)],
    },
    "cbis-ddsm/Calc-Test_P_00127_RIGHT_CC": {
        "right": False,
        "breast": [(500, 100), (650, 600), (900, 150)],
        "other": [(1100, 60), (1140, 500), (100, 500), (900, 700)],
    },
    "cbis-ddsm/Calc-Test_P_00127_RIGHT_MLO": {
        "right": False,
        "breast": [(100, 100), (300, 300), (800, 500), (950, 200)],
        "other": [(1140, 500), (200, 700), (1060, 200), (14, 470)],
    },
    "cbis-ddsm/Calc-Test_P_00202_RIGHT_CC": {
        "right": True,
        "breast": [(500, 600), (700, 250), (1000, 700)],
        "other": [(210, 110), (5, 300), (600, 10), (1120, 300), (1148, 880)],
    },
    "cbis-ddsm/Calc-Test_P_00202_RIGHT_MLO": {
        "right": True,
        "breast": [(100, 800), (500, 400), (900, 500), (600, 220)],
        "other": [(220, 140), (5, 200), (1140, 300), (300, 300), (14, 440), (14, 700)],
    },
    "cdd-cesm/P212_L_CM_CC_image": {
        "right": False,
        "breast": [(250, 150), (400, 200), (60, 160)],
        "other": [(250, 60), (250, 450), (500, 450)],
    },
    "cdd-cesm/P212_L_CM_MLO_image": {
        "right": False,
        "breast": [(250, 150), (400, 200), (30, 160)],
        "other": [(250, 60), (250, 450), (100, 450)],
    },
}


def read_real_film(name: str) -> np.ndarray:
    path = REAL / f"{name}.png"
    if not path.exists():
        pytest.skip(f"the real films are not here ({path.parent.name})")
    stored = np.asarray(Image.open(path))
    return stored.astype(np.float32) / np.iinfo(stored.dtype).max


@pytest.mark.parametrize("name", REAL_FILMS)
def test_real_films(name):
    mask = segment_breast(read_real_film(name), spacing_mm=0.2)
    expected = REAL_FILMS[name]
    assert chest_wall_is_right(mask) is expected["right"]
    assert [point for point in expected["breast"] if not mask[point]] == []
    assert [point for point in expected["other"] if mask[point]] == []
    assert ndimage.label(mask)[1] == 1


@pytest.mark.parametrize("name", REAL_FILMS)
def test_real_films_whose_air_is_declared_as_padding(name):
    film = read_real_film(name)
    breast = segment_breast(film, spacing_mm=0.2)
    assert dice(segment_breast(film * breast, ~breast, spacing_mm=0.2), breast) > 0.99
