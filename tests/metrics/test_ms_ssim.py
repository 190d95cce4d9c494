from __future__ import annotations

import math

import pytest
import torch
from monai.metrics import MultiScaleSSIMMetric

from bundle.metrics.in_breast import in_breast_ms_ssim
from bundle.metrics.ms_ssim import SCALE_WEIGHTS, ms_ssim, scale_weights


def pair(*, rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    target = torch.rand(2, 1, rows, columns, generator=torch.Generator().manual_seed(0))
    noise = torch.rand(2, 1, rows, columns, generator=torch.Generator().manual_seed(1))
    return 0.7 * target + 0.3 * noise, target


def monai(pred: torch.Tensor, target: torch.Tensor, weights: tuple[float, ...]) -> torch.Tensor:
    metric = MultiScaleSSIMMetric(
        spatial_dims=2, data_range=1.0, kernel_type="uniform", kernel_size=7, weights=weights, reduction="none"
    )
    metric(pred, target)
    return metric.aggregate()[:, 0]


@pytest.mark.parametrize("weights", [SCALE_WEIGHTS, scale_weights((256, 192), spacing_mm=1.0)])
def test_equals_monai_over_the_whole_frame(weights: tuple[float, ...]) -> None:
    pred, target = pair(rows=256, columns=192)
    got = ms_ssim(pred, target, torch.ones_like(pred), weights=weights, data_range=1.0)
    torch.testing.assert_close(got.float(), monai(pred, target, weights), atol=1e-4, rtol=0)


def test_a_full_mask_gives_the_whole_frame_figure() -> None:
    pred, target = pair(rows=128, columns=96)
    got = in_breast_ms_ssim(pred, target, torch.ones_like(pred), data_range=1.0, spacing_mm=2.0)
    expected = monai(pred, target, scale_weights((128, 96), spacing_mm=2.0))
    torch.testing.assert_close(got.float(), expected, atol=1e-4, rtol=0)


def test_scales_end_at_the_same_pixel_size() -> None:
    assert len(scale_weights((256, 192), spacing_mm=1.0)) == 4
    assert len(scale_weights((128, 96), spacing_mm=2.0)) == 3
    assert len(scale_weights((24, 16), spacing_mm=0.1)) == 2
    assert sum(scale_weights((128, 96), spacing_mm=2.0)) == pytest.approx(1)


def test_what_lies_outside_the_breast_counts_little_and_inside_much() -> None:
    _, target = pair(rows=128, columns=96)
    breast = torch.zeros_like(target)
    breast[..., 30:100, :40] = 1
    outside, inside = target.clone(), target.clone()
    outside[..., 80:] = 0.5
    inside[..., 40:80, 10:30] = 0.5
    scores = [
        in_breast_ms_ssim(pred, target, breast, data_range=1.0, spacing_mm=2.0).max().item()
        for pred in (target, outside, inside)
    ]
    assert scores[0] == pytest.approx(1, abs=1e-6)
    assert scores[1] == pytest.approx(1, abs=1e-6)
    assert scores[2] < 0.9


def test_a_breast_too_small_for_the_coarsest_scale_has_none() -> None:
    pred, target = pair(rows=128, columns=96)
    breast = torch.zeros_like(pred)
    breast[..., 60:64, 0:3] = 1
    assert math.isnan(in_breast_ms_ssim(pred, target, breast, data_range=1.0, spacing_mm=2.0)[0])


def test_too_small_a_frame_and_no_spacing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 7 pixels"):
        scale_weights((6, 30), spacing_mm=1.0)
    with pytest.raises(ValueError, match="spacing_mm"):
        scale_weights((60, 30), spacing_mm=0.0)
