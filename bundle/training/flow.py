"""Training of the flow generator by MONAI's supervised trainer: how a batch is drawn on the path, and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import IterationEvents, PrepareBatch, SupervisedTrainer
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from bundle.networks.flow import FlowGenerator
from bundle.training.batch import PairedBatch
from bundle.training.failures import require_finite
from bundle.training.processes import unwrapped

LATEST = 0.1  # least 1 - t that the loss divides by


@dataclass(frozen=True, kw_only=True)
class PathEnd:
    """What the network is to predict.

    Args:
        state: ``[B, 3, H, W]`` the target's grey values, lesion mask and breast mask, each scaled to [-1, 1].
        time: ``[B]`` where on the path the network was asked.
    """

    state: Tensor
    time: Tensor


class PrepareBatchFlow(PrepareBatch):
    """Draw for each image a time and a state on the path from noise to its target.

    Times follow a logit-normal law (Esser et al. 2024, arXiv 2403.03206); a fixed share of each batch lies at t = 0,
    where the best prediction is the posterior mean.

    Args:
        mean_share: part of the batch at t = 0, in [0, 1].
        time_mean: mean of the times' logits; below zero most states are noisy.
        time_deviation: standard deviation of the times' logits.

    Raises:
        ValueError: ``mean_share`` is outside [0, 1], or ``time_deviation`` is negative.
    """

    def __init__(self, *, mean_share: float, time_mean: float, time_deviation: float) -> None:
        if not 0 <= mean_share <= 1:
            raise ValueError(f"mean_share must lie in [0, 1]; got {mean_share}.")
        if not time_deviation >= 0:
            raise ValueError(f"time_deviation must be at least 0; got {time_deviation}.")
        self.mean_share = mean_share
        self.time_mean = time_mean
        self.time_deviation = time_deviation

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, PathEnd, tuple[Tensor, ...], dict[str, Any]]:
        """Return the source ``[B, 2, H, W]``, the path's end, and the network's further arguments."""
        batch = PairedBatch.from_dictionary(batchdata, device=torch.device(device or "cpu"), non_blocking=non_blocking)
        end = 2 * torch.cat([batch.label, batch.label_mask, batch.label_breast], dim=1) - 1
        B = len(end)
        time = torch.sigmoid(self.time_mean + self.time_deviation * torch.randn(B, device=end.device))
        time[: round(self.mean_share * B)] = 0.0
        t = time[:, None, None, None]
        state = (1 - t) * torch.randn_like(end) + t * end
        image = batch.image.contiguous(memory_format=torch.channels_last)
        return image, PathEnd(state=end, time=time), (batch.radiomics, batch.target_view, state, time), {}


class FlowLoss(nn.Module):
    """Squared error of the velocity: ``||x^ - x||^2 / max(1 - t, 0.1)^2``, a weighted sum over the state's channels.

    Li and He 2025, arXiv 2511.13720.

    Args:
        view, lesion, breast: weight of each channel. A lesion covers so few pixels that it needs more.
    """

    def __init__(self, *, view: float = 1.0, lesion: float = 1.0, breast: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor([view, lesion, breast]))

    def forward(self, prediction: Tensor, end: PathEnd) -> Tensor:
        """Return the loss, a mean over images and pixels, of predictions ``[B, 3, H, W]``."""
        errors = (prediction.float() - end.state).square().mean(dim=(2, 3))
        of_image = (errors * self.weights.to(errors.device)).sum(dim=1)  # type: ignore[operator]
        return (of_image / (1 - end.time).clamp_min(LATEST).square()).mean()


class ClippedGradients:
    """Handler that clips the gradients' norm before the optimizer's step, and ends a run that has broken down.

    Args:
        network: whose gradients.
        norm: the greatest L2 norm.
    """

    def __init__(self, *, network: nn.Module, norm: float) -> None:
        self.network = network
        self.norm = norm

    def attach(self, engine: SupervisedTrainer) -> None:
        """Register with the trainer."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Clip.

        Raises:
            ValueError: loss or gradient are no finite numbers.
        """
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.norm)
        step = (engine.state.iteration - 1) % engine.state.epoch_length + 1
        values = {"loss": engine.state.output["loss"].item(), "gradient": norm.item()}
        require_finite(values, epoch=engine.state.epoch, step=step)


class MovingAverage:
    """Handler that lets the average follow the network after each step.

    Args:
        average: exponential moving average of the network's weights.
        network: the trained network.
    """

    def __init__(self, *, average: AveragedModel, network: nn.Module) -> None:
        self.average = average
        self.network = network

    def attach(self, engine: SupervisedTrainer) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Update the average."""
        self.average.update_parameters(unwrapped(self.network))


def fit_linear_prior(
    *, network: FlowGenerator, training: Sequence[Mapping[str, Any]], pretrained: str | Path | None = None
) -> None:
    """Fit the network's linear prior on the training pairs; pretrained weights bring one that they were trained with.

    Args:
        network: the flow generator.
        training: the training data without any random transform; items with ``image`` ``[2, H, W]``, ``label`` and
            ``label_breast`` ``[1, H, W]``, ``target_view`` 0 or 1.
        pretrained: weights that the network starts from; None where it starts from scratch.
    """
    if pretrained is not None:
        return
    items = (training[index] for index in range(len(training)))
    network.prior.fit(
        (item["image"][:1], torch.cat([item["label"], item["label_breast"]]), int(item["target_view"]))
        for item in items
    )
