"""What a training run writes, and how it goes on where it stopped."""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator, Trainer
from torch import nn
from torch.optim.swa_utils import AveragedModel

from bundle.atomic import replacing
from bundle.collection.datalist import datalist_hash
from bundle.losses.objective import DISCRIMINATOR_TERMS, GENERATOR_TERMS
from bundle.preparation import PreparationSettings
from bundle.records import Canvas
from bundle.report.curves import CurvePanel, write_curves
from bundle.switches import read_switch
from bundle.tensor_files import read_parts, restore, write_tensors
from bundle.training.data import read_preparation
from bundle.training.processes import is_first_process, unwrapped

METRIC_COLUMNS = ("val_L1", "val_SSIM", "val_PSNR", "val_in_breast_SSIM", "val_in_breast_PSNR")
CHECKPOINT_NAME = "checkpoint.pt"
OVERRIDES_NAME = "network.json"
CURVES_NAME = "curves.png"
PANELS_NAME = "panels"  # of the pictures that EpochPanels writes
TENSORBOARD_NAME = "tensorboard"  # of the event files that TensorBoardEpochs writes
CURVES = (
    CurvePanel(
        title="Generator: L_G, and its terms before weighting",
        names={"loss_G": "L_G"} | {f"loss_{term}": term for term in GENERATOR_TERMS},
        logarithmic=True,
    ),
    CurvePanel(
        title="Discriminator: L_D, and its terms before weighting",
        names={"loss_D": "L_D"} | {f"loss_D_{term}": term for term in DISCRIMINATOR_TERMS},
    ),
    CurvePanel(
        title="Generator: weights of the terms",
        names={f"weight_{term}": term for term in GENERATOR_TERMS},
        logarithmic=True,
    ),
    CurvePanel(title="Loss", names={"loss": "flow"}, logarithmic=True),
    CurvePanel(title="Validation: SSIM", names={"val_SSIM": "whole frame", "val_in_breast_SSIM": "in the breast"}),
    CurvePanel(title="Validation: PSNR [dB]", names={"val_PSNR": "whole frame", "val_in_breast_PSNR": "in the breast"}),
    CurvePanel(title="Validation: mean absolute error", names={"val_L1": "whole frame"}),
)
PREPARATION_TARGET = f"{PreparationSettings.__module__}.{PreparationSettings.__qualname__}"
OTHER_RUN_REMEDY = "name another --output_dir, or start anew with --resume false."

logger = logging.getLogger(__name__)


class RunFolder:
    """Handler that keeps a training run's folder: losses, metrics, weights, checkpoint.

    Attach it behind the validation handler. Each epoch it writes, each file atomically:

    - ``results.csv``: a row per epoch, losses as means over the epoch's images;
    - ``model.pt``: the averaged generator's bare state dict, of the best epoch so far (see `best_epoch`);
    - ``checkpoint.pt``: all that the run needs to go on exactly;

    at the start ``network.json``: an override file with this run's network and canvas; and at the end ``curves.png``.
    Of several processes the first one writes; the losses are means over the images of all.

    The epoch's losses and their weights are also the trainer's ``state.metrics``, where the handlers behind this one
    (TensorBoard, MLflow) find them.

    Args:
        output_dir: the folder.
        evaluator: the validation engine whose metrics are recorded.
        canvas: the frame of the networks.
        network: the generator's constructor arguments, those of ``network_def``.
        parts: what the checkpoint holds, by name: networks, optimizers, and ``average``, the averaged generator.
        dataset_dir: the prepared collection; its settings go into ``network.json``.
        seed: each epoch's randomness follows from it and the epoch's number, so that a resumed run equals an
            uninterrupted one.
        key_metric: the metric that chooses the best epoch.
        choose_from: fraction of the run in [0, 1] from which on an epoch can be the best one and patience counts. While
            loss weights still change, epochs were trained for different things and do not compare.
        patience: epochs without a better one after which the run ends. Learning rates and ramps follow from
            ``max_epochs``, so this is for runs that are clearly too long.
        validation_interval: epochs from one validation to the next; each epoch's row holds its metrics, so 1 alone.
        resume: go on with the run in the folder; false starts anew.
        settings: all else that decides what the run learns, as plain values by name; it goes on only with the same.

    Raises:
        FileNotFoundError: there is no prepared collection.
        ValueError: a setting is out of its range.
    """

    def __init__(
        self,
        *,
        output_dir: str | Path,
        evaluator: Evaluator,
        canvas: Canvas,
        network: Mapping[str, Any],
        parts: Mapping[str, nn.Module | torch.optim.Optimizer],
        dataset_dir: str | Path,
        seed: int,
        key_metric: str,
        choose_from: float,
        patience: int,
        validation_interval: int = 1,
        resume: bool | str = True,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        if key_metric not in METRIC_COLUMNS:
            raise ValueError(f"key_metric must be one of {', '.join(METRIC_COLUMNS)}; got {key_metric}.")
        if not 0 <= choose_from <= 1:
            raise ValueError(f"The best epoch is chosen from a fraction of the run in [0, 1] on; got {choose_from}.")
        if validation_interval != 1:
            raise ValueError(f"val_interval must be 1: every epoch is validated; got {validation_interval}.")
        self.folder = Path(output_dir)
        self.evaluator = evaluator
        self.seed = seed
        self.key_metric = key_metric
        self.choose_from = choose_from
        self.patience = patience
        self.resume = read_switch(resume, name="resume")
        self.parts = {name: unwrapped(part) if isinstance(part, nn.Module) else part for name, part in parts.items()}
        average: Any = self.parts["average"]  # an AveragedModel
        self.average = average
        preparation = read_preparation(dataset_dir)
        self.overrides = {
            **{f"canvas#{name}": value for name, value in dataclasses.asdict(canvas).items()},
            "network_def": network_definition(average.module, network),
            # Whole, because evaluation has no such id to override: it takes the pixels as the collection has them.
            "preparation": {"_target_": PREPARATION_TARGET, **preparation["preparation"]},
            "radiomics_settings_hash": preparation["radiomics"]["settings_hash"],
        }
        self.settings = {  # grows at start
            **{name: value for name, value in self.overrides.items() if name != "network_def"},
            **{f"network_def#{name}": value for name, value in network.items()},
            "seed": seed,
            "datalist_hash": datalist_hash(dataset_dir),
            "key_metric": key_metric,
            "choose_from": choose_from,
            **(settings or {}),
        }
        self.rows: list[dict[str, float]] = []
        self.first_candidate = 1  # epoch, counted from 1; known at start
        self._sums: dict[str, float] = {}
        self._images = 0

    @property
    def best_epoch(self) -> int:
        """The epoch with the best key metric so far, counted from 1; 0 before the first.

        Before the first one that can be chosen, the latest.
        """
        candidates = self.rows[self.first_candidate - 1 :]
        if not candidates:
            return len(self.rows)
        return self.first_candidate + int(np.argmax([row[self.key_metric] for row in candidates]))

    def attach(self, engine: Trainer) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_STARTED, self.begin_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add_losses)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.end_epoch)
        engine.add_event_handler(Events.COMPLETED, self.draw_curves)

    def start(self, engine: Trainer) -> None:
        """Go on with the run in the folder, or begin a new one.

        Raises:
            ValueError: the folder's run has another network, canvas, preparation, seed, list of pairs, setting of the
                trainer or rule for the best epoch, or is longer; its checkpoint cannot be read; or the processes have
                not the same folder.
        """
        self.settings |= getattr(engine, "settings", {})
        self.first_candidate = 1 + math.ceil(self.choose_from * (engine.state.max_epochs - 1) - 1e-9)
        checkpoint = self.folder / CHECKPOINT_NAME
        if is_first_process():
            self._tidy_up()
        idist.barrier()
        if self.resume and checkpoint.is_file():
            self._restore(engine, checkpoint)
        if is_first_process():
            self._write_overrides()
        idist.barrier()
        if not (self.folder / OVERRIDES_NAME).is_file():
            raise ValueError(
                f"{self.folder} is not the folder that the first process writes to: --output_dir must name one that "
                "all machines share."
            )

    def _tidy_up(self) -> None:
        """Make the folder; delete what a killed run left half written, and the old run where a new one is asked for."""
        self.folder.mkdir(parents=True, exist_ok=True)
        leftovers = [*self.folder.rglob(".[0-9]*.*")]  # named by bundle.atomic
        if not self.resume:
            # Before anything of the new run is there: stopped early, it must not look like the old one.
            leftovers += [self.folder / name for name in (CHECKPOINT_NAME, "results.csv", "model.pt", CURVES_NAME)]
            leftovers += (self.folder / PANELS_NAME).glob("epoch_*.png")
            leftovers += (self.folder / TENSORBOARD_NAME).glob("events.out.tfevents.*")
        for path in leftovers:
            path.unlink(missing_ok=True)

    def _write_overrides(self) -> None:
        with replacing(self.folder / OVERRIDES_NAME) as temporary:
            temporary.write_text(json.dumps(self.overrides, indent=2) + "\n", encoding="utf-8")

    def _restore(self, engine: Trainer, path: Path) -> None:
        names = (*self.parts, "rows", "settings")
        checkpoint = read_parts(path, names, device=engine.state.device, remedy=OTHER_RUN_REMEDY)
        rows, settings = checkpoint["rows"], checkpoint["settings"]
        if not isinstance(settings, Mapping) or not _are_rows(rows):
            raise ValueError(f"{path} is damaged, in its settings or its epochs' results: {OTHER_RUN_REMEDY}")
        different = [name for name, value in self.settings.items() if settings.get(name) != value]
        if different:
            raise ValueError(f"{path} is of a run with other settings ({', '.join(different)}): {OTHER_RUN_REMEDY}")
        for name, part in self.parts.items():
            restore(part, checkpoint[name], name=name, path=path, remedy=OTHER_RUN_REMEDY)
        self.rows = rows
        if len(self.rows) > engine.state.max_epochs:
            raise ValueError(
                f"The run in {self.folder} has {len(self.rows)} epochs, more than --max_epochs "
                f"{engine.state.max_epochs}: {OTHER_RUN_REMEDY}"
            )
        engine.state.epoch = len(self.rows)
        engine.state.iteration = engine.state.epoch * engine.state.epoch_length
        self.evaluator.state.metrics = {name: self.rows[-1][name] for name in METRIC_COLUMNS}
        engine.state.metrics = _losses_and_weights(self.rows[-1])
        finished = self._finished(engine)
        if finished:
            engine.terminate()
        if is_first_process() and finished:
            logger.info(
                "The run in %s is finished (%d epochs, the best one %d). --resume false starts anew.",
                self.folder,
                len(self.rows),
                self.best_epoch,
            )
        elif is_first_process():
            logger.info("Going on behind epoch %d of the run in %s.", len(self.rows), self.folder)

    def _finished(self, engine: Trainer) -> bool:
        epochs = len(self.rows)
        return epochs >= engine.state.max_epochs or epochs - self.best_epoch >= self.patience

    def begin_epoch(self, engine: Trainer) -> None:
        """Seed all randomness of this epoch: order, augmentation, noise; each process has its own."""
        sequence = np.random.SeedSequence([self.seed, engine.state.epoch, idist.get_rank()])
        seed = int(sequence.generate_state(1)[0])
        torch.manual_seed(seed)
        dataset = engine.data_loader.dataset
        dataset.transform.set_random_state(seed=seed)
        self._sums, self._images = {}, 0

    def add_losses(self, engine: Engine) -> None:
        """Add one mini-batch to the epoch's means, weighted by its number of images."""
        images, losses = losses_of(engine)
        self._images += images
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * images

    def end_epoch(self, engine: Trainer) -> None:
        """Write the epoch's row, the best model and the checkpoint; end the run when patience is at its end."""
        metrics = self.evaluator.state.metrics
        row = {"epoch": engine.state.epoch}
        row |= self._mean_losses()
        row |= {name: float(metrics[name]) for name in METRIC_COLUMNS}
        row |= getattr(engine, "loss_weights", {})
        self.rows.append(row)
        engine.state.metrics = _losses_and_weights(row)
        if is_first_process():
            self._write_epoch(engine)
        if self._finished(engine):
            engine.terminate()

    def _mean_losses(self) -> dict[str, float]:
        """Means over the epoch's images of all processes."""
        sums = torch.tensor([self._images, *self._sums.values()], dtype=torch.float64)
        images, *totals = idist.all_reduce(sums).tolist()
        return {name: total / images for name, total in zip(self._sums, totals, strict=True)}

    def _write_epoch(self, engine: Trainer) -> None:
        if self.best_epoch == len(self.rows):
            write_tensors(self.folder / "model.pt", self.average.module.state_dict())
        self._write_results()
        checkpoint: dict[str, Any] = {name: part.state_dict() for name, part in self.parts.items()}
        checkpoint |= {"rows": self.rows, "settings": self.settings}
        write_tensors(self.folder / CHECKPOINT_NAME, checkpoint)

    def _write_results(self) -> None:
        path = self.folder / "results.csv"
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
            names = [name for name in self.rows[-1] if name.startswith(("loss", "val_"))]
            writer = csv.DictWriter(stream, ["epoch", *names], lineterminator="\n")
            writer.writeheader()
            writer.writerows(
                {"epoch": row["epoch"], **{name: f"{row[name]:.6f}" for name in names}} for row in self.rows
            )

    def draw_curves(self, engine: Trainer) -> None:
        """Draw the whole run, also what an earlier start of it has trained."""
        if is_first_process() and self.rows:
            write_curves(
                self.rows,
                panels=[panel for panel in CURVES if panel.names.keys() <= self.rows[-1].keys()],
                best_epoch=self.best_epoch,
                key_metric=self.key_metric,
                path=self.folder / CURVES_NAME,
            )


def _are_rows(rows: object) -> bool:
    """Tell whether these are results of one or more epochs, each with all losses and metrics."""
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) for row in rows):
        return False
    names = {"epoch", *METRIC_COLUMNS, *rows[0]}
    return all(isinstance(row.get(name), int | float) for row in rows for name in names)


def _losses_and_weights(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name.startswith(("loss", "weight_"))}


def network_definition(network: nn.Module, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a generator as a configuration's ``network_def``, whole: its class, and what it is made with.

    Settings of the inference, which do not belong to the weights, stay references to the configuration's own.
    """
    of_inference = {name: f"@{name}" for name in getattr(network, "INFERENCE_SETTINGS", ())}
    kind = type(network)
    return {"_target_": f"{kind.__module__}.{kind.__qualname__}", **arguments, **of_inference}


def losses_of(engine: Engine) -> tuple[int, dict[str, float]]:
    """Return how many images the mini-batch just trained holds, and its losses by name."""
    output = engine.state.output
    if isinstance(output, Mapping):  # of MONAI's own trainers
        return len(output["image"]), {"loss": output["loss"].item()}
    return len(output), output[0]["losses"]


def generator_average(*, network: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of the generator's parameters; its buffers are copied.

    Its weights lie channels last, which makes the passes of validation and evaluation a quarter faster.
    """
    average = AveragedModel(unwrapped(network), multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay))
    average.decay = decay  # type: ignore[assignment]  # read by the trainer's settings
    return average.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
