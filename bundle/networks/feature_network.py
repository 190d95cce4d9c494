"""A small network of mammogram features: from a region it predicts the region's radiomic vector.

It is trained on the training split's real views and then frozen. Its hidden features serve the perceptual loss, its
prediction at the target's lesion the radiomic loss; no download of weights made for photographs is needed.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bundle.networks.blocks import ResidualBlock
from bundle.networks.standardizer import RadiomicsStandardizer

EMBEDDING = 256  # width of the head's hidden layer
WINDOW_MM = 48.0  # side of the square around a region that the network sees
_WINDOW_MULTIPLE = 8  # pixels; the network halves the resolution three times


def window_side(spacing_mm: float) -> int:
    """Side in pixels of the square of about `WINDOW_MM` around a region, at this pixel spacing."""
    return math.ceil(WINDOW_MM / spacing_mm / _WINDOW_MULTIPLE) * _WINDOW_MULTIPLE


def region_windows(image: Tensor, mask: Tensor, *, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cut out the square around each region: what the network is trained, judged and used on.

    Its group norms take statistics over all that they see, so a prediction from a whole view would be another one.

    Args:
        image: ``[B, 1, H, W]``.
        mask: ``[B, 1, H, W]`` the regions, in {0, 1}.
        side: of the squares, even, in pixels (`window_side`).

    Returns:
        The windows of image and mask ``[B, 1, side, side]``, zero beyond the edges of the view; and bool ``[B]``,
        whether there is a region and it fits the window. The other windows mean nothing.
    """
    starts, fits = [], torch.ones(len(mask), dtype=torch.bool, device=mask.device)
    for across in (3, 2):
        occupied = mask.amax(dim=(1, across)) > 0  # [B, H], then [B, W]
        first = occupied.int().argmax(dim=1)
        last = occupied.shape[1] - 1 - occupied.flip(1).int().argmax(dim=1)
        fits &= occupied.any(dim=1) & (last - first < side)
        starts.append((first + last) // 2)  # in the padded view
    which = torch.arange(len(mask), device=mask.device)[:, None, None]
    offsets = torch.arange(side, device=mask.device)
    rows, columns = starts[0][:, None, None] + offsets[:, None], starts[1][:, None, None] + offsets
    padded = (nn.functional.pad(each, (side // 2,) * 4) for each in (image, mask))
    image_window, mask_window = (each[which, 0, rows, columns][:, None] for each in padded)
    return image_window, mask_window, fits


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

    def embed(self, image: Tensor, mask: Tensor) -> Tensor:
        """Embed the regions of windows, both ``[B, 1, S, S]``: the head's hidden layer ``[B, EMBEDDING]``."""
        return self.head[:-1](self._pooled(image, mask))

    def _pooled(self, image: Tensor, mask: Tensor) -> Tensor:
        # What first-order features are made of, exactly: mean, spread and mean square of the region's intensities.
        mean, deviation = _masked_moments(image, mask)
        pooled = [mean, deviation, mean.square() + deviation.square(), _shape_numbers(mask)]
        for features in self.hidden(image):
            smaller = nn.functional.adaptive_avg_pool2d(mask, (features.shape[2], features.shape[3]))
            pooled.extend(_masked_moments(features, smaller))
        return torch.cat(pooled, dim=1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Predict standardized vectors ``[B, F]`` of the regions of windows (`region_windows`), both ``[B, 1, S, S]``.

        An empty mask gives a finite, meaningless vector: the caller leaves such cases out.
        """
        return self.head(self._pooled(image, mask))


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
