"""Errors of the bundle as they come out of MONAI's workflows."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bundle.stopping import unwrap


@contextmanager
def raises_within_monai(match: str) -> Iterator[None]:
    """Expect a RuntimeError of MONAI whose cause is a ValueError or OSError with a sentence that matches."""
    with pytest.raises(RuntimeError) as raised:
        yield
    cause = unwrap(raised.value)
    assert isinstance(cause, ValueError | OSError), repr(cause)
    assert re.search(match, str(cause)), str(cause)
