from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import polygon2mask

from bundle.datasets.phantom.case import Case, make_case, plan_cohort
from bundle.datasets.phantom.landmarks import chest_wall_line, mask_outlines, muscle_edge
from bundle.datasets.phantom.truth import truth_of
from bundle.vocabulary import ViewPosition


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """A left and a right breast, so that both sides are seen."""
    return [make_case(plan, film_spacing_mm=2.0, digital=True) for plan in plan_cohort(breasts=2, seed=1)]


def test_outlines_fill_to_the_mask_again(cases: list[Case]) -> None:
    masks = [mask for case in cases for film in case.films.values() for mask in film.masks if mask.any()]
    assert masks
    for mask in masks:
        filled = sum(polygon2mask(mask.shape, outline).astype(int) for outline in mask_outlines(mask))
        assert (filled.astype(bool) != mask).sum() <= 0.1 * mask.sum()


def test_an_empty_mask_has_no_outline() -> None:
    assert mask_outlines(np.zeros((5, 5), dtype=bool)) == []


@pytest.mark.parametrize("position", list(ViewPosition))
def test_nipple_lies_the_pressed_depth_in_front_of_the_chest_wall(cases: list[Case], position: ViewPosition) -> None:
    for case in cases:
        film, compression = case.films[position], case.compressions[position]
        start, end = chest_wall_line(compression, case.views[position], film)
        assert start[0] == pytest.approx(0.0)
        assert end[0] == pytest.approx(film.brightness.shape[0] - 1)
        along = (end - start) / np.linalg.norm(end - start)
        away = np.asarray(film.nipple_px) - start
        distance = abs(along[0] * away[1] - along[1] * away[0]) * film.spacing_mm
        assert distance == pytest.approx(compression.depth_mm, abs=1e-6)


def test_muscle_is_brighter_than_what_lies_in_front_of_its_edge_in_the_mlo(cases: list[Case]) -> None:
    for case in cases:
        film = case.films[ViewPosition.MLO]
        edge = muscle_edge(case.parameters, case.compressions[ViewPosition.MLO], case.views[ViewPosition.MLO], film)
        assert len(edge) > 10
        # High on the film there is fat in front of it: 6 mm to either side of the edge.
        rows = np.round(edge[2:8, 0]).astype(int)
        columns = np.round(edge[2:8, 1]).astype(int)
        step = 3 if film.chest_wall_at_left else -3
        assert (film.brightness[rows, columns - step] > film.brightness[rows, columns + step] + 0.05).all()


def test_truth_tells_outlines_lines_target_and_seed(cases: list[Case]) -> None:
    case = next(case for case in cases if case.lesions)
    truth = truth_of(case, {position: {} for position in ViewPosition})
    assert truth["seed"] == 1
    assert truth["glandular_fraction"] == pytest.approx(truth["glandular_fraction_target"], abs=0.02)
    for view in truth["views"].values():
        assert len(view["chest_wall_line_px"]) == 2
        for lesion in view["lesions"]:
            assert bool(lesion["outlines_px"]) == (lesion["mask_area_mm2"] > 0)
    assert truth["views"]["MLO"]["muscle_edge_px"]
