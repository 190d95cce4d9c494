"""Does the radiomic vector matter: the model is given the vectors of other test cases' lesions.

Two tests on the same views. *Shuffled*: the lesion must resemble the real one more with the true vector than with
another's. *Swap*: the lesion's features must change in the direction in which the vector changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from bundle.evaluation.bootstrap import Interval, mean_interval, signed_rank_p
from bundle.evaluation.cases import Case
from bundle.evaluation.features import OF_CONTENT
from bundle.networks.standardizer import RadiomicsStandardizer
from bundle.vocabulary import Direction

DONORS = 1
# Where the lesion is in the synthetic view is only known to be at about the real one's place.
NEAR_LESION_MM = 4.0


@dataclass(frozen=True, kw_only=True)
class SwappedCase:
    """One test case with the vectors of others; K of them, see `DONORS`.

    Args:
        patient_id, pair_id, direction: which test case.
        own, donors: raw ``fine`` vectors of the source's lesion ``[F]`` and of the others' ``[K, F]``.
        lesion: raw features at the real lesion's place with the own vector ``[F]``.
        swapped: with the others' ``[K, F]``.
        real: those of the real target ``[F]``.
        change_in_lesion, change_elsewhere: mean absolute difference of the views, at the lesion and in the rest of
            the breast.
    """

    patient_id: str
    pair_id: str
    direction: Direction
    own: np.ndarray
    donors: np.ndarray
    lesion: np.ndarray
    swapped: np.ndarray
    real: np.ndarray
    change_in_lesion: float
    change_elsewhere: float


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A mean over cases with its interval and the p value of the test that it is zero."""

    interval: Interval
    p: float | None


@dataclass(frozen=True, kw_only=True)
class ConditioningResult:
    """What the two tests say of one direction.

    Args:
        error_true, error_shuffled: standardized difference of the lesion's features from the real lesion's.
        advantage: of the true vector, positive where it is better.
        correlation: over the features, of the change of the lesion with the change of the vector.
        change_in_lesion, change_elsewhere: of the grey values, in [0, 1].
    """

    error_true: Interval
    error_shuffled: Interval
    advantage: Tested
    correlation: Tested
    change_in_lesion: Interval
    change_elsewhere: Interval


def choose_donors(items: Sequence[Mapping[str, Any]], *, seed: int) -> dict[tuple[str, int], np.ndarray]:
    """Choose for each test case with a known vector the vectors of `DONORS` cases of other patients.

    Args:
        items: ``radiomics`` ``[F]``, ``pair_id``, ``patient_id``, ``target_view`` (0 = CC, 1 = MLO).
        seed: of the draws, which do not depend on the order of the items.

    Returns:
        ``[K, F]`` by pair and target view; cases without a vector, or without another patient's, are left out.
    """
    known = sorted(
        (item for item in items if np.isfinite(item["radiomics"]).all()),
        key=lambda item: (int(item["target_view"]), str(item["pair_id"])),
    )
    generator = np.random.default_rng(seed)
    donors = {}
    for item in known:
        others = [
            other
            for other in known
            if other["patient_id"] != item["patient_id"] and int(other["target_view"]) == int(item["target_view"])
        ]
        if others:
            chosen = generator.permutation(len(others))[:DONORS]
            vectors = np.stack([np.asarray(others[index]["radiomics"], dtype=np.float32) for index in chosen])
            donors[str(item["pair_id"]), int(item["target_view"])] = vectors
    return donors


def changes(case: Case, swapped: Sequence[torch.Tensor], *, spacing_mm: float) -> tuple[float, float]:
    """Mean absolute difference of the model's view and those with other vectors: near the lesion, elsewhere in it.

    Args:
        case: with a lesion in its target.
        swapped: ``[1, H, W]`` each, at least one.
        spacing_mm: pixel spacing of the canvas.
    """
    near = ndimage.distance_transform_edt(case.target_lesion[0].numpy() < 0.5) * spacing_mm <= NEAR_LESION_MM
    change = torch.stack([(view - case.synthetic).abs() for view in swapped]).mean(dim=0)[0].numpy()
    elsewhere = (case.breast[0].numpy() > 0.5) & ~near
    return float(change[near].mean()), float(change[elsewhere].mean()) if elsewhere.any() else 0.0


def judge_conditioning(
    cases: Sequence[SwappedCase],
    *,
    conditions: RadiomicsStandardizer,
    lesions: RadiomicsStandardizer,
    resamples: int,
    seed: int,
) -> dict[Direction, ConditioningResult]:
    """Test both, per direction that has a case.

    Args:
        cases: with all vectors known.
        conditions: standardizer of the ``fine`` vectors.
        lesions: standardizer of the features on the canvas.
        resamples: draws of the bootstrap over patients.
        seed: of the draws.
    """

    def standardized(standardizer: RadiomicsStandardizer, vectors: np.ndarray) -> np.ndarray:
        return standardizer(torch.from_numpy(np.asarray(vectors, dtype=np.float64))).numpy()[..., OF_CONTENT]

    results = {}
    for direction in Direction:
        found = sorted(
            (case for case in cases if case.direction is direction), key=lambda case: (case.patient_id, case.pair_id)
        )
        if not found:
            continue
        true, shuffled, correlations = [], [], []
        for case in found:
            lesion, swapped, real = (
                standardized(lesions, vectors) for vectors in (case.lesion, case.swapped, case.real)
            )
            true.append(float(np.abs(lesion - real).mean()))
            shuffled.append(float(np.abs(swapped - real).mean()))
            asked = standardized(conditions, case.donors) - standardized(conditions, case.own)
            correlations.append(
                float(np.mean([_correlation(a, b) for a, b in zip(asked, swapped - lesion, strict=True)]))
            )
        owners = [case.patient_id for case in found]
        advantages = [other - own for own, other in zip(true, shuffled, strict=True)]

        def interval(values: Sequence[float], owners: Sequence[str] = owners) -> Interval:
            return mean_interval(values, owners, resamples=resamples, seed=seed)

        results[direction] = ConditioningResult(
            error_true=interval(true),
            error_shuffled=interval(shuffled),
            advantage=Tested(interval=interval(advantages), p=signed_rank_p(advantages, owners)),
            correlation=Tested(interval=interval(correlations), p=signed_rank_p(correlations, owners)),
            change_in_lesion=interval([case.change_in_lesion for case in found]),
            change_elsewhere=interval([case.change_elsewhere for case in found]),
        )
    return results


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Cosine of two changes ``[F]`` through the origin; 0 where one of them is none."""
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / length if length > 0 else 0.0
