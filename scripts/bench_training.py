"""Sections of ``python -m scripts.bench``: speed of training, and the memory that a step needs."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from monai.bundle import ConfigParser, ConfigWorkflow
from torch import Tensor, nn
from torch.utils.data import DataLoader

from bundle.losses.adversarial import generator_adversarial_loss
from bundle.losses.perceptual import perceptual_loss
from bundle.losses.radiomics import radiomic_loss
from bundle.losses.reconstruction import reconstruction_loss
from bundle.losses.shape import shape_loss
from bundle.losses.structural import structural_loss
from bundle.losses.view import view_loss
from bundle.networks.feature_network import region_windows
from bundle.radiomics.features import FEATURE_NAMES
from bundle.training.batch import PairedBatch
from bundle.training.run_folder import generator_average
from bundle.training.trainer import ViewSynthesisTrainer, frozen
from scripts.verify import ROOT, prepare_films

TRAIN_CONFIG = ROOT / "configs" / "train.json"
BREASTS = 24
CANVASES = ((128, 96), (256, 192), (512, 384), (1024, 768))  # rows, columns
BATCHES = (1, 4)
LARGEST_SHARE = 0.6  # of the free memory that a case may be expected to take; others may use the machine


def training(folder: Path, rounds: int) -> Iterator[str]:
    """Train on a made-up prepared collection by train.json: images per second, the loader's share, each loss's."""
    dataset_dir = prepare_films(folder / "training", breasts=BREASTS, seed=0)
    workflow = ConfigWorkflow(
        config_file=str(TRAIN_CONFIG),
        workflow_type="train",
        logging_file=False,
        bundle_root=str(ROOT),
        dataset_dir=str(dataset_dir),
        output_dir=str(folder / "run"),
        max_epochs=rounds + 1,
        **{"feature_training#epochs": 1},
    )
    workflow.initialize()
    trainer = workflow.parser.get_parsed_content("train#trainer")
    clock = _EpochClock(trainer)
    workflow.run()
    device, batch_size = trainer.state.device, trainer.data_loader.batch_size
    canvas = workflow.parser.get_parsed_content("canvas")
    where = f"on {device}; {torch.get_num_threads()} threads"
    yield f"{canvas.rows} x {canvas.columns}, batch {batch_size}, all losses, {where}"
    measured = clock.epochs[1:]  # the first one warms up
    speeds = [images / seconds for images, seconds, _ in measured]
    yield f"training: {statistics.median(speeds):.2f} images/s ({min(speeds):.2f} to {max(speeds):.2f})"
    share = statistics.median(loading / seconds for _, seconds, loading in measured)
    yield f"loader: {share:.1%} of an epoch of {len(trainer.data_loader)} steps, validation not counted"

    item = next(iter(trainer.data_loader))
    batch = PairedBatch.from_dictionary(item, device=device)
    generator = trainer.average.module.eval()

    def synthesize() -> None:
        with torch.no_grad():
            generator(batch.image, batch.radiomics, batch.target_view)

    synthesize()
    seconds = statistics.median(_timed(synthesize, device) for _ in range(3 * rounds))
    yield f"generator: {1000 * seconds / batch_size:.1f} ms an image"
    yield from _shares(trainer, batch, rounds)


class _EpochClock:
    """Take the time of each epoch: (images, seconds, seconds of these that the steps waited for their batches)."""

    def __init__(self, trainer: ViewSynthesisTrainer) -> None:
        self.epochs: list[tuple[int, float, float]] = []
        self._images, self._start, self._waiting, self._loading = 0, 0.0, 0.0, 0.0
        trainer.add_event_handler(Events.EPOCH_STARTED, self._begin)
        trainer.add_event_handler(Events.GET_BATCH_STARTED, self._ask)
        trainer.add_event_handler(Events.GET_BATCH_COMPLETED, self._get)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._end)

    def _begin(self, engine: Any) -> None:
        self._images, self._loading, self._start = 0, 0.0, time.perf_counter()
        self.epochs.append((0, 0.0, 0.0))

    def _ask(self, engine: Any) -> None:
        self._waiting = time.perf_counter()

    def _get(self, engine: Any) -> None:
        self._loading += time.perf_counter() - self._waiting

    def _end(self, engine: Any) -> None:
        self._images += len(engine.state.output)
        self.epochs[-1] = (self._images, time.perf_counter() - self._start, self._loading)


def _shares(trainer: ViewSynthesisTrainer, batch: PairedBatch, rounds: int) -> Iterator[str]:
    """Time the pieces of a step one by one: of each loss its value and its gradient to the synthetic view.

    L_view comes with L_GAN out of one pass of the discriminator: its own is what it adds.
    """
    generator, discriminator, features = trainer.generator, trainer.discriminator, trainer.feature_network
    with torch.no_grad():
        parts = generator(batch.image, batch.radiomics, batch.target_view, parts=True)
    made, breast = parts[:, :1] * batch.label_breast, parts[:, 1:].requires_grad_()
    pred = made.clone().requires_grad_()

    def gradient(loss: Callable[[], Tensor], of: Tensor = pred) -> Callable[[], None]:
        def work() -> None:
            with frozen(discriminator):
                torch.autograd.grad(loss(), of)

        return work

    def judged(*, view: bool) -> Tensor:
        patches, views = discriminator(pred, batch.image, batch.radiomics, batch.target_view)
        loss = generator_adversarial_loss(patches)
        return loss + view_loss(views, batch.target_view) if view else loss

    def perceived() -> Tensor:
        levels = features.hidden(pred)
        with torch.no_grad():
            expected = features.hidden(batch.label)
        return perceptual_loss(levels, expected)

    def lesions() -> Tensor:
        windows, masks, _ = region_windows(pred, batch.label_mask, side=trainer.window_side)
        label = features.standardizer(torch.nan_to_num(batch.label_radiomics))
        return radiomic_loss(features(windows, masks), label)

    def discriminate() -> None:
        losses = trainer.discriminator_losses(batch, made)
        trainer.discriminator_objective.total(losses).backward()

    pieces: dict[str, Callable[[], None]] = {
        "generator": lambda: generator(batch.image, batch.radiomics, batch.target_view, parts=True).sum().backward(),
        "L_D": discriminate,
        "L_GAN": gradient(lambda: judged(view=False)),
        "L_GAN, L_view": gradient(lambda: judged(view=True)),
        "L_percep": gradient(perceived),
        "L_rad": gradient(lesions),
        "L_1": gradient(
            lambda: reconstruction_loss(pred, batch.label, batch.label_mask, lesion_weight=trainer.lesion_weight)
        ),
        "L_SSIM": gradient(lambda: structural_loss(pred, batch.label)),
        "L_shape": gradient(lambda: shape_loss(breast, batch.label_breast), breast),
        "clipping, Adam, average": trainer._step,
    }
    times: dict[str, list[float]] = {name: [] for name in pieces}
    for _ in range(rounds + 1):  # in turns, so that a busy machine is fair to all; the first round warms up
        for name, work in pieces.items():
            times[name].append(_timed(work, trainer.state.device))
    seconds = {name: statistics.median(values[1:]) for name, values in times.items()}
    seconds["L_view"] = seconds.pop("L_GAN, L_view") - seconds["L_GAN"]
    total = sum(seconds.values())
    yield f"a step in pieces, {1000 * total:.0f} ms together"
    for name, value in sorted(seconds.items(), key=lambda each: -each[1]):
        yield f"  {name}: {1000 * value:.0f} ms, {value / total:.0%}"


def _timed(work: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def memory(folder: Path, rounds: int) -> Iterator[str]:
    """Measure the peak memory of one training step and of one inference on the CPU, each in a fresh process."""
    yield "peak resident memory in MiB above the start, float32 on the CPU: networks, gradients, Adam, activations"
    yield "| canvas | batch | training step | with activation checkpointing | inference |"
    yield "| --- | --- | --- | --- | --- |"
    for batch_size in BATCHES:
        before: dict[str, float | None] = {}
        for rows, columns in CANVASES:
            peaks: dict[str, float | None] = {}
            for kind in ("training", "checkpointing", "inference"):
                previous = before.get(kind, 0.0)
                # A canvas has four times the pixels of the one before.
                fits = previous is not None and 4 * previous < LARGEST_SHARE * _memory_mib("meminfo", "MemAvailable")
                peaks[kind] = _in_fresh_process(kind, rows, columns, batch_size) if fits else None
            shown = " | ".join("does not fit here" if each is None else f"{each:.0f}" for each in peaks.values())
            yield f"| {rows} x {columns} | {batch_size} | {shown} |"
            before = peaks


def _in_fresh_process(kind: str, rows: int, columns: int, batch_size: int) -> float:
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_peak_mib, kind, rows, columns, batch_size).result()


def _peak_mib(kind: str, rows: int, columns: int, batch_size: int) -> float:
    """Do one piece of work; the peak of this process above what it had before the networks were made (Linux only)."""
    parser = ConfigParser()
    parser.read_config(TRAIN_CONFIG)
    items = [_made_up_item(rows, columns, index) for index in range(batch_size)]
    start = _memory_mib("self/status", "VmRSS")
    generator = parser.get_parsed_content("network_def")
    if kind == "inference":
        batch = next(iter(DataLoader(items, batch_size=batch_size)))  # type: ignore[arg-type]
        with torch.no_grad():
            generator.eval()(batch["image"], batch["radiomics"], batch["target_view"])
    else:
        _made_up_trainer(parser, generator, items, activation_checkpointing=kind == "checkpointing").run()
    return _memory_mib("self/status", "VmHWM") - start


def _made_up_item(rows: int, columns: int, index: int) -> dict[str, Any]:
    mask = torch.zeros(1, rows, columns)
    mask[:, rows // 3 : rows // 3 + 20, 20:40] = 1
    return {
        "image": torch.cat([torch.rand(1, rows, columns), mask]),
        "label": torch.rand(1, rows, columns),
        "label_mask": mask,
        "label_breast": torch.ones(1, rows, columns),
        "radiomics": torch.randn(len(FEATURE_NAMES)),
        "label_radiomics": torch.randn(len(FEATURE_NAMES)),
        "target_view": index % 2,
    }


def _made_up_trainer(
    parser: ConfigParser, generator: nn.Module, items: list[dict[str, Any]], *, activation_checkpointing: bool
) -> ViewSynthesisTrainer:
    """The networks, losses and optimizers of train.json; one step."""
    discriminator = parser.get_parsed_content("discriminator_def")
    features = parser.get_parsed_content("feature_network_def")
    settings = {"lr": parser["learning_rate"], "betas": tuple(parser["betas"]), "fused": True}
    return ViewSynthesisTrainer(
        device="cpu",
        max_epochs=1,
        train_data_loader=DataLoader(items, batch_size=len(items)),  # type: ignore[arg-type]
        generator=generator,
        discriminator=discriminator,
        feature_network=features,
        perceptual_network=features,
        average=generator_average(network=generator, decay=0.999),
        generator_optimizer=torch.optim.Adam(generator.parameters(), **settings),
        discriminator_optimizer=torch.optim.Adam(discriminator.parameters(), **settings),
        generator_objective=parser.get_parsed_content("generator_objective"),
        discriminator_objective=parser.get_parsed_content("discriminator_objective"),
        spacing_mm=parser["canvas#spacing_mm"],
        activation_checkpointing=activation_checkpointing,
    )


def _memory_mib(file: str, field: str) -> float:
    """Read one of the kernel's figures."""
    for line in Path("/proc", file).read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/{file} has no {field}: the memory can be measured on Linux only")
