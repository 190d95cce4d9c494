"""Mean absolute error of an image."""

from __future__ import annotations

import torch

from bundle.metrics.checking import checked_pair


def mean_absolute_error(pred: torch.Tensor, target: torch.Tensor, *, data_range: float) -> torch.Tensor:
    """Mean over the frame of |pred - target|, as a share of the intensity range.

    Args:
        pred: synthetic images ``[B, 1, H, W]``.
        target: real images ``[B, 1, H, W]``.
        data_range: width of the intensity range; 1.0 for prepared views.

    Returns:
        ``[B]`` float64, 0 = identical, 1 = wrong by the whole range everywhere.

    Raises:
        ValueError: see `checked_pair`.
    """
    pred, target = checked_pair(pred, target, data_range=data_range)
    return (pred - target).abs().mean(dim=(1, 2, 3)) / data_range
