"""The flow generator: one network that gives the posterior mean of the target view, and samples of it.

Rectified flow (Liu et al. 2022, arXiv 2209.03003) by prediction of the view (Li and He 2025, arXiv 2511.13720). On the
path ``x_t = (1 - t) e + t x`` from noise e (t = 0) to the target x (t = 1) the network predicts x itself. At t = 0 its
input is noise that tells nothing of x, so the best prediction is the posterior mean; following the velocity
``(x^ - x_t) / (1 - t)`` in some steps from t = 0 to 1 gives a sample.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, scaled_dot_product_attention

from bundle.networks.blocks import ConditionEmbedding, Downsample, ResidualBlock, Upsample, coordinates, group_norm
from bundle.networks.linear_prior import CHANNELS as PRIOR_CHANNELS
from bundle.networks.linear_prior import LinearPrior
from bundle.networks.standardizer import RadiomicsStandardizer
from bundle.vocabulary import ViewPosition

STATE_CHANNELS = 3  # grey values, lesion mask, breast mask
PATCH = 4  # pixels of a patch's side: space to depth at the input, its inverse at the output
HEAD_CHANNELS = 32  # of the attention
_FREQUENCIES = 32


class FlowGenerator(nn.Module):
    """UNet on patches of 4 x 4 pixels that predicts the target view, its lesion mask and its breast mask together.

    The three are one state, in [-1, 1] on the path from noise: so the posterior mean holds the probabilities of lesion
    and breast at each place, and a sample brings the lesion mask that goes with its picture.

    Convolutions and skip connections are those of the state, which lies where the target does; the source view enters
    beside it. What the two views share lies at other places of each: attention at the coarsest grid relates them, and a
    linear prediction of the target (`LinearPrior`), which the network corrects, the less the nearer it is to t = 1.

    Args:
        grid: rows and columns of the canvas in patches; H = 4 rows, W = 4 columns.
        channels: channels per level, finest (a patch per place) first; each further level halves the resolution. The
            last one is a multiple of 32.
        blocks: residual blocks per level of encoder and decoder.
        condition: length of the condition vector.
        prior_components: principal components of the linear prediction.
        radiomics_features: length F of the radiomic vector.
        steps: predictions that a sample takes, at least 1.
        realism: a in ``(1 - a) mean + a sample``: from 0, the posterior mean, to 1, a sample (Freirich et al. 2021,
            arXiv 2107.02555).
        sample: number of the sample; another number is another possible view of the same source.

    Attributes:
        label: which of the possible views `forward` makes, e.g. ``sample 3``, for names and titles.
        description: the same in words.

    Raises:
        ValueError: ``steps`` or ``sample`` is no whole number from 1 or 0 on, ``realism`` is outside [0, 1], or there
            are fewer than two levels.
    """

    INFERENCE_SETTINGS: ClassVar[tuple[str, ...]] = ("steps", "realism", "sample")

    def __init__(
        self,
        grid: Sequence[int] = (64, 48),
        channels: Sequence[int] = (64, 128, 224),
        blocks: int = 1,
        condition: int = 192,
        prior_components: int = 100,
        radiomics_features: int = 102,
        steps: int = 10,
        realism: float = 0.0,
        sample: int = 0,
    ) -> None:
        super().__init__()
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise ValueError(f"steps must be a whole number of at least 1; got {steps}.")
        if isinstance(realism, bool) or not isinstance(realism, int | float) or not 0 <= realism <= 1:
            raise ValueError(f"realism must lie in [0, 1], from the posterior mean to a sample; got {realism}.")
        if isinstance(sample, bool) or not isinstance(sample, int) or sample < 0:
            raise ValueError(f"sample must be a whole number of at least 0; got {sample}.")
        if len(channels) < 2 or channels[-1] % HEAD_CHANNELS:
            raise ValueError(
                f"channels must name two levels or more, the last a multiple of {HEAD_CHANNELS}; got {list(channels)}."
            )
        self.steps = steps
        self.realism = float(realism)
        self.sample = sample
        self.label, self.description = _words(realism=self.realism, sample=sample)
        self.default_view = ViewPosition.MLO.class_index
        self.prior = LinearPrior(grid=grid, components=prior_components)
        self.standardizer = RadiomicsStandardizer(radiomics_features)
        self.embedding = ConditionEmbedding(features=radiomics_features, width=condition)
        self.time_embedding = nn.Sequential(
            nn.Linear(2 * _FREQUENCIES, condition), nn.SiLU(), nn.Linear(condition, condition)
        )

        def level(in_channels: int, out_channels: int) -> nn.ModuleList:
            widths = [in_channels] + [out_channels] * (blocks - 1)
            return nn.ModuleList(
                ResidualBlock(in_channels=width, out_channels=out_channels, condition=condition) for width in widths
            )

        levels, deepest = list(pairwise(channels)), channels[-1]
        self.stem = nn.Conv2d((STATE_CHANNELS + 2 + PRIOR_CHANNELS) * PATCH**2 + 2, channels[0], 3, padding=1)
        self.encoder = nn.ModuleList(level(width, width) for width, _ in levels)
        self.downsamples = nn.ModuleList(Downsample(in_channels=a, out_channels=b) for a, b in levels)
        self.bottom = level(deepest, deepest) + level(deepest, deepest)
        self.attentions = nn.ModuleList(Attention(deepest) for _ in self.bottom)
        self.bottom_end = ResidualBlock(in_channels=deepest, out_channels=deepest, condition=condition)
        self.upsamples = nn.ModuleList(Upsample(in_channels=b, out_channels=a) for a, b in reversed(levels))
        self.decoder = nn.ModuleList(level(2 * width, width) for width, _ in reversed(levels))
        head = nn.Conv2d(channels[0], STATE_CHANNELS * PATCH**2, 3, padding=1)
        nn.init.zeros_(head.weight)  # it begins with the linear prediction
        nn.init.zeros_(head.bias)  # type: ignore[arg-type]
        self.head = nn.Sequential(group_norm(channels[0]), nn.SiLU(), head)

    def forward(
        self,
        image: Tensor,
        radiomics: Tensor | None = None,
        target_view: Tensor | None = None,
        state: Tensor | None = None,
        time: Tensor | None = None,
    ) -> Tensor:
        """Synthesize the target view or, of a state on the path, predict where the path ends.

        Args:
            image: ``[B, 2, H, W]``: the source view in [0, 1] and its lesion mask in {0, 1}.
            radiomics: ``[B, F]`` raw features of the source lesion at the fine scale; a row with NaN, or None, is
                unknown.
            target_view: int64 ``[B]``, 0 = CC, 1 = MLO; None = MLO.
            state: ``[B, 3, H, W]`` x_t, for training.
            time: ``[B]`` t in [0, 1] of the states.

        Returns:
            The view ``[B, 1, H, W]`` in [0, 1]; with a state the prediction x^ ``[B, 3, H, W]`` of the target's
            grey values, lesion mask and breast mask, each scaled to [-1, 1].
        """
        if state is not None and time is not None:
            known, condition = self._known(image, radiomics, target_view)
            return self._predict(known, state, time, condition)
        state = self.synthesize(image, radiomics, target_view, self.sample, self.realism)
        return view_of(state, self.realism)

    @torch.jit.export
    def synthesize(
        self,
        image: Tensor,
        radiomics: Tensor | None = None,
        target_view: Tensor | None = None,
        sample: int = 0,
        realism: float = 1.0,
    ) -> Tensor:
        """Synthesize grey values, lesion mask and breast mask together: a state ``[B, 3, H, W]``, about in [-1, 1].

        Args:
            image: as in `forward`.
            radiomics: as in `forward`.
            target_view: as in `forward`.
            sample: number of the sample.
            realism: 0 for the posterior mean, whose masks are probabilities, 1 for a sample.
        """
        known, condition = self._known(image, radiomics, target_view)
        state = noise_of(image, sample)
        now = torch.zeros_like(image[:, 0, 0, 0])
        mean = self._predict(known, state, now, condition)
        if realism == 0.0:
            return mean
        prediction = mean
        for step in range(self.steps):
            if step > 0:
                prediction = self._predict(known, state, now + step / self.steps, condition)
            state = state + (prediction - state) / (self.steps - step)  # dt / (1 - t); the last step ends at x^
        return mean + realism * (state - mean)

    def _known(self, image: Tensor, radiomics: Tensor | None, target_view: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what stays the same over all steps: the known images ``[B, 4, H, W]`` and the condition ``[B, K]``."""
        B = image.shape[0]
        if radiomics is None:
            radiomics = torch.full((B, self.standardizer.center.shape[0]), float("nan"), device=image.device)
        if target_view is None:
            target_view = torch.full((B,), self.default_view, dtype=torch.int64, device=image.device)
        prior = 2 * self.prior(image[:, :1], target_view) - 1
        return torch.cat([image, prior], dim=1), self.embedding(self.standardizer(radiomics), target_view)

    def _predict(self, known: Tensor, state: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        condition = condition + self.time_embedding(_frequencies(time))
        patches = pixel_unshuffle(torch.cat([state, known], dim=1), 4)  # PATCH; TorchScript knows no global numbers
        features = self.stem(torch.cat([patches, coordinates(patches)], dim=1))
        skips: list[Tensor] = []
        for level, downsample in zip(self.encoder, self.downsamples):  # noqa: B905 (TorchScript knows no `strict`)
            for block in level:  # type: ignore[attr-defined]
                features = block(features, condition)
            skips.append(features)
            features = downsample(features)
        for block, attention in zip(self.bottom, self.attentions):  # noqa: B905
            features = attention(block(features, condition))
        features = self.bottom_end(features, condition)
        for upsample, level in zip(self.upsamples, self.decoder):  # noqa: B905
            features = torch.cat([upsample(features), skips.pop()], dim=1)
            for block in level:  # type: ignore[attr-defined]
                features = block(features, condition)
        correction = pixel_shuffle(self.head(features), 4).to(state.dtype)
        # The prior knows nothing of the lesion: its channel begins at "none".
        prior = torch.cat([known[:, 2:3], torch.full_like(known[:, :1], -1.0), known[:, 3:4]], dim=1)
        return correction + (1 - time)[:, None, None, None] * prior


def _words(*, realism: float, sample: int) -> tuple[str, str]:
    """Say which of the possible views a generator makes: in a word for a file's name, and in words."""
    if realism == 0:
        return "mean", "the posterior mean (blurred)"
    of_sample = f"one possible view (sample {sample})"
    if realism == 1:
        return f"sample {sample}", of_sample
    return f"sample {sample} at {realism:g}", f"{realism:g} of the way from the posterior mean (blurred) to {of_sample}"


class Attention(nn.Module):
    """Self-attention over the places of a coarse grid, with a shortcut (Vaswani et al. 2017, arXiv 1706.03762).

    Args:
        channels: channels of the features, a multiple of 32, the length of a head.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = channels // HEAD_CHANNELS
        self.norm = group_norm(channels)
        self.project_in = nn.Conv2d(channels, 3 * channels, 1)
        self.project_out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.project_out.weight)
        nn.init.zeros_(self.project_out.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Map features ``[B, C, H, W]`` to the same shape."""
        B, C, H, W = features.shape
        queries, keys, values = (
            self.project_in(self.norm(features)).reshape(B, 3, self.heads, C // self.heads, H * W).transpose(3, 4)
        ).unbind(1)
        attended = scaled_dot_product_attention(queries, keys, values)
        return features + self.project_out(attended.transpose(2, 3).reshape(B, C, H, W))


def view_of(state: Tensor, realism: float = 1.0) -> Tensor:
    """Take the view ``[B, 1, H, W]`` in [0, 1] out of a state ``[B, 3, H, W]``, about in [-1, 1]; air is exactly zero.

    A sample has one outline, where its breast mask passes one half. The mean fades over all outlines that are possible,
    and ends where hardly any breast would reach.

    Args:
        state: grey values, lesion mask and breast mask.
        realism: which view it is, from the mean (0) to a sample (1).
    """
    view = (state[:, :1] / 2 + 0.5).clamp(0.0, 1.0)
    least_probability = 0.02 + 0.48 * realism
    return torch.where(state[:, 2:] / 2 + 0.5 > least_probability, view, torch.zeros_like(view))


def _frequencies(time: Tensor) -> Tensor:
    """Sines and cosines ``[B, 64]`` of times ``[B]`` in [0, 1], with periods from 4 down to 1 / 64."""
    periods = torch.exp2(torch.linspace(2.0, -6.0, 32, device=time.device))
    angles = 2 * math.pi * time[:, None] / periods[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def noise_of(image: Tensor, sample: int) -> Tensor:
    """Standard normal noise ``[B, 3, H, W]`` that follows from the source's grey values and a sample's number.

    A hash of each place's number by whole numbers, the same on every device and in every batch, and by operations that
    TorchScript and ONNX know; then Box and Muller (1958). The same film always gives the same views.

    Args:
        image: ``[B, 2, H, W]``.
        sample: number of the sample.
    """
    B, _, H, W = image.shape
    device = image.device
    columns = torch.arange(1, H * W + 1, device=device)
    greys = (255 * image[:, 0]).round().to(torch.int64).reshape(B, -1)
    seed = (greys * (columns % 65521)[None]).sum(dim=1) % 2147483647
    seed = _mixed(seed + 48271 * sample)
    places = torch.arange(2 * 3 * H * W, device=device)[None]
    uniform = (_mixed(seed[:, None] + 16807 * places).double() + 0.5) / 2147483648.0
    first, second = uniform.reshape(B, 2, 3, H, W).unbind(1)
    return ((-2 * first.log()).sqrt() * (2 * math.pi * second).cos()).to(image.dtype)


def _mixed(numbers: Tensor) -> Tensor:
    """Hash whole numbers of at least 0 to [0, 2^31 - 1): four rounds of square and add modulo a prime."""
    mixed = numbers % 2147483647
    for constant in (12345, 1103515245, 69069, 1664525):
        mixed = (mixed * mixed + 2 * mixed + constant) % 2147483647
        mixed = (mixed * 48271 + constant) % 2147483647
    return mixed
