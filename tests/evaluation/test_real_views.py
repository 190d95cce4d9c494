from __future__ import annotations

import numpy as np
import pytest
import torch

from bundle.evaluation.real_views import learn_real_views
from bundle.vocabulary import ViewPosition
from tests.evaluation.made_cases import made_feature_network, made_settings

ROWS, COLUMNS = 100, 70


def view(*, blob: float, lesion: bool, target_view: int, number: int) -> dict[str, object]:
    """A breast with faint noise and one blob in its middle, which may be called a lesion."""
    row, column = np.indices((ROWS, COLUMNS))
    breast = (row - 50) ** 2 + column**2 <= 45**2
    distance = np.hypot(row - 50, column - 20)
    noise = np.random.default_rng(number).uniform(0, 0.01, breast.shape)
    pixels = np.where(breast, 0.3 + noise + blob * np.exp(-(distance**2) / 18), 0.0)
    planes = {"label": pixels, "label_breast": breast, "label_mask": (distance < 5) & lesion}
    return {
        **{key: torch.from_numpy(plane.astype(np.float32))[None] for key, plane in planes.items()},
        "radiomics": np.full(102, number, dtype=np.float32) if lesion else np.full(102, np.nan, np.float32),
        "target_view": target_view,
        "pair_id": f"P{number}_L",
    }


@pytest.fixture(scope="module")
def learned():
    items = [view(blob=0.1 + 0.01 * n, lesion=False, target_view=1, number=n) for n in range(10)]
    items += [view(blob=blob, lesion=True, target_view=1, number=20 + n) for n, blob in enumerate((0.05, 0.05, 0.4))]
    return learn_real_views(items, spacing_mm=1.0, settings=made_settings(), network=made_feature_network(), workers=1)


def test_the_level_is_what_nearly_all_views_without_a_lesion_stay_below(learned) -> None:
    level = learned.blob_levels.level(ViewPosition.MLO)
    # A Gaussian blob of 3 mm and height h has the contrast 0.3 h; heights from 0.1 to 0.19, 95 % of them.
    assert level == pytest.approx(0.3 * 0.1855, rel=0.05)


def test_the_sensitivity_is_that_of_the_real_lesions(learned) -> None:
    assert learned.blob_levels.sensitivity == {ViewPosition.MLO: pytest.approx(1 / 3)}


def test_a_position_without_views_has_no_level(learned) -> None:
    assert np.isnan(learned.blob_levels.level(ViewPosition.CC))
    assert set(learned.radiomics) == {ViewPosition.MLO}


def test_features_are_of_all_views_and_the_scale_is_theirs(learned) -> None:
    assert learned.views[ViewPosition.MLO] == 13
    radiomics, hidden = learned.radiomics[ViewPosition.MLO], learned.embeddings[ViewPosition.MLO]
    assert 10 <= len(radiomics) == len(hidden) <= 13
    standardized = learned.standardizer(torch.from_numpy(radiomics)).numpy()
    assert np.abs(np.median(standardized, axis=0)).max() < 1
    # The conditions are those of the three lesions: 20, 21 and 22.
    assert learned.conditions.center[0].item() == 21
