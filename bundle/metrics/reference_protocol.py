"""The reference system's figures: whole frame, 256 x 256, background included.

Andreotti 2025, "Multi-View Generative Models for Breast Cancer Screening". Where it still differs: that system squashes
the whole film to a square, with its labels and borders, which score too; here the canvas, which holds neither, is
padded with background to a square, so that the breast keeps its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import interpolate, pad

from bundle.metrics.absolute_error import mean_absolute_error
from bundle.metrics.checking import checked_pair
from bundle.metrics.psnr import psnr_db
from bundle.metrics.ssim import ssim

SIDE = 256


@dataclass(frozen=True, kw_only=True)
class ReferenceScores:
    """Scores by the reference system's protocol, one per image ``[B]`` float64.

    Args:
        l1: *sum* over the frame of the absolute error of intensities in [-1, 1].
        ssim: uniform window of 7 x 7 pixels.
        psnr_db: of the mean squared error over the frame.
    """

    l1: torch.Tensor
    ssim: torch.Tensor
    psnr_db: torch.Tensor


def reference_scores(pred: torch.Tensor, target: torch.Tensor, *, data_range: float) -> ReferenceScores:
    """Score on the reference system's frame.

    Args:
        pred: synthetic images ``[B, 1, H, W]``.
        target: real images ``[B, 1, H, W]``.
        data_range: width of the intensity range; 1.0 for prepared views.

    Raises:
        ValueError: see `checked_pair`.
    """
    pred, target = (reference_frame(image) for image in checked_pair(pred, target, data_range=data_range))
    return ReferenceScores(
        l1=mean_absolute_error(pred, target, data_range=data_range) * 2 * SIDE**2,
        ssim=ssim(pred, target, data_range=data_range),
        psnr_db=psnr_db(pred, target, data_range=data_range),
    )


def reference_frame(images: torch.Tensor) -> torch.Tensor:
    """Pad with zeros at the right or at the bottom to a square, and resize it bilinearly to 256 x 256.

    Args:
        images: ``[B, 1, H, W]`` of a floating type.
    """
    rows, columns = images.shape[-2:]
    side = max(rows, columns)
    square = pad(images, (0, side - columns, 0, side - rows))
    if side == SIDE:
        return square
    return interpolate(square, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=side > SIDE)
