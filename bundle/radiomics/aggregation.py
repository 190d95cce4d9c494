"""One radiomic vector for a view that has several lesions."""

from __future__ import annotations

import numpy as np


def view_vector(vectors: np.ndarray, areas_mm2: np.ndarray) -> tuple[np.ndarray, int]:
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
    vectors = np.asarray(vectors, dtype=np.float64)
    areas_mm2 = np.asarray(areas_mm2, dtype=np.float64)
    if vectors.ndim != 2 or areas_mm2.shape != vectors.shape[:1]:
        raise ValueError(f"vectors {vectors.shape} and areas {areas_mm2.shape} must be [lesions, features], [lesions]")
    if not (areas_mm2 > 0).all():
        raise ValueError(f"areas {areas_mm2.tolist()} mm2 must all be positive")
    if len(vectors) == 0:
        return np.full(vectors.shape[1], np.nan), 0
    return areas_mm2 @ vectors / areas_mm2.sum(), len(vectors)
