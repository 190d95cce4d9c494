"""L_L1: the smooth absolute difference."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import smooth_l1_loss

# On the [0, 1] scale. Where the source leaves open what lies at a place, the absolute difference asks for the median,
# which decides for one possibility; the mean scores better in every fidelity measure (docs/results.md).
QUADRATIC_BELOW = 0.2


def reconstruction_loss(pred: Tensor, label: Tensor, label_mask: Tensor, *, lesion_weight: float) -> Tensor:
    """Smooth L1 of ``[B, 1, H, W]`` images in [0, 1], a mean per pixel (not the seed's sum).

    With d the absolute difference: d**2 / 0.4 below 0.2, d - 0.1 above (Girshick 2015, arXiv 1504.08083).

    The source says how far from the chest wall the target's lesion lies, not how high. Weighted as any other place, a
    lesion that lies at each of several places with a small probability is best not drawn at all.

    Args:
        pred: the synthetic views.
        label: the real target views.
        label_mask: the lesion mask of ``label`` in {0, 1}, of the same shape.
        lesion_weight: what a pixel of it counts, where the others count 1. The sum of the weighted differences is
            divided by the number of pixels, whatever the masks, so that the loss stays a mean over the batch.
    """
    difference = smooth_l1_loss(pred, label, beta=QUADRATIC_BELOW, reduction="none")
    return (difference * (1 + (lesion_weight - 1) * label_mask)).mean()
