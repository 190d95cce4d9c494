"""Truth values from configs and command lines."""


def read_switch(value: object, *, name: str) -> bool:
    """Read a truth value, which a command line hands on as a word where somebody writes ``--resume false``.

    Args:
        value: True, False, or one of these words in any case.
        name: the argument's, for the message.

    Raises:
        ValueError: neither true nor false.
    """
    word = str(value).lower()
    if word not in ("true", "false"):
        raise ValueError(f"--{name} is {value!r}; it must be true or false")
    return word == "true"
