"""How far a generator's samples spread: as far as the target is open, if they are right."""

from __future__ import annotations

from collections.abc import Sequence

from bundle.evaluation.bootstrap import Interval, ratio_interval
from bundle.evaluation.methods import POSTERIOR_MEAN, SAMPLE
from bundle.evaluation.scoring import ImageScore
from bundle.vocabulary import Direction


def judge_spread(scores: Sequence[ImageScore], *, resamples: int, seed: int) -> dict[Direction, Interval]:
    """Divide the samples' squared error in the breast by that of the posterior mean, by direction.

    A sample of the true law of the target, given the source, has the error of its mean and the same variance again: 2
    is right, less means that samples vary too little (Blau and Michaeli 2018, arXiv 1711.06077).

    Args:
        scores: of all images; without the methods `POSTERIOR_MEAN` and `SAMPLE` the result is empty.
        resamples: bootstrap draws.
        seed: of the draws.
    """
    errors = {
        method: {
            (score.direction, score.pair_id, score.patient_id): 10 ** (-score.values["in_breast_psnr_db"] / 10)
            for score in scores
            if score.method == method
        }
        for method in (SAMPLE, POSTERIOR_MEAN)
    }
    spread = {}
    for direction in Direction:
        images = [key for key in errors[SAMPLE] if key[0] is direction and key in errors[POSTERIOR_MEAN]]
        if images:
            spread[direction] = ratio_interval(
                [errors[SAMPLE][key] for key in images],
                [errors[POSTERIOR_MEAN][key] for key in images],
                [patient_id for _, _, patient_id in images],
                resamples=resamples,
                seed=seed,
            )
    return spread
