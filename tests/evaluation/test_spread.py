from __future__ import annotations

import math

import pytest

from bundle.evaluation.scoring import ImageScore
from bundle.evaluation.spread import judge_spread
from bundle.vocabulary import Direction


def scores_of(method: str, squared_errors: list[float]) -> list[ImageScore]:
    return [
        ImageScore(
            patient_id=f"P{index}",
            pair_id=f"P{index}_L",
            direction=Direction.CC_TO_MLO,
            method=method,
            values={"in_breast_psnr_db": -10 * math.log10(error)},
        )
        for index, error in enumerate(squared_errors)
    ]


def test_the_spread_is_the_ratio_of_the_summed_errors() -> None:
    scores = scores_of("sample", [0.09, 0.02, 0.04]) + scores_of("posterior_mean", [0.03, 0.02, 0.025])
    spread = judge_spread(scores, resamples=200, seed=0)
    assert set(spread) == {Direction.CC_TO_MLO}
    found = spread[Direction.CC_TO_MLO]
    assert (found.mean, found.n) == (pytest.approx(0.15 / 0.075), 3)
    assert found.low is not None
    assert found.high is not None
    assert 1.0 <= found.low < 2.0 < found.high <= 3.0


def test_without_samples_there_is_none() -> None:
    assert judge_spread(scores_of("posterior_mean", [0.03]), resamples=200, seed=0) == {}
