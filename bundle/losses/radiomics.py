"""L_rad: the synthetic lesion shall have the radiomics of the real one."""

from __future__ import annotations

import torch
from torch import Tensor


def radiomic_loss(pred: Tensor, label: Tensor) -> Tensor:
    """L1 between standardized radiomic vectors, mean over the whole batch.

    A case without a known vector (no lesion in the target) contributes zero; it still counts in the mean, so that the
    gradient of accumulated mini-batches is the gradient of the large batch.

    Args:
        pred: ``[B, F]`` standardized vectors predicted from the synthetic views at the target's lesion.
        label: ``[B, F]`` standardized vectors of the real target lesions; a row with NaN is unknown.
    """
    known = ~torch.isnan(label).any(dim=1)
    error = (pred - torch.nan_to_num(label)).abs().mean(dim=1)
    return torch.where(known, error, torch.zeros_like(error)).mean()
