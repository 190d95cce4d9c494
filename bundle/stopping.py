"""How a command ends when it cannot go on."""

from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager


@contextmanager
def ending_with_a_sentence(name: str = "Stopped", *, again: str = "give the same command again") -> Iterator[None]:
    """End the program with the error's sentence and exit status 1, where the block raises ValueError or OSError.

    A worker process that was stopped, as the system does for want of memory, ends it with a sentence, too.

    A run's command is MONAI's bundle runner, which has no place where errors become messages: it would wrap the
    sentence in tracebacks of its own and of Ignite. So the outermost functions of a run, as of a script, raise
    SystemExit, which both let pass, and no others do.

    Args:
        name: the command's, which the sentence begins with.
        again: what to do where a worker was stopped.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        raise SystemExit(f"{name}: {error}") from error
    except BrokenExecutor as error:
        raise SystemExit(f"{name}: a worker was stopped, perhaps for memory; {again}") from error
