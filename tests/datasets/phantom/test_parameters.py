"""What is drawn follows the published distributions."""

import numpy as np
import pytest

from bundle.datasets.phantom.case import plan_cohort
from bundle.datasets.phantom.parameters import draw_breast, draw_views, draw_woman
from bundle.vocabulary import ViewPosition


@pytest.fixture(scope="module")
def thickness_mm() -> np.ndarray:
    """Thickness between the plates ``[breasts, CC and MLO]``."""
    drawn = []
    for plan in plan_cohort(breasts=600, seed=0):
        woman = draw_woman(plan.generator(1, of_breast=False))
        views = draw_views(draw_breast(woman, plan.generator(1)), plan.generator(4))
        drawn.append([views[position].thickness_mm for position in ViewPosition])
    return np.asarray(drawn)


def test_thickness_is_as_published(thickness_mm: np.ndarray) -> None:
    # Yaffe et al. 2009: 59 +- 16 mm.
    assert thickness_mm.mean() == pytest.approx(59.0, abs=3.0)
    assert thickness_mm.std() == pytest.approx(16.0, abs=2.0)


def test_both_views_and_both_breasts_are_about_as_thick(thickness_mm: np.ndarray) -> None:
    assert np.corrcoef(thickness_mm.T)[0, 1] > 0.9
    women = [plan.woman for plan in plan_cohort(breasts=len(thickness_mm), seed=0)]
    pairs = [k for k in range(len(women) - 1) if women[k] == women[k + 1]]
    left, right = thickness_mm[pairs, 0], thickness_mm[[k + 1 for k in pairs], 0]
    assert 0.8 < np.corrcoef(left, right)[0, 1] < 0.99
