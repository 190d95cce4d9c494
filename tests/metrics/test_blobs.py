from __future__ import annotations

import numpy as np
import pytest

from bundle.metrics.blobs import MARGIN_MM, blob_contrasts

BREAST = np.indices((140, 100))[1] < 90


def with_blob(row: int, column: int, *, spacing_mm: float = 1.0) -> np.ndarray:
    rows, columns = np.indices(BREAST.shape)
    distance_mm = np.hypot(rows - row, columns - column) * spacing_mm
    return 0.3 + 0.4 * np.exp(-(distance_mm**2) / (2 * 3.0**2))


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0])
def test_a_blob_is_found_where_it_is_with_its_contrast(spacing_mm: float) -> None:
    places, contrasts = blob_contrasts(with_blob(70, 40, spacing_mm=spacing_mm), BREAST, spacing_mm=spacing_mm)
    assert places[0].tolist() == [70, 40]
    # A Gaussian of 3 mm, smoothed by 3 and by 6 mm: 9 / 18 and 9 / 45 of its height.
    assert contrasts[0] == pytest.approx(0.4 * (9 / 18 - 9 / 45), rel=0.02)
    assert (contrasts[1:] < 0.01).all()


def test_neither_a_uniform_breast_nor_its_skin_line_is_a_blob() -> None:
    places, contrasts = blob_contrasts(np.where(BREAST, 0.5, 0.0), BREAST, spacing_mm=1.0)
    assert (contrasts < 1e-3).all()
    assert len(places) == len(contrasts)


def test_the_margin_belongs_to_the_skin_but_not_to_the_chest_wall() -> None:
    at_skin = blob_contrasts(with_blob(70, 89 - round(MARGIN_MM / 2)), BREAST, spacing_mm=1.0)[1]
    at_wall = blob_contrasts(with_blob(70, 3), BREAST, spacing_mm=1.0)[1]
    assert max(at_wall) > 0.05
    assert max(at_skin, default=0.0) < 0.01


def test_no_breast_has_no_blob() -> None:
    places, contrasts = blob_contrasts(with_blob(70, 40), np.zeros_like(BREAST), spacing_mm=1.0)
    assert (places.shape, contrasts.shape) == ((0, 2), (0,))
