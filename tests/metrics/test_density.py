from __future__ import annotations

import math

import numpy as np
import pytest

from bundle.metrics.density import dense_percent, dense_threshold


def test_two_kinds_of_tissue_are_told_apart() -> None:
    image = np.full((10, 10), 0.2)
    image[:3] = 0.7
    breast = np.ones((10, 10), dtype=bool)
    breast[9] = False
    image[9] = 0.95  # outside
    threshold = dense_threshold(image, breast)
    assert 0.2 <= threshold < 0.7
    assert dense_percent(image, breast, threshold=threshold) == pytest.approx(100 * 3 / 9)


def test_an_empty_breast_has_no_density() -> None:
    assert math.isnan(dense_percent(np.ones((4, 4)), np.zeros((4, 4), dtype=bool), threshold=0.5))
