"""Misspelt overrides on the command line of ``python -m monai.bundle run``, which MONAI takes in silence."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from monai.bundle import ConfigParser, run

from bundle.stopping import ending_with_a_sentence

SEPARATOR = "#"
_OF_THE_COMMAND = frozenset(inspect.signature(run).parameters) - {"override"}


@ending_with_a_sentence()
def refuse_unknown_overrides() -> None:
    """Stop where the command line overrides an id that no configuration file holds; does nothing in other programs.

    An argument that is added to an object (a ``_target_``) passes: the object itself refuses what it does not know.

    Raises:
        SystemExit: an unknown id; the sentence names the nearest known ones.
    """
    if sys.argv[0].replace("\\", "/").endswith("monai/bundle/__main__.py"):
        _refuse_unknown(sys.argv[1:])


def _refuse_unknown(arguments: Sequence[str]) -> None:
    given = dict(_options(arguments))
    files = given.get("config_file")
    if files is None:  # an --args_file names them
        return
    config = ConfigParser.load_config_files(ast.literal_eval(files) if files.startswith(("[", "(")) else files)
    for name in given.keys() - _OF_THE_COMMAND:
        if not _exists(config, name):
            near = get_close_matches(name, list(_ids(config)), n=3)
            raise ValueError(
                f"--{name} overrides nothing: no such id in {files}." + (f" Meant: {', '.join(near)}?" if near else "")
            )


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names and values of ``--name value`` and ``--name=value``, as Python Fire reads them."""
    for position, argument in enumerate(arguments):
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            following = arguments[position + 1] if position + 1 < len(arguments) else ""
            yield name.replace("-", "_").replace("::", SEPARATOR), value if equals else following


def _exists(config: Any, name: str) -> bool:
    """Tell whether an id is there, or would be one more argument of an object that is there."""
    for key in name.split(SEPARATOR):
        if isinstance(config, Mapping) and (key in config or "_target_" in config):
            config = config.get(key)
        elif isinstance(config, list) and key.isdecimal() and int(key) < len(config):
            config = config[int(key)]
        else:
            return False
    return True


def _ids(config: Any, prefix: str = "") -> Iterator[str]:
    entries = enumerate(config) if isinstance(config, list) else config.items() if isinstance(config, Mapping) else ()
    for key, value in entries:
        yield f"{prefix}{key}"
        yield from _ids(value, prefix=f"{prefix}{key}{SEPARATOR}")
