"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

import torch

from bundle.metrics.checking import checked_pair

# An image without any error has no finite PSNR, and one infinite value would take every mean over images with it.
# 100 dB is an error of 1e-5 of the range: less than 16-bit storage keeps.
CEILING_DB = 100.0


def psnr_db(pred: torch.Tensor, target: torch.Tensor, *, data_range: float) -> torch.Tensor:
    """PSNR = 10 log10(range^2 / MSE) over the whole frame, at most `CEILING_DB`.

    Args:
        pred: synthetic images ``[B, 1, H, W]``.
        target: real images ``[B, 1, H, W]``.
        data_range: width of the intensity range; 1.0 for prepared views.

    Returns:
        ``[B]`` float64 in dB.

    Raises:
        ValueError: see `checked_pair`.
    """
    pred, target = checked_pair(pred, target, data_range=data_range)
    return decibels((pred - target).square().mean(dim=(1, 2, 3)), data_range=data_range)


def decibels(mean_squared_error: torch.Tensor, *, data_range: float) -> torch.Tensor:
    """Turn a mean squared error ``[B]`` into PSNR ``[B]`` in dB, at most `CEILING_DB`."""
    least = data_range**2 * 10 ** (-CEILING_DB / 10)
    return 20 * math.log10(data_range) - 10 * torch.log10(mean_squared_error.clamp(min=least))
