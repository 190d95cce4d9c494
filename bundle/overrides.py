"""What somebody asks of ``python -m monai.bundle run``, checked before any data are loaded.

MONAI takes misspelt overrides in silence, and runs an id that does nothing as if it did.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from fire.parser import DefaultParseValue
from monai.bundle import ConfigParser, run

from bundle.allowed import allowed_for
from bundle.stopping import runs_as_bundle_command

SEPARATOR = "#"
_PARAMETERS = tuple(name for name in inspect.signature(run).parameters if name != "override")
_FLAG = re.compile("--|-[a-zA-Z]")  # as Python Fire tells flags from values, negative numbers among them
_NOT_FOR_RUNNING = ("imports", "initialize", "finalize")
# Objects that do their work while they are made; all others are parts, which do nothing by themselves.
_WORKING_TARGETS = ("bundle.training.feature_training.train_feature_network",)


def check_command() -> None:
    """Stop where the command line asks for what cannot be meant; does nothing in other programs.

    An argument that is added to an object (a ``_target_``) passes: the object itself refuses what it does not know. An
    expression (``$...``) passes, too.

    Raises:
        ValueError: an override's id is in no configuration file (the sentence names the nearest ones), a setting is out
            of its range (`bundle.allowed`), a path holds ``#``, or the id to run runs nothing.
    """
    if runs_as_bundle_command():
        _check(sys.argv[1:])


def _check(arguments: Sequence[str]) -> None:
    given = _given(arguments)
    files = given.get("config_file")
    config = ConfigParser.load_config_files(files)
    overrides = {name: value for name, value in given.items() if name not in _PARAMETERS}
    for name in overrides:
        if not _exists(config, name):
            near = get_close_matches(name, list(_ids(config)), n=3)
            raise ValueError(
                f"--{name} overrides nothing: no such id in {files}." + (f" Meant: {', '.join(near)}?" if near else "")
            )
    parser = ConfigParser(config)
    parser.update(overrides)
    _check_run_id(parser.get(), str(given.get("run_id") or "run"))
    _check_values(parser.get())


def _given(arguments: Sequence[str]) -> dict[str, Any]:
    """Values by name, as Python Fire hands them to MONAI's ``run``; those of an ``--args_file`` come first."""
    given: dict[str, Any] = {}
    positional = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if not _FLAG.match(argument):
            positional.append(_value(argument))
            continue
        name, equals, value = argument.lstrip("-").partition("=")
        name = name.replace("-", "_").replace("::", SEPARATOR)
        if equals:
            given[name] = _value(value)
        else:
            has_value = bool(waiting) and not _FLAG.match(waiting[0])
            given[name] = _value(waiting.pop(0)) if has_value else True
    given |= dict(zip(_PARAMETERS, positional[1:], strict=False))  # the first one is MONAI's command
    from_file = ConfigParser.load_config_files(given["args_file"]) if given.get("args_file") else {}
    return {name.replace("::", SEPARATOR): value for name, value in from_file.items()} | given


def _value(text: str) -> Any:
    """Read a value as Python Fire does, but for text with a ``#``, whose end Fire takes for a comment."""
    value = DefaultParseValue(text)
    return text if isinstance(value, str) and SEPARATOR in text else value


def _check_run_id(config: Mapping[str, Any], name: str) -> None:
    running = [each for each in config if each not in _NOT_FOR_RUNNING and _runs(config, config[each])]
    if name not in running:
        raise ValueError(f"'{name}' runs nothing; these ids do: {', '.join(running)}.")


def _runs(config: Mapping[str, Any], content: Any) -> bool:
    """Tell whether something is a list of expressions, a reference to one, or an object that works while it is made."""
    if isinstance(content, Mapping):
        return content.get("_target_") in _WORKING_TARGETS
    if isinstance(content, str) and content.startswith("@"):
        content = config.get(content[1:])
    return isinstance(content, list) and any(str(each).startswith("$") for each in content)


def _check_values(config: Mapping[str, Any]) -> None:
    for name, value in _settings(config):
        allowed = allowed_for(name)
        if allowed is not None and not allowed.accepts(value):
            raise ValueError(f"--{name} is {value!r}; it must be {allowed.what}.")
        if isinstance(value, str) and SEPARATOR in value:
            raise ValueError(
                f"--{name} is {value!r}; MONAI reads a # in a setting as ::, so a path must not hold one: rename the "
                "folder, or make a link to it."
            )


def _settings(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of all that is no object, container, reference or expression; a list that has a rule is one."""
    if isinstance(config, list | tuple) and not allowed_for(prefix):
        config = dict(enumerate(config))
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield from _settings(value, f"{prefix}{SEPARATOR}{key}" if prefix else str(key))
    elif not any(map(_is_expression, config if isinstance(config, list | tuple) else [config])):
        yield prefix, config


def _is_expression(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("$", "@", "%"))


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
