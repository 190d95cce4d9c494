"""The discriminator judges a target view: real or synthetic, patch by patch, given the source; CC or MLO."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bundle.networks.blocks import ConditionEmbedding
from bundle.networks.standardizer import RadiomicsStandardizer

TISSUE = 0.05  # of [0, 1]; a view's mean over 5 x 5 pixels is above it in the breast, and up to two pixels beyond


def _stage(in_channels: int, out_channels: int, *, normalize: bool = True) -> nn.Sequential:
    """Halve the resolution: 4 x 4 convolution, instance norm, leaky ReLU (PatchGAN, arXiv 1611.07004)."""
    layers: list[nn.Module] = [nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1)]
    if normalize:
        layers.append(nn.InstanceNorm2d(out_channels, affine=True))
    return nn.Sequential(*layers, nn.LeakyReLU(0.2))


def detail(view: Tensor, *, window: int) -> Tensor:
    """What views ``[B, 1, H, W]`` hold beyond their mean over ``window`` x ``window`` pixels, magnified.

    Texture is a small part of a view's variance: without this a blurred view passes for a real one for hundreds of
    steps (docs/results.md). The smaller the window the smaller what is left, and the more it is magnified.
    """
    margin = window // 2
    padded = nn.functional.pad(view, (margin, margin, margin, margin), mode="replicate")
    return (24.0 / window) * (view - nn.functional.avg_pool2d(padded, window, stride=1))


@torch.no_grad()
def interior(view: Tensor, *, rim: int) -> Tensor:
    """Where views ``[B, 1, H, W]`` in [0, 1] show tissue, less a rim of so many pixels: 1 there, 0 elsewhere.

    Towards the edge of the frame, where the chest wall lies, there is no rim.
    """
    mean = nn.functional.avg_pool2d(view, 5, stride=1, padding=2, count_include_pad=False)
    rimless = -nn.functional.max_pool2d(-(mean > TISSUE).to(view.dtype), 2 * rim + 1, stride=1, padding=rim)
    return rimless.clamp(min=0)


class Discriminator(nn.Module):
    """Conditional PatchGAN with a projection of the radiomics and a second head for the view.

    Two encoders, one of the target and one of the source, meet behind two halvings. The view head sits on the
    target's encoder *alone*: were the source visible to it, the view could be told from the source (it is always the
    other one), and the head would say nothing about the synthesized image.

    Of the target only the detail is seen, at a few scales: what is coarser is left to the losses that compare with the
    real view. A discriminator that sees the whole view draws texture in one direction and forgets the other. And of the
    detail only what lies in the view's own `interior`. The trainer shows synthetic tissue behind the real outline,
    towards which real tissue darkens and the synthetic one cannot: the source leaves open where the outline is.

    The radiomics enter as a projection (Miyato and Koyama, arXiv 1802.05637): the inner product of their embedding with
    each patch's features, over their number, is added to that patch's logit.

    Args:
        channels: channels of the four stages.
        windows: odd numbers of pixels, see `detail`; the detail of each is a channel.
        radiomics_features: length F of the radiomic vector.

    Raises:
        ValueError: a window is even or smaller than 3.
    """

    def __init__(
        self,
        channels: Sequence[int] = (32, 64, 128, 128),
        windows: Sequence[int] = (3, 5, 9),
        radiomics_features: int = 102,
    ) -> None:
        super().__init__()
        if not windows or any(window < 3 or window % 2 == 0 for window in windows):
            raise ValueError(
                f"The discriminator's windows must be odd numbers of 3 pixels or more; got {list(windows)}."
            )
        self.windows = tuple(windows)
        # Behind it the widest window sees tissue alone, of which `interior` adds up to two pixels.
        self.rim = max(windows) // 2 + 2
        first, second, third, fourth = channels
        self.standardizer = RadiomicsStandardizer(radiomics_features)
        self.embedding = ConditionEmbedding(features=radiomics_features, width=fourth)
        self.target_encoder = nn.Sequential(_stage(len(windows), first, normalize=False), _stage(first, second))
        self.source_encoder = nn.Sequential(_stage(3, first, normalize=False), _stage(first, second))
        self.pair_encoder = nn.Sequential(
            _stage(2 * second, third), nn.Conv2d(third, fourth, 3, padding=1), nn.LeakyReLU(0.2)
        )
        self.patch_head = nn.Conv2d(fourth, 1, 1)
        self.view_head = nn.Sequential(
            _stage(second, third),
            _stage(third, fourth),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(fourth, 2),
        )

    def forward(self, target: Tensor, image: Tensor, radiomics: Tensor, target_view: Tensor) -> tuple[Tensor, Tensor]:
        """Judge target views.

        Args:
            target: ``[B, 1, H, W]`` real or synthetic target views in [0, 1].
            image: ``[B, 2, H, W]`` the source view and its lesion mask, as the generator gets it.
            radiomics: ``[B, F]`` raw features as the generator gets them; a row with NaN is unknown.
            target_view: int64 ``[B]``, 0 = CC, 1 = MLO.

        Returns:
            patch logits ``[B, 1, H / 8, W / 8]`` and view logits ``[B, 2]``.
        """
        details = torch.cat([detail(target, window=window) for window in self.windows], dim=1)
        target_features = self.target_encoder(details * interior(target, rim=self.rim))
        view_logits = self.view_head(target_features)
        source_features = self.source_encoder(torch.cat([image, detail(image[:, :1], window=3)], dim=1))
        features = self.pair_encoder(torch.cat([target_features, source_features], dim=1))
        condition = self.embedding(self.standardizer(radiomics), target_view)
        projection = (features * condition[:, :, None, None]).mean(dim=1, keepdim=True)
        return self.patch_head(features) + projection, view_logits
