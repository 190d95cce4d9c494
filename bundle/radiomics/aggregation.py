"""One radiomic vector for a view that has several lesions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def view_vector(vectors: ArrayLike, areas_mm2: ArrayLike) -> tuple[np.ndarray, int]:
    """Average the vectors of a view's lesions, each weighted by its lesion's area.

    Args:
        vectors: float ``[lesions, features]``; a lesion without features is left out by the caller.
        areas_mm2: float ``[lesions]``, positive.

    Returns:
        float64 ``[features]``, and the number of lesions it stands for. Without a lesion a vector of NaN, which means
        unknown to the networks, and 0.

    Raises:
        ValueError: the shapes do not fit, or an area is not positive.
    """
    table = np.asarray(vectors, dtype=np.float64)
    weights = np.asarray(areas_mm2, dtype=np.float64)
    if table.ndim != 2 or weights.shape != table.shape[:1]:
        raise ValueError(f"vectors {table.shape} and areas {weights.shape} must be [lesions, features], [lesions]")
    if not (weights > 0).all():
        raise ValueError(f"areas {weights.tolist()} mm2 must all be positive")
    if len(table) == 0:
        return np.full(table.shape[1], np.nan), 0
    return weights @ table / weights.sum(), len(table)
