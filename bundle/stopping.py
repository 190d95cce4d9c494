"""How a command ends when it cannot go on: with one sentence and exit status 1.

The library raises built-in exceptions; whoever imports it may catch them. They end the program here alone: for a script
by `ending_with_a_sentence`, for MONAI's bundle runner by `end_runs_with_a_sentence`. Where the environment variable
``MAMMOGRAPHY_TRACEBACK`` is set, the traceback is shown too.
"""

import os
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from types import TracebackType

TRACEBACK_VARIABLE = "MAMMOGRAPHY_TRACEBACK"
REPEAT = "give the same command again"


def runs_as_bundle_command() -> bool:
    """Tell whether this program is ``python -m monai.bundle``, and not a notebook, a server or a test."""
    return sys.argv[0].replace("\\", "/").endswith("monai/bundle/__main__.py")


def unwrap(error: BaseException) -> BaseException:
    """Return the error that MONAI wrapped in RuntimeErrors ("Failed to instantiate component ..."), or itself."""
    # MONAI's are plain ones; torch's out-of-memory and a stopped worker's are classes derived from it.
    while type(error) is RuntimeError and error.__cause__ is not None:
        error = error.__cause__
    return error


@contextmanager
def ending_with_a_sentence(name: str, *, again: str = REPEAT) -> Iterator[None]:
    """End a script with the error's sentence and exit status 1 where the block raises ValueError or OSError.

    A worker process that was stopped, as the system does for want of memory, ends it with a sentence, too.

    Args:
        name: the command's, which the sentence begins with.
        again: what to do where a worker was stopped.
    """
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        sentence = _sentence(error, again=again)
        if sentence is None:
            raise
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exception(error)
        raise SystemExit(f"{name}: {sentence}") from error


def end_runs_with_a_sentence() -> None:
    """Let ``python -m monai.bundle run`` end as scripts do; does nothing in other programs.

    MONAI's runner has no place where errors become messages, and imports nothing of this bundle before its
    ``initialize``. So the first item there replaces what Python does with an error that nobody has caught.
    """
    if not runs_as_bundle_command():
        return
    show_traceback = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sentence = _sentence(error, again=REPEAT)
        if sentence is None or os.environ.get(TRACEBACK_VARIABLE):
            show_traceback(kind, error, trace)
        if sentence is not None:
            print(f"Stopped: {sentence}", file=sys.stderr)

    sys.excepthook = show


def _sentence(error: BaseException, *, again: str) -> str | None:
    """Give the sentence of what may stop a command; None where the error is a fault of the program."""
    error = unwrap(error)
    if isinstance(error, BrokenExecutor):
        return f"a worker was stopped, perhaps for memory; {again}"
    return str(error) if isinstance(error, ValueError | OSError) else None
