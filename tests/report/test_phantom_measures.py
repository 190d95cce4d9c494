from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle.datasets.phantom.case import plan_cohort
from bundle.report.phantom_gallery import write_gallery
from bundle.report.phantom_histograms import write_histograms
from bundle.report.phantom_measures import (
    CANVAS,
    COMPONENTS,
    BreastMeasures,
    FilmMeasures,
    measure_breast,
    predictability,
)
from bundle.report.phantom_tables import measure_real_films
from bundle.vocabulary import ViewPosition

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "real" / "cbis-ddsm"


def test_a_breast_is_measured_in_both_views() -> None:
    plan = plan_cohort(breasts=1, seed=0)[0]
    measured = measure_breast(plan, film_spacing_mm=0.8, repeats=1)
    assert measured.views.shape == (2, CANVAS.rows, CANVAS.columns)
    assert measured.other_exposures.shape == (1, CANVAS.rows, CANVAS.columns)
    mlo = measured.views[1]
    inside = measured.breast[1] > 0
    # Noise alone moves little, another positioning much.
    noise, exposure = (
        np.abs(other - mlo)[inside].mean() for other in (measured.other_noise, measured.other_exposures[0])
    )
    assert noise < 0.01 < exposure
    for film in measured.films.values():
        assert 0.6 * film.area_cm2 < film.area_without_muscle_cm2 <= film.area_cm2
        assert film.profile.sum() == pytest.approx(1.0)
        assert 2.0 < film.exponent < 4.5
    mlo_film = measured.films[ViewPosition.MLO]
    assert mlo_film.area_without_muscle_cm2 < mlo_film.area_cm2


def _made_breasts(count: int, *, seed: int) -> list[BreastMeasures]:
    """Views of three blobs with drawn heights; the MLO is another linear function of the heights than the CC."""
    rng = np.random.default_rng(seed)
    row, column = np.indices((CANVAS.rows, CANVAS.columns))
    cc, mlo = (
        np.stack([np.exp(-((row - r) ** 2 + (column - 40) ** 2) / 200) for r in rows])
        for rows in ((40, 64, 90), (30, 60, 80))
    )
    film = FilmMeasures(exponent=3.0, area_cm2=100.0, area_without_muscle_cm2=95.0, profile=np.ones(3) / 3)
    breasts = []
    for woman in range(count):
        heights = rng.uniform(0.2, 0.9, 3)
        views = np.stack([np.tensordot(heights, cc, 1), np.tensordot(heights[::-1], mlo, 1)]).astype(np.float32)
        breasts.append(
            BreastMeasures(
                woman=woman,
                glandular_fraction=0.2,
                thickness_mm=dict.fromkeys(ViewPosition, 50.0),
                films=dict.fromkeys(ViewPosition, film),
                mass_contrast=(),
                cluster_contrast=(),
                views=views,
                breast=np.ones_like(views, dtype=bool),
                other_noise=views[1],
                other_exposures=np.stack([views[1], 0.5 * views[1]]),
            )
        )
    return breasts


def test_regression_finds_a_linear_relation_that_the_other_predictors_miss() -> None:
    breasts = _made_breasts(COMPONENTS + 20, seed=0)
    scores = {score.method: score for score in predictability(breasts[:-6], breasts[-6:])}
    regression = next(score for method, score in scores.items() if method.startswith("linear regression"))
    for method in ("CC copied", "mean MLO", "MLO of the nearest CC"):
        assert regression.psnr_db > scores[method].psnr_db + 1
    once = scores["same breast positioned and exposed again, once"]
    several = scores["same breast positioned and exposed again, mean of several"]
    assert once.ssim == pytest.approx(1.0)
    assert several.psnr_db < once.psnr_db  # the second repeat is half as bright


def test_too_few_training_breasts_are_refused() -> None:
    breasts = _made_breasts(5, seed=1)
    with pytest.raises(ValueError, match="too few"):
        predictability(breasts, breasts)


def test_gallery_holds_all_breasts(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    write_gallery(plan_cohort(breasts=2, seed=0), path, film_spacing_mm=2.0, columns=2)
    with Image.open(path) as image:
        assert image.size == (2 * 144, 2 * 192)
        assert np.asarray(image).max() > 150


def test_a_folder_that_is_not_there_gives_no_films(tmp_path: Path) -> None:
    assert measure_real_films(tmp_path / "none", spacing_mm=0.8) == {position: [] for position in ViewPosition}


@pytest.mark.skipif(not REAL.is_dir(), reason="the real films are not there")
def test_real_films_have_a_power_law() -> None:
    films = measure_real_films(REAL, spacing_mm=0.8)
    assert [len(films[position]) for position in ViewPosition] == [3, 3]
    for film in (*films[ViewPosition.CC], *films[ViewPosition.MLO]):
        assert 1.5 < film.exponent < 4.0


def test_histograms_show_the_cohort(tmp_path: Path) -> None:
    breasts = _made_breasts(6, seed=1)
    paths = [tmp_path / "six.png", tmp_path / "five.png"]
    write_histograms(breasts, paths[0])
    write_histograms(breasts[:5], paths[1])
    pictures = [np.asarray(Image.open(path).convert("L")) for path in paths]
    assert pictures[0].shape == pictures[1].shape == (600, 1000)
    assert not np.array_equal(*pictures)
