"""L_shape: where the breast lies."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def shape_loss(breast_logit: Tensor, label_breast: Tensor) -> Tensor:
    """Cross entropy of the breast's logit ``[B, 1, H, W]`` against the target's breast mask in {0, 1}, per pixel.

    Its least value has the probability, given the source, that a place lies in the breast.
    """
    return binary_cross_entropy_with_logits(breast_logit, label_breast)
