"""What a generator says of all possible target views, by its mean and samples: where the lesion is, how views vary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bundle.evaluation.bootstrap import Interval, mean_interval
from bundle.evaluation.cases import Case
from bundle.metrics.breast_shape import find_breast, nipple_position
from bundle.metrics.lesion import regions
from bundle.metrics.ranks import rank_counts
from bundle.metrics.search_region import area_cm2, band_around_nipple, centre_of, holds, smallest_region
from bundle.networks.flow import view_of
from bundle.vocabulary import Direction

SAMPLES = 8  # K, of each case
SHARES = {"region_50": 0.5, "region_90": 0.9}
"""Of the lesion's probability, by the region's name."""
BAND = "band"


@dataclass(frozen=True, kw_only=True)
class Searched:
    """A region to look for the lesion in.

    Args:
        found: whether the real target lesion's centre lies in it.
        area_cm2: its area.
    """

    found: bool
    area_cm2: float


@dataclass(frozen=True, kw_only=True)
class PosteriorCase:
    """One test case.

    Args:
        patient_id, direction: which test case.
        searched: by the names of `SHARES` and `BAND`; empty unless source and target have one lesion each.
        ranks: int ``[K + 1]``, see `bundle.metrics.ranks.rank_counts`.
    """

    patient_id: str
    direction: Direction
    searched: Mapping[str, Searched]
    ranks: np.ndarray


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """How often a region holds the lesion, in [0, 1], and its area in cm2."""

    coverage: Interval
    area_cm2: Interval


@dataclass(frozen=True, kw_only=True)
class PosteriorResult:
    """What all cases of a direction say together.

    Args:
        search: by region, see `PosteriorCase`; empty without a case of one lesion in each view.
        ranks: sum of the cases' counts ``[K + 1]``.
    """

    search: Mapping[str, SearchResult]
    ranks: Sequence[int]


def measure_posterior(case: Case, mean: torch.Tensor, samples: torch.Tensor, *, spacing_mm: float) -> PosteriorCase:
    """Compare what a flow generator says of a case with the real target view.

    Args:
        case: the test case.
        mean: state ``[3, H, W]`` of the posterior mean, see `bundle.networks.flow.FlowGenerator.synthesize`.
        samples: states ``[K, 3, H, W]`` of K samples.
        spacing_mm: pixel spacing of the canvas.
    """
    views = view_of(samples)[:, 0].numpy()
    probable_breast = mean[2].numpy() > 0
    return PosteriorCase(
        patient_id=case.patient_id,
        direction=case.direction,
        searched=_search(case, mean, spacing_mm=spacing_mm),
        ranks=rank_counts(case.target[0].numpy(), views, probable_breast, spacing_mm=spacing_mm),
    )


def lesion_probability(mean: torch.Tensor) -> np.ndarray:
    """Give the probability ``[H, W]`` of a lesion at each place of a posterior mean's state ``[3, H, W]``.

    It is zero where the mean view is air: what the network errs by at so many pixels would add up.
    """
    shown = view_of(mean[None], 0.0)[0, 0] > 0
    return ((mean[1] / 2 + 0.5).clamp(0.0, 1.0) * shown).numpy()


def _search(case: Case, mean: torch.Tensor, *, spacing_mm: float) -> dict[str, Searched]:
    source, target = (mask[0].numpy() > 0.5 for mask in (case.lesion, case.target_lesion))
    breast = case.breast[0].numpy() > 0.5
    nipples = [nipple_position(each, spacing_mm=spacing_mm) for each in (find_breast(case.source[0].numpy()), breast)]
    of_source, of_target = nipples
    if len(regions(source)) != 1 or len(regions(target)) != 1 or of_source is None or of_target is None:
        return {}
    distance_mm = math.dist(centre_of(source), of_source) * spacing_mm
    probability = lesion_probability(mean)
    marked = {name: smallest_region(probability, share=share) for name, share in SHARES.items()}
    marked[BAND] = band_around_nipple(breast, of_target, distance_mm=distance_mm, spacing_mm=spacing_mm)
    centre = centre_of(target)
    return {
        name: Searched(found=holds(region, centre), area_cm2=area_cm2(region, spacing_mm=spacing_mm))
        for name, region in marked.items()
    }


def judge_posterior(cases: Sequence[PosteriorCase], *, resamples: int, seed: int) -> dict[Direction, PosteriorResult]:
    """Average over the cases, per direction that has any.

    Args:
        cases: with the same number of samples each.
        resamples: draws of the bootstrap over patients.
        seed: of the draws.
    """
    results = {}
    for direction in Direction:
        found = [case for case in cases if case.direction is direction]
        if not found:
            continue
        with_lesion = [case for case in found if case.searched]
        owners = [case.patient_id for case in with_lesion]

        def interval(values: Sequence[float], owners: Sequence[str] = owners) -> Interval:
            return mean_interval(values, owners, resamples=resamples, seed=seed)

        results[direction] = PosteriorResult(
            search={
                name: SearchResult(
                    coverage=interval([float(case.searched[name].found) for case in with_lesion]),
                    area_cm2=interval([case.searched[name].area_cm2 for case in with_lesion]),
                )
                for name in (*SHARES, BAND)
                if with_lesion
            },
            ranks=[int(count) for count in np.sum([case.ranks for case in found], axis=0)],
        )
    return results
