"""How like real mammograms the phantom's films are, and how predictable one view is from the other.

The films are measured after the same preparation as any collection's (`bundle.preparation`), so that real films can be
measured beside them. What needs the truth (thickness, density, lesion masks, muscle) is measured on the phantom alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from bundle.datasets.phantom.case import Case, CasePlan, make_case
from bundle.datasets.phantom.film import StoredFilm
from bundle.datasets.phantom.landmarks import muscle_edge
from bundle.datasets.phantom.repeat import expose_again, grown
from bundle.imaging.canvas import canvas_scale, place_on_canvas
from bundle.metrics.depth_profile import depth_profile
from bundle.metrics.in_breast import in_breast
from bundle.metrics.lesion import lesion_contrast
from bundle.metrics.spectrum import spectrum
from bundle.preparation import PreparationSettings, orient, resample_view
from bundle.records import Canvas, Film, PreparedView
from bundle.vocabulary import ViewPosition

PREPARED_SPACING_MM = 1.0
CANVAS = Canvas(rows=128, columns=96, spacing_mm=2.0)
COMPONENTS = 24
RIDGE_PENALTY = 10.0


@dataclass(frozen=True, kw_only=True)
class FilmMeasures:
    """What is measured on one film.

    Args:
        exponent: of the power spectrum inside the breast at the film's spacing; NaN where the breast is too small.
        area_cm2: of the breast, with the muscle that is in the picture.
        area_without_muscle_cm2: the same without the muscle, where that is known; else equal.
        profile: share of the dense tissue per 2 mm of distance behind the nipple ``[N]``, summing to 1.
    """

    exponent: float
    area_cm2: float
    area_without_muscle_cm2: float
    profile: np.ndarray


@dataclass(frozen=True, kw_only=True)
class BreastMeasures:
    """What is measured on one phantom breast.

    Args:
        woman: of the cohort; both breasts of a woman go into the same part of a split.
        glandular_fraction: of the volume, without skin and muscle.
        thickness_mm: between the plates, per view.
        films: per view.
        mass_contrast, cluster_contrast: contrast-to-noise ratio per reported lesion and view.
        views: CC and MLO on the canvas ``[2, rows, columns]``, both placed with the CC's scale.
        breast: masks of the same ``[2, rows, columns]``.
        other_noise: the MLO again with other noise ``[rows, columns]``.
        other_exposures: the MLO of the same breast positioned, pressed and exposed again ``[K, rows, columns]``; K is 0
            where that was not asked for.
    """

    woman: int
    glandular_fraction: float
    thickness_mm: dict[ViewPosition, float]
    films: dict[ViewPosition, FilmMeasures]
    mass_contrast: tuple[float, ...]
    cluster_contrast: tuple[float, ...]
    views: np.ndarray
    breast: np.ndarray
    other_noise: np.ndarray
    other_exposures: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Score:
    """Mean in-breast fidelity of a method over the test breasts."""

    method: str
    ssim: float
    psnr_db: float


def measure_breast(plan: CasePlan, *, film_spacing_mm: float, repeats: int) -> BreastMeasures:
    """Make one breast and measure it; the films are a digital detector's, without markers and borders.

    Args:
        plan: which breast.
        film_spacing_mm: of its films.
        repeats: how often the MLO is exposed again, for the ceiling of what can be predicted.
    """
    case = make_case(plan, film_spacing_mm=film_spacing_mm, digital=True)
    prepared = {position: _prepare(_film(case.films[position])) for position in ViewPosition}
    scale = canvas_scale(prepared[ViewPosition.CC].image.shape, spacing_mm=PREPARED_SPACING_MM, canvas=CANVAS)

    breast = grown(case)

    def exposed_again(number: int, *, only_noise: bool) -> np.ndarray:
        film = expose_again(
            case,
            breast,
            ViewPosition.MLO,
            number=number,
            film_spacing_mm=film_spacing_mm,
            digital=True,
            only_noise=only_noise,
        )
        return _placed(_prepare(_film(film)).image, ViewPosition.MLO, scale, is_mask=False)

    return BreastMeasures(
        woman=plan.woman,
        glandular_fraction=case.glandular_fraction,
        thickness_mm={position: case.views[position].thickness_mm for position in ViewPosition},
        films={
            position: measure_film(_film(case.films[position]), without=_muscle(case, position))
            for position in ViewPosition
        },
        mass_contrast=_contrasts(case, "mass"),
        cluster_contrast=_contrasts(case, "calcification"),
        views=np.stack([_placed(prepared[p].image, p, scale, is_mask=False) for p in ViewPosition]),
        breast=np.stack([_placed(prepared[p].breast, p, scale, is_mask=True) for p in ViewPosition]),
        other_noise=exposed_again(0, only_noise=True) if repeats else np.empty((0, 0)),
        other_exposures=np.asarray([exposed_again(k, only_noise=False) for k in range(repeats)]),
    )


def measure_film(film: Film, *, without: np.ndarray | None = None) -> FilmMeasures:
    """Measure one film, a phantom's or a real one.

    Args:
        film: with its spacing.
        without: bool ``[rows, columns]`` of the film, the pectoral muscle, left out of spectrum and profile; None
            where it is not known.

    Raises:
        ValueError: there is no breast on the film.
    """
    settings = PreparationSettings(spacing_mm=PREPARED_SPACING_MM)
    masks = [without] if without is not None and without.any() else []
    oriented = orient(film, masks, settings)
    muscle = oriented.lesions[0] if masks else np.zeros_like(oriented.breast)
    spacing_mm = oriented.spacing_mm[0]
    tissue = oriented.breast & ~muscle
    return FilmMeasures(
        exponent=spectrum(oriented.image, tissue, spacing_mm=spacing_mm).exponent,
        area_cm2=float(oriented.breast.sum()) * spacing_mm**2 / 100,
        area_without_muscle_cm2=float(tissue.sum()) * spacing_mm**2 / 100,
        profile=depth_profile(oriented.image, tissue, spacing_mm=spacing_mm),
    )


def predictability(training: Sequence[BreastMeasures], test: Sequence[BreastMeasures]) -> list[Score]:
    """Score simple predictors of the MLO from the CC, and what the phantom's truth allows at best.

    The last rows know the breast itself: its MLO positioned, pressed and exposed again is what somebody could say who
    knew everything about the breast but not how it would be laid on the plate; the mean of several is the best guess
    by squared error. Other noise alone is what the film's noise costs.

    Linear regression: the CC's first principal components, from which ridge regression makes every pixel of the MLO.

    Args:
        training: measured breasts to learn from.
        test: breasts of other women, measured with repeats.

    Raises:
        ValueError: there are too few breasts for the components.
    """
    if len(training) <= COMPONENTS or not test:
        raise ValueError(f"{len(training)} training breasts are too few for {COMPONENTS} components; take more.")
    source, target = (np.stack([b.views[k].ravel() for b in training]) for k in (0, 1))
    unseen = np.stack([b.views[0].ravel() for b in test])
    components = PCA(COMPONENTS, svd_solver="full").fit(source)
    scale = components.explained_variance_[0] ** 0.5
    regression = Ridge(RIDGE_PENALTY).fit(components.transform(source) / scale, target)
    distance = ((unseen[:, None, :] - source[None, :, :]) ** 2).sum(axis=2)
    predicted = {
        "CC copied": unseen,
        "mean MLO": np.broadcast_to(target.mean(axis=0), unseen.shape),
        "MLO of the nearest CC": target[distance.argmin(axis=1)],
        f"linear regression ({COMPONENTS} components)": regression.predict(components.transform(unseen) / scale),
        "same breast positioned and exposed again, once": np.stack([b.other_exposures[0].ravel() for b in test]),
        "same breast positioned and exposed again, mean of several": np.stack(
            [b.other_exposures.mean(axis=0).ravel() for b in test]
        ),
        "same exposure, other noise": np.stack([b.other_noise.ravel() for b in test]),
    }
    truth = _batch(np.stack([b.views[1].ravel() for b in test]))
    breast = _batch(np.stack([b.breast[1].ravel() for b in test]).astype(np.float32))
    scores = []
    for method, values in predicted.items():
        score = in_breast(
            _batch(np.clip(values, 0.0, 1.0)), truth, breast, data_range=1.0, spacing_mm=CANVAS.spacing_mm
        )
        scores.append(Score(method=method, ssim=float(score.ssim.mean()), psnr_db=float(score.psnr_db.mean())))
    return scores


def _contrasts(case: Case, abnormality: str) -> tuple[float, ...]:
    contrasts = []
    for position, film in case.films.items():
        reported = [
            film.masks[k]
            for k, lesion in enumerate(case.lesions)
            if lesion.abnormality == abnormality and case.shows(position, k)
        ]
        if reported:
            oriented = orient(_film(film), reported, PreparationSettings(spacing_mm=PREPARED_SPACING_MM))
            contrasts += [
                lesion_contrast(oriented.image, mask, oriented.breast, spacing_mm=film.spacing_mm)
                for mask in oriented.lesions
            ]
    return tuple(contrasts)


def _batch(values: np.ndarray) -> torch.Tensor:
    shape = (len(values), 1, CANVAS.rows, CANVAS.columns)
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).reshape(shape)


def _film(film: StoredFilm) -> Film:
    return Film(pixels=film.brightness, spacing_mm=(film.spacing_mm, film.spacing_mm))


def _prepare(film: Film) -> PreparedView:
    settings = PreparationSettings(spacing_mm=PREPARED_SPACING_MM)
    return resample_view(orient(film, [], settings), settings)


def _placed(array: np.ndarray, position: ViewPosition, scale: float, *, is_mask: bool) -> np.ndarray:
    return place_on_canvas(
        array, view_position=position, canvas=CANVAS, spacing_mm=PREPARED_SPACING_MM, scale=scale, is_mask=is_mask
    )


def _muscle(case: Case, position: ViewPosition) -> np.ndarray:
    """Where the film shows the pectoral muscle, from the truth, bool ``[rows, columns]``."""
    film = case.films[position]
    height, width = film.brightness.shape
    edge = muscle_edge(case.parameters, case.compressions[position], case.views[position], film)
    if len(edge) == 0:
        return np.zeros((height, width), dtype=bool)
    column = np.interp(np.arange(height), edge[:, 0], edge[:, 1], left=edge[0, 1], right=math.nan)
    towards_chest_wall = np.greater_equal if film.chest_wall_at_left else np.less_equal
    return np.asarray(towards_chest_wall.outer(column, np.arange(width)))
