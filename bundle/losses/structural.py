"""L_SSIM: one minus the structural similarity."""

from __future__ import annotations

from torch import Tensor

from bundle.metrics.ssim import ssim_map


def structural_loss(pred: Tensor, label: Tensor) -> Tensor:
    """1 - SSIM of ``[B, 1, H, W]`` images in [0, 1], mean over the batch (Wang et al. 2004, uniform 7 x 7 window).

    The map is the one that validation and evaluation report. MONAI's ``SSIMLoss`` computes in float32 with a window
    whose weights do not add up to one, so that flat regions score below their luminance term.
    """
    return 1 - ssim_map(pred, label, data_range=1.0).mean()
