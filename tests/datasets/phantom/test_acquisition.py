from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bundle.datasets.phantom.acquisition import Exposure, expose, presentation
from bundle.datasets.phantom.anatomy import CALCIFICATION_PER_MM, Breast
from bundle.datasets.phantom.compression import Compression
from bundle.datasets.phantom.lesions import Lesion, draw_lesions
from bundle.datasets.phantom.parameters import ViewParameters
from bundle.datasets.phantom.vessels import Vessel, draw_vessels
from bundle.vocabulary import ViewPosition

Views = dict[ViewPosition, ViewParameters]


def _expose(
    breast: Breast,
    view: ViewParameters,
    *,
    lesions: tuple[Lesion, ...] = (),
    vessels: tuple[Vessel, ...] = (),
    spacing_mm: float = 1.0,
    with_axilla: bool | None = None,
) -> tuple[Exposure, Compression]:
    compression = Compression.press(breast=breast, view=view, with_axilla=with_axilla)
    exposure = expose(
        breast=breast,
        lesions=lesions,
        vessels=vessels,
        compression=compression,
        view=view,
        cassette_mm=(300.0, 240.0),
        spacing_mm=spacing_mm,
    )
    return exposure, compression


def _first(breast: Breast, abnormality: str, form: str = "") -> Lesion:
    for seed in range(200):
        for lesion in draw_lesions(breast, np.random.default_rng(seed)):
            if lesion.abnormality == abnormality and form in lesion.form:
                return lesion
    raise AssertionError(f"no {form} {abnormality} among 200 draws")


def test_both_views_hold_the_same_mass(breast: Breast, views: Views) -> None:
    """The line integrals' sums agree: it is one breast (muscle and armpit left out)."""
    no_muscle = replace(breast, parameters=replace(breast.parameters, pectoral_start_mm=1e4))
    totals = []
    for view in views.values():
        exposure, _ = _expose(no_muscle, replace(view, film_shift_mm=0.0), with_axilla=False)
        totals.append(exposure.line_integral.sum())
    assert totals[0] == pytest.approx(totals[1], rel=0.02)


@pytest.mark.parametrize("position", list(ViewPosition))
def test_mask_lies_where_the_3d_centre_is_projected(breast: Breast, views: Views, position: ViewPosition) -> None:
    lesion = _first(breast, "mass", "ROUND")
    lesion = replace(lesion, undulation=np.empty((0, 5)), phases=np.empty(0), radii_mm=np.full(3, 5.0))
    view = replace(views[position], tilt_deg=3.0, posterior_cut_mm=2.0)
    exposure, _ = _expose(breast, view, lesions=(lesion,))
    rows, columns = np.nonzero(exposure.lesions[0].mask)
    assert len(rows) > 40
    assert rows.mean() == pytest.approx(exposure.lesions[0].centre_px[0], abs=1.0)
    assert columns.mean() == pytest.approx(exposure.lesions[0].centre_px[1], abs=1.0)


def test_mass_adds_attenuation_in_its_mask_and_none_far_from_it(breast: Breast, views: Views) -> None:
    lesion = _first(breast, "mass", "OVAL")
    view = views[ViewPosition.CC]
    with_it, without = (_expose(breast, view, lesions=some)[0] for some in ((lesion,), ()))
    excess = with_it.line_integral - without.line_integral
    mask = with_it.lesions[0].mask
    pixel_mm2 = with_it.spacing_mm**2
    # Compression keeps the mass's volume; in glandular tissue, where it adds least, it adds 0.010 per mm.
    least = 0.010 * lesion.density * 4 / 3 * np.pi * lesion.radii_mm.prod()
    assert excess.astype(np.float64).sum() * pixel_mm2 > 0.8 * least
    assert np.abs(excess[~mask]).max() < excess[mask].max()
    assert excess.min() > -1e-5


def test_calcifications_keep_their_integral_at_any_spacing(breast: Breast, views: Views) -> None:
    lesion = _first(breast, "calcification")
    view = views[ViewPosition.CC]
    expected = CALCIFICATION_PER_MM * 4 / 3 * np.pi * (lesion.grain_radii_mm**3).sum()
    for spacing_mm in (1.0, 0.5):
        with_it, without = (_expose(breast, view, lesions=some, spacing_mm=spacing_mm)[0] for some in ((lesion,), ()))
        excess = (with_it.line_integral.astype(np.float64) - without.line_integral).sum() * spacing_mm**2
        assert excess == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("position", list(ViewPosition))
def test_a_vessel_lies_where_its_points_are_projected(breast: Breast, views: Views, position: ViewPosition) -> None:
    vessel = draw_vessels(breast, np.random.default_rng(0))[0]
    view = replace(views[position], tilt_deg=4.0)
    (with_it, compression), (without, _) = (_expose(breast, view, vessels=some) for some in ((vessel,), ()))
    excess = with_it.line_integral.astype(np.float64) - without.line_integral
    pressed = np.asarray([compression.compressed(point) for point in vessel.points_mm])
    length = np.linalg.norm(np.diff(pressed, axis=0), axis=1).sum()
    assert excess.sum() == pytest.approx(vessel.excess_per_mm * np.pi * vessel.radius_mm**2 * length, rel=0.03)
    # Distance to the nipple along the chest-nipple axis, in the untilted frame of the breast.
    rows, columns = np.nonzero(excess > 0.3 * excess.max())
    tilt = np.deg2rad(4.0)
    forward = (columns - with_it.nipple_px[1]) * np.cos(tilt) - (rows - with_it.nipple_px[0]) * np.sin(tilt)
    expected = pressed[:, 0] - compression.depth_mm
    assert forward.min() == pytest.approx(expected.min(), abs=2.5)
    assert forward.max() == pytest.approx(expected.max(), abs=2.5)


def test_coarser_film_is_the_same_breast_averaged(breast: Breast, views: Views) -> None:
    view = views[ViewPosition.MLO]
    fine, coarse = (_expose(breast, view, spacing_mm=spacing)[0] for spacing in (1.0, 2.0))
    rows, columns = coarse.line_integral.shape
    averaged = fine.line_integral.reshape(rows, 2, columns, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(coarse.line_integral, averaged, atol=1e-4)


def test_muscle_fills_the_upper_corner_of_the_oblique_view(breast: Breast, views: Views) -> None:
    exposure, _ = _expose(breast, views[ViewPosition.MLO])
    top = np.flatnonzero(exposure.thickness_mm[:, 5] > 0)[0] + 10
    per_mm = exposure.line_integral[top] / np.maximum(exposure.thickness_mm[top], 1)
    assert per_mm[3] > 0.062  # more muscle than fat
    nipple = round(exposure.nipple_px[0])
    assert exposure.line_integral[nipple + 40, 3] / exposure.thickness_mm[nipple + 40, 3] < 0.062


def test_nipple_is_the_front_of_the_breast(breast: Breast, views: Views) -> None:
    for view in views.values():
        exposure, _ = _expose(breast, view)
        row, column = (round(p) for p in exposure.nipple_px)
        assert exposure.thickness_mm[:, column + 2 :].max() == 0
        assert exposure.line_integral[row, column + 3] > 0


def test_rendering_is_fixed_and_carries_density(breast: Breast, views: Views) -> None:
    view = views[ViewPosition.CC]
    exposure, _ = _expose(breast, view)
    brightness = presentation(exposure, view)
    assert brightness.min() >= 0
    assert brightness.max() <= 1
    assert brightness[exposure.thickness_mm == 0].mean() < 0.05
    np.testing.assert_array_equal(brightness, presentation(exposure, view))
    denser = presentation(replace(exposure, line_integral=exposure.line_integral * np.float32(1.1)), view)
    inside = exposure.thickness_mm > 20
    assert denser[inside].mean() > brightness[inside].mean() + 0.05
