"""Who makes the views that are scored, and what the views stand for."""

from __future__ import annotations

from enum import StrEnum

import torch
from scipy import ndimage

MODEL = "model"
TARGET = "target"
TARGET_BLURRED = "target_blurred"
LAST_EPOCH = "model_last_epoch"
CEILING = "same_breast_again"
CEILING_ONCE = "same_breast_once"
POSTERIOR_MEAN = "posterior_mean"
SAMPLE = "sample"
# A lesion's edge and all texture are gone, the breast's form is not.
BLUR_MM = 4.0


class Kind(StrEnum):
    """What a method stands for in the tables."""

    MODEL = "model"
    BASELINE = "baseline"
    WARNING = "warning"
    REFERENCE = "reference"
    CHECKPOINT = "checkpoint"
    VARIANT = "variant"
    CEILING = "ceiling"


BESIDE_THEM = {
    TARGET_BLURRED: f"the real target view, blurred by a Gaussian of {BLUR_MM:g} mm: what a measure gives to an image "
    "without any texture",
    TARGET: "the real target view itself: what a measure gives at best",
    CEILING: "mean of the target views of the same phantom breast, laid and exposed again: as much as can be known",
    CEILING_ONCE: "one target view of the same phantom breast, laid and exposed again: what one real view reaches",
    POSTERIOR_MEAN: "the model's mean of all possible views (blurred), to be compared with the mean of the same breast",
    SAMPLE: "one possible view by the model, to be compared with the same breast once",
    LAST_EPOCH: "the model with the weights of its training run's last epoch instead of the best one's",
}


def blurred(target: torch.Tensor, *, spacing_mm: float) -> torch.Tensor:
    """Blur a view ``[1, H, W]`` by a Gaussian of `BLUR_MM` standard deviation."""
    smooth = ndimage.gaussian_filter(target[0].numpy(), BLUR_MM / spacing_mm)
    return torch.from_numpy(smooth)[None]
