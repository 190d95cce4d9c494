"""Multi-scale structural similarity, with weights for the pixels that count."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.metrics.regression import KernelType, compute_ssim_and_cs
from torch.nn.functional import avg_pool2d

from bundle.metrics.checking import checked_pair
from bundle.metrics.ssim import K1, K2, WINDOW_PIXELS

# Of Wang et al. 2003 (doi:10.1109/ACSSC.2003.1292216), finest scale first; fewer scales take the first ones, rescaled
# to a sum of one.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# With coarser pixels the windows inside the frame no longer reach a small breast.
COARSEST_PIXEL_MM = 8.0


def scale_weights(frame: Sequence[int], *, spacing_mm: float) -> tuple[float, ...]:
    """Weights of the scales that fit a frame: pixels of at most `COARSEST_PIXEL_MM`, sides of a window or more.

    Args:
        frame: rows and columns.
        spacing_mm: pixel spacing.

    Raises:
        ValueError: the spacing is not positive, or the frame is smaller than the window.
    """
    if not spacing_mm > 0:
        raise ValueError(f"spacing_mm is {spacing_mm}: it must be a positive number of millimetres.")
    if min(frame) < WINDOW_PIXELS:
        raise ValueError(f"MS-SSIM needs a frame of at least {WINDOW_PIXELS} pixels each way, got {list(frame)}.")
    count = 1
    while (
        count < len(SCALE_WEIGHTS)
        and spacing_mm * 2**count <= COARSEST_PIXEL_MM
        and min(frame) // 2**count >= WINDOW_PIXELS
    ):
        count += 1
    return tuple(weight / sum(SCALE_WEIGHTS[:count]) for weight in SCALE_WEIGHTS[:count])


def ms_ssim(
    pred: torch.Tensor,
    target: torch.Tensor,
    pixel_weights: torch.Tensor,
    *,
    weights: Sequence[float],
    data_range: float,
) -> torch.Tensor:
    """MS-SSIM with a uniform 7 x 7 window; at each scale the mean over the window centres by their weights.

    With equal pixel weights it is MONAI's `MultiScaleSSIMMetric` (kernel ``uniform``, size 7).

    Args:
        pred: synthetic images ``[B, 1, H, W]``.
        target: real images ``[B, 1, H, W]``.
        pixel_weights: ``[B, 1, H, W]`` in [0, 1], how much each pixel counts.
        weights: exponent of each scale, finest first, see `scale_weights`.
        data_range: width of the intensity range; 1.0 for prepared views.

    Returns:
        ``[B]`` float64 in [0, 1]; NaN where at some scale no window centre has any weight.

    Raises:
        ValueError: see `checked_pair`.
    """
    x, y = (image.float() for image in checked_pair(pred, target, data_range=data_range))
    counted = pixel_weights.as_subclass(torch.Tensor).to(device=x.device, dtype=torch.float32)
    margin = WINDOW_PIXELS // 2
    result = torch.ones(len(x), dtype=torch.float64, device=x.device)
    for scale, weight in enumerate(weights):
        if scale:
            x, y, counted = (avg_pool2d(image, kernel_size=2) for image in (x, y, counted))
        similarity, contrast = compute_ssim_and_cs(
            y_pred=x,
            y=y,
            spatial_dims=2,
            data_range=data_range,
            kernel_type=KernelType.UNIFORM,
            kernel_size=(WINDOW_PIXELS, WINDOW_PIXELS),
            kernel_sigma=(1.0, 1.0),  # of the Gaussian kernel alone
            k1=K1,
            k2=K2,
        )
        centres = counted[..., margin:-margin, margin:-margin].double()
        values = (similarity if scale == len(weights) - 1 else contrast).double()
        mean = (values * centres).sum(dim=(1, 2, 3)) / centres.sum(dim=(1, 2, 3))
        result = result * mean.clamp(min=0) ** weight
    return result
