"""Files of tensors, written whole; read back only tensors and plain values, never code, and one sentence otherwise."""

import pickle
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from bundle.atomic import replacing

# What torch was seen to raise on damaged files: its reader trusts the order of the instructions that it finds.
_DAMAGE = (
    *(pickle.UnpicklingError, struct.error, EOFError, RuntimeError),
    *(ValueError, TypeError, LookupError, AttributeError, AssertionError),
)


class Restorable(Protocol):
    """A network or an optimizer."""

    def load_state_dict(self, state_dict: Any, /) -> object:
        """Take over a state."""


def write_tensors(path: Path, content: Any) -> None:
    """Write tensors and plain values by ``torch.save``; equal content gives equal bytes, a failure leaves no file.

    Given a path, ``torch.save`` would put that path's name, here a temporary one, into the file.

    Args:
        path: the file; its folder exists.
        content: a state dict, or a dictionary of such.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)


def read_tensors(path: Path, *, device: torch.device | str, remedy: str) -> Any:
    """Read what ``torch.save`` wrote, by ``weights_only``: a file cannot make the program run its code.

    Args:
        path: the file, which exists.
        device: where the tensors go.
        remedy: what to do about a file that cannot be read; ends the message.

    Raises:
        ValueError: the file is damaged, or holds more than tensors and plain values.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except _DAMAGE as error:
        raise ValueError(f"{path} is no file of weights, or was cut ({type(error).__name__}): {remedy}") from None


def read_parts(path: Path, names: Collection[str], *, device: torch.device | str, remedy: str) -> Mapping[str, Any]:
    """Read a file of several named parts, as a checkpoint is, by `read_tensors`.

    Args:
        path: the file, which exists.
        names: the parts that must be there.
        device: where the tensors go.
        remedy: what to do about a file that cannot be read; ends the message.

    Raises:
        ValueError: the file is damaged, or lacks a part.
    """
    content = read_tensors(path, device=device, remedy=remedy)
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds {type(content).__name__} instead of named parts: {remedy}")
    missing = [name for name in names if name not in content]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}: {remedy}")
    return content


def restore(part: Restorable, state: Mapping[str, Any], *, name: str, path: Path, remedy: str) -> None:
    """Put a state that was read from a file into a network or an optimizer.

    Args:
        part: what is restored.
        state: its ``state_dict``, as `read_tensors` gave it.
        name: of the part, for the message.
        path: the file, for the message.
        remedy: what to do where the state does not fit; ends the message.

    Raises:
        ValueError: the state is that of a network or optimizer of another shape.
    """
    try:
        part.load_state_dict(state)
    except _DAMAGE:
        raise ValueError(f"{path} holds another {name} than the configuration describes: {remedy}") from None
