"""L_view and L_D,view: the view head's cross entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy


def view_loss(view_logits: Tensor, target_view: Tensor) -> Tensor:
    """Cross entropy of the view head, mean over the batch.

    The discriminator learns it from *real* views only; a head trained to call synthetic images by their wished view
    would tell the generator nothing.

    Args:
        view_logits: ``[B, 2]``, CC and MLO.
        target_view: int64 ``[B]``, 0 = CC, 1 = MLO.
    """
    return cross_entropy(view_logits, target_view)
