"""Runs that break down end with a sentence and leave the last good checkpoint as it is."""

import math
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events

from bundle.networks.generator import Generator
from bundle.training.failures import FLAT_BELOW, require_finite
from tests.raising import raises_within_monai
from tests.training.conftest import MakeWorkflow


def _workflow_and_trainer(make: MakeWorkflow, folder: Path) -> tuple[Any, Any]:
    workflow = make(folder, max_epochs=3)
    return workflow, workflow.parser.get_parsed_content("train#trainer")


def _contents(folder: Path) -> dict[str, bytes]:
    names = ("checkpoint.pt", "model.pt", "results.csv")
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def test_a_loss_that_is_no_number_stops_the_run(training_workflow: MakeWorkflow, tmp_path: Path) -> None:
    workflow, trainer = _workflow_and_trainer(training_workflow, tmp_path)
    kept: dict[str, bytes] = {}

    def poison() -> None:
        kept.update(_contents(tmp_path))
        trainer.generator.stem.weight.data[0, 0, 0, 0] = math.nan

    trainer.add_event_handler(Events.EPOCH_STARTED(once=2), poison)
    with raises_within_monai(r"^Training broke down in epoch 2, step 1: .*loss_G, .*results\.csv"):
        workflow.run()
    assert len(kept) == 3
    assert _contents(tmp_path) == kept


def test_a_gradient_that_is_no_number_never_reaches_the_weights(
    training_workflow: MakeWorkflow, tmp_path: Path
) -> None:
    """The losses of the step are finite, its gradients are not."""
    workflow, trainer = _workflow_and_trainer(training_workflow, tmp_path)
    trainer.generator.stem.weight.register_hook(lambda gradient: torch.full_like(gradient, math.inf))
    with raises_within_monai(r"epoch 1, step 1: no finite number in gradient of the generator\."):
        workflow.run()
    assert all(parameter.isfinite().all() for parameter in trainer.generator.parameters())
    assert _contents(tmp_path) == {}


def test_flat_views_stop_the_run(training_workflow: MakeWorkflow, tmp_path: Path) -> None:
    workflow, trainer = _workflow_and_trainer(training_workflow, tmp_path)
    kept: dict[str, bytes] = {}

    def flatten() -> None:
        kept.update(_contents(tmp_path))
        convolution = trainer.generator.tissue_head[-1]  # an outline remains; a breast drawn with flat tissue is flat
        torch.nn.init.zeros_(convolution.weight)
        torch.nn.init.zeros_(convolution.bias)

    trainer.add_event_handler(Events.EPOCH_STARTED(once=2), flatten)
    with raises_within_monai(r"^The synthetic views of epoch 2 are flat: .*panels/ and at loss_D"):
        workflow.run()
    assert len(kept) == 3
    assert _contents(tmp_path) == kept


def test_an_untrained_generator_is_not_flat() -> None:
    image = torch.rand(4, 2, 64, 64)
    for seed in range(5):
        torch.manual_seed(seed)
        tissue = Generator(channels=(16, 32, 64, 96))(image, parts=True)[:, 0]
        spread = tissue.std(dim=(1, 2)).mean()
        assert spread > 2 * FLAT_BELOW * 0.25, "0.25: more than the spread of a real view in its breast"


def test_finite_numbers_pass() -> None:
    require_finite({"loss_G": 1.0, "loss_D": 0.0}, epoch=1, step=1)
