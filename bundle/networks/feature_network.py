"""A small network of mammogram features: from a region it predicts the region's radiomic vector.

It is trained on the training split's real views and then frozen. Its hidden features serve the perceptual loss, its
prediction at the target's lesion the radiomic loss; no download of weights made for photographs is needed.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bundle.networks.blocks import ResidualBlock
from bundle.networks.standardizer import RadiomicsStandardizer

EMBEDDING = 256  # width of the head's hidden layer


class FeatureNetwork(nn.Module):
    """Predict the standardized ``canvas`` radiomic vector of a region from the image and the region's mask.

    The image alone goes through the trunk; the mask only pools. So the trunk's features are features of the image, and
    what the loss on the prediction changes is the image.

    Args:
        channels: channels of the trunk's levels, finest first; each further level halves the resolution.
        radiomics_features: length F of the radiomic vector.
    """

    def __init__(self, channels: Sequence[int] = (16, 32, 48, 64), radiomics_features: int = 102) -> None:
        super().__init__()
        self.standardizer = RadiomicsStandardizer(radiomics_features)
        self.stem = nn.Conv2d(1, channels[0], 3, padding=1)
        self.levels = nn.ModuleList()
        self.downsamples = nn.ModuleList()
        previous = channels[0]
        for level, width in enumerate(channels):
            down = nn.Identity() if level == 0 else nn.Conv2d(previous, width, 4, stride=2, padding=1)
            self.downsamples.append(down)
            self.levels.append(ResidualBlock(in_channels=width, out_channels=width))
            previous = width
        pooled = 2 * sum(channels) + 3 + _SHAPE_NUMBERS
        self.head = nn.Sequential(
            nn.LayerNorm(pooled), nn.Linear(pooled, EMBEDDING), nn.SiLU(), nn.Linear(EMBEDDING, radiomics_features)
        )

    def hidden(self, image: Tensor) -> list[Tensor]:
        """Features of an image ``[B, 1, H, W]`` in [0, 1] at each level, finest first: ``[B, C_k, H / 2^k, W / 2^k]``.

        The sides are multiples of two to the number of levels less one.
        """
        features = self.stem(image)
        levels = []
        for down, level in zip(self.downsamples, self.levels, strict=True):
            features = level(down(features))
            levels.append(features)
        return levels

    def predict(self, image: Tensor, levels: list[Tensor], mask: Tensor) -> Tensor:
        """Predict standardized vectors ``[B, F]`` from hidden features and region masks ``[B, 1, H, W]`` in {0, 1}.

        An empty mask gives a finite, meaningless vector: the caller leaves such cases out.
        """
        return self.head(self._pooled(image, levels, mask))

    def embed(self, image: Tensor, mask: Tensor) -> Tensor:
        """Embed regions ``mask`` of ``image``, both ``[B, 1, H, W]``: the head's hidden layer ``[B, EMBEDDING]``."""
        return self.head[:-1](self._pooled(image, self.hidden(image), mask))

    def _pooled(self, image: Tensor, levels: list[Tensor], mask: Tensor) -> Tensor:
        # What first-order features are made of, exactly: mean, spread and mean square of the region's intensities.
        mean, deviation = _masked_moments(image, mask)
        pooled = [mean, deviation, mean.square() + deviation.square(), _shape_numbers(mask)]
        for features in levels:
            smaller = nn.functional.adaptive_avg_pool2d(mask, (features.shape[2], features.shape[3]))
            pooled.extend(_masked_moments(features, smaller))
        return torch.cat(pooled, dim=1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Predict standardized vectors ``[B, F]`` of regions ``mask`` in ``image``, both ``[B, 1, H, W]``."""
        return self.predict(image, self.hidden(image), mask)


_SHAPE_NUMBERS = 4


def _masked_moments(features: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``[B, C]`` each of ``[B, C, H, W]`` under weights ``[B, 1, H, W]``."""
    total = weight.sum(dim=(2, 3)).clamp_min(1e-6)
    mean = (features * weight).sum(dim=(2, 3)) / total
    centred = features - mean[:, :, None, None]
    variance = (centred.square() * weight).sum(dim=(2, 3)) / total
    return mean, (variance + 1e-6).sqrt()


def _shape_numbers(mask: Tensor) -> Tensor:
    """Size, extents along the principal axes and perimeter of masks ``[B, 1, H, W]``, as logarithms ``[B, 4]``."""
    _, _, H, W = mask.shape
    rows = torch.arange(H, device=mask.device, dtype=mask.dtype)[None, None, :, None]
    columns = torch.arange(W, device=mask.device, dtype=mask.dtype)[None, None, None, :]
    area = mask.sum(dim=(1, 2, 3)).clamp_min(1e-6)
    row = (mask * rows).sum(dim=(1, 2, 3)) / area
    column = (mask * columns).sum(dim=(1, 2, 3)) / area
    dr, dc = rows - row[:, None, None, None], columns - column[:, None, None, None]
    a = (mask * dr.square()).sum(dim=(1, 2, 3)) / area
    b = (mask * dc.square()).sum(dim=(1, 2, 3)) / area
    c = (mask * dr * dc).sum(dim=(1, 2, 3)) / area
    root = ((a - b).square() / 4 + c.square() + 1e-9).sqrt()
    major, minor = (a + b) / 2 + root, ((a + b) / 2 - root).clamp_min(0)
    perimeter = (mask[..., 1:, :] - mask[..., :-1, :]).abs().sum(dim=(1, 2, 3))
    perimeter = perimeter + (mask[..., :, 1:] - mask[..., :, :-1]).abs().sum(dim=(1, 2, 3))
    return torch.stack([area, major, minor, perimeter], dim=1).log1p()
