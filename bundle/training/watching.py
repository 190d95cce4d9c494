"""What a person sees of a run: a progress bar for the whole of it, a picture each epoch, and TensorBoard."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator
from monai.networks.utils import eval_mode
from PIL import Image
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from bundle.metrics.items import items_of
from bundle.networks.flow import view_of
from bundle.report.panels import view_panel
from bundle.training.processes import is_first_process
from bundle.training.run_folder import PANELS_NAME, TENSORBOARD_NAME, losses_of

PICTURE_TAG = "source, real target, synthetic target"  # in TensorBoard


class TrainingProgress:
    """Handler that shows one bar for the whole run: epochs, time left, losses, validation metrics.

    Args:
        metrics: names in the validation engine's metrics that are shown.
        evaluator: the validation engine.
        losses: names of the losses that are shown.
    """

    def __init__(
        self, *, evaluator: Evaluator, metrics: Sequence[str], losses: Sequence[str] = ("loss_G", "loss_D")
    ) -> None:
        self.evaluator = evaluator
        self.losses = tuple(losses)
        self.metrics = tuple(metrics)
        self._bar: tqdm | None = None

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._advance)
        engine.add_event_handler(Events.COMPLETED | Events.TERMINATE | Events.EXCEPTION_RAISED, self._close)

    def _begin_epoch(self, engine: Engine) -> None:
        if self._bar is None:
            length = engine.state.epoch_length
            done = (engine.state.epoch - 1) * length  # of an earlier start
            total = engine.state.max_epochs * length
            self._bar = tqdm(
                total=total,
                initial=done,
                unit="step",
                dynamic_ncols=True,
                file=sys.stderr,
                disable=not is_first_process(),
            )
        self._bar.set_description(f"Training, epoch {engine.state.epoch}/{engine.state.max_epochs}")

    def _advance(self, engine: Engine) -> None:
        _, losses = losses_of(engine)
        shown = {name.removeprefix("loss_"): f"{losses[name]:.3f}" for name in self.losses}
        validated = self.evaluator.state.metrics
        shown |= {name.removeprefix("val_"): f"{validated[name]:.3f}" for name in self.metrics if name in validated}
        self._bar.set_postfix(shown, refresh=False)  # type: ignore[union-attr]
        self._bar.update()  # type: ignore[union-attr]

    def _close(self, engine: Engine, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        # Ignite hands an exception to its handlers instead of raising it; it must not end here.
        if _ and isinstance(_[0], BaseException):
            raise _[0]


class EpochPanels:
    """Handler on the *validation* engine: after each validation a picture of the first cases.

    Args:
        output_dir: pictures go to ``panels/epoch_NNN.png`` in it.
        cases: how many rows.
        samples: how many samples to show beside the view, of a generator that makes samples.
    """

    def __init__(self, *, output_dir: str | Path, cases: int = 4, samples: int = 0) -> None:
        self.folder = Path(output_dir) / PANELS_NAME
        self.cases = cases
        self.samples = samples
        self._rows: list[list[np.ndarray]] = []

    def attach(self, engine: Evaluator) -> None:
        """Register with the validation engine."""
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _begin(self, engine: Evaluator) -> None:
        self._rows = []

    def _collect(self, engine: Evaluator) -> None:
        items = items_of(engine)[: self.cases - len(self._rows)]
        sampled = self._sample(engine, items) if items else []
        for index, item in enumerate(items):
            views = [item["image"][0], item["label"][0], item["pred"][0], *(each[index, 0] for each in sampled)]
            self._rows.append([torch.as_tensor(view).float().cpu().numpy() for view in views])

    def _sample(self, engine: Evaluator, items: Sequence[Mapping[str, Any]]) -> list[torch.Tensor]:
        """Return for each sample the views ``[B, 1, H, W]`` of the items."""
        device = engine.state.device
        image = torch.stack([item["image"].as_subclass(torch.Tensor) for item in items]).to(device)
        radiomics = torch.stack([torch.as_tensor(item["radiomics"]) for item in items]).to(device)
        target_view = torch.tensor([int(item["target_view"]) for item in items], device=device)
        with torch.no_grad(), eval_mode(engine.network):
            return [
                view_of(engine.network.synthesize(image, radiomics, target_view, sample=number, realism=1.0))
                for number in range(self.samples)
            ]

    def _write(self, engine: Evaluator) -> None:
        if not is_first_process():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        view_panel(
            self._rows,
            titles=("source", "real target", "synthetic target", *(f"sample {k}" for k in range(self.samples))),
            path=panel_path(self.folder.parent, engine.state.epoch),
        )


def panel_path(output_dir: Path, epoch: int) -> Path:
    """Where the picture of an epoch lies in a run's folder."""
    return output_dir / PANELS_NAME / f"epoch_{epoch:03d}.png"


class TensorBoardEpochs:
    """Handler that writes each epoch for TensorBoard: losses, metrics, loss weights and the picture; steps are epochs.

    Attach it behind `RunFolder`, whose numbers it finds in the engines' ``state.metrics``. Not MONAI's
    ``TensorBoardStatsHandler``: that one opens its file when it is made, in every process, and knows nothing of an
    earlier start. Here a run that goes on writes its last complete epoch once more and lets TensorBoard forget what the
    earlier files hold from there on; so nothing is missing and nothing doubled, whenever the run was killed.

    Args:
        output_dir: the event files go to ``tensorboard`` in it.
        evaluator: the validation engine.
    """

    def __init__(self, *, output_dir: str | Path, evaluator: Evaluator) -> None:
        self.output_dir = Path(output_dir)
        self.evaluator = evaluator
        self._writer: SummaryWriter | None = None

    def attach(self, engine: Engine) -> None:
        """Register with the trainer; only the first process writes."""
        if is_first_process():
            engine.add_event_handler(Events.EPOCH_STARTED, self._open)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)
            engine.add_event_handler(Events.COMPLETED, self._close)

    def _open(self, engine: Engine) -> None:
        if self._writer is None:
            done = engine.state.epoch - 1  # of an earlier start
            self._writer = SummaryWriter(str(self.output_dir / TENSORBOARD_NAME), purge_step=done or None)
            if done:
                self._write_epoch(self._writer, engine, epoch=done)

    def _write(self, engine: Engine) -> None:
        self._write_epoch(self._writer, engine, epoch=engine.state.epoch)  # type: ignore[arg-type]

    def _write_epoch(self, writer: SummaryWriter, engine: Engine, *, epoch: int) -> None:
        for name, value in {**engine.state.metrics, **self.evaluator.state.metrics}.items():
            writer.add_scalar(name.replace("_", "/", 1), value, epoch)  # grouped as loss/..., val/..., weight/...
        picture = panel_path(self.output_dir, epoch)
        if picture.is_file():  # not in an epoch without validation
            with Image.open(picture) as image:
                writer.add_image(PICTURE_TAG, np.asarray(image), epoch, dataformats="HWC")
        writer.flush()

    def _close(self, engine: Engine) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
