"""The generator: one view of a breast in, the complementary view out."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from bundle.networks.blocks import (
    ConditionEmbedding,
    Downsample,
    ResidualBlock,
    Upsample,
    coordinates,
    group_norm,
)
from bundle.networks.standardizer import RadiomicsStandardizer
from bundle.vocabulary import ViewPosition

# How much steeper than the probability of the breast its edge is in the view. With 1 it fades over centimetres where
# the source leaves it open; the greater, the sharper, and the further from the mean (docs/results.md).
OUTLINE_SHARPNESS = 4.0
# Pixels; skip connections leave traces of the source's own outline in the probability, which is known less finely.
OUTLINE_WINDOW = 7


class Generator(nn.Module):
    """Residual UNet that is told, at every decoder level, the source lesion's radiomics and the view to make.

    The view is joined by two coordinate channels: the views of a pair are not aligned pixel by pixel, what they share
    is the distance from the chest wall (the column), and a convolution cannot tell where it is.

    The view is made of two parts: the tissue as it would look inside the breast, and the breast's outline. Where the
    outline lies, the source leaves open by centimetres. In one image the losses would have the tissue fade over them,
    or draw sharp lines at wrong places; apart, the tissue is judged behind the real outline, and the outline is drawn
    where the probability of the breast is one half.

    The lesion mask enters at a coarse level. At full resolution the skip connections would carry its outline to the
    same place of the target view, where the lesion is not, and draw it there.

    Args:
        channels: channels per level, finest first; each further level halves the resolution.
        blocks: residual blocks per level.
        condition: length of the condition vector.
        radiomics_features: length F of the radiomic vector.
    """

    def __init__(
        self,
        channels: Sequence[int] = (32, 64, 96, 128, 192, 224),
        blocks: int = 1,
        condition: int = 128,
        radiomics_features: int = 102,
    ) -> None:
        super().__init__()
        self.default_view = ViewPosition.MLO.class_index
        self.standardizer = RadiomicsStandardizer(radiomics_features)
        self.embedding = ConditionEmbedding(features=radiomics_features, width=condition)
        self.stem = nn.Conv2d(1 + 2, channels[0], 3, padding=1)
        self.mask_level = min(2, len(channels) - 1)
        self.mask_stride = 2**self.mask_level
        self.mask_stem = nn.Conv2d(1, channels[self.mask_level], 3, padding=1)

        self.encoder = nn.ModuleList()
        self.downsamples = nn.ModuleList()
        for width, coarser in pairwise(channels):
            self.encoder.append(
                nn.Sequential(*(ResidualBlock(in_channels=width, out_channels=width) for _ in range(blocks)))
            )
            self.downsamples.append(Downsample(in_channels=width, out_channels=coarser))

        deepest = channels[-1]
        self.bottleneck = nn.ModuleList(
            ResidualBlock(in_channels=deepest, out_channels=deepest, condition=condition) for _ in range(blocks + 1)
        )

        self.upsamples = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for width, coarser in reversed(list(pairwise(channels))):
            self.upsamples.append(Upsample(in_channels=coarser, out_channels=width))
            level = [ResidualBlock(in_channels=2 * width, out_channels=width, condition=condition)]
            level += [
                ResidualBlock(in_channels=width, out_channels=width, condition=condition) for _ in range(blocks - 1)
            ]
            self.decoder.append(nn.ModuleList(level))

        self.head = nn.Sequential(group_norm(channels[0]), nn.SiLU(), nn.Conv2d(channels[0], 2, 3, padding=1))

    def forward(
        self,
        image: Tensor,
        radiomics: Tensor | None = None,
        target_view: Tensor | None = None,
        parts: bool = False,
    ) -> Tensor:
        """Synthesize the target view.

        Args:
            image: ``[B, 2, H, W]``: the source view in [0, 1] and its lesion mask in {0, 1}; H and W are multiples of
                2 to the number of levels less one.
            radiomics: ``[B, F]`` raw features of the source lesion at the fine scale; a row with NaN, or None, is
                unknown.
            target_view: int64 ``[B]``, 0 = CC, 1 = MLO; None = MLO.
            parts: return what the view is made of, for the losses.

        Returns:
            The view ``[B, 1, H, W]`` in [0, 1]; with ``parts`` ``[B, 2, H, W]``: the tissue in [0, 1], and the logit of
            the probability that a place lies in the breast. `composed` makes the view of them.
        """
        B = image.shape[0]
        if radiomics is None:
            radiomics = torch.full((B, self.standardizer.center.shape[0]), float("nan"), device=image.device)
        if target_view is None:
            target_view = torch.full((B,), self.default_view, dtype=torch.int64, device=image.device)
        condition = self.embedding(self.standardizer(radiomics), target_view)

        features = self.stem(torch.cat([image[:, :1], coordinates(image)], dim=1))
        mask = self.mask_stem(nn.functional.avg_pool2d(image[:, 1:], self.mask_stride))

        depth = 0
        skips: list[Tensor] = []
        for level, downsample in zip(self.encoder, self.downsamples):  # noqa: B905 (TorchScript knows no `strict`)
            if depth == self.mask_level:
                features = features + mask
            features = level(features)
            skips.append(features)
            features = downsample(features)
            depth += 1
        if depth == self.mask_level:
            features = features + mask
        for block in self.bottleneck:
            features = block(features, condition)
        for upsample, level in zip(self.upsamples, self.decoder):  # noqa: B905
            features = torch.cat([upsample(features), skips.pop()], dim=1)
            for block in level:  # type: ignore[attr-defined]
                features = block(features, condition)
        made = self.head(features)
        if made.dtype == torch.bfloat16:  # it has steps of 1 / 256 near 1
            made = made.float()
        both = torch.cat([full_range(made[:, :1]), made[:, 1:]], dim=1)
        return both if parts else composed(both)


# The numbers as arguments: TorchScript knows no global ones.
def composed(parts: Tensor, sharpness: float = OUTLINE_SHARPNESS, window: int = OUTLINE_WINDOW) -> Tensor:
    """Make views ``[B, 1, H, W]`` in [0, 1] of tissue and breast's logit ``[B, 2, H, W]``.

    The outline lies where the probability of the breast, averaged twice over a window, is one half.
    """
    breast = torch.sigmoid(parts[:, 1:])
    margin = window // 2
    for _ in range(2):
        breast = avg_pool2d(breast, (window, 1), stride=1, padding=(margin, 0), count_include_pad=False)
        breast = avg_pool2d(breast, (1, window), stride=1, padding=(0, margin), count_include_pad=False)
    # Around one half the logit of a probability p is 4 (p - 1/2).
    return parts[:, :1] * full_range(4 * sharpness * (breast - 0.5))


def full_range(logits: Tensor) -> Tensor:
    """Map logits to [0, 1] so that 0 and 1 are reached: a sigmoid, stretched by 5 % at either end, cut.

    So the background is exactly zero. The gradient is that of the stretched sigmoid also where it is cut, so that a
    wrong zero can be left again.
    """
    stretched = 1.1 * torch.sigmoid(logits) - 0.05
    return stretched.detach().clamp(0.0, 1.0) + (stretched - stretched.detach())  # the second term is zero
