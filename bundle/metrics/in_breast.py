"""Fidelity inside the breast, where a dark frame cannot raise the score.

Training's validation and the evaluation both come here: no other module computes in-breast figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import conv2d

from bundle.metrics.checking import checked_pair
from bundle.metrics.ms_ssim import ms_ssim, scale_weights
from bundle.metrics.psnr import decibels
from bundle.metrics.ssim import WINDOW_PIXELS, ssim_map

# The skin line and a synthetic breast that is a little too large count too.
GROWTH_MM = 2.0


@dataclass(frozen=True, kw_only=True)
class InBreastScores:
    """Scores inside the target's grown breast mask, one per image.

    Args:
        ssim: ``[B]`` float64, mean of the SSIM map over the mask.
        psnr_db: ``[B]`` float64, from the mean squared error over the mask.
    """

    ssim: torch.Tensor
    psnr_db: torch.Tensor


def in_breast(
    pred: torch.Tensor,
    target: torch.Tensor,
    breast: torch.Tensor,
    *,
    data_range: float,
    spacing_mm: float,
    similarity: torch.Tensor | None = None,
) -> InBreastScores:
    """SSIM and PSNR inside the target's breast mask grown by `GROWTH_MM`.

    SSIM: mean of the map of `bundle.metrics.ssim.ssim_map` (uniform window of 7 x 7 pixels, whatever the spacing) over
    the windows that lie wholly in the frame and whose centre lies in the mask. PSNR: over all pixels of the mask.

    Args:
        pred: synthetic images ``[B, 1, H, W]``.
        target: real images ``[B, 1, H, W]``.
        breast: the *target's* breast masks ``[B, 1, H, W]``, 0 or 1 of any type.
        data_range: width of the intensity range; 1.0 for prepared views.
        spacing_mm: pixel spacing of the canvas, the same in both directions.
        similarity: the images' `ssim_map`, where the caller has it already.

    Raises:
        ValueError: see `checked_pair`; the mask is of another size, or empty for an item, which the message names.
    """
    pred, target = checked_pair(pred, target, data_range=data_range)
    if breast.shape != pred.shape:
        raise ValueError(
            f"The breast mask has the shape {list(breast.shape)}, the images {list(pred.shape)}: they must be equal."
        )
    mask = grown(breast.as_subclass(torch.Tensor).to(pred.device) > 0.5, growth_mm=GROWTH_MM, spacing_mm=spacing_mm)
    margin = WINDOW_PIXELS // 2
    if similarity is None:
        similarity = ssim_map(pred, target, data_range=data_range)
    centres = mask[..., margin:-margin, margin:-margin]
    seen = centres.flatten(start_dim=1).any(dim=1)
    if not bool(seen.all()):
        items = ", ".join(str(index) for index in torch.nonzero(~seen).flatten().tolist())
        raise ValueError(
            f"The target's breast mask is empty (apart from the outermost {margin} pixels) in item {items} of the "
            "batch: a view without a breast cannot be scored, leave it out of the data."
        )
    return InBreastScores(
        ssim=_mean_over(similarity, centres),
        psnr_db=decibels(_mean_over((pred - target).square(), mask), data_range=data_range),
    )


def in_breast_ms_ssim(
    pred: torch.Tensor, target: torch.Tensor, breast: torch.Tensor, *, data_range: float, spacing_mm: float
) -> torch.Tensor:
    """MS-SSIM whose windows count by the share of the target's grown breast mask at their centre.

    Args:
        pred: synthetic images ``[B, 1, H, W]``.
        target: real images ``[B, 1, H, W]``.
        breast: the *target's* breast masks ``[B, 1, H, W]``, 0 or 1 of any type.
        data_range: width of the intensity range; 1.0 for prepared views.
        spacing_mm: pixel spacing of the canvas; it decides the number of scales.

    Returns:
        ``[B]`` float64 in [0, 1]; NaN where the breast is too small for the coarsest scale.

    Raises:
        ValueError: see `checked_pair` and `scale_weights`.
    """
    mask = grown(breast.as_subclass(torch.Tensor).to(pred.device) > 0.5, growth_mm=GROWTH_MM, spacing_mm=spacing_mm)
    weights = scale_weights((pred.shape[-2], pred.shape[-1]), spacing_mm=spacing_mm)
    return ms_ssim(pred, target, mask.float(), weights=weights, data_range=data_range)


def grown(mask: torch.Tensor, *, growth_mm: float, spacing_mm: float) -> torch.Tensor:
    """Grow a mask by a disk: True where a True pixel's centre is at most ``growth_mm`` away.

    Args:
        mask: bool ``[B, 1, H, W]``.
        growth_mm: radius of the disk; below one pixel nothing grows.
        spacing_mm: pixel spacing, the same in both directions.

    Returns:
        Bool ``[B, 1, H, W]``.

    Raises:
        ValueError: the spacing is not positive.
    """
    if not spacing_mm > 0:
        raise ValueError(f"spacing_mm is {spacing_mm}: it must be a positive number of millimetres.")
    radius = growth_mm / spacing_mm + 1e-6  # a pixel exactly on the circle belongs to it
    reach = math.floor(radius)
    offsets = torch.arange(-reach, reach + 1, device=mask.device)
    disk = (offsets[:, None].square() + offsets[None, :].square() <= radius**2).to(torch.float32)
    return conv2d(mask.to(torch.float32), disk[None, None], padding=reach) > 0.5


def _mean_over(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of ``values`` ``[B, 1, H, W]`` where the mask is True, per image: ``[B]``."""
    weights = mask.to(values.dtype)
    return (values * weights).sum(dim=(1, 2, 3)) / weights.sum(dim=(1, 2, 3))
