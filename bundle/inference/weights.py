"""The generator's weights, with a clear sentence where they are of another network."""

from collections.abc import Mapping
from pathlib import Path

import torch
from ignite.engine import Engine, Events
from torch import nn

from bundle.tensor_files import read_tensors


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
    if not path.is_file():
        raise FileNotFoundError(f"there are no weights at {path}: train first, or name the file with --weights")
    weights = read_tensors(path, device="cpu", remedy="name a training run's model.pt")
    if not isinstance(weights, Mapping) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise ValueError(f"{path} holds more or other than a network's weights: name a training run's model.pt")
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    different = [name for name in [*wanted, *found.keys() - wanted.keys()] if wanted.get(name) != found.get(name)]
    if different:
        first = different[0]
        raise ValueError(
            f"the weights in {path} are of another network: {len(different)} tensors differ, the first is {first} "
            f"({_shape(found, first)} in the file, {_shape(wanted, first)} in the configuration); add the network.json "
            "of the weights' training run to --config_file"
        )
    network.load_state_dict(weights)


def _shape(shapes: Mapping[str, tuple[int, ...]], name: str) -> str:
    return str(list(shapes[name])) if name in shapes else "absent"
