"""The generator of a training run, and whether it learned from a collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monai.bundle import ConfigParser
from torch import nn

from bundle.collection.datalist import datalist_hash
from bundle.networks.weights import load_weights
from bundle.records import Canvas
from bundle.tensor_files import read_parts
from bundle.training.data import read_preparation
from bundle.training.run_folder import CHECKPOINT_NAME


@dataclass(frozen=True, kw_only=True)
class TrainedGenerator:
    """A generator with its weights, and the frame and pixels that it knows."""

    network: nn.Module
    canvas: Canvas


def read_generator(run: Path, *, config: Path, trained_on: Path) -> TrainedGenerator:
    """Read the generator that a training run left, as inference does.

    Args:
        run: the run's folder, with ``model.pt``, ``network.json`` and its checkpoint.
        config: ``configs/inference.json``.
        trained_on: the prepared collection that the run learned from.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the weights are of another network, or the run learned from another collection.
    """
    network_file, checkpoint_file = run / "network.json", run / CHECKPOINT_NAME
    for file in (network_file, checkpoint_file):
        if not file.is_file():
            raise FileNotFoundError(f"there is no {file}: name the folder of a training run with --run")
    parser = ConfigParser()
    parser.read_config([str(config), str(network_file)])
    preparation = {name: value for name, value in parser["preparation"].items() if name != "_target_"}
    if preparation != read_preparation(trained_on)["preparation"]:
        raise ValueError(f"{trained_on} was prepared with other settings than the collection that {run} learned from")
    remedy = "name a training run's folder with --run"
    settings = read_parts(checkpoint_file, ["settings"], device="cpu", remedy=remedy)["settings"]
    if not isinstance(settings, Mapping) or settings.get("datalist_hash") != datalist_hash(trained_on):
        raise ValueError(
            f"{run} did not learn from the pairs of {trained_on}: name the prepared collection that it was trained on "
            "with --trained_on, so that its patients can be left out"
        )
    network = parser.get_parsed_content("network_def")
    load_weights(network, run / "model.pt")
    return TrainedGenerator(network=network.eval(), canvas=parser.get_parsed_content("canvas"))
