"""How the figures came about, in words and numbers, to stand beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bundle.evaluation.baselines import Baseline
from bundle.evaluation.bootstrap import LEVEL
from bundle.evaluation.conditioning import DONORS
from bundle.evaluation.features import REGIONS_PER_VIEW
from bundle.evaluation.methods import BESIDE_THEM, CEILING, CEILING_ONCE, POSTERIOR_MEAN, SAMPLE
from bundle.evaluation.posterior import SAMPLES
from bundle.evaluation.real_views import BLOBS_ALLOWED, RealViews
from bundle.metrics.blobs import INNER_MM, OUTER_MM
from bundle.metrics.blobs import MARGIN_MM as MARGIN_MM_OF_BLOBS
from bundle.metrics.breast_shape import BREAST_LEVEL
from bundle.metrics.in_breast import GROWTH_MM
from bundle.metrics.ms_ssim import scale_weights
from bundle.metrics.psnr import CEILING_DB
from bundle.metrics.ranks import SQUARE_MM
from bundle.metrics.reference_protocol import SIDE
from bundle.metrics.search_region import TOLERANCE_MM
from bundle.metrics.spectrum import MARGIN_MM, WINDOW_MM, band_per_mm
from bundle.metrics.ssim import K1, K2, WINDOW_PIXELS
from bundle.records import Canvas
from bundle.vocabulary import Direction


def protocol(
    *,
    canvas: Canvas,
    data_range: float,
    resamples: int,
    seed: int,
    baselines: Sequence[Baseline],
    real_views: RealViews,
    repeats: int,
    training_pairs: int,
    training_split: str,
    patients: Mapping[Direction, int],
) -> dict[str, Any]:
    """Describe an evaluation.

    Args:
        canvas: the frame of all views.
        data_range: width of the intensity range.
        resamples: bootstrap draws.
        seed: of the bootstrap.
        baselines: the methods beside the model.
        real_views: what was learned from the training split's real views.
        repeats: how often each phantom breast was exposed again for the ceiling; 0 for no ceiling.
        training_pairs: from how many directed training pairs they learned.
        training_split: hash of the training split.
        patients: number of test patients by direction.
    """
    spacing_mm = canvas.spacing_mm
    weights = scale_weights((canvas.rows, canvas.columns), spacing_mm=spacing_mm)
    return {
        "images": (
            "both views of a pair prepared alike and placed on one canvas at a fixed physical scale that the source "
            "alone decides; markers and film borders removed; intensities in [0, 1]"
        ),
        "canvas": {"rows": canvas.rows, "columns": canvas.columns, "spacing_mm": spacing_mm},
        "data_range": data_range,
        "ssim": {
            "window": "uniform; only windows wholly inside the frame",
            "window_pixels": WINDOW_PIXELS,
            "window_mm": WINDOW_PIXELS * spacing_mm,
            "covariance": "sample (N - 1), as scikit-image by default",
            "k1": K1,
            "k2": K2,
        },
        "ms_ssim_scale_weights": [round(weight, 4) for weight in weights],
        "psnr_ceiling_db": CEILING_DB,
        "reference_system": (
            f"the canvas, padded with background to a square and resized to {SIDE} x {SIDE} pixels; it still differs "
            "from the reference system, which squashes the whole film to a square and scores labels and borders too"
        ),
        "spectrum": {
            "region": "squares wholly in the target's breast mask less its margin, the muscle included",
            "margin_mm": MARGIN_MM,
            "window": "radial Hann",
            "window_mm": WINDOW_MM,
            "band_per_mm": [round(bound, 4) for bound in band_per_mm(spacing_mm)],
        },
        "breast_of_a_synthetic_view": f"largest connected region above {BREAST_LEVEL:g}, holes filled",
        "nipple": (
            "the most pointed place of the breast's front; on phantoms about 3 mm from the nipple (median; nine of ten "
            "within 8 mm), on real MLO views often centimetres above it"
        ),
        "in_breast_mask": "the real target's breast mask, grown",
        "mask_growth_mm": GROWTH_MM,
        "radiomics": (
            "PyRadiomics on the pixels of the canvas, with the settings of the prepared collection; a region too small "
            "or too flat has no features"
        ),
        "distribution": {
            "regions": f"{REGIONS_PER_VIEW} random ellipse(s) per view, the same in the real and the synthetic one",
            "distance": "Frechet distance with Ledoit-Wolf covariances to real views of the training split",
            "floor": "the real test views' distance to them; a ratio of 1 is as near as real views are",
            "features": {
                "radiomics": "radiomic features, standardized",
                "feature_network": "hidden layer of the network of mammogram features, standardized",
            },
        },
        "real_training_views": {str(position): count for position, count in real_views.views.items()},
        "conditioning": {
            "donors": f"test cases of other patients give their radiomic vectors, {DONORS} to each case",
            "shuffled": "mean absolute standardized difference of the lesion's features from the real target's lesion",
            "swap": (
                "cosine, over the features but those of the shape, of the change of the lesion's features with the "
                "change of the vector"
            ),
        },
        "hallucinated_lesions": {
            "blob": f"difference of Gaussians of {INNER_MM:g} and {OUTER_MM:g} mm, {MARGIN_MM_OF_BLOBS:g} mm inside",
            "levels": {str(position): round(level, 4) for position, level in real_views.blob_levels.levels.items()},
            "sensitivity_for_real_lesions": {
                str(position): round(share, 3) for position, share in real_views.blob_levels.sensitivity.items()
            },
            "reading": (
                f"where the sensitivity is not well above {BLOBS_ALLOWED:g}, the share of real views without a lesion "
                "that are counted too, neither few nor many of them say anything about invented lesions"
            ),
        },
        "baselines": {baseline.name: baseline.description for baseline in baselines},
        "beside_them": dict(BESIDE_THEM),
        "repeats_for_the_ceiling": repeats,
        "shares": (
            "of the way from the best baseline's mean (0) to the ceiling's (1), where the ceiling is better; for "
            f"one possible view the ceiling is {CEILING_ONCE}, for all else {CEILING}"
        ),
        "spread": (
            f"sum over images of the squared error in the breast of {SAMPLE} over that of {POSTERIOR_MEAN}; 2 where "
            "samples vary as the truth does, less where they vary too little"
        ),
        "lesion_search": {
            "regions": (
                "the fewest pixels that hold 50 % and 90 % of the lesion's probability by the posterior mean, air left "
                "out; right where they hold 50 % and 90 % of the lesions"
            ),
            "band": (
                "in the real target's breast mask, as far from the nipple as the lesion's centre in the source, give "
                f"or take {TOLERANCE_MM:g} mm: where readers look without a model"
            ),
            "coverage": "share of the images whose real lesion's centre lies in it",
            "images": "those with one lesion in the source and one in the target",
        },
        "rank_histogram": (
            f"in squares of {SQUARE_MM:g} mm wholly in the breast of the posterior mean (probability above one half), "
            f"number of squares by how many of {SAMPLES} samples have a darker mean than the real view, from 0 to "
            f"{SAMPLES}; right where all are alike, the outer ones are greater where samples vary too little"
        ),
        "baselines_learn_from": f"{training_pairs} directed pairs of the training split",
        "training_split": training_split,
        "interval": {
            "level": LEVEL,
            "method": (
                "expanded percentile bootstrap of the mean over images; patients are resampled with all their images"
            ),
            "resamples": resamples,
            "seed": seed,
        },
        "n": "number of test images",
        "patients": {str(direction): count for direction, count in patients.items()},
        "margins": (
            "the model minus the best baseline, image by image; positive where the model is better. The best baseline "
            "is chosen on the same images, which favours it a little: the model is called worse a little too easily, "
            "never better"
        ),
    }
