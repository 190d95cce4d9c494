from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bundle.datasets.phantom.acquisition import Exposure
from bundle.datasets.phantom.film import StoredFilm, develop
from bundle.datasets.phantom.parameters import ViewParameters
from bundle.vocabulary import Laterality, ViewPosition


@pytest.fixture
def exposure() -> Exposure:
    """A slab of 50 mm of fat at the left edge of a film."""
    thickness = np.zeros((240, 180), dtype=np.float32)
    thickness[60:180, :80] = 50.0
    return Exposure(
        line_integral=thickness * np.float32(0.0456),
        thickness_mm=thickness,
        lesions=(),
        nipple_px=(120.0, 79.0),
        spacing_mm=1.0,
    )


def _develop(exposure: Exposure, view: ViewParameters, laterality: Laterality, **changes: object) -> StoredFilm:
    plain = replace(view, mirrored=False, label_dot_mm=0.0, border_mm=0.0)
    return develop(exposure=exposure, view=replace(plain, **changes), laterality=laterality, digital=False)  # type: ignore[arg-type]


@pytest.fixture
def view(views: dict[ViewPosition, ViewParameters]) -> ViewParameters:
    return replace(views[ViewPosition.CC], label_quarter_turns=0, label_margin_mm=8.0)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("laterality", list(Laterality))
def test_chest_wall_is_at_the_side_that_is_told(exposure, view, laterality: Laterality, mirrored: bool) -> None:
    film = _develop(exposure, view, laterality, mirrored=mirrored)
    left, right = film.brightness[100:140, :40].mean(), film.brightness[100:140, -40:].mean()
    assert film.chest_wall_at_left == (left > right)
    assert film.chest_wall_at_left == ((laterality is Laterality.LEFT) != mirrored)
    row, column = film.nipple_px
    assert film.brightness[int(row), int(column)] > 3 * film.brightness[int(row), 90]


def test_background_is_dark_but_not_zero(exposure, view) -> None:
    film = _develop(exposure, view, Laterality.LEFT)
    background = film.brightness[:, 120:]
    assert 0 < background.mean() < 0.05
    assert background.std() > 0


def test_marker_is_laid_away_from_the_breast(exposure, view) -> None:
    plain, marked = (_develop(exposure, view, Laterality.LEFT, label_dot_mm=size) for size in (0.0, 1.5))
    changed = np.argwhere(plain.brightness != marked.brightness)
    assert len(changed) > 50
    assert not exposure.thickness_mm[tuple(changed.T)].any()
    assert changed[:, 1].min() > 90


def test_border_spares_the_chest_wall(exposure, view) -> None:
    film = _develop(exposure, view, Laterality.RIGHT, border_mm=3.0)
    assert film.brightness[:, 0].min() > 0.9
    assert film.brightness[0].min() > 0.9
    assert film.brightness[120, -1] < 0.9


def test_digital_films_have_neither_marker_nor_border(exposure, view) -> None:
    loaded = replace(view, label_dot_mm=1.5, border_mm=3.0, mirrored=True)
    film = develop(exposure=exposure, view=loaded, laterality=Laterality.LEFT, digital=True)
    assert film.chest_wall_at_left
    assert film.brightness[:, 120:].max() < 0.2
