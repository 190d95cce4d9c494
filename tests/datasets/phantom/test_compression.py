from __future__ import annotations

import numpy as np
import pytest

from bundle.datasets.phantom.anatomy import Breast
from bundle.datasets.phantom.compression import Compression
from bundle.datasets.phantom.parameters import ViewParameters
from bundle.vocabulary import ViewPosition

POSITIONS = list(ViewPosition)


def _grid(compression: Compression, step: float) -> tuple[np.ndarray, np.ndarray]:
    _, low, high = compression.outline_mm()
    x, v = np.meshgrid(
        np.arange(step / 2, compression.depth_mm, step), np.arange(low.min() - 2, high.max() + 2, step), indexing="ij"
    )
    return x.ravel(), v.ravel()


@pytest.mark.parametrize("position", POSITIONS)
def test_pressing_keeps_the_volume(breast: Breast, views: dict[ViewPosition, ViewParameters], position) -> None:
    compression = Compression.press(breast=breast, view=views[position], with_axilla=False)
    columns = compression.columns(*_grid(compression, 0.5))
    volume = columns.thickness_mm[columns.inside].sum() * 0.25
    assert volume == pytest.approx(breast.parameters.volume_mm3, rel=0.005)
    assert columns.thickness_mm.max() <= views[position].thickness_mm + 1e-6


@pytest.mark.parametrize("position", POSITIONS)
def test_volume_is_kept_locally(breast: Breast, views: dict[ViewPosition, ViewParameters], position) -> None:
    """The map's Jacobian, by finite differences in the pressed breast, is 1."""
    compression = Compression.press(breast=breast, view=views[position])
    _, v0 = compression.nipple_mm()
    for x, v in ((0.3 * compression.depth_mm, v0 + 5), (0.6 * compression.depth_mm, v0 - 12)):
        step = 1.0

        def at(dx: float, dv: float, dw: float, x: float = x, v: float = v) -> np.ndarray:
            columns = compression.columns(np.asarray([x + dx]), np.asarray([v + dv]))
            share = np.asarray([[0.6 + dw / columns.thickness_mm[0]]])
            return compression.uncompressed(columns, share)[:, 0, 0].astype(np.float64)

        jacobian = np.stack([(at(*d) - at(*-d)) / (2 * step) for d in step * np.eye(3)])
        assert abs(np.linalg.det(jacobian)) == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("position", POSITIONS)
def test_there_and_back(breast: Breast, views: dict[ViewPosition, ViewParameters], position) -> None:
    compression = Compression.press(breast=breast, view=views[position])
    depth = breast.parameters.depth_mm
    for point in ([0.3 * depth, 5.0, 8.0], [0.5 * depth, -15.0, -5.0], [0.8 * depth, 4.0, -6.0]):
        x, v, w = compression.compressed(np.asarray(point))
        columns = compression.columns(np.asarray([x]), np.asarray([v]))
        assert columns.inside[0]
        share = np.asarray([[w / columns.thickness_mm[0] + 0.5]])
        np.testing.assert_allclose(compression.uncompressed(columns, share)[:, 0, 0], point, atol=0.5)


@pytest.mark.parametrize("position", POSITIONS)
def test_order_of_depths_is_kept(breast: Breast, views: dict[ViewPosition, ViewParameters], position) -> None:
    compression = Compression.press(breast=breast, view=views[position])
    assert (np.diff(compression.x_of) >= 0).all()
    assert compression.x_of[0] == pytest.approx(0.0, abs=1e-6)
    assert compression.x_of[-1] == pytest.approx(breast.parameters.depth_mm, rel=1e-6)


def test_only_the_oblique_view_holds_the_armpit(breast: Breast, views: dict[ViewPosition, ViewParameters]) -> None:
    reach = {}
    for position in POSITIONS:
        _, _, high = Compression.press(breast=breast, view=views[position]).outline_mm()
        reach[position] = high.max()
    assert reach[ViewPosition.MLO] > reach[ViewPosition.CC] + 60
