from __future__ import annotations

import numpy as np
import pytest

from bundle.datasets.phantom.anatomy import CARCINOMA_PER_MM, FAT_PER_MM, Breast
from bundle.datasets.phantom.lesions import Lesion, draw_lesions


@pytest.fixture(scope="module")
def lesions(breast: Breast) -> list[Lesion]:
    return [lesion for seed in range(25) for lesion in draw_lesions(breast, np.random.default_rng(seed))]


def test_none_one_and_two_lesions_occur(breast: Breast) -> None:
    counts = {len(draw_lesions(breast, np.random.default_rng(seed))) for seed in range(20)}
    assert counts == {0, 1, 2}


def test_centres_lie_inside_the_breast_and_off_the_muscle(breast: Breast, lesions: list[Lesion]) -> None:
    centres = np.asarray([lesion.centre_mm for lesion in lesions]).T
    gauge, _ = breast.surface(centres)
    assert (gauge < 1).all()
    assert not breast.is_muscle(centres).any()


def test_gauge_is_zero_in_the_centre_and_grows_outwards(lesions: list[Lesion]) -> None:
    for lesion in lesions:
        direction = np.asarray([0.3, -0.5, 0.81])
        ray = lesion.centre_mm[:, None] + direction[:, None] * np.linspace(0, 30, 40)
        gauge = lesion.gauge(ray)
        assert gauge[0] == pytest.approx(0.0, abs=1e-6)
        assert (np.diff(gauge) > 0).all()


def test_volume_of_a_round_mass_is_that_of_its_radii(lesions: list[Lesion]) -> None:
    lesion = next(item for item in lesions if item.form in {"ROUND", "OVAL"})
    step, reach = 0.5, lesion.reach_mm
    axis = np.arange(-reach, reach, step)
    points = np.stack([g.ravel() for g in np.meshgrid(axis, axis, axis)]) + lesion.centre_mm[:, None]
    volume = (lesion.gauge(points) <= 1).sum() * step**3
    assert volume == pytest.approx(4 / 3 * np.pi * np.prod(lesion.radii_mm), rel=0.2)


def test_spicules_reach_beyond_the_mask(lesions: list[Lesion]) -> None:
    lesion = next(item for item in lesions if item.border == "SPICULATED")
    longest = int(np.argmax(lesion.spicule_lengths_mm))
    tip = lesion.centre_mm + 0.8 * lesion.spicule_lengths_mm[longest] * lesion.spicule_directions[longest]
    gauge = lesion.gauge(tip[:, None])
    assert gauge[0] > 1
    assert lesion.content(tip[:, None], gauge)[0] > 0.9


def test_masses_are_denser_than_their_surroundings(lesions: list[Lesion]) -> None:
    mass = next(item for item in lesions if item.abnormality == "mass" and item.border == "CIRCUMSCRIBED")
    centre = mass.centre_mm[:, None]
    excess = mass.excess_per_mm(mass.content(centre, mass.gauge(centre)), np.asarray([FAT_PER_MM]))
    assert excess[0] == pytest.approx(mass.density * (CARCINOMA_PER_MM - FAT_PER_MM))


def test_calcifications_lie_in_their_cluster(lesions: list[Lesion]) -> None:
    cluster = next(item for item in lesions if item.abnormality == "calcification")
    assert (cluster.gauge(cluster.grains_mm.T) <= 1).all()
    assert len(cluster.grains_mm) == len(cluster.grain_radii_mm) >= 8


def test_architectural_distortion_is_strands_without_a_mass(breast: Breast) -> None:
    drawn = (item for seed in range(400) for item in draw_lesions(breast, np.random.default_rng(seed)))
    lesion = next(item for item in drawn if item.form == "ARCHITECTURAL_DISTORTION")
    assert lesion.abnormality == "mass"  # the tables count it among the mass shapes
    assert len(lesion.spicule_lengths_mm) >= 14
    assert lesion.spicule_lengths_mm.min() > 1.5 * np.prod(lesion.radii_mm) ** (1 / 3)
    # Between the strands the core fades: at its surface half of the content is left, without an edge.
    assert lesion.softness > 1
