"""What real views of the training split are like: the measure for what a synthetic view shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy import ndimage
from tqdm import tqdm

from bundle.evaluation.cases import plain
from bundle.evaluation.features import drawn_regions, embeddings, lesion_vector, radiomic_vector
from bundle.metrics.blobs import blob_contrasts
from bundle.metrics.breast_shape import find_breast
from bundle.networks.feature_network import EMBEDDING, FeatureNetwork
from bundle.networks.standardizer import RadiomicsStandardizer
from bundle.radiomics.features import FEATURE_NAMES
from bundle.radiomics.settings import RadiomicsSettings
from bundle.vocabulary import Direction, ViewPosition

# Of real views without a lesion, so many may hold a blob above the level.
BLOBS_ALLOWED = 0.05
# A blob belongs to a lesion up to this distance from its mask.
NEAR_LESION_MM = 4.0
MOST_VIEWS = 120


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


@dataclass(frozen=True, kw_only=True)
class RealViews:
    """What is known of the training split's real target views.

    Args:
        blob_levels: from which contrast on a blob counts as a lesion.
        standardizer: of radiomic features on the canvas, fitted on the random regions and the lesions.
        conditions: of the ``fine`` vectors of the sources' lesions.
        radiomics: per view position the raw vectors ``[N, F]`` of random regions.
        embeddings: per view position the feature network's ``[N, E]`` of the same regions.
        views: how many views were measured, per position.
    """

    blob_levels: BlobLevels
    standardizer: RadiomicsStandardizer
    conditions: RadiomicsStandardizer
    radiomics: Mapping[ViewPosition, np.ndarray]
    embeddings: Mapping[ViewPosition, np.ndarray]
    views: Mapping[ViewPosition, int]


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """One real view."""

    position: ViewPosition
    has_lesion: bool
    blob: float
    radiomics: np.ndarray
    embeddings: np.ndarray
    lesion: np.ndarray
    condition: np.ndarray


def learn_real_views(
    training: Sequence[Mapping[str, Any]],
    *,
    spacing_mm: float,
    settings: RadiomicsSettings,
    network: FeatureNetwork,
    workers: int,
) -> RealViews:
    """Measure the training pairs' target views, at most about `MOST_VIEWS` of each position, evenly spread.

    Args:
        training: items with ``label``, ``label_breast`` and ``label_mask`` ``[1, H, W]``, ``radiomics`` ``[F]``,
            ``target_view`` (0 = CC, 1 = MLO) and ``pair_id``.
        spacing_mm: pixel spacing of the canvas.
        settings: how radiomic features are extracted.
        network: the trained feature network, on the CPU.
        workers: processes.

    Raises:
        ValueError: no view has a region with radiomic features.
    """
    # An odd step: pairs come in one direction and the other by turns.
    step = math.ceil(len(training) / (2 * MOST_VIEWS)) | 1
    chosen = tqdm(range(0, len(training), step), desc="real views", unit="view")
    measured: list[_Measured] = Parallel(workers)(
        delayed(_measure)(training[index], spacing_mm=spacing_mm, settings=settings, network=network)
        for index in chosen
    )
    by_position = {p: [view for view in measured if view.position is p] for p in ViewPosition}
    radiomics = {p: np.concatenate([v.radiomics for v in views]) for p, views in by_position.items() if views}
    known = [*radiomics.values(), *(view.lesion[None] for view in measured if np.isfinite(view.lesion).all())]
    conditions = [view.condition[None] for view in measured if np.isfinite(view.condition).all()]
    return RealViews(
        blob_levels=_blob_levels(by_position),
        standardizer=_fitted(known),
        conditions=_fitted(conditions),
        radiomics=radiomics,
        embeddings={p: np.concatenate([v.embeddings for v in views]) for p, views in by_position.items() if views},
        views={p: len(views) for p, views in by_position.items()},
    )


def _fitted(vectors: Sequence[np.ndarray]) -> RadiomicsStandardizer:
    """Fit to raw vectors ``[N, F]`` each; the unit scale where there is none."""
    standardizer = RadiomicsStandardizer(len(FEATURE_NAMES))
    if vectors:
        standardizer.fit(np.concatenate(vectors))
    return standardizer


def _measure(
    item: Mapping[str, Any], *, spacing_mm: float, settings: RadiomicsSettings, network: FeatureNetwork
) -> _Measured:
    view = plain(item["label"])
    pixels, breast, lesion = (plain(item[key])[0].numpy() for key in ("label", "label_breast", "label_mask"))
    position = Direction.to_class(int(item["target_view"])).target
    places, contrasts = blob_contrasts(pixels, find_breast(pixels), spacing_mm=spacing_mm)
    if lesion.any():
        near = ndimage.distance_transform_edt(lesion < 0.5) * spacing_mm <= NEAR_LESION_MM
        contrasts = contrasts[near[tuple(places.T)]]
    drawn = drawn_regions(breast > 0.5, name=f"{item['pair_id']}/{position}", spacing_mm=spacing_mm, settings=settings)
    vectors = [radiomic_vector(pixels, region, spacing_mm=spacing_mm, settings=settings) for region in drawn]
    usable = [(region, vector) for region, vector in zip(drawn, vectors, strict=True) if np.isfinite(vector).all()]
    return _Measured(
        position=position,
        has_lesion=bool(lesion.any()),
        blob=float(max(contrasts, default=0.0)),
        radiomics=np.array([vector for _, vector in usable]).reshape(-1, len(FEATURE_NAMES)),
        embeddings=np.concatenate(
            [np.empty((0, EMBEDDING)), *(embeddings(network, view[None], r, spacing_mm=spacing_mm) for r, _ in usable)]
        ),
        condition=np.asarray(item["radiomics"], dtype=np.float64),
        lesion=lesion_vector(pixels, lesion > 0.5, spacing_mm=spacing_mm, settings=settings),
    )


def _blob_levels(by_position: Mapping[ViewPosition, Sequence[_Measured]]) -> BlobLevels:
    levels, sensitivity = {}, {}
    for position, views in by_position.items():
        without = [view.blob for view in views if not view.has_lesion]
        with_lesion = np.array([view.blob for view in views if view.has_lesion])
        if without:
            levels[position] = float(np.quantile(without, 1 - BLOBS_ALLOWED))
        if without and len(with_lesion):
            sensitivity[position] = float((with_lesion > levels[position]).mean())
    return BlobLevels(levels=levels, sensitivity=sensitivity)
