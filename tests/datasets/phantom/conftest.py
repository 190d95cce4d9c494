from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bundle.datasets.phantom.anatomy import Breast
from bundle.datasets.phantom.parameters import BreastParameters, ViewParameters, draw_breast, draw_views, draw_woman
from bundle.vocabulary import ViewPosition


@pytest.fixture(scope="session")
def parameters() -> BreastParameters:
    generator = np.random.default_rng(3)
    return draw_breast(draw_woman(generator), generator)


@pytest.fixture(scope="session")
def breast(parameters: BreastParameters) -> Breast:
    return Breast.grow(parameters=parameters, generator=np.random.default_rng(4))


@pytest.fixture(scope="session")
def views(parameters: BreastParameters) -> dict[ViewPosition, ViewParameters]:
    drawn = draw_views(parameters, np.random.default_rng(5))
    return {position: replace(view, posterior_cut_mm=0.0, tilt_deg=0.0) for position, view in drawn.items()}
