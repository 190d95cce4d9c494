"""Raw radiomic features in, comparable numbers out: the scale of every feature, fitted on the training split."""

import numpy as np
import torch
from torch import Tensor, nn

IQR_OF_STANDARD_NORMAL = 1.349  # the interquartile range of a normal distribution in units of its standard deviation


class RadiomicsStandardizer(nn.Module):
    """Standardize raw features by the median and interquartile range of the training split, then asinh.

    Radiomic features differ by ten orders of magnitude and several have heavy tails (GLSZM large area emphasis):
    asinh leaves the bulk linear and tames the tails, and is invertible. The scale lives in buffers, so it is saved and
    exported with the network that owns it.

    Args:
        features: number of features F.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def forward(self, raw: Tensor) -> Tensor:
        """Standardize.

        Args:
            raw: ``[B, F]`` raw features; NaN stays NaN.

        Returns:
            ``[B, F]``, of the order of one. A feature that is constant in the training split gives zero.
        """
        return torch.asinh((raw - self.center) / self.scale)

    @torch.no_grad()
    def fit(self, raw: np.ndarray) -> None:
        """Set the scale from the training split.

        Args:
            raw: ``[N, F]`` raw features of training cases; rows with NaN (unknown) are left out.

        Raises:
            ValueError: no row is free of NaN, or the number of features differs.
        """
        known = raw[~np.isnan(raw).any(axis=1)].astype(np.float64)
        if raw.shape[1] != len(self.center) or not len(known):
            raise ValueError(
                f"The standardizer needs at least one known vector of {len(self.center)} radiomic features from the "
                f"training split; got {len(known)} of {raw.shape[1]} features. Check radiomics.csv."
            )
        first, median, third = np.percentile(known, [25, 50, 75], axis=0)
        scale = (third - first) / IQR_OF_STANDARD_NORMAL
        scale = np.where(scale > 0, scale, known.std(axis=0))
        # A constant feature says nothing: an infinite scale maps every value of it to zero.
        scale = np.where(scale > 1e-12 * np.maximum(1.0, np.abs(median)), scale, np.inf)
        self.center.copy_(torch.from_numpy(median))
        self.scale.copy_(torch.from_numpy(scale))
