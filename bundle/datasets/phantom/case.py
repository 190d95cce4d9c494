"""One breast of a cohort, from its seed to its two films."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

import numpy as np

from bundle.datasets.phantom.acquisition import choose_cassette, expose
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
from bundle.datasets.phantom.vessels import Vessel, draw_vessels
from bundle.vocabulary import Laterality, ViewPosition

# A lesion whose mask is smaller in a view is not reported there.
SMALLEST_MASK_MM2 = 12.0


@dataclass(frozen=True, kw_only=True)
class CasePlan:
    """Which breast to make: everything follows from the cohort's seed, the woman and the side."""

    cohort_seed: int
    woman: int
    laterality: Laterality

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

    def shows(self, position: ViewPosition, lesion: int) -> bool:
        """Whether a view shows enough of a lesion for it to be reported."""
        film = self.films[position]
        return bool(film.masks[lesion].sum() * film.spacing_mm**2 >= SMALLEST_MASK_MM2)


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
    lesions = draw_lesions(breast, plan.generator(3))
    vessels = draw_vessels(breast, plan.generator(6))
    views = draw_views(parameters, plan.generator(4))
    compressions = {position: Compression.press(breast=breast, view=view) for position, view in views.items()}
    cassette = choose_cassette(compressions)
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
    return Case(
        plan=plan,
        parameters=parameters,
        glandular_fraction=breast.glandular_fraction(),
        views=views,
        compressions=compressions,
        lesions=lesions,
        vessels=vessels,
        films=films,
    )
