"""Loss weights and learning rates that change over the run, as fractions of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ignite.engine import Events
from monai.handlers import ParamSchedulerHandler
from torch.optim import Optimizer

from bundle.losses.objective import Objective


def linear_ramp(*, current_step: int, start: float, end: float, until: float, max_epochs: int) -> float:
    """Weight in epoch ``current_step`` (counted from 1): ``start`` in the first, ``end`` from fraction ``until`` on."""
    progress = (current_step - 1) / max(1, max_epochs - 1)
    return start + (end - start) * min(1.0, progress / until)


class LossWeightRamp(ParamSchedulerHandler):
    """Set one loss weight at each epoch's start.

    Args:
        objective: whose weight.
        term: which weight.
        start: weight in the first epoch.
        end: weight from fraction ``until`` of the run on.
        until: fraction of the run in (0, 1].
        max_epochs: length of the run.

    Raises:
        ValueError: ``until`` is outside (0, 1], or the term is unknown.
    """

    def __init__(
        self, *, objective: Objective, term: str, start: float, end: float, until: float, max_epochs: int
    ) -> None:
        if not 0 < until <= 1:
            raise ValueError(f"The ramp of loss term '{term}' ends at a fraction of the run in (0, 1]; got {until}.")
        objective.set_weight(term, start)
        objective.ramps[term] = {"start": start, "end": end, "until": until}
        super().__init__(
            parameter_setter=partial(objective.set_weight, term),
            value_calculator=linear_ramp,
            vc_kwargs={"start": start, "end": end, "until": until, "max_epochs": max_epochs},
            epoch_level=True,
            event=Events.EPOCH_STARTED,
        )


def decay_factor(*, current_step: int, since: float, max_epochs: int) -> float:
    """Factor of the learning rate in epoch ``current_step`` (counted from 1): 1, from fraction ``since`` on less.

    It falls by the same amount each epoch and would be zero in the first epoch behind the run.
    """
    passed = (current_step - 1) / max_epochs
    return min(1.0, (1 - passed) / (1 - since))


class LearningRateDecay(ParamSchedulerHandler):
    """Set the learning rates at each epoch's start: each optimizer's own, constant, then falling linearly.

    They follow from the epoch's number alone, so that a run that goes on needs no state of it.

    Args:
        optimizers: whose rates.
        since: fraction of the run in [0, 1) from which on they fall.
        max_epochs: length of the run.

    Raises:
        ValueError: ``since`` is outside [0, 1).
    """

    def __init__(self, *, optimizers: Sequence[Optimizer], since: float, max_epochs: int) -> None:
        if not 0 <= since < 1:
            raise ValueError(f"The learning rate falls from a fraction of the run in [0, 1) on; got {since}.")
        for optimizer in optimizers:
            optimizer.defaults["decay since"] = since  # read by the trainer's settings
        super().__init__(
            parameter_setter=partial(_scale_rates, optimizers),
            value_calculator=decay_factor,
            vc_kwargs={"since": since, "max_epochs": max_epochs},
            epoch_level=True,
            event=Events.EPOCH_STARTED,
        )


def _scale_rates(optimizers: Sequence[Optimizer], factor: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = factor * optimizer.defaults["lr"]
