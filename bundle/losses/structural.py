"""L_SSIM: one minus the structural similarity."""

from __future__ import annotations

from monai.losses import SSIMLoss
from torch import Tensor

_SSIM = SSIMLoss(spatial_dims=2, data_range=1.0, kernel_type="gaussian", win_size=11)


def structural_loss(pred: Tensor, label: Tensor) -> Tensor:
    """1 - SSIM of ``[B, 1, H, W]`` images in [0, 1], mean over the batch (Wang et al. 2004, 11 x 11 Gaussian)."""
    return _SSIM(pred, label)
