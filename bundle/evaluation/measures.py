"""The columns of ``metrics.csv``: what each measure is, which way is better, and which ones are tested together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bundle.evaluation.real_views import BLOBS_ALLOWED
from bundle.metrics.lesion import NEIGHBOURHOOD_MM, REACH_MM, RING_MM
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
        name="texture_power_db",
        title="texture power [dB]",
        description="power of the grey values beside the real target's, over the frequencies that the exponent is "
        "fitted over, in the target's breast mask: a blurred view has less than 0",
        group=Group.REALISM,
        better=None,
        decimals=2,
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
    Measure(
        name="density_error",
        title="density error [%]",
        description="absolute difference of the share of the breast that is brighter than the threshold that Otsu's "
        "method finds in the real target's breast",
        group=Group.REALISM,
        better=Better.LOWER,
        decimals=1,
    ),
    Measure(
        name="breast_dice",
        title="breast Dice",
        description="Dice coefficient of the synthetic view's breast and the target's breast mask",
        group=Group.SHAPE,
        better=Better.HIGHER,
        decimals=3,
        in_family=True,
    ),
    Measure(
        name="breast_area_ratio",
        title="breast area ratio",
        description="area of the synthetic view's breast over that of the target's breast mask",
        group=Group.SHAPE,
        better=None,
        decimals=2,
    ),
    Measure(
        name="profile_distance_mm",
        title="depth profile [mm]",
        description="Wasserstein distance of the profiles of dense tissue behind the nipple, synthetic and real",
        group=Group.SHAPE,
        better=Better.LOWER,
        decimals=1,
        in_family=True,
    ),
    Measure(
        name="lesion_position_error_mm",
        title="lesion position [mm]",
        description=f"distance from the lesion's place to where its neighbourhood in the real target (its box and "
        f"{NEIGHBOURHOOD_MM:g} mm around) correlates best with the synthetic view, at most {REACH_MM:g} mm away up, "
        "down, left or right; mean over the lesions",
        group=Group.LESION,
        better=Better.LOWER,
        decimals=1,
        in_family=True,
    ),
    Measure(
        name="lesion_correlation",
        title="lesion correlation",
        description="the normalised correlation there: a place found by a weak one means little",
        group=Group.LESION,
        better=Better.HIGHER,
        decimals=2,
    ),
    Measure(
        name="lesion_depth_difference_mm",
        title="lesion depth [mm]",
        description="absolute difference of the distances nipple to lesion along the axis to the chest wall, in the "
        "source and in the synthetic view (where its neighbourhood was found); of views with one lesion each",
        group=Group.LESION,
        better=Better.LOWER,
        decimals=1,
    ),
    Measure(
        name="lesion_contrast",
        title="lesion contrast",
        description=f"contrast-to-noise ratio at the real lesion's place: mean inside less mean {RING_MM[0]:g} to "
        f"{RING_MM[1]:g} mm around in the target's breast, over the deviation there",
        group=Group.LESION,
        better=None,
        decimals=2,
    ),
    Measure(
        name="lesion_contrast_error",
        title="lesion contrast error",
        description="absolute difference of the contrast-to-noise ratio from the real target's",
        group=Group.LESION,
        better=Better.LOWER,
        decimals=2,
        in_family=True,
    ),
    Measure(
        name="lesion_radiomics_error",
        title="lesion radiomics",
        description="mean absolute difference of the radiomic features at the real lesion's place from the real "
        "lesion's, but for those of the place's form; each standardized by the training split's real regions",
        group=Group.LESION,
        better=Better.LOWER,
        decimals=2,
    ),
    Measure(
        name="hallucinated_lesions",
        title="hallucinated lesions",
        description="number of blobs in the synthetic view of a target without a lesion that are brighter than those "
        f"of {1 - BLOBS_ALLOWED:.0%} of the real training views without a lesion; an invented lesion that is no "
        "brighter than normal tissue is not seen: the protocol says which share of the real lesions would be",
        group=Group.LESION,
        better=Better.LOWER,
        decimals=2,
    ),
)
