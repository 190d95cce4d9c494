"""Training runs through the real configs, small enough for a test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
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
MakeWorkflow = Callable[..., ConfigWorkflow]


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
