"""Fit the standardizers of the networks that take raw radiomic vectors, on the training split alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn


def fit_standardizers(*, networks: Sequence[nn.Module], training_items: Sequence[Mapping[str, Any]]) -> None:
    """Fit each network's ``standardizer`` to the source vectors of the training items.

    Args:
        networks: modules with a ``standardizer``.
        training_items: items of the training split, see ``directed_pairs``.
    """
    vectors = np.stack([item["radiomics"] for item in training_items])
    for network in networks:
        network.standardizer.fit(vectors)  # type: ignore[operator, union-attr]
