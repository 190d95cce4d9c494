from __future__ import annotations

import numpy as np
import pytest

from bundle.metrics.ranks import rank_counts

WHOLE = np.ones((32, 48), dtype=bool)  # 2 x 3 squares of 16 mm at 1 mm


def squares(values: list[list[float]]) -> np.ndarray:
    """A view of 32 x 48 pixels whose squares have these mean grey values, each a gradient."""
    gradient = np.linspace(-0.1, 0.1, 16)
    return np.kron(np.array(values), np.ones((16, 16))) + np.tile(gradient, (32, 3))


def test_the_rank_is_the_number_of_darker_samples() -> None:
    real = squares([[0.1, 0.3, 0.5], [0.7, 0.5, 0.5]])
    samples = np.stack([squares([[level] * 3] * 2) for level in (0.2, 0.4, 0.6)])
    # 0.1 has none below it, 0.3 one, 0.5 two (three times), 0.7 three
    assert rank_counts(real, samples, WHOLE, spacing_mm=1.0).tolist() == [1, 1, 3, 1]


def test_only_squares_wholly_in_the_region_count() -> None:
    real, samples = np.full((32, 48), 0.5), np.full((2, 32, 48), 0.1)
    region = WHOLE.copy()
    region[0, 0] = False
    region[20:, 16:] = False
    # left: above middle and right, below left
    assert rank_counts(real, samples, region, spacing_mm=1.0).tolist() == [0, 0, 3]


def test_half_of_the_samples_that_equal_the_real_view_count_as_darker() -> None:
    real = np.full((32, 48), 0.5)
    assert rank_counts(real, np.stack([real] * 5), WHOLE, spacing_mm=1.0).tolist() == [0, 0, 6, 0, 0, 0]


@pytest.mark.parametrize(("spacing_mm", "number"), [(1.0, 6), (2.0, 24), (4.0, 96)])
def test_squares_are_16_mm_at_any_spacing(spacing_mm: float, number: int) -> None:
    real, samples = np.full((32, 48), 0.5), np.zeros((1, 32, 48))
    assert rank_counts(real, samples, WHOLE, spacing_mm=spacing_mm).tolist() == [0, number]


def test_one_more_sample_of_the_same_law_has_every_rank_alike() -> None:
    views = np.random.default_rng(0).normal(size=(9, 320, 480))
    counts = rank_counts(views[0], views[1:], np.ones((320, 480), dtype=bool), spacing_mm=8.0)
    assert counts.sum() == 160 * 240
    assert counts / counts.sum() == pytest.approx(np.full(9, 1 / 9), abs=0.006)  # four deviations


def test_a_view_smaller_than_a_square_has_no_rank() -> None:
    assert rank_counts(np.zeros((8, 8)), np.zeros((2, 8, 8)), np.ones((8, 8), bool), spacing_mm=1.0).tolist() == [
        0,
        0,
        0,
    ]
