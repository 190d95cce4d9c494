"""The scores of one synthetic view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from bundle.evaluation.cases import Case
from bundle.metrics.absolute_error import mean_absolute_error
from bundle.metrics.in_breast import in_breast, in_breast_ms_ssim
from bundle.metrics.psnr import psnr_db
from bundle.metrics.reference_protocol import reference_scores
from bundle.metrics.spectrum import nyquist_peak, spectral_exponent
from bundle.metrics.ssim import ssim
from bundle.vocabulary import Direction


@dataclass(frozen=True, kw_only=True)
class ImageScore:
    """A row of ``metrics.csv``.

    Args:
        patient_id, pair_id, direction: which test case.
        method: who made the synthetic view.
        values: by the names of `bundle.evaluation.measures.MEASURES`; NaN where the measure does not exist for the
            image.
    """

    patient_id: str
    pair_id: str
    direction: Direction
    method: str
    values: Mapping[str, float]


def score(case: Case, synthetic: torch.Tensor, *, method: str, data_range: float, spacing_mm: float) -> ImageScore:
    """Score one synthetic view against the case's real target view.

    Args:
        case: the test case.
        synthetic: ``[1, H, W]``, of any method.
        method: whose.
        data_range: width of the intensity range; 1.0 for prepared views.
        spacing_mm: pixel spacing of the canvas.

    Raises:
        ValueError: NaN, another size or an empty breast mask; the message names pair, direction and method.
    """
    try:
        values = {
            **_fidelity(case, synthetic, data_range=data_range, spacing_mm=spacing_mm),
            **_realism(case, synthetic, spacing_mm=spacing_mm),
        }
    except ValueError as error:
        raise ValueError(f"Pair {case.pair_id}, {case.direction}, method {method} cannot be scored: {error}") from error
    return ImageScore(
        patient_id=case.patient_id,
        pair_id=case.pair_id,
        direction=case.direction,
        method=method,
        values=values,
    )


def _fidelity(case: Case, synthetic: torch.Tensor, *, data_range: float, spacing_mm: float) -> dict[str, float]:
    pred, target, breast = synthetic[None], case.target[None], case.breast[None]
    inside = in_breast(pred, target, breast, data_range=data_range, spacing_mm=spacing_mm)
    reference = reference_scores(pred, target, data_range=data_range)
    values = {
        "in_breast_ssim": inside.ssim,
        "in_breast_psnr_db": inside.psnr_db,
        "in_breast_ms_ssim": in_breast_ms_ssim(pred, target, breast, data_range=data_range, spacing_mm=spacing_mm),
        "ssim": ssim(pred, target, data_range=data_range),
        "psnr_db": psnr_db(pred, target, data_range=data_range),
        "l1": mean_absolute_error(pred, target, data_range=data_range),
        "reference_ssim": reference.ssim,
        "reference_psnr_db": reference.psnr_db,
        "reference_l1": reference.l1,
    }
    return {name: value.item() for name, value in values.items()}


def _realism(case: Case, synthetic: torch.Tensor, *, spacing_mm: float) -> dict[str, float]:
    pred, target, breast = _plane(synthetic), _plane(case.target), _plane(case.breast) > 0.5
    exponent = spectral_exponent(pred, breast, spacing_mm=spacing_mm)
    return {
        "spectral_exponent": exponent,
        "spectral_error": abs(exponent - spectral_exponent(target, breast, spacing_mm=spacing_mm)),
        "nyquist_peak": nyquist_peak(pred, breast, spacing_mm=spacing_mm),
    }


def _plane(image: torch.Tensor) -> np.ndarray:
    """Take the pixels ``[H, W]`` of a view ``[1, H, W]``."""
    return image[0].numpy()
