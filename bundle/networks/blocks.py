"""The blocks that generator, discriminator and feature network are made of."""

import torch
from torch import Tensor, nn


class FiLM(nn.Module):
    """Feature-wise linear modulation: ``features * (1 + gamma) + beta`` with gamma, beta linear in a condition.

    Perez et al. 2018, doi 10.1609/aaai.v32i1.11671. Starts as the identity.

    Args:
        condition: length of the condition vector.
        channels: channels of the features.
    """

    def __init__(self, *, condition: int, channels: int) -> None:
        super().__init__()
        self.project = nn.Linear(condition, 2 * channels)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """Modulate features ``[B, C, H, W]`` by a condition ``[B, K]``."""
        gamma, beta = self.project(condition)[:, :, None, None].chunk(2, dim=1)
        return features * (1 + gamma) + beta


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation in equal groups of at least eight channels; no statistics over the batch, so none to leak."""
    groups = next(count for count in range(max(1, channels // 8), 0, -1) if channels % count == 0)
    return nn.GroupNorm(groups, channels)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with group norm and SiLU around a shortcut, optionally modulated by a condition.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output; the shortcut is a 1 x 1 convolution where they differ.
        condition: length of the condition vector, 0 for none.
    """

    def __init__(self, *, in_channels: int, out_channels: int, condition: int = 0) -> None:
        super().__init__()
        self.norm1 = group_norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = group_norm(out_channels)
        self.film = FiLM(condition=condition, channels=out_channels) if condition else None
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)
        self.activation = nn.SiLU()

    def forward(self, features: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``[B, in_channels, H, W]`` to ``[B, out_channels, H, W]``; ``condition`` is ``[B, K]``."""
        hidden = self.conv1(self.activation(self.norm1(features)))
        hidden = self.norm2(hidden)
        if self.film is not None:
            if condition is None:
                raise ValueError("This block is conditional: it needs a condition vector.")
            hidden = self.film(hidden, condition)
        hidden = self.conv2(self.activation(hidden))
        return hidden + self.shortcut(features)


def coordinates(features: Tensor) -> Tensor:
    """Rows and columns of a frame ``[B, C, H, W]`` as two channels ``[B, 2, H, W]`` from -1 to 1."""
    B, _, H, W = features.shape
    rows = torch.linspace(-1.0, 1.0, H, device=features.device, dtype=features.dtype)[None, None, :, None]
    columns = torch.linspace(-1.0, 1.0, W, device=features.device, dtype=features.dtype)[None, None, None, :]
    return torch.cat([rows.expand(B, 1, H, W), columns.expand(B, 1, H, W)], dim=1)


class ConditionEmbedding(nn.Module):
    """Embed a radiomic vector and a target view as one condition vector.

    A vector that is not known (a row with any NaN) becomes a *learned* embedding, never a silent zero.

    Args:
        features: length F of the radiomic vector.
        width: length K of the condition vector.
    """

    def __init__(self, *, features: int, width: int) -> None:
        super().__init__()
        self.radiomics = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width))
        self.unknown = nn.Parameter(torch.randn(width) * 0.02)
        self.view = nn.Embedding(2, width)
        self.combine = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, standardized: Tensor, target_view: Tensor) -> Tensor:
        """Embed standardized features ``[B, F]`` (NaN = unknown) and view indices int64 ``[B]`` as ``[B, K]``."""
        known = ~torch.isnan(standardized).any(dim=1, keepdim=True)
        embedded = self.radiomics(torch.nan_to_num(standardized))
        embedded = torch.where(known, embedded, self.unknown.to(embedded.dtype))
        return self.combine(embedded + self.view(target_view))


class Downsample(nn.Module):
    """Halve the resolution by a strided convolution (kernel 4, so that every pixel has the same number of taps)."""

    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[B, C, H, W]`` to ``[B, C', H / 2, W / 2]``."""
        return self.conv(features)


class Upsample(nn.Module):
    """Double the resolution: a 1 x 1 convolution where it is cheap, at the coarse level, then bilinear interpolation.

    Never a transposed convolution: its uneven overlap draws a checkerboard (Odena et al. 2016,
    doi 10.23915/distill.00003). The residual block that follows convolves at the fine level.
    """

    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[B, C, H, W]`` to ``[B, C', 2 H, 2 W]``."""
        narrowed = self.conv(features)
        return nn.functional.interpolate(narrowed, scale_factor=2.0, mode="bilinear", align_corners=False)
