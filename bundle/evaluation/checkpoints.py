"""The weights of a training run's last epoch, to be scored beside those of its best one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from bundle.tensor_files import read_parts, restore

_NAME = "checkpoint.pt"
_REMEDY = "name that of the weights' training run with --checkpoint, or --checkpoint None for none."


def beside(*, weights: str | Path) -> Path:
    """Name the checkpoint of the training run that a file of weights lies in; it need not exist."""
    return Path(weights).with_name(_NAME)


def last_epoch(network: nn.Module, path: Path | None) -> nn.Module | None:
    """Copy the network and give it the last epoch's averaged weights.

    Args:
        network: the generator.
        path: the run's checkpoint, as `bundle.training.run_folder` writes it; None for none.

    Returns:
        The copy; None where there is no checkpoint.

    Raises:
        ValueError: the file is damaged, or of another network.
    """
    if path is None or not path.is_file():
        return None
    average = read_parts(path, ["average"], device="cpu", remedy=_REMEDY)["average"]
    if not isinstance(average, Mapping):
        raise ValueError(f"{path} is no checkpoint of a training run: {_REMEDY}")
    state = {name.removeprefix("module."): value for name, value in average.items() if str(name).startswith("module.")}
    last = copy.deepcopy(network)
    restore(last, state, name="generator", path=path, remedy=_REMEDY)
    return last
