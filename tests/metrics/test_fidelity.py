"""Whole-frame measures against scikit-image and against figures computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bundle.metrics.absolute_error import mean_absolute_error
from bundle.metrics.psnr import CEILING_DB, psnr_db
from bundle.metrics.ssim import ssim, ssim_map

MEASURES = [mean_absolute_error, psnr_db, ssim]


def smooth_pairs(*, seed: int, data_range: float) -> tuple[np.ndarray, np.ndarray]:
    """Three pairs ``[3, 1, 40, 32]``: noise, a ramp with a little noise, and a flat bright field (float32)."""
    rng = np.random.default_rng(seed)
    ramp = np.broadcast_to(np.linspace(0, 1, 32), (40, 32))
    target = np.stack([rng.random((40, 32)), ramp, np.full((40, 32), 0.9)])
    pred = np.stack([rng.random((40, 32)), ramp + 0.05 * rng.standard_normal((40, 32)), np.full((40, 32), 0.8)])
    return (data_range * pred[:, None]).astype(np.float32), (data_range * target[:, None]).astype(np.float32)


@pytest.mark.parametrize("data_range", [1.0, 2.0, 255.0])
def test_ssim_and_psnr_equal_scikit_image(data_range: float) -> None:
    pred, target = smooth_pairs(seed=0, data_range=data_range)
    expected_ssim = [
        structural_similarity(a[0].astype(float), b[0].astype(float), data_range=data_range)
        for a, b in zip(pred, target, strict=True)
    ]
    expected_psnr = [
        peak_signal_noise_ratio(b[0], a[0], data_range=data_range) for a, b in zip(pred, target, strict=True)
    ]
    got_ssim = ssim(torch.from_numpy(pred), torch.from_numpy(target), data_range=data_range)
    got_psnr = psnr_db(torch.from_numpy(pred), torch.from_numpy(target), data_range=data_range)
    np.testing.assert_allclose(got_ssim, expected_ssim, atol=1e-7)
    np.testing.assert_allclose(got_psnr, expected_psnr, atol=1e-4)


def test_ssim_uses_the_sample_covariance() -> None:
    pred, target = smooth_pairs(seed=1, data_range=1.0)
    population = structural_similarity(
        pred[0, 0].astype(float), target[0, 0].astype(float), data_range=1.0, use_sample_covariance=False
    )
    assert abs(float(ssim(torch.from_numpy(pred), torch.from_numpy(target), data_range=1.0)[0]) - population) > 1e-5


def test_ssim_map_is_the_inner_part_of_scikit_images_map() -> None:
    pred, target = smooth_pairs(seed=2, data_range=1.0)
    _, full = structural_similarity(pred[1, 0].astype(float), target[1, 0].astype(float), data_range=1.0, full=True)
    got = ssim_map(torch.from_numpy(pred).double(), torch.from_numpy(target).double(), data_range=1.0)
    assert got.shape == (3, 1, 34, 26)
    np.testing.assert_allclose(got[1, 0], full[3:-3, 3:-3], atol=1e-7)


def test_by_hand() -> None:
    target = torch.tensor([[0.0, 0.5], [1.0, 0.25]])[None, None]
    pred = torch.tensor([[0.1, 0.5], [0.8, 0.25]])[None, None]
    # |error| = 0.1, 0, 0.2, 0: mean 0.075; squared 0.01 + 0.04 over four pixels = 0.0125, 10 log10(1 / 0.0125)
    assert mean_absolute_error(pred, target, data_range=1.0).item() == pytest.approx(0.075)
    assert mean_absolute_error(pred, target, data_range=2.0).item() == pytest.approx(0.0375)
    assert psnr_db(pred, target, data_range=1.0).item() == pytest.approx(19.0309, abs=1e-4)


def test_flat_images_leave_only_the_luminance_of_ssim() -> None:
    pred, target = torch.full((1, 1, 9, 9), 0.5), torch.full((1, 1, 9, 9), 1.0)
    # numerator 2 * 0.5 * 1 and denominator 0.25 + 1, C1 = 0.0001 added to both
    assert ssim(pred, target, data_range=1.0).item() == pytest.approx(1.0001 / 1.2501, abs=1e-9)


def test_an_image_equals_itself() -> None:
    image = torch.rand(2, 1, 16, 12, generator=torch.Generator().manual_seed(0))
    assert mean_absolute_error(image, image, data_range=1.0).tolist() == [0.0, 0.0]
    assert ssim(image, image, data_range=1.0).tolist() == pytest.approx([1.0, 1.0], abs=1e-12)
    assert psnr_db(image, image, data_range=1.0).tolist() == pytest.approx([CEILING_DB, CEILING_DB])
    assert psnr_db(255 * image, 255 * image, data_range=255.0).tolist() == pytest.approx([CEILING_DB, CEILING_DB])


@pytest.mark.parametrize("measure", MEASURES)
def test_an_image_scores_the_same_alone_and_in_a_batch(measure) -> None:
    pred, target = (torch.from_numpy(images) for images in smooth_pairs(seed=3, data_range=1.0))
    together = measure(pred, target, data_range=1.0)
    alone = torch.cat([measure(pred[i : i + 1], target[i : i + 1], data_range=1.0) for i in range(3)])
    assert together.shape == (3,)
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("measure", MEASURES)
def test_half_precision_predictions_are_scored_in_double(measure) -> None:
    pred, target = (torch.from_numpy(images) for images in smooth_pairs(seed=4, data_range=1.0))
    got = measure(pred.half(), target, data_range=1.0)
    assert got.dtype == torch.float64
    torch.testing.assert_close(got, measure(pred.half().double(), target.double(), data_range=1.0))


@pytest.mark.parametrize("measure", MEASURES)
class TestWrongInput:
    def test_data_range_has_no_default(self, measure) -> None:
        with pytest.raises(TypeError, match="data_range"):
            measure(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))

    @pytest.mark.parametrize("data_range", [0.0, -1.0, float("nan")])
    def test_data_range_must_be_positive(self, measure, data_range: float) -> None:
        with pytest.raises(ValueError, match="data_range"):
            measure(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), data_range=data_range)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_nan_names_the_item(self, measure, value: float) -> None:
        pred = torch.zeros(3, 1, 8, 8)
        pred[1, 0, 4, 4] = value
        with pytest.raises(ValueError, match="pred holds NaN or infinite values in item 1 of the batch"):
            measure(pred, torch.zeros(3, 1, 8, 8), data_range=1.0)
        with pytest.raises(ValueError, match="target holds NaN or infinite values in item 1 of the batch"):
            measure(torch.zeros(3, 1, 8, 8), pred, data_range=1.0)

    @pytest.mark.parametrize("shape", [(1, 1, 8, 9), (1, 2, 8, 8), (8, 8)])
    def test_sizes_must_agree(self, measure, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"\[B, 1, H, W\]"):
            measure(torch.zeros(shape), torch.zeros(1, 1, 8, 8), data_range=1.0)


def test_ssim_needs_room_for_its_window() -> None:
    with pytest.raises(ValueError, match="7 x 7"):
        ssim(torch.zeros(1, 1, 6, 9), torch.zeros(1, 1, 6, 9), data_range=1.0)


def test_ssim_map_has_the_right_gradient() -> None:
    """L_SSIM is made of it."""
    pred, target = (torch.rand(1, 1, 8, 9, generator=torch.Generator().manual_seed(s)).double() for s in (0, 1))
    pred.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda image: ssim_map(image, target, data_range=1.0), pred)


def test_ssim_map_of_bfloat16_is_computed_in_double() -> None:
    pred, target = (torch.from_numpy(images) for images in smooth_pairs(seed=5, data_range=1.0))
    coarse = pred.bfloat16()
    assert torch.equal(
        ssim_map(coarse, target, data_range=1.0), ssim_map(coarse.double(), target.double(), data_range=1.0)
    )
