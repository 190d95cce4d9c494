"""How a command ends when it cannot go on."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ending_with_a_sentence() -> Iterator[None]:
    """End the program with the error's sentence and exit status 1, where the block raises ValueError or OSError.

    The command is MONAI's bundle runner, which has no place where errors become messages: it would wrap the sentence in
    tracebacks of its own and of Ignite. So the outermost functions of a run, and only these, raise SystemExit, which
    both let pass.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        raise SystemExit(f"Stopped: {error}") from error
