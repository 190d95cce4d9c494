"""From the feature vectors of all cases to figures of a method: concordance of the lesions, distance of the regions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bundle.evaluation.bootstrap import Interval, tail
from bundle.evaluation.methods import TARGET
from bundle.evaluation.real_views import RealViews
from bundle.evaluation.scoring import ImageScore
from bundle.metrics.concordance import concordance
from bundle.metrics.distribution import frechet_distance
from bundle.radiomics.features import FEATURE_NAMES
from bundle.vocabulary import Direction

EXCELLENT = 0.9
FEWEST_CASES = 3


@dataclass(frozen=True, kw_only=True)
class Concordance:
    """Of one class of features: the mean CCC over its features, and the share of features above `EXCELLENT`."""

    interval: Interval
    excellent: float


@dataclass(frozen=True, kw_only=True)
class Distance:
    """Frechet distance to the training split's real views: of a method's, and of the real test views (the floor)."""

    distance: float
    floor: float

    @property
    def ratio(self) -> float:
        """1 where the synthetic views are as near to the training split's as the real test views are."""
        return self.distance / self.floor


def lesion_concordance(
    scores: Sequence[ImageScore], *, resamples: int, seed: int
) -> dict[str, dict[Direction, dict[str, Concordance]]]:
    """Compare each method's lesions with the real ones: CCC over the test cases, per class of radiomic features.

    The interval is the bootstrap over patients of `bundle.evaluation.bootstrap`.

    Args:
        scores: of all methods, the real target among them.
        resamples: bootstrap draws.
        seed: of the draws.

    Returns:
        By method, direction and class (PyRadiomics' names but ``shape2D``, and ``all``); nothing where fewer than
        `FEWEST_CASES` lesions have features.
    """
    classes = np.array([name.split("_")[0] for name in FEATURE_NAMES])
    # The region is the real lesion's in every view: its form agrees by itself.
    groups = {name: classes == name for name in dict.fromkeys(classes) if name != "shape2D"}
    groups["all"] = classes != "shape2D"
    by_key = {(s.method, s.direction, s.pair_id): s for s in scores}
    result: dict[str, dict[Direction, dict[str, Concordance]]] = {}
    for method in dict.fromkeys(score.method for score in scores):
        result[method] = {}
        for direction in Direction:
            pairs = [
                (score, by_key[TARGET, direction, score.pair_id])
                for score in sorted(scores, key=lambda score: score.pair_id)
                if score.method == method and score.direction is direction
            ]
            pairs = [
                (ours, real)
                for ours, real in pairs
                if np.isfinite(ours.lesion_radiomics).all() and np.isfinite(real.lesion_radiomics).all()
            ]
            if len(pairs) < FEWEST_CASES:
                continue
            measured, true = (np.stack([pair[side].lesion_radiomics for pair in pairs]) for side in (0, 1))
            owners = [ours.patient_id for ours, _ in pairs]
            once = concordance(measured, true)[0]
            drawn = concordance(measured, true, _draws(owners, resamples=resamples, seed=seed))
            found = {}
            for name, chosen in groups.items():
                known = chosen & np.isfinite(once)
                if known.any():
                    low, high = _bounds(drawn[:, known], patients=len(set(owners)))
                    found[name] = Concordance(
                        interval=Interval(mean=float(once[known].mean()), low=low, high=high, n=len(pairs)),
                        excellent=float((once[known] >= EXCELLENT).mean()),
                    )
            result[method][direction] = found
    return result


def region_distances(
    scores: Sequence[ImageScore],
    embeddings: Mapping[tuple[str, Direction, str], np.ndarray],
    real_views: RealViews,
) -> dict[str, dict[str, dict[Direction, Distance]]]:
    """Compare each method's random regions with the training split's real ones.

    Args:
        scores: of all methods, the real target among them.
        embeddings: the feature network's vectors ``[K, E]`` of the same regions, by method, direction and pair.
        real_views: the training split's.

    Returns:
        ``radiomics`` and ``feature_network``, each by method and direction; nothing where there are too few regions.
    """
    radiomics: dict[tuple[str, Direction], list[np.ndarray]] = defaultdict(list)
    hidden: dict[tuple[str, Direction], list[np.ndarray]] = defaultdict(list)
    for score in sorted(scores, key=lambda score: score.pair_id):
        radiomics[score.method, score.direction].append(score.region_radiomics)
        hidden[score.method, score.direction].append(embeddings[score.method, score.direction, score.pair_id])
    methods = list(dict.fromkeys(score.method for score in scores))
    result: dict[str, dict[str, dict[Direction, Distance]]] = {}
    for name, vectors, real in (
        ("radiomics", radiomics, real_views.radiomics),
        ("feature_network", hidden, real_views.embeddings),
    ):
        result[name] = {method: {} for method in methods}
        for direction in Direction:
            if direction.target not in real or (TARGET, direction) not in vectors:
                continue
            known = real[direction.target]
            if name == "radiomics":
                known = _standardized(known, real_views)
            center, spread = known.mean(axis=0), known.std(axis=0)
            spread = np.where(spread > 0, spread, np.inf)
            sets = {}
            for method in methods:
                found = np.concatenate(vectors[method, direction])
                found = found[np.isfinite(found).all(axis=1)]
                if name == "radiomics":
                    found = _standardized(found, real_views)
                sets[method] = (found - center) / spread
            if len(sets[TARGET]) < 2 or len(known) < 2:
                continue
            reference = (known - center) / spread
            floor = frechet_distance(sets[TARGET], reference)
            for method, found in sets.items():
                if len(found) >= 2 and floor > 0:
                    result[name][method][direction] = Distance(distance=frechet_distance(found, reference), floor=floor)
    return result


def _standardized(vectors: np.ndarray, real_views: RealViews) -> np.ndarray:
    return real_views.standardizer(torch.from_numpy(vectors)).numpy()


def _draws(owners: Sequence[str], *, resamples: int, seed: int) -> np.ndarray:
    """How often each case occurs in each draw of as many patients ``[R, N]``."""
    patients = sorted(set(owners))
    counts = np.random.default_rng(seed).multinomial(
        len(patients), np.full(len(patients), 1 / len(patients)), resamples
    )
    return counts[:, [patients.index(owner) for owner in owners]]


def _bounds(drawn: np.ndarray, *, patients: int) -> tuple[float | None, float | None]:
    if patients < 2:
        return None, None
    outside = tail(patients)
    # A draw of nothing but one case many times has no variance, hence no CCC.
    means = np.nanmean(drawn[np.isfinite(drawn).any(axis=1)], axis=1)
    low, high = np.quantile(means, [outside, 1 - outside])
    return float(low), float(high)
