"""What real views of the training split are like: the measure for what a synthetic view shows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from bundle.evaluation.cases import plain
from bundle.metrics.blobs import blob_contrasts
from bundle.metrics.breast_shape import find_breast
from bundle.vocabulary import Direction, ViewPosition

# Of real views without a lesion, so many may hold a blob above the level.
BLOBS_ALLOWED = 0.05
# A blob belongs to a lesion up to this distance from its mask.
NEAR_LESION_MM = 4.0
MOST_VIEWS = 200


@dataclass(frozen=True, kw_only=True)
class BlobLevels:
    """From which contrast on a blob counts as a lesion.

    Args:
        levels: per view position the contrast that the greatest blob of 95 % of the real training views without a
            lesion stays below; a position without such views has none.
        sensitivity: per view position the share of the real training views with a lesion where a blob above the level
            lies at a lesion; it tells how much of what is invented would be seen.
    """

    levels: Mapping[ViewPosition, float]
    sensitivity: Mapping[ViewPosition, float]

    def level(self, position: ViewPosition) -> float:
        """Return the level; NaN where it could not be learned."""
        return self.levels.get(position, math.nan)


def learn_blob_levels(training: Sequence[Mapping[str, Any]], *, spacing_mm: float) -> BlobLevels:
    """Learn from the training pairs' target views, at most about `MOST_VIEWS` of each position, evenly spread.

    Args:
        training: items with ``label`` and ``label_mask`` ``[1, H, W]`` and ``target_view`` (0 = CC, 1 = MLO).
        spacing_mm: pixel spacing of the canvas.
    """
    greatest: dict[ViewPosition, list[float]] = defaultdict(list)
    at_lesions: dict[ViewPosition, list[float]] = defaultdict(list)
    # An odd step: pairs come in one direction and the other by turns.
    step = math.ceil(len(training) / (2 * MOST_VIEWS)) | 1
    for index in tqdm(range(0, len(training), step), desc="real views", unit="view"):
        item = training[index]
        position = Direction.to_class(int(item["target_view"])).target
        view, lesion = plain(item["label"])[0].numpy(), plain(item["label_mask"])[0].numpy() > 0.5
        places, contrasts = blob_contrasts(view, find_breast(view), spacing_mm=spacing_mm)
        if lesion.any():
            near = ndimage.distance_transform_edt(~lesion) * spacing_mm <= NEAR_LESION_MM
            at_lesions[position].append(max(contrasts[near[tuple(places.T)]], default=0.0))
        else:
            greatest[position].append(max(contrasts, default=0.0))
    levels = {position: float(np.quantile(found, 1 - BLOBS_ALLOWED)) for position, found in greatest.items()}
    sensitivity = {
        position: float(np.mean(np.array(found) > levels[position]))
        for position, found in at_lesions.items()
        if position in levels
    }
    return BlobLevels(levels=levels, sensitivity=sensitivity)
