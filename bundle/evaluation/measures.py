"""The columns of ``metrics.csv``: what each measure is, which way is better, and which ones are tested together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bundle.metrics.reference_protocol import SIDE


class Group(StrEnum):
    """What a measure is about."""

    FIDELITY = "fidelity"
    REFERENCE = "reference"
    REALISM = "realism"
    SHAPE = "shape"
    LESION = "lesion"


class Better(StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A column of the tables.

    Args:
        name: MEASURE in the files.
        title: for readers, with the unit.
        description: how it is computed, for the protocol.
        group: what it is about.
        better: which way is better; None where a figure is to be read beside the real target's.
        decimals: how many are worth printing.
        in_family: its margins are tested together with those of the others that are.
    """

    name: str
    title: str
    description: str
    group: Group
    better: Better | None
    decimals: int
    in_family: bool = False

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return -1 if self.better is Better.LOWER else 1


MEASURES = (
    Measure(
        name="in_breast_ssim",
        title="in-breast SSIM",
        description="mean of the SSIM map over the window centres inside the grown breast mask of the target",
        group=Group.FIDELITY,
        better=Better.HIGHER,
        decimals=3,
        in_family=True,
    ),
    Measure(
        name="in_breast_psnr_db",
        title="in-breast PSNR [dB]",
        description="PSNR of the mean squared error inside the grown breast mask of the target",
        group=Group.FIDELITY,
        better=Better.HIGHER,
        decimals=2,
        in_family=True,
    ),
    Measure(
        name="in_breast_ms_ssim",
        title="in-breast MS-SSIM",
        description="multi-scale SSIM, windows weighted by the grown breast mask of the target at their centre",
        group=Group.FIDELITY,
        better=Better.HIGHER,
        decimals=3,
        in_family=True,
    ),
    Measure(
        name="ssim",
        title="SSIM",
        description="mean of the SSIM map over the whole frame, background included",
        group=Group.FIDELITY,
        better=Better.HIGHER,
        decimals=3,
    ),
    Measure(
        name="psnr_db",
        title="PSNR [dB]",
        description="PSNR of the mean squared error over the whole frame, background included",
        group=Group.FIDELITY,
        better=Better.HIGHER,
        decimals=2,
    ),
    Measure(
        name="l1",
        title="L1",
        description="mean absolute error over the whole frame of intensities in [0, 1], background included",
        group=Group.FIDELITY,
        better=Better.LOWER,
        decimals=4,
    ),
    Measure(
        name="reference_ssim",
        title="reference SSIM",
        description=f"SSIM over the canvas padded to a square and resized to {SIDE} x {SIDE} pixels",
        group=Group.REFERENCE,
        better=Better.HIGHER,
        decimals=3,
    ),
    Measure(
        name="reference_psnr_db",
        title="reference PSNR [dB]",
        description=f"PSNR over the canvas padded to a square and resized to {SIDE} x {SIDE} pixels",
        group=Group.REFERENCE,
        better=Better.HIGHER,
        decimals=2,
    ),
    Measure(
        name="reference_l1",
        title="reference L1 (sum)",
        description=f"sum of the absolute error of intensities in [-1, 1] over the {SIDE} x {SIDE} pixels",
        group=Group.REFERENCE,
        better=Better.LOWER,
        decimals=0,
    ),
    Measure(
        name="spectral_exponent",
        title="spectral exponent",
        description="exponent of the power law of the grey values in the target's breast mask: too smooth is higher",
        group=Group.REALISM,
        better=None,
        decimals=2,
    ),
    Measure(
        name="spectral_error",
        title="spectral error",
        description="absolute difference of the spectral exponent from the real target's",
        group=Group.REALISM,
        better=Better.LOWER,
        decimals=2,
        in_family=True,
    ),
    Measure(
        name="nyquist_peak",
        title="Nyquist peak",
        description="power at the Nyquist frequencies over that around them, in the target's breast mask: about 1 "
        "without a pattern, a checkerboard has many times more",
        group=Group.REALISM,
        better=None,
        decimals=2,
    ),
)
