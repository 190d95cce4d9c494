"""The evaluation as configs/evaluate.json sets it up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow

from bundle.tensor_files import write_tensors
from tests.raising import raises_within_monai

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = [str(ROOT / "configs" / name) for name in ("train.json", "evaluate.json", "demo.json")]
SMALL = {"network_def#channels": [8, 16, 16], "feature_network_def#channels": [8, 8], "device": "cpu", "amp": False}


@pytest.fixture
def evaluation(prepared_collection: Path, tmp_path: Path) -> Callable[..., ConfigWorkflow]:
    """Make an evaluation of an untrained run, whose weights a function may change."""

    def make(change: Callable[[dict[str, torch.Tensor]], Any]) -> ConfigWorkflow:
        workflow = ConfigWorkflow(
            config_file=CONFIGS,
            workflow_type="train",
            logging_file=False,
            bundle_root=str(ROOT),
            dataset_dir=str(prepared_collection),
            output_dir=str(tmp_path),
            workers=1,
            **SMALL,
        )
        workflow.initialize()
        feature_network = workflow.parser.get_parsed_content("feature_network_def")
        write_tensors(tmp_path / "feature_network.pt", feature_network.state_dict())
        weights = {
            name: value.clone()
            for name, value in workflow.parser.get_parsed_content("average").module.state_dict().items()
        }
        change(weights)
        write_tensors(tmp_path / "model.pt", weights)
        return workflow

    return make


def broken(weights: dict[str, torch.Tensor]) -> None:
    for value in weights.values():
        if value.is_floating_point():
            value.fill_(torch.nan)


def test_a_diverged_model_ends_with_the_sentence_that_names_the_pair(
    evaluation: Callable[..., ConfigWorkflow],
) -> None:
    with raises_within_monai(r"Pair .*, method model cannot be scored: pred holds NaN"):
        evaluation(broken).run()


def test_the_evaluator_computes_no_measure_of_its_own(evaluation: Callable[..., ConfigWorkflow]) -> None:
    evaluator = evaluation(lambda weights: None).parser.get_parsed_content("validate#evaluator")
    assert evaluator.state.key_metric_name is None


@pytest.mark.parametrize(
    ("overrides", "checkpoint"),
    [
        ({"output_dir": "runs/a"}, "runs/a/checkpoint.pt"),
        ({"output_dir": "runs/a", "weights": "runs/b/model.pt"}, "runs/b/checkpoint.pt"),
        ({"output_dir": "runs/a", "checkpoint": "runs/c/checkpoint.pt"}, "runs/c/checkpoint.pt"),
        ({"output_dir": "runs/a", "checkpoint": None}, None),
    ],
)
def test_the_checkpoint_is_of_the_weights_run(overrides: dict[str, Any], checkpoint: str | None) -> None:
    parser = ConfigParser(ConfigParser.load_config_files(CONFIGS))
    for name, value in overrides.items():
        parser[name] = value
    found = parser.get_parsed_content("checkpoint")
    assert (found if found is None else str(found)) == checkpoint
