from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.covariance import LedoitWolf

from bundle.metrics.distribution import frechet_distance


def normal(count: int, features: int, *, seed: int, offset: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, features)) + offset


@pytest.mark.parametrize(("count", "features"), [(200, 5), (8, 100)])
def test_a_set_and_itself(count: int, features: int) -> None:
    vectors = normal(count, features, seed=0)
    assert frechet_distance(vectors, vectors) == pytest.approx(0, abs=1e-9)


def test_a_shift_adds_the_square_of_its_length() -> None:
    vectors = normal(40, 4, seed=0)
    assert frechet_distance(vectors, vectors + np.array([3.0, 4, 0, 0])) == pytest.approx(25)


def test_equals_the_formula_by_scipys_matrix_root() -> None:
    one, other = normal(30, 6, seed=0), normal(50, 6, seed=1) * np.arange(1, 7)
    a, b = LedoitWolf().fit(one).covariance_, LedoitWolf().fit(other).covariance_
    expected = np.square(one.mean(0) - other.mean(0)).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet_distance(one, other) == pytest.approx(expected)
    assert frechet_distance(other, one) == pytest.approx(expected)


def test_two_distributions_are_told_apart_with_fewer_vectors_than_features() -> None:
    reference = normal(60, 100, seed=0)
    same, other = normal(20, 100, seed=1), normal(20, 100, seed=2, offset=0.5)
    assert frechet_distance(other, reference) > 1.5 * frechet_distance(same, reference)


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), "two vectors or more"),
        (np.zeros((5, 3)), np.zeros((5, 4)), "two vectors or more"),
        (np.full((5, 3), np.nan), np.zeros((5, 3)), "NaN"),
    ],
)
def test_wrong_input(one: np.ndarray, other: np.ndarray, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        frechet_distance(one, other)
