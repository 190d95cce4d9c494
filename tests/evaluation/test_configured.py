"""The evaluation as configs/evaluate.json sets it up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow

from bundle.networks.feature_network import FeatureNetwork
from bundle.tensor_files import write_tensors
from tests.raising import raises_within_monai
from tests.training.conftest import SMALL_FLOW

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


def test_a_flow_is_evaluated_with_its_mean_samples_and_search_region(prepared_collection: Path, tmp_path: Path) -> None:
    workflow = ConfigWorkflow(
        config_file=[str(ROOT / "configs" / name) for name in ("flow_train.json", "evaluate.json")],
        workflow_type="train",
        logging_file=False,
        bundle_root=str(ROOT),
        dataset_dir=str(prepared_collection),
        output_dir=str(tmp_path),
        workers=1,
        steps=2,
        **SMALL_FLOW,
    )
    workflow.initialize()
    write_tensors(tmp_path / "feature_network.pt", FeatureNetwork([8, 8]).state_dict())
    network = workflow.parser.get_parsed_content("network_def")
    torch.manual_seed(0)
    torch.nn.init.normal_(network.head[-1].weight, std=0.02)
    torch.nn.init.constant_(network.head[-1].bias[32:], 5.0)  # it takes the whole canvas for breast
    write_tensors(tmp_path / "model.pt", network.state_dict())
    workflow.run()
    summary = json.loads((tmp_path / "evaluation" / "summary.json").read_text())
    assert {"model", "posterior_mean", "sample"} <= set(summary["methods"])
    for direction, of_mean in summary["methods"]["posterior_mean"].items():
        assert summary["methods"]["model"][direction]["l1"] == of_mean["l1"]  # with realism 0, the default
        assert summary["methods"]["sample"][direction]["l1"] != of_mean["l1"]
        # The canvas of 256 x 192 mm holds 16 x 12 squares.
        assert sum(summary["rank_histogram"][direction]) == 192 * of_mean["l1"]["n"]
        regions = summary["lesion_search"][direction]
        assert regions["region_50"]["area_cm2"]["mean"] < regions["region_90"]["area_cm2"]["mean"]
        assert 0 <= regions["band"]["coverage"]["mean"] <= 1
    report = (tmp_path / "evaluation" / "report.md").read_text()
    assert "Where to look for the lesion" in report
    assert "Rank of the real view among 8 samples" in report
