"""The generator: one view of a breast in, the complementary view out."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

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

SKIPS = 2  # the coarsest levels; in a finer one the two views have no place in common
# How much steeper than the logit of the breast its edge is in the view. With 1 it fades over centimetres where the
# source leaves it open; the greater, the sharper, and the further from the mean (docs/results.md).
OUTLINE_SHARPNESS = 4.0
_NOISE_CHANNELS = 8
_NOISE_PERIOD = 128  # pixels of the level, after which the noise comes again


class Generator(nn.Module):
    """Residual UNet that is told, at every decoder level, the source lesion's radiomics and the view to make.

    The view is joined by two coordinate channels: the views of a pair are not aligned pixel by pixel, what they share
    is the distance from the chest wall (the column), and a convolution cannot tell where it is.

    Only the `SKIPS` coarsest levels have skip connections. Finer ones would carry the source's outline, the edge of its
    muscle and its strands to the same places of the target view, where they are not. What is fine in the target the
    source does not tell; the finer levels make it of noise, and the discriminator says what it should look like. The
    noise follows from the source's grey values, so that a film always gives the same view.

    The view is made of two parts: the tissue as it would look inside the breast, and the breast's outline. Where the
    outline lies, the source leaves open by centimetres. In one image the losses would have the tissue fade over them,
    or draw sharp lines at wrong places; apart, the tissue is judged behind the real outline, and the outline is drawn
    where the probability of the breast is one half. It is smooth, and read where the skip connections end.

    The lesion mask enters there, too: its outline is not the target's.

    Args:
        channels: channels per level, finest first; each further level halves the resolution.
        blocks: residual blocks per level of the decoder, and of the encoder where it has skip connections.
        condition: length of the condition vector.
        radiomics_features: length F of the radiomic vector.

    Raises:
        ValueError: there is only one level.
    """

    noise: Tensor

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

        def decoder_level(in_channels: int, out_channels: int) -> nn.ModuleList:
            widths = [in_channels] + [out_channels] * (blocks - 1)
            return nn.ModuleList(
                ResidualBlock(in_channels=width, out_channels=out_channels, condition=condition) for width in widths
            )

        steps = list(pairwise(channels))
        if not steps:
            raise ValueError(f"The generator needs the channels of two levels or more; got {list(channels)}.")
        fine_steps, coarse_steps = steps[:-SKIPS], steps[-SKIPS:]
        middle, deepest = coarse_steps[0][0], channels[-1]
        self.middle_stride = 2 ** len(fine_steps)

        self.stem = nn.Conv2d(1 + 2, channels[0], 3, padding=1)
        self.fine_downsamples = nn.ModuleList(
            Downsample(in_channels=width, out_channels=coarser) for width, coarser in fine_steps
        )
        self.mask_stem = nn.Conv2d(1, middle, 3, padding=1)
        self.encoder = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(in_channels=width, out_channels=width) for _ in range(blocks)))
            for width, _ in coarse_steps
        )
        self.downsamples = nn.ModuleList(
            Downsample(in_channels=width, out_channels=coarser) for width, coarser in coarse_steps
        )
        self.bottleneck = nn.ModuleList(
            ResidualBlock(in_channels=deepest, out_channels=deepest, condition=condition) for _ in range(blocks + 1)
        )
        self.upsamples = nn.ModuleList(
            Upsample(in_channels=coarser, out_channels=width) for width, coarser in reversed(coarse_steps)
        )
        self.decoder = nn.ModuleList(decoder_level(2 * width, width) for width, _ in reversed(coarse_steps))
        self.outline_head = nn.Sequential(group_norm(middle), nn.SiLU(), nn.Conv2d(middle, 1, 3, padding=1))
        self.fine_upsamples = nn.ModuleList(
            Upsample(in_channels=coarser, out_channels=width) for width, coarser in reversed(fine_steps)
        )
        self.fine_decoder = nn.ModuleList(
            decoder_level(width + _NOISE_CHANNELS, width) for width, _ in reversed(fine_steps)
        )
        self.tissue_head = nn.Sequential(group_norm(channels[0]), nn.SiLU(), nn.Conv2d(channels[0], 1, 3, padding=1))
        # Of a generator of its own: the same one in every network, and no other weight depends on it.
        draw = torch.Generator().manual_seed(0)
        self.register_buffer("noise", torch.randn(_NOISE_CHANNELS, _NOISE_PERIOD, _NOISE_PERIOD, generator=draw))

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
        for downsample in self.fine_downsamples:
            features = downsample(features)
        features = features + self.mask_stem(nn.functional.avg_pool2d(image[:, 1:], self.middle_stride))

        skips: list[Tensor] = []
        for level, downsample in zip(self.encoder, self.downsamples):  # noqa: B905 (TorchScript knows no `strict`)
            features = level(features)
            skips.append(features)
            features = downsample(features)
        for block in self.bottleneck:
            features = block(features, condition)
        for upsample, level in zip(self.upsamples, self.decoder):  # noqa: B905
            features = torch.cat([upsample(features), skips.pop()], dim=1)
            for block in level:  # type: ignore[attr-defined]
                features = block(features, condition)

        breast = nn.functional.interpolate(
            self.outline_head(features), scale_factor=float(self.middle_stride), mode="bilinear", align_corners=False
        )
        place = noise_place(image)
        for upsample, level in zip(self.fine_upsamples, self.fine_decoder):  # noqa: B905
            features = upsample(features)
            features = torch.cat([features, self._noise_beside(features, place)], dim=1)
            for block in level:  # type: ignore[attr-defined]
                features = block(features, condition)
        tissue = self.tissue_head(features)
        if tissue.dtype == torch.bfloat16:  # it has steps of 1 / 256 near 1
            tissue, breast = tissue.float(), breast.float()
        both = torch.cat([full_range(tissue), breast], dim=1)
        return both if parts else composed(both)

    def _noise_beside(self, features: Tensor, place: Tensor) -> Tensor:
        """Cut the noise for features ``[B, C, H, W]``, for each image from its place int64 ``[B]`` on."""
        H, W = features.shape[-2:]
        period = self.noise.shape[-1]
        rows = torch.arange(H, device=place.device)[None] + place[:, None]
        columns = torch.arange(W, device=place.device)[None] + (place // period)[:, None]
        cut = self.noise[:, (rows % period)[:, :, None], (columns % period)[:, None, :]]
        return cut.transpose(0, 1).to(features.dtype)


def noise_place(image: Tensor) -> Tensor:
    """Say where in the noise a film's begins: int64 ``[B]``, from the grey values of ``[B, 2, H, W]``.

    A sum of whole numbers, which comes out the same on every device and in every batch.
    """
    return (255 * image[:, 0]).round().to(torch.int64).sum(dim=(1, 2))


# The number as an argument: TorchScript knows no global ones.
def composed(parts: Tensor, sharpness: float = OUTLINE_SHARPNESS) -> Tensor:
    """Make views ``[B, 1, H, W]`` in [0, 1] of tissue and breast's logit ``[B, 2, H, W]``.

    The outline lies where the probability of the breast is one half.
    """
    return parts[:, :1] * full_range(sharpness * parts[:, 1:])


def full_range(logits: Tensor) -> Tensor:
    """Map logits to [0, 1] so that 0 and 1 are reached: a sigmoid, stretched by 5 % at either end, cut.

    So the background is exactly zero. The gradient is that of the stretched sigmoid also where it is cut, so that a
    wrong zero can be left again.
    """
    stretched = 1.1 * torch.sigmoid(logits) - 0.05
    return stretched.detach().clamp(0.0, 1.0) + (stretched - stretched.detach())  # the second term is zero
