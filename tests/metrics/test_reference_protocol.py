from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bundle.metrics.reference_protocol import reference_frame, reference_scores


def test_figures_are_scikit_images_on_the_padded_frame() -> None:
    generator = torch.Generator().manual_seed(0)
    pred, target = (torch.rand(1, 1, 256, 192, generator=generator) for _ in range(2))
    scores = reference_scores(pred, target, data_range=1.0)
    x, y = (np.pad(image[0, 0].double().numpy(), ((0, 0), (0, 64))) for image in (pred, target))
    assert scores.ssim.item() == pytest.approx(structural_similarity(x, y, win_size=7, data_range=1.0), abs=1e-4)
    assert scores.psnr_db.item() == pytest.approx(peak_signal_noise_ratio(y, x, data_range=1.0), abs=1e-4)
    assert scores.l1.item() == pytest.approx(np.abs((2 * x - 1) - (2 * y - 1)).sum(), rel=1e-6)


@pytest.mark.parametrize("shape", [(128, 96), (256, 192), (512, 384), (100, 300)])
def test_any_canvas_becomes_the_same_frame_without_changing_the_breasts_shape(shape: tuple[int, int]) -> None:
    image = torch.zeros(1, 1, *shape)
    image[..., : min(shape) // 2, : min(shape) // 2] = 1
    frame = reference_frame(image)
    assert frame.shape == (1, 1, 256, 256)
    lit = frame[0, 0] > 0.5
    assert abs(int(lit.any(dim=0).sum()) - int(lit.any(dim=1).sum())) <= 1


def test_the_same_image_is_perfect() -> None:
    image = torch.rand(1, 1, 128, 96, generator=torch.Generator().manual_seed(1))
    scores = reference_scores(image, image, data_range=1.0)
    assert (scores.l1.item(), scores.psnr_db.item()) == (0.0, 100.0)
    assert scores.ssim.item() == pytest.approx(1.0)


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        reference_scores(torch.full((1, 1, 9, 9), torch.nan), torch.zeros(1, 1, 9, 9), data_range=1.0)
