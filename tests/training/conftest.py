"""Training runs through the real configs, small enough for a test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigWorkflow

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "network_def#channels": [8, 16, 16],
    "discriminator_def#channels": [8, 8, 8, 8],
    "feature_network_def#channels": [8, 8],
    "feature_training#epochs": 1,
    "device": "cpu",
    "amp": False,
}
SMALL_FLOW = {
    "canvas#rows": 128,
    "canvas#columns": 96,
    "canvas#spacing_mm": 2.0,
    "network_def#channels": [8, 32],
    "network_def#condition": 16,
    "network_def#prior_components": 4,
    "device": "cpu",
}
MakeWorkflow = Callable[..., ConfigWorkflow]


def assert_same_tensors(one: Any, other: Any, *, where: str = "") -> None:
    """Compare what two files of tensors hold, exactly."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for name in one:
            assert_same_tensors(one[name], other[name], where=f"{where}/{name}")
    elif isinstance(one, list | tuple):
        for number, (first, second) in enumerate(zip(one, other, strict=True)):
            assert_same_tensors(first, second, where=f"{where}/{number}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


@pytest.fixture(scope="session")
def training_workflow(prepared_collection: Path) -> MakeWorkflow:
    """Make and initialize a run into a folder; further arguments override the config's ids."""

    def make(output_dir: Path, *, max_epochs: int, **overrides: Any) -> ConfigWorkflow:
        workflow = ConfigWorkflow(
            config_file=[str(ROOT / "configs" / name) for name in ("train.json", "demo.json")],
            workflow_type="train",
            logging_file=False,
            bundle_root=str(ROOT),
            **{
                **SMALL,
                "dataset_dir": str(prepared_collection),
                "output_dir": str(output_dir),
                "max_epochs": max_epochs,
                **overrides,
            },
        )
        workflow.initialize()
        return workflow

    return make
