"""How far two sets of feature vectors are apart, also where there are fewer vectors than features."""

from __future__ import annotations

import numpy as np
from sklearn.covariance import ledoit_wolf


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Squared Frechet distance of two normal distributions with shrunk covariances.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`` (Dowson and Landau 1982, doi:10.1016/0047-259X(82)90077-X), each
    covariance shrunk towards a multiple of the unit matrix by as much as the number of vectors asks for (Ledoit and
    Wolf 2004, doi:10.1016/S0047-259X(03)00096-4): it is never singular.

    Args:
        one: ``[N, F]``, at least two vectors.
        other: ``[M, F]``, at least two vectors.

    Returns:
        0 for a set and itself.

    Raises:
        ValueError: too few vectors, different numbers of features, or a value that is not finite.
    """
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1] or min(len(one), len(other)) < 2:
        raise ValueError(
            f"The Frechet distance compares sets [N, F] of two vectors or more, got {one.shape} and {other.shape}."
        )
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise ValueError("The Frechet distance got a feature that is NaN or infinite.")
    covariance, other_covariance = ledoit_wolf(one)[0], ledoit_wolf(other)[0]
    root = _root(covariance)
    common = np.sqrt(np.clip(np.linalg.eigvalsh(root @ other_covariance @ root), 0.0, None)).sum()
    apart = np.square(one.mean(axis=0) - other.mean(axis=0)).sum()
    return max(0.0, float(apart + np.trace(covariance) + np.trace(other_covariance) - 2 * common))


def _root(matrix: np.ndarray) -> np.ndarray:
    """Square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
