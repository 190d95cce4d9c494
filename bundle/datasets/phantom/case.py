"""One breast of a cohort, from its seed to its two films."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count, islice

import numpy as np

from bundle.datasets.phantom.acquisition import choose_cassette, expose, place_film
from bundle.datasets.phantom.anatomy import Breast
from bundle.datasets.phantom.compression import Compression
from bundle.datasets.phantom.film import StoredFilm, develop
from bundle.datasets.phantom.lesions import Lesion, draw_lesions
from bundle.datasets.phantom.parameters import (
    BreastParameters,
    ViewParameters,
    draw_breast,
    draw_lateralities,
    draw_views,
    draw_woman,
)
from bundle.datasets.phantom.quirks import LesionDemand, Quirk, demand_of
from bundle.datasets.phantom.vessels import Vessel, draw_vessels
from bundle.vocabulary import Laterality, ViewPosition

# A lesion whose mask is smaller in a view is not reported there.
SMALLEST_MASK_MM2 = 12.0
# How often the lesions are drawn again for a quirk; about one of four draws serves the most demanding one.
_MOST_DRAWS = 100
_QUIRK_BORDER_MM = 3.0
_QUIRK_LABEL_DOT_MM = 1.5


@dataclass(frozen=True, kw_only=True)
class CasePlan:
    """Which breast to make: everything follows from the cohort's seed, the woman, the side and the quirks."""

    cohort_seed: int
    woman: int
    laterality: Laterality
    quirks: tuple[Quirk, ...] = ()

    @property
    def patient_id(self) -> str:
        """In the collections' form."""
        return f"P_{self.woman:05d}"

    def generator(self, purpose: int, *, of_breast: bool = True) -> np.random.Generator:
        """Make the random generator of one purpose, independent of all others."""
        side = 1 + list(Laterality).index(self.laterality) if of_breast else 0
        return np.random.default_rng(np.random.SeedSequence(self.cohort_seed, spawn_key=(self.woman, side, purpose)))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A breast with its truth and its two films."""

    plan: CasePlan
    parameters: BreastParameters
    glandular_fraction: float
    views: dict[ViewPosition, ViewParameters]
    compressions: dict[ViewPosition, Compression]
    lesions: tuple[Lesion, ...]
    vessels: tuple[Vessel, ...]
    films: dict[ViewPosition, StoredFilm]

    @property
    def identity(self) -> tuple[object, ...]:
        """What decides the pixels, for identifiers: the same breast at another spacing is another film."""
        spacing_mm = self.films[ViewPosition.CC].spacing_mm
        return (self.plan.cohort_seed, spacing_mm, *self.plan.quirks)

    def shows(self, position: ViewPosition, lesion: int) -> bool:
        """Whether a view shows enough of a lesion for it to be reported."""
        film = self.films[position]
        return bool(film.masks[lesion].sum() * film.spacing_mm**2 >= SMALLEST_MASK_MM2)

    def calcifications_px(self, position: ViewPosition, lesion: int) -> np.ndarray:
        """Where a lesion's calcifications lie on a film: ``[G, 2]`` (row, column), some perhaps outside it."""
        film, compression, grains = self.films[position], self.compressions[position], self.lesions[lesion].grains_mm
        if not len(grains):
            return np.empty((0, 2))
        rows, columns = film.brightness.shape
        frame = place_film(compression, self.views[position], height_mm=rows * film.spacing_mm)
        pressed = np.asarray([compression.compressed(grain) for grain in grains])
        down, right = (place / film.spacing_mm - 0.5 for place in frame.to_film(pressed[:, 0], pressed[:, 1]))
        return np.stack([down, right if film.chest_wall_at_left else columns - 1 - right], axis=1)


def plan_cohort(*, breasts: int, seed: int) -> list[CasePlan]:
    """Plan a cohort of so many breasts, both of most women."""

    def endless() -> Iterator[CasePlan]:
        for woman in count(1):
            first = CasePlan(cohort_seed=seed, woman=woman, laterality=Laterality.LEFT)
            for laterality in draw_lateralities(first.generator(0, of_breast=False)):
                yield CasePlan(cohort_seed=seed, woman=woman, laterality=laterality)

    return list(islice(endless(), breasts))


def make_case(plan: CasePlan, *, film_spacing_mm: float, digital: bool) -> Case:
    """Draw, press, expose and develop one breast."""
    woman = draw_woman(plan.generator(1, of_breast=False))
    parameters = draw_breast(woman, plan.generator(1))
    breast = Breast.grow(parameters=parameters, generator=plan.generator(2))
    vessels = draw_vessels(breast, plan.generator(6))
    views = _with_quirks(draw_views(parameters, plan.generator(4)), plan.quirks)
    compressions = {position: Compression.press(breast=breast, view=view) for position, view in views.items()}
    cassette = choose_cassette(compressions)
    demand = demand_of(plan.quirks)
    # The first draw is the one of a breast without quirks; most quirks are content with it.
    for draw in (3, *range(100, 100 + _MOST_DRAWS)):
        lesions = draw_lesions(breast, plan.generator(draw), at_least=demand.total)
        if not _meets(lesions, demand):
            continue
        films = {}
        for position, view in views.items():
            exposure = expose(
                breast=breast,
                lesions=lesions,
                vessels=vessels,
                compression=compressions[position],
                view=view,
                cassette_mm=cassette,
                spacing_mm=film_spacing_mm,
            )
            films[position] = develop(exposure=exposure, view=view, laterality=plan.laterality, digital=digital)
        case = Case(
            plan=plan,
            parameters=parameters,
            glandular_fraction=breast.glandular_fraction(),
            views=views,
            compressions=compressions,
            lesions=lesions,
            vessels=vessels,
            films=films,
        )
        shown = [k for k in range(len(lesions)) if all(case.shows(position, k) for position in ViewPosition)]
        if _meets(tuple(lesions[k] for k in shown), demand):
            return case
    raise RuntimeError(f"{plan}: no draw of lesions in {_MOST_DRAWS} shows what the quirks need in both views.")


def _meets(lesions: tuple[Lesion, ...], demand: LesionDemand) -> bool:
    calcifications = sum(lesion.abnormality == "calcification" for lesion in lesions)
    return demand.is_met_by(masses=len(lesions) - calcifications, calcifications=calcifications)


def _with_quirks(
    views: dict[ViewPosition, ViewParameters], quirks: tuple[Quirk, ...]
) -> dict[ViewPosition, ViewParameters]:
    """Make both films of a breast mirrored, with a marker to show it, or bordered."""
    changed = dict(views)
    for position, view in views.items():
        if Quirk.MIRRORED in quirks:
            label_dot_mm = view.label_dot_mm or _QUIRK_LABEL_DOT_MM
            changed[position] = replace(changed[position], mirrored=True, label_dot_mm=label_dot_mm)
        if Quirk.WHITE_BORDER in quirks:
            changed[position] = replace(changed[position], border_mm=max(view.border_mm, _QUIRK_BORDER_MM))
    return changed
