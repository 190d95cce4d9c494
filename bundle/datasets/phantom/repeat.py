"""The same breast on the plate again: what of a view is the breast, and what only how it was laid and exposed."""

from __future__ import annotations

from dataclasses import replace

from bundle.datasets.phantom.acquisition import choose_cassette, expose
from bundle.datasets.phantom.anatomy import Breast
from bundle.datasets.phantom.case import Case
from bundle.datasets.phantom.compression import Compression
from bundle.datasets.phantom.film import StoredFilm, develop
from bundle.datasets.phantom.parameters import draw_views
from bundle.vocabulary import ViewPosition

# Purposes of a plan's generators (`CasePlan.generator`) from here on are this module's.
_FIRST_REPEAT = 9000


def grown(case: Case) -> Breast:
    """Grow a case's breast again; a case does not keep it."""
    return Breast.grow(parameters=case.parameters, generator=case.plan.generator(2))


def expose_again(
    case: Case,
    breast: Breast,
    position: ViewPosition,
    *,
    number: int,
    film_spacing_mm: float,
    digital: bool,
    only_noise: bool = False,
) -> StoredFilm:
    """Expose one view of a breast again, with all of positioning, pressure, exposure and noise drawn anew.

    Args:
        case: which breast.
        breast: of `grown`.
        position: which view.
        number: of the repeat, from 0: the same number gives the same film.
        film_spacing_mm: of the film.
        digital: a digital detector's film instead of a scanned one.
        only_noise: draw the noise anew and nothing else.
    """
    plan = case.plan
    view = draw_views(case.parameters, plan.generator(_FIRST_REPEAT + number))[position]
    if only_noise:
        view = replace(case.views[position], noise_seed=view.noise_seed)
    compression = Compression.press(breast=breast, view=view)
    exposure = expose(
        breast=breast,
        lesions=case.lesions,
        vessels=case.vessels,
        compression=compression,
        view=view,
        cassette_mm=choose_cassette(case.compressions),
        spacing_mm=film_spacing_mm,
    )
    return develop(exposure=exposure, view=view, laterality=plan.laterality, digital=digital)
