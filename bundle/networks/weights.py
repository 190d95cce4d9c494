"""The generator's weights, with a clear sentence where they are of another network."""

from collections.abc import Mapping
from pathlib import Path

import torch
from ignite.engine import Engine, Events
from torch import nn

from bundle.tensor_files import read_tensors, write_tensors

SMALL_TENSOR = 1024  # elements; smaller ones stay as they are


class WeightsLoader:
    """Handler that loads the weights before the first film.

    Args:
        network: the generator.
        path: file with its bare state dict.
    """

    def __init__(self, *, network: nn.Module, path: str | Path) -> None:
        self.network = network
        self.path = Path(path)

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Load; raises like `load_weights`."""
        load_weights(self.network, self.path)


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a bare state dict; only tensors are read from the file, never code (``weights_only``).

    Args:
        network: stays on its device.
        path: as ``torch.save(network.state_dict(), path)`` writes it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no state dict, or that of another network.
    """
    weights = _read_weights(path, absent="train first, or name the file with --weights")
    kinds = kind_of_generator(network.state_dict()), kind_of_generator(weights)
    if kinds[0] != kinds[1] and "" not in kinds:
        raise ValueError(
            f"{path} holds the weights of a {kinds[1]}, but the configuration wants a {kinds[0]}: add the network.json "
            "of the weights' training run to --config_file"
        )
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    different = [name for name in [*wanted, *found.keys() - wanted.keys()] if wanted.get(name) != found.get(name)]
    canvases = [_grid_places(shapes) for shapes in (found, wanted)]
    if canvases[0] != canvases[1]:
        raise ValueError(
            f"the weights in {path} are for a canvas of {canvases[0]} patches of 4 x 4 pixels, the configuration has "
            f"{canvases[1]}: weights of the flow generator fit the canvas alone that they were trained on; set it, or "
            "add the network.json of the weights' training run to --config_file"
        )
    if different:
        first = different[0]
        raise ValueError(
            f"the weights in {path} are of another network: {len(different)} tensors differ, the first is {first} "
            f"({_shape(found, first)} in the file, {_shape(wanted, first)} in the configuration); add the network.json "
            "of the weights' training run to --config_file"
        )
    network.load_state_dict(weights)


def _read_weights(path: Path, *, absent: str) -> Mapping[str, torch.Tensor]:
    """Read a bare state dict; ``absent`` says what to do where there is no file."""
    if not path.is_file():
        raise FileNotFoundError(f"there are no weights at {path}: {absent}")
    weights = read_tensors(path, device="cpu", remedy="name a training run's model.pt")
    if not isinstance(weights, Mapping) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise ValueError(f"{path} holds more or other than a network's weights: name a training run's model.pt")
    return weights


def kind_of_generator(state: Mapping[str, object]) -> str:
    """Name the generator's class by its state dict; empty for other networks."""
    marks = {"FlowGenerator": "prior.mean_source", "Generator": "noise"}
    return next((kind for kind, mark in marks.items() if mark in state), "")


def write_half_precision(source: Path, target: Path) -> None:
    """Write weights again with half the bytes; `load_weights` brings them back to the network's precision.

    Only large tensors are halved: the scales of radiomic features go beyond what half precision holds.

    Args:
        source: file with a bare state dict.
        target: file to write; its folder exists.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no state dict.
    """
    weights = _read_weights(source, absent="name a training run's folder")
    write_tensors(target, {name: _halved(value) for name, value in weights.items()})


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    fits = tensor.numel() >= SMALL_TENSOR and tensor.is_floating_point() and bool((tensor.abs() < 6e4).all())
    return tensor.half() if fits else tensor


def _grid_places(shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    return shapes["prior.mean_source"][-1] if "prior.mean_source" in shapes else None


def _shape(shapes: Mapping[str, tuple[int, ...]], name: str) -> str:
    return str(list(shapes[name])) if name in shapes else "absent"
