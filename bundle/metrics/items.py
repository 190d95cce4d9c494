"""The items of one iteration of a MONAI evaluator."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine
from monai.data import decollate_batch


def items_of(engine: Engine) -> list[dict[str, Any]]:
    """Return one dictionary per item: the batch's entries, and over them the output's.

    MONAI's evaluators put image, label and prediction alone into the output; masks and who the case is stay in the
    batch.

    Args:
        engine: in the midst of an iteration; its batch and output decollated or not.
    """
    batch, output = (
        parts if isinstance(parts, list) else decollate_batch(parts)
        for parts in (engine.state.batch, engine.state.output)
    )
    return [{**before, **after} for before, after in zip(batch, output, strict=True)]
