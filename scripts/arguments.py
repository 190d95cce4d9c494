"""Values from the command line, checked: fire hands on whatever a word looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def refuse_unexpected(values: Sequence[object], options: Mapping[str, object], *, command: str) -> None:
    """Refuse what a command has no argument for; fire alone would complain only after the command had run.

    Args:
        values: what the command's ``*values`` caught.
        options: what its ``**options`` caught.
        command: how it is called, for the message.

    Raises:
        ValueError: there is any.
    """
    if values or options:
        names = ", ".join([*(f"--{name}" for name in options), *map(repr, values)])
        raise ValueError(f"unknown argument(s) {names}; see {command} --help")


def whole_number(value: object, *, name: str) -> int:
    """Take a whole number.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"--{name} is {value!r}; it must be a whole number")
    return value


def positive_number(value: object, *, name: str) -> float:
    """Take a number above zero.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"--{name} is {value!r}; it must be a positive number")
    return float(value)


def numbers(value: Any, *, name: str, count: int, example: str) -> tuple[float, ...]:
    """Take a list of numbers.

    Args:
        value: what was given.
        name: the argument's, for the message.
        count: how many numbers there must be.
        example: how the argument is written, for the message.

    Raises:
        ValueError: anything else.
    """
    fits = isinstance(value, tuple | list) and len(value) == count
    if not fits or any(isinstance(each, bool) or not isinstance(each, int | float) for each in value):
        raise ValueError(f"--{name} is {value!r}; it must be {count} numbers, e.g. {example}")
    return tuple(map(float, value))


def path(value: object, *, name: str) -> Path:
    """Take a path; fire hands a folder called ``2024`` on as a number, and a forgotten one as True.

    Raises:
        ValueError: none was given, or fire has read another value out of it.
    """
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValueError(f"--{name} is {value!r}; it must be a path (write one that looks like a number as ./1.5)")
    return Path(str(value))
