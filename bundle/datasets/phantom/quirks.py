"""The quirks of the real collections, and which breast of a cohort gets which.

Each twelve breasts in a row have every quirk of their layout at least once. A quirk of lesions needs lesions: a breast
that is to have one gets its lesions drawn again until it shows what the quirk needs in both views.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bundle.datasets.phantom.layout import Layout


class Quirk(StrEnum):
    """A way in which a collection's files differ from what its description says."""

    # CBIS-DDSM
    LINE_BREAKS = "line_breaks"
    """Line breaks inside the quotes of all three paths (the collection always has one, after one of them)."""
    SWAPPED_FILES = "swapped_files"
    """Crop and mask are the wrong way round: the table's name of the one leads to the other."""
    SEPARATE_SERIES = "separate_series"
    """Crop and mask in two series."""
    MASK_OF_ANOTHER_SIZE = "mask_of_another_size"
    """The mask has another size and aspect than the film."""
    NO_SPACING = "no_spacing"
    """No pixel spacing in film, masks and crops."""
    BOTH_TABLES = "both_tables"
    """A view stands in a mass and a calcification table, as two series of the same film."""
    BOTH_OFFICIAL_SPLITS = "both_official_splits"
    """A patient stands in an official training and an official test table."""
    UNEQUAL_COUNTS = "unequal_counts"
    """A lesion is listed in one view only."""
    PATHOLOGY_DIFFERS = "pathology_differs"
    """The two views give the same lesion another pathology."""
    DENSITY_0 = "density_0"
    ASSESSMENT_0 = "assessment_0"
    MIRRORED = "mirrored"
    """The film was digitised from its back: mirrored marker, chest wall at the other edge."""
    WHITE_BORDER = "white_border"
    SEVERAL_LESIONS = "several_lesions"
    """At least three lesions of one breast."""
    # INbreast
    ROI_POINTS = "roi_points"
    """A property list in the second dialect: one contour under ``ROIPoints``."""
    VIEW_FB = "view_fb"
    """The table calls a view FB."""
    ODD_NAMES = "odd_names"
    """Names of regions as somebody typed them."""


_SCHEDULES = {
    Layout.CBIS_DDSM: (
        (Quirk.LINE_BREAKS, Quirk.SWAPPED_FILES),
        (Quirk.MASK_OF_ANOTHER_SIZE,),
        (Quirk.BOTH_TABLES,),
        (Quirk.SEPARATE_SERIES, Quirk.DENSITY_0),
        (Quirk.PATHOLOGY_DIFFERS, Quirk.ASSESSMENT_0),
        (Quirk.MIRRORED,),
        (Quirk.UNEQUAL_COUNTS,),
        (Quirk.BOTH_OFFICIAL_SPLITS,),
        (Quirk.NO_SPACING,),
        (Quirk.WHITE_BORDER,),
        (Quirk.SEVERAL_LESIONS,),
        (),
    ),
    Layout.INBREAST: ((Quirk.ROI_POINTS,), (Quirk.VIEW_FB,), (Quirk.ODD_NAMES,), ()),
}
_SCHEDULES[Layout.CBIS_DDSM_TABLES] = _SCHEDULES[Layout.CBIS_DDSM_JPEG] = _SCHEDULES[Layout.CBIS_DDSM]


@dataclass(frozen=True, kw_only=True)
class LesionDemand:
    """How many lesions of which kind a breast must show in both views."""

    lesions: int = 0
    masses: int = 0
    calcifications: int = 0

    @property
    def total(self) -> int:
        """The least number of lesions to draw."""
        return max(self.lesions, self.masses + self.calcifications)

    def is_met_by(self, *, masses: int, calcifications: int) -> bool:
        """Whether so many lesions are enough."""
        enough = masses + calcifications >= self.lesions
        return enough and masses >= self.masses and calcifications >= self.calcifications


_DEMANDS = {
    Quirk.LINE_BREAKS: LesionDemand(lesions=1),
    Quirk.SWAPPED_FILES: LesionDemand(lesions=1),
    Quirk.SEPARATE_SERIES: LesionDemand(lesions=1),
    Quirk.MASK_OF_ANOTHER_SIZE: LesionDemand(lesions=1),
    Quirk.BOTH_TABLES: LesionDemand(masses=1, calcifications=1),
    Quirk.BOTH_OFFICIAL_SPLITS: LesionDemand(masses=1, calcifications=1),
    Quirk.UNEQUAL_COUNTS: LesionDemand(lesions=2),
    Quirk.PATHOLOGY_DIFFERS: LesionDemand(lesions=1),
    Quirk.DENSITY_0: LesionDemand(lesions=1),
    Quirk.ASSESSMENT_0: LesionDemand(lesions=1),
    Quirk.SEVERAL_LESIONS: LesionDemand(lesions=3),
    Quirk.ROI_POINTS: LesionDemand(lesions=1),
    Quirk.ODD_NAMES: LesionDemand(calcifications=1),
}


def quirks_of_breast(index: int, *, layout: Layout) -> tuple[Quirk, ...]:
    """Give the quirks of the cohort's breast number ``index``.

    Raises:
        ValueError: the layout has none.
    """
    if layout not in _SCHEDULES:
        raise ValueError(f"quirks are those of a collection; layout {layout} has none, {', '.join(_SCHEDULES)} have.")
    schedule = _SCHEDULES[layout]
    return schedule[index % len(schedule)]


def demand_of(quirks: tuple[Quirk, ...]) -> LesionDemand:
    """Combine what several quirks of one breast need."""
    demands = [_DEMANDS.get(quirk, LesionDemand()) for quirk in quirks]
    return LesionDemand(
        lesions=max((demand.lesions for demand in demands), default=0),
        masses=max((demand.masses for demand in demands), default=0),
        calcifications=max((demand.calcifications for demand in demands), default=0),
    )
