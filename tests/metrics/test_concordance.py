from __future__ import annotations

import numpy as np
import pytest

from bundle.metrics.concordance import concordance


def test_by_hand() -> None:
    """Means 2 and 3, variances and covariance 2/3: 2 (2/3) / (2/3 + 2/3 + 1) = 4/7."""
    assert concordance(np.array([[1.0], [2], [3]]), np.array([[2.0], [3], [4]])).item() == pytest.approx(4 / 7)


def test_perfect_reversed_and_scaled() -> None:
    true = np.random.default_rng(0).normal(size=(50, 1))
    true -= true.mean()
    assert concordance(true, true).item() == pytest.approx(1)
    assert concordance(-true, true).item() == pytest.approx(-1)
    assert concordance(2 * true, true).item() == pytest.approx(4 / 5)  # 2 * 2 / (4 + 1): a correlation would be 1


def test_weights_are_repetitions() -> None:
    rng = np.random.default_rng(1)
    measured, true = rng.normal(size=(2, 6, 3)) + 1e6
    weights = np.array([[2, 0, 1, 1, 0, 2], [1, 1, 1, 1, 1, 1]])
    chosen = np.repeat(np.arange(6), weights[0])
    got = concordance(measured, true, weights)
    np.testing.assert_allclose(got[0], concordance(measured[chosen], true[chosen])[0])
    np.testing.assert_allclose(got[1], concordance(measured, true)[0])


def test_without_any_variance_there_is_none() -> None:
    assert np.isnan(concordance(np.ones((4, 1)), np.ones((4, 1)))).all()
    assert concordance(np.zeros((4, 1)), np.ones((4, 1))).item() == 0
    rng = np.random.default_rng(0)
    measured, true = 1e6 * rng.random((2, 5, 50))
    one_case = concordance(measured, true, np.array([[0, 0, 5, 0, 0]]))
    assert (np.isnan(one_case) | (np.abs(one_case) < 1e-3)).all()
    assert np.isnan(concordance(true, true, np.array([[0, 0, 5, 0, 0]]))).all()
