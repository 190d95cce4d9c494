"""L_percep: distance between the hidden features of two images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import l1_loss


def perceptual_loss(pred_features: Sequence[Tensor], label_features: Sequence[Tensor]) -> Tensor:
    """L1 between hidden features, averaged over the levels (Johnson et al. 2016, arXiv 1603.08155).

    Args:
        pred_features: per level ``[B, C_k, H_k, W_k]`` of the synthetic view.
        label_features: the same of the real target view.
    """
    terms = [l1_loss(pred, label) for pred, label in zip(pred_features, label_features, strict=True)]
    return torch.stack(terms).mean()
