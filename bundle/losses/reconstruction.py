"""L_L1: the mean absolute difference."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import l1_loss


def reconstruction_loss(pred: Tensor, label: Tensor) -> Tensor:
    """Mean absolute difference of ``[B, 1, H, W]`` images in [0, 1] (a mean per pixel, not the seed's sum)."""
    return l1_loss(pred, label)
