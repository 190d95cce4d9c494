import numpy as np
import pytest
import torch

from bundle.networks.standardizer import RadiomicsStandardizer


def test_hand_computed() -> None:
    standardizer = RadiomicsStandardizer(2)
    standardizer.fit(np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0], [4.0, 5.0], [5.0, 5.0]]))
    # median 3, quartiles 2 and 4; the second feature is constant
    expected = [[np.arcsinh((7 - 3) / (2 / 1.349)), 0.0]]
    torch.testing.assert_close(standardizer(torch.tensor([[7.0, 9.0]])), torch.tensor(expected, dtype=torch.float32))


def test_unknown_rows_are_left_out_and_stay_unknown() -> None:
    known = np.random.default_rng(0).normal(size=(50, 3))
    with_unknown = np.concatenate([known, np.full((5, 3), np.nan)])
    one, other = RadiomicsStandardizer(3), RadiomicsStandardizer(3)
    one.fit(known)
    other.fit(with_unknown)
    torch.testing.assert_close(one.center, other.center)
    assert torch.isnan(one(torch.full((1, 3), float("nan")))).all()


def test_saved_with_the_network() -> None:
    standardizer = RadiomicsStandardizer(3)
    standardizer.fit(np.random.default_rng(0).normal(5, 2, size=(50, 3)))
    restored = RadiomicsStandardizer(3)
    restored.load_state_dict(standardizer.state_dict())
    vector = torch.tensor([[1.0, 2.0, 3.0]])
    torch.testing.assert_close(restored(vector), standardizer(vector))


def test_nothing_known_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one known vector"):
        RadiomicsStandardizer(3).fit(np.full((4, 3), np.nan))
