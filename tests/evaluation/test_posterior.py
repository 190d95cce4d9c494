"""A flow generator's mean and samples against the real view, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bundle.evaluation.cases import Case
from bundle.evaluation.posterior import PosteriorCase, Searched, judge_posterior, lesion_probability, measure_posterior
from bundle.vocabulary import Direction

ROWS, COLUMNS, SPACING_MM = 33, 40, 2.0
# A breast of 33 x 30 pixels, but for the row of the nipple: there it reaches to column 31.
NIPPLE = (16, 31)


def spot(*pixels: tuple[int, int]) -> torch.Tensor:
    mask = torch.zeros(1, ROWS, COLUMNS)
    for row, column in pixels:
        mask[0, row, column] = 1
    return mask


def made_case(*, lesion: torch.Tensor, target_lesion: torch.Tensor) -> Case:
    breast = torch.zeros(1, ROWS, COLUMNS)
    breast[0, :, :30] = 1
    breast[0, NIPPLE[0], : NIPPLE[1] + 1] = 1
    return Case(
        patient_id="P1",
        pair_id="P1_L",
        direction=Direction.CC_TO_MLO,
        source=0.5 * breast,
        lesion=lesion,
        target=0.5 * breast,
        breast=breast,
        target_lesion=target_lesion,
        synthetic=0.5 * breast,
    )


def made_state(case: Case, *, grey: float = 0.5, lesion: torch.Tensor | None = None) -> torch.Tensor:
    probability = torch.zeros_like(case.breast) if lesion is None else lesion
    return 2 * torch.cat([grey * case.breast, probability, case.breast]) - 1


def measured(case: Case, probability: torch.Tensor) -> PosteriorCase:
    samples = torch.stack([made_state(case, grey=grey) for grey in (0.3, 0.4, 0.6)])
    return measure_posterior(case, made_state(case, lesion=probability), samples, spacing_mm=SPACING_MM)


def test_regions_and_band_by_hand() -> None:
    """The source's lesion lies 10 columns, 20 mm, behind the nipple; the target's 12, at the second best place."""
    case = made_case(lesion=spot((16, 21)), target_lesion=spot((16, 19)))
    probability = 0.6 * spot((16, 21)) + 0.35 * spot((16, 19)) + 0.05 * spot((3, 3))
    found = measured(case, probability).searched
    assert found["region_50"] == Searched(found=False, area_cm2=pytest.approx(0.04))
    assert found["region_90"] == Searched(found=True, area_cm2=pytest.approx(0.08))
    # From 5 to 15 pixels around the nipple, in the breast.
    row, column = np.indices((ROWS, COLUMNS))
    distance = np.hypot(row - NIPPLE[0], column - NIPPLE[1])
    band = (distance >= 5) & (distance <= 15) & (case.breast[0].numpy() > 0)
    assert found["band"] == Searched(found=True, area_cm2=pytest.approx(0.04 * band.sum()))


@pytest.mark.parametrize(("column", "found"), [(16, True), (15, False), (26, True), (27, False)])
def test_the_band_ends_10_mm_before_and_behind_the_sources_distance(column: int, found: bool) -> None:
    case = made_case(lesion=spot((16, 21)), target_lesion=spot((16, column)))
    assert measured(case, spot((16, 21))).searched["band"].found is found


@pytest.mark.parametrize(
    ("lesion", "target_lesion"),
    [
        (spot(), spot((16, 19))),
        (spot((16, 21)), spot()),
        (spot((16, 21)), spot((16, 19), (5, 5))),
        (spot((16, 21), (5, 5)), spot((16, 19))),
    ],
)
def test_without_one_lesion_in_each_view_nothing_is_searched(lesion: torch.Tensor, target_lesion: torch.Tensor) -> None:
    assert measured(made_case(lesion=lesion, target_lesion=target_lesion), spot((16, 21))).searched == {}


def test_a_network_that_sees_no_lesion_finds_none() -> None:
    case = made_case(lesion=spot((16, 21)), target_lesion=spot((16, 19)))
    found = measured(case, spot()).searched
    assert found["region_90"] == Searched(found=False, area_cm2=0.0)


def test_the_probability_is_cut_to_its_range_and_air_has_none() -> None:
    case = made_case(lesion=spot(), target_lesion=spot())
    state = made_state(case, lesion=0.25 * spot((1, 1), (1, 35)) + 1.5 * spot((2, 2)) - 0.5 * spot((3, 3)))
    expected = np.zeros((ROWS, COLUMNS))
    expected[1, 1], expected[2, 2] = 0.25, 1.0
    np.testing.assert_allclose(lesion_probability(state), expected, atol=1e-6)


def test_ranks_are_counted_in_the_breast_of_the_mean() -> None:
    """Squares of 8 pixels in 33 x 30 pixels: 4 x 3; two of three samples are darker than the real view."""
    case = made_case(lesion=spot(), target_lesion=spot())
    assert measured(case, spot()).ranks.tolist() == [0, 0, 12, 0]
    without = replace(case, breast=torch.zeros_like(case.breast))
    samples = torch.stack([made_state(case)] * 3)
    assert measure_posterior(case, made_state(without), samples, spacing_mm=SPACING_MM).ranks.sum() == 0


def test_cases_are_averaged_by_direction() -> None:
    def case(patient: int, *, found: bool | None, area_cm2: float = 0.0) -> PosteriorCase:
        region = {} if found is None else {"region_50": Searched(found=found, area_cm2=area_cm2)}
        searched = {name: region["region_50"] for name in ("region_50", "region_90", "band") if region}
        return PosteriorCase(
            patient_id=f"P{patient}", direction=Direction.MLO_TO_CC, searched=searched, ranks=np.array([patient, 1, 0])
        )

    cases = [
        case(1, found=True, area_cm2=4.0),
        case(2, found=False, area_cm2=8.0),
        case(3, found=True, area_cm2=3.0),
        case(4, found=None),
    ]
    (direction, result), *others = judge_posterior(cases, resamples=200, seed=0).items()
    assert (direction, others) == (Direction.MLO_TO_CC, [])
    assert result.ranks == [10, 4, 0]
    band = result.search["band"]
    assert (band.coverage.mean, band.coverage.n) == (pytest.approx(2 / 3), 3)
    assert (band.area_cm2.mean, band.area_cm2.n) == (pytest.approx(5.0), 3)
    assert judge_posterior([case(4, found=None)], resamples=200, seed=0)[Direction.MLO_TO_CC].search == {}
    assert judge_posterior([], resamples=200, seed=0) == {}
