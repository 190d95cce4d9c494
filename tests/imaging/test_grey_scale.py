from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle.imaging.grey_scale import FEWEST_LEVELS, grey_scale_flags

REAL = Path(__file__).parents[3] / "shared" / "real"


def made_film(*, depth_share: float = 0.5) -> np.ndarray:
    """Give a half disk of 0.3 to 0.8 on a background of 0.02, at the left edge."""
    row, column = np.mgrid[:300, :200]
    inside = np.hypot((row - 150) / 140, column / (200 * depth_share)) < 1
    return np.where(inside, 0.3 + 0.5 * (150 - np.abs(row - 150)) / 150, 0.02).astype(np.float32)


@pytest.mark.parametrize("depth_share", [0.2, 0.5, 1.0])
def test_a_mammogram_has_no_flag_and_turned_round_a_bright_background(depth_share):
    film = made_film(depth_share=depth_share)
    assert grey_scale_flags(film) == ()
    assert grey_scale_flags(film[:, ::-1]) == ()
    assert grey_scale_flags(1 - film) == ("white_background",)


@pytest.mark.parametrize(("divisor", "flags"), [(2, ()), (6, ()), (7, ("dark",)), (16, ("dark",))])
def test_dark_is_below_an_eighth_of_the_range(divisor, flags):
    # The brightest hundredth begins a little below 0.8: 0.8 / 6 = 0.133, 0.8 / 7 = 0.114.
    assert grey_scale_flags(made_film() / divisor) == flags


def test_a_label_does_not_hide_that_a_film_is_dark():
    film = made_film() / 16
    film[10:20, 180:195] = 1.0
    assert grey_scale_flags(film) == ("dark",)


def test_a_white_frame_is_no_bright_background():
    film = made_film()
    film[:8], film[-8:], film[:, :5], film[:, -5:] = 1, 1, 1, 1
    assert grey_scale_flags(film) == ()


@pytest.mark.parametrize(("levels", "is_flagged"), [(2, True), (FEWEST_LEVELS - 1, True), (FEWEST_LEVELS, False)])
def test_few_grey_levels(levels, is_flagged):
    film = np.linspace(0, levels - 1, 300 * 200).round().reshape(300, 200).astype(np.float32) / (levels - 1)
    assert ("few_grey_levels" in grey_scale_flags(film)) == is_flagged


def test_the_flags_do_not_depend_on_the_size():
    for factor in (1, 4):
        film = np.kron(made_film(), np.ones((factor, factor), np.float32))
        assert (grey_scale_flags(film), grey_scale_flags(1 - film)) == ((), ("white_background",))


@pytest.mark.skipif(not REAL.is_dir(), reason="the real films are not here (../shared/real)")
@pytest.mark.parametrize("path", sorted(REAL.rglob("*[!k].png")), ids=lambda path: path.stem)
def test_the_real_films(path):
    stored = np.asarray(Image.open(path))
    film = stored.astype(np.float32) / np.iinfo(stored.dtype).max
    assert grey_scale_flags(film) == ()
    assert grey_scale_flags(1 - film) == ("white_background",)
    assert grey_scale_flags(film / 16) == ("dark",)
