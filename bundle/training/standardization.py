"""What a generator starts from: the scales of the training split's radiomic features, or pretrained weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from bundle.networks.weights import load_weights


def fit_standardizers(
    *, networks: Sequence[nn.Module], training_items: Sequence[Mapping[str, Any]], pretrained: str | Path | None = None
) -> None:
    """Fit each network's ``standardizer`` to the source vectors of the training items, or load pretrained weights.

    A pretrained generator has learned with the scales of its own training data, which come with its weights; the other
    networks take them over.

    Args:
        networks: modules with a ``standardizer``, the generator first.
        training_items: items of the training split, see ``directed_pairs``.
        pretrained: file with the generator's weights to start from; None to start from scratch.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no weights, or those of another network or canvas.
    """
    if pretrained is None:
        vectors = np.stack([item["radiomics"] for item in training_items])
        for network in networks:
            network.standardizer.fit(vectors)  # type: ignore[operator, union-attr]
        return
    generator, *others = networks
    load_weights(generator, Path(pretrained))
    for network in others:
        network.standardizer.load_state_dict(generator.standardizer.state_dict())  # type: ignore[union-attr]
