"""The scores of one synthetic view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from bundle.evaluation.cases import Case
from bundle.metrics.absolute_error import mean_absolute_error
from bundle.metrics.in_breast import in_breast
from bundle.metrics.psnr import psnr_db
from bundle.metrics.ssim import ssim
from bundle.vocabulary import Direction

MODEL = "model"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A column of the tables.

    Args:
        name: MEASURE in the files.
        title: for readers, with the unit.
        description: how it is computed, for the protocol.
        higher_is_better: which way is better.
        decimals: how many are worth printing.
    """

    name: str
    title: str
    description: str
    higher_is_better: bool
    decimals: int


MEASURES = (
    Measure(
        name="in_breast_ssim",
        title="in-breast SSIM",
        description="mean of the SSIM map over the window centres inside the grown breast mask of the target",
        higher_is_better=True,
        decimals=3,
    ),
    Measure(
        name="in_breast_psnr_db",
        title="in-breast PSNR [dB]",
        description="PSNR of the mean squared error inside the grown breast mask of the target",
        higher_is_better=True,
        decimals=2,
    ),
    Measure(
        name="ssim",
        title="SSIM",
        description="mean of the SSIM map over the whole frame, background included",
        higher_is_better=True,
        decimals=3,
    ),
    Measure(
        name="psnr_db",
        title="PSNR [dB]",
        description="PSNR of the mean squared error over the whole frame, background included",
        higher_is_better=True,
        decimals=2,
    ),
    Measure(
        name="l1",
        title="L1",
        description="mean absolute error over the whole frame of intensities in [0, 1], background included (the "
        "reference system reports the sum over the frame in [-1, 1] instead)",
        higher_is_better=False,
        decimals=4,
    ),
)


@dataclass(frozen=True, kw_only=True)
class ImageScore:
    """A row of ``metrics.csv``.

    Args:
        patient_id, pair_id, direction: which test case.
        method: who made the synthetic view: `MODEL` or a baseline.
        values: by the names of `MEASURES`.
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
    pred, target, breast = synthetic[None], case.target[None], case.breast[None]
    try:
        inside = in_breast(pred, target, breast, data_range=data_range, spacing_mm=spacing_mm)
        values = {
            "in_breast_ssim": inside.ssim,
            "in_breast_psnr_db": inside.psnr_db,
            "ssim": ssim(pred, target, data_range=data_range),
            "psnr_db": psnr_db(pred, target, data_range=data_range),
            "l1": mean_absolute_error(pred, target, data_range=data_range),
        }
    except ValueError as error:
        raise ValueError(f"Pair {case.pair_id}, {case.direction}, method {method} cannot be scored: {error}") from error
    return ImageScore(
        patient_id=case.patient_id,
        pair_id=case.pair_id,
        direction=case.direction,
        method=method,
        values={name: value.item() for name, value in values.items()},
    )
