"""Every number that is drawn for a phantom breast, and the distributions that it is drawn from.

Drawing is separate from use: the rest of the package is a function of these frozen records alone, so that
`truth.json` holds all that is needed to make the same films again.

Sources of the distributions (where a number has no source it was chosen so that the films look right, and says so):

- Size, skin and glandular fraction: Huang et al. 2011, "The characterization of breast anatomical metrics using
  dedicated breast CT", Med Phys 38(4):2180; Yaffe et al. 2009, "The myth of the 50-50 breast", Med Phys 36(12):5437.
- Compressed thickness, growing with volume and with the breast's firmness: 59 mm with a standard deviation of 16 mm
  over 2640 women (Yaffe et al. 2009); medians and quartiles of the breast's area on the film: McCormack et al. 2007,
  Cancer Epidemiol Biomarkers Prev 16(6):1148. Firmness is drawn once per woman, so that both breasts and both views
  share it. The largest breasts, which do not fit on one film, are not made.
- Shape as a superquadric with ptosis and turn: Chen et al. 2012, "An anthropomorphic breast model for breast imaging
  simulation and optimization", Acad Radiol 18(5):536.
- BI-RADS density categories in a screened population, about 10, 40, 40 and 10 %: Sprague et al. 2014, JNCI 106(10).
- MLO angle around 45 degrees: 40 to 60 degrees by the European guidelines (4th edition, chapter 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from bundle.vocabulary import Laterality, ViewPosition


class DensityCategory(StrEnum):
    """BI-RADS breast composition, 5th edition."""

    A = "a"
    B = "b"
    C = "c"
    D = "d"

    @property
    def code(self) -> int:
        """The number that the CBIS-DDSM tables write: 1 to 4."""
        return list(DensityCategory).index(self) + 1


DENSITY_PREVALENCE = {
    DensityCategory.A: 0.10,
    DensityCategory.B: 0.40,
    DensityCategory.C: 0.40,
    DensityCategory.D: 0.10,
}
# Range of the glandular volume fraction (skin and muscle excluded) per category; the cohort's mean is near 0.17.
GLANDULAR_FRACTION_RANGE = {
    DensityCategory.A: (0.04, 0.08),
    DensityCategory.B: (0.08, 0.15),
    DensityCategory.C: (0.15, 0.28),
    DensityCategory.D: (0.28, 0.45),
}


@dataclass(frozen=True, kw_only=True)
class BreastParameters:
    """The uncompressed breast. Axes: x from the chest wall to the nipple, y to lateral, z to the head; millimetres.

    Args:
        depth_mm: distance from the chest wall to the front of the breast.
        radius_lateral_mm, radius_medial_mm, radius_superior_mm, radius_inferior_mm: half axes of the base.
        profile_exponent: p of the radius profile ``(1 - (x / depth) ** p) ** 0.5``.
        ptosis: how far the front hangs below the base's centre, as a fraction of the depth.
        turn: how far the front points to lateral, as a fraction of the depth.
        density: BI-RADS category.
        glandular_fraction: volume fraction of glandular tissue in the breast without skin and muscle.
        subcutaneous_fat_mm: thickness of the fat under the skin.
        retromammary_fat_mm: depth of the fat in front of the chest wall.
        texture_exponent: exponent of the power spectrum of the tissue's 3-D texture.
        texture_weight: share of the texture, against the cone's envelope, in what becomes glandular.
        strand_compression: size of the tissue's lobes across over their size towards the nipple, near the chest wall;
            the smaller, the more they are strands that run to the nipple.
        cone_width: how much wider the cone of glandular tissue is at the chest wall than at the nipple, as a fraction
            of the breast's half axes.
        ligament_density: glandular content of a Cooper's ligament.
        ligament_exponent: exponent of the power spectrum of the field whose zero crossings are the ligaments; smaller
            than the tissue's, as the sheets are finer than the lobes between them.
        skin_mm: thickness of the skin.
        nipple_radius_mm, nipple_length_mm: size of the nipple.
        pectoral_angle_deg: angle between the muscle's front and the chest wall.
        pectoral_start_mm: where the muscle's front leaves the chest wall, along its fibres, from the base's centre.
        pectoral_fibre_deg: direction of the fibres' run to the armpit, from lateral towards the head.
        pectoral_width_mm: width of the muscle's sheet across its fibres.
        armpit_depth_mm: depth of the fold towards the armpit, which lies between the plates in the MLO.
        firmness: thickness between the plates over that of a usual breast of the same volume.
    """

    depth_mm: float
    radius_lateral_mm: float
    radius_medial_mm: float
    radius_superior_mm: float
    radius_inferior_mm: float
    profile_exponent: float
    ptosis: float
    turn: float
    density: DensityCategory
    glandular_fraction: float
    subcutaneous_fat_mm: float
    retromammary_fat_mm: float
    texture_exponent: float
    texture_weight: float
    strand_compression: float
    cone_width: float
    ligament_density: float
    ligament_exponent: float
    skin_mm: float
    nipple_radius_mm: float
    nipple_length_mm: float
    pectoral_angle_deg: float
    pectoral_start_mm: float
    pectoral_fibre_deg: float
    pectoral_width_mm: float
    armpit_depth_mm: float
    firmness: float

    @property
    def volume_mm3(self) -> float:
        """Volume of the uncompressed breast: integral of the quarter ellipses' area over the depth."""
        base = np.pi / 4 * (self.radius_lateral_mm + self.radius_medial_mm)
        base *= self.radius_superior_mm + self.radius_inferior_mm
        return float(base * self.depth_mm * (1 - 1 / (self.profile_exponent + 1)))


@dataclass(frozen=True, kw_only=True)
class ViewParameters:
    """One exposure: how the breast was laid, pressed and exposed.

    Args:
        angle_deg: rotation of the compression axis from the vertical (0 for an ideal CC).
        thickness_mm: thickness between the plates.
        spread: width of the pressed base over its width before.
        posterior_cut_mm: tissue at the chest wall that the film misses.
        tilt_deg: rotation of the breast in the film's plane.
        film_shift_mm: displacement of the film along the chest wall.
        outline_exponent: exponent of the pressed outline; 2 is an ellipse.
        nipple_roll_mm: how far the nipple is turned out of profile.
        mirrored: the film was digitised from its back.
        label_dot_mm: size of the dots of the label marker's letters; 0 for a film without a marker.
        label_quarter_turns: how the marker was laid down.
        label_margin_mm: distance of the marker from the film's edges.
        border_mm: width of the bright border that the digitizer saw beside the film; 0 for none.
        noise_seed: seed of the film's noise.
    """

    view_position: ViewPosition
    angle_deg: float
    thickness_mm: float
    spread: float
    posterior_cut_mm: float
    tilt_deg: float
    film_shift_mm: float
    outline_exponent: float
    nipple_roll_mm: float
    mirrored: bool
    label_dot_mm: float
    label_quarter_turns: int
    label_margin_mm: float
    border_mm: float
    noise_seed: int


def _bounded_normal(
    generator: np.random.Generator, mean: float, deviation: float, lowest: float, highest: float
) -> float:
    return float(np.clip(generator.normal(mean, deviation), lowest, highest))


def draw_woman(generator: np.random.Generator) -> BreastParameters:
    """Draw the breast that both breasts of one woman vary around."""
    size = float(np.clip(1.06 * np.exp(generator.normal(0.0, 0.165)), 0.70, 1.38))
    density = DensityCategory(
        str(generator.choice([str(d) for d in DENSITY_PREVALENCE], p=list(DENSITY_PREVALENCE.values())))
    )
    low, high = GLANDULAR_FRACTION_RANGE[density]
    radius = 65.0 * size
    depth = 84.0 * size * float(np.exp(generator.normal(0.0, 0.10)))
    return BreastParameters(
        depth_mm=depth,
        radius_lateral_mm=radius * _bounded_normal(generator, 1.02, 0.06, 0.85, 1.2),
        radius_medial_mm=radius * _bounded_normal(generator, 0.95, 0.06, 0.8, 1.1),
        radius_superior_mm=radius * _bounded_normal(generator, 1.05, 0.08, 0.85, 1.25),
        radius_inferior_mm=radius * _bounded_normal(generator, 0.90, 0.07, 0.72, 1.1),
        profile_exponent=_bounded_normal(generator, 2.0, 0.25, 1.5, 2.7),
        ptosis=_bounded_normal(generator, 0.22, 0.10, 0.0, 0.5),
        turn=_bounded_normal(generator, 0.06, 0.05, -0.05, 0.2),
        density=density,
        glandular_fraction=float(generator.uniform(low, high)),
        subcutaneous_fat_mm=_bounded_normal(generator, 10.0, 2.5, 5.0, 17.0) * size,
        retromammary_fat_mm=_bounded_normal(generator, 14.0, 4.0, 5.0, 24.0) * size,
        texture_exponent=_bounded_normal(generator, 4.3, 0.1, 4.0, 4.6),
        texture_weight=_bounded_normal(generator, 0.55, 0.15, 0.25, 0.9),
        strand_compression=float(generator.uniform(0.40, 0.85)),
        cone_width=_bounded_normal(generator, 0.45, 0.10, 0.25, 0.70),
        ligament_density=_bounded_normal(generator, 0.80, 0.12, 0.5, 1.0),
        ligament_exponent=_bounded_normal(generator, 4.05, 0.1, 3.8, 4.3),
        skin_mm=_bounded_normal(generator, 1.45, 0.3, 0.8, 2.2),
        nipple_radius_mm=_bounded_normal(generator, 6.0, 0.9, 4.0, 8.0),
        nipple_length_mm=_bounded_normal(generator, 7.5, 2.0, 3.0, 12.0),
        pectoral_angle_deg=_bounded_normal(generator, 17.0, 3.5, 8.0, 26.0),
        pectoral_start_mm=_bounded_normal(generator, 16.0, 13.0, -15.0, 45.0) * size,
        pectoral_fibre_deg=_bounded_normal(generator, 48.0, 5.0, 35.0, 60.0),
        pectoral_width_mm=_bounded_normal(generator, 48.0, 7.0, 34.0, 65.0) * size,
        armpit_depth_mm=min(_bounded_normal(generator, 38.0, 6.0, 26.0, 54.0) * size, 0.6 * depth),
        firmness=float(np.exp(generator.normal(0.0, 0.16))),
    )


def draw_breast(woman: BreastParameters, generator: np.random.Generator) -> BreastParameters:
    """Draw one breast of a woman: the same composition, sizes that differ by a few per cent, as left and right do."""
    values = dict(vars(woman))
    for name in (
        "depth_mm",
        "radius_lateral_mm",
        "radius_medial_mm",
        "radius_superior_mm",
        "radius_inferior_mm",
        "subcutaneous_fat_mm",
        "retromammary_fat_mm",
        "nipple_length_mm",
        "armpit_depth_mm",
        "pectoral_angle_deg",
        "firmness",
    ):
        values[name] *= float(np.exp(generator.normal(0.0, 0.035)))
    values["ptosis"] += float(generator.normal(0.0, 0.02))
    values["pectoral_start_mm"] += float(generator.normal(0.0, 5.0))
    low, high = GLANDULAR_FRACTION_RANGE[woman.density]
    values["glandular_fraction"] = float(
        np.clip(woman.glandular_fraction * np.exp(generator.normal(0.0, 0.06)), low, high)
    )
    return BreastParameters(**values)


def draw_views(breast: BreastParameters, generator: np.random.Generator) -> dict[ViewPosition, ViewParameters]:
    """Draw the two exposures of one breast: thicknesses that go together, positioning errors that do not."""
    volume_ml = breast.volume_mm3 / 1000
    thickness = 54.0 * breast.firmness * (volume_ml / 750.0) ** 0.42 * float(np.exp(generator.normal(0.0, 0.05)))
    views = {}
    for position in ViewPosition:
        is_cc = position is ViewPosition.CC
        views[position] = ViewParameters(
            view_position=position,
            angle_deg=_bounded_normal(generator, 0.0, 4.0, -10.0, 10.0)
            if is_cc
            else _bounded_normal(generator, 46.0, 5.0, 35.0, 60.0),
            thickness_mm=float(
                np.clip(thickness * np.exp(generator.normal(0.0 if is_cc else 0.04, 0.05)), 22.0, 100.0)
            ),
            spread=_bounded_normal(generator, 1.30, 0.05, 1.15, 1.45),
            posterior_cut_mm=_bounded_normal(generator, 11.0, 4.0, 1.0, 22.0)
            if is_cc
            else _bounded_normal(generator, 3.0, 2.0, 0.0, 8.0),
            tilt_deg=_bounded_normal(generator, 0.0, 2.0, -5.0, 5.0),
            film_shift_mm=_bounded_normal(generator, 0.0, 7.0, -15.0, 15.0),
            outline_exponent=_bounded_normal(generator, 2.1, 0.12, 1.8, 2.4),
            nipple_roll_mm=_bounded_normal(generator, 0.0, 2.0, -5.0, 5.0),
            mirrored=bool(generator.random() < 0.06),
            label_dot_mm=float(generator.uniform(1.1, 1.9)) * bool(generator.random() < 0.75),
            label_quarter_turns=int(generator.choice([0, 0, 1, 3])),
            label_margin_mm=float(generator.uniform(5.0, 16.0)),
            border_mm=float(generator.uniform(1.0, 3.5)) * bool(generator.random() < 0.2),
            noise_seed=int(generator.integers(2**32)),
        )
    return views


def draw_lateralities(generator: np.random.Generator) -> tuple[Laterality, ...]:
    """Draw which breasts of a woman the cohort holds: mostly both."""
    if generator.random() < 0.85:
        return (Laterality.LEFT, Laterality.RIGHT)
    return (Laterality.LEFT if generator.random() < 0.5 else Laterality.RIGHT,)
