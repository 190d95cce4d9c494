"""What every measure demands of the two images that it compares."""

from __future__ import annotations

import torch


def checked_pair(pred: torch.Tensor, target: torch.Tensor, *, data_range: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Check the images of a measure and return them in float64.

    Double precision because SSIM subtracts two nearly equal numbers, E[x^2] - E[x]^2: in float32 the difference of
    flat tissue is mostly rounding.

    Args:
        pred: synthetic images ``[B, 1, H, W]``, any floating type, intensities in a range of width ``data_range``.
        target: real images ``[B, 1, H, W]``.
        data_range: greatest possible intensity minus the smallest possible one; 1.0 for prepared views.

    Returns:
        Both as plain float64 tensors (no metadata travels along).

    Raises:
        ValueError: the range is not positive, the shapes differ or are not ``[B, 1, H, W]``, or a value is not finite
            (the message names the items of the batch).
    """
    if not data_range > 0:
        raise ValueError(f"data_range is {data_range}: it must be a positive number (1.0 for views in [0, 1]).")
    if pred.shape != target.shape or pred.ndim != 4 or pred.shape[1] != 1:
        raise ValueError(
            f"A measure compares images [B, 1, H, W] of one size, got pred {list(pred.shape)} and target "
            f"{list(target.shape)}: give both views on the same canvas."
        )
    pred64 = pred.as_subclass(torch.Tensor).detach().to(torch.float64)
    target64 = target.as_subclass(torch.Tensor).detach().to(device=pred64.device, dtype=torch.float64)
    for name, images in (("pred", pred64), ("target", target64)):
        finite = torch.isfinite(images).flatten(start_dim=1).all(dim=1)
        if not bool(finite.all()):
            items = ", ".join(str(index) for index in torch.nonzero(~finite).flatten().tolist())
            raise ValueError(f"{name} holds NaN or infinite values in item {items} of the batch: it cannot be scored.")
    return pred64, target64
