"""Runs that have broken down end with a sentence; their last good checkpoint stays."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from ignite.engine import Events
from monai.engines import Trainer
from torch import Tensor

FLAT_BELOW = 0.02  # of the real views' spread; untrained generators have more (tests/training/test_failures.py)


def require_finite(values: Mapping[str, float], *, epoch: int, step: int) -> None:
    """Refuse losses and gradient norms that are no numbers, before an optimizer takes them over.

    Args:
        values: by name.
        epoch: where the run is, counted from 1, for the message.
        step: the mini-batch within it, counted from 1.

    Raises:
        ValueError: a value is infinite or NaN.
    """
    broken = [name for name, value in values.items() if not math.isfinite(value)]
    if broken:
        raise ValueError(
            f"Training broke down in epoch {epoch}, step {step}: no finite number in {', '.join(broken)}. The last "
            "checkpoint is from before that. Look at results.csv: where a loss has grown for epochs, start anew with a "
            "lower --learning_rate or a lower weight of that loss; where it came at once, look at the training images "
            "(python -m scripts.inspect), and with mixed precision try --amp false."
        )


class StopOnCollapse:
    """Handler that ends a run whose synthetic views have become flat, at the end of the epoch.

    Attach it before the handler that writes the checkpoint, so that the last good one stays. The spread is the standard
    deviation of the tissue in the real breast's pixels, averaged over the epoch's views.
    """

    def __init__(self) -> None:
        self._synthetic = self._real = torch.zeros(())

    def attach(self, engine: Trainer) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._judge)

    def _begin(self, engine: Trainer) -> None:
        self._synthetic = self._real = torch.zeros(())

    def _add(self, engine: Trainer) -> None:
        # Tensors, not numbers: on a GPU nobody waits for them before the epoch's end.
        breast = engine.state.batch["label_breast"]
        tissue = torch.stack([item["tissue"] for item in engine.state.output])
        self._synthetic = self._synthetic + _spread(tissue, breast.to(tissue.device, non_blocking=True))
        self._real = self._real + _spread(engine.state.batch["label"], breast)

    def _judge(self, engine: Trainer) -> None:
        synthetic, real = float(self._synthetic), float(self._real)
        if synthetic < FLAT_BELOW * real:
            raise ValueError(
                f"The synthetic views of epoch {engine.state.epoch} are flat: their grey values vary by "
                f"{synthetic / real:.4f} of what the real ones do. The last checkpoint is from before that. Look at "
                "panels/ and at loss_D in results.csv: near zero, the discriminator has won, start anew with a lower "
                "weight of GAN; otherwise with a lower --learning_rate."
            )


def _spread(views: Tensor, breast: Tensor) -> Tensor:
    """Sum over views ``[B, 1, H, W]`` of the standard deviation of the pixels where the mask is 1."""
    dims = (1, 2, 3)
    pixels = breast.sum(dim=dims).clamp_min(1)
    mean = (views * breast).sum(dim=dims) / pixels
    squares = (views - mean[:, None, None, None]).square() * breast
    return (squares.sum(dim=dims) / pixels).sqrt().sum()
