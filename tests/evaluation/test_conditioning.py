from __future__ import annotations

import numpy as np
import pytest

from bundle.evaluation.conditioning import DONORS, SwappedCase, choose_donors, judge_conditioning
from bundle.networks.standardizer import RadiomicsStandardizer
from bundle.radiomics.features import FEATURE_NAMES
from bundle.vocabulary import Direction
from tests.evaluation.made_cases import made_items

F = len(FEATURE_NAMES)
UNIT = RadiomicsStandardizer(F)


def made_case(patient: int, *, follows: float) -> SwappedCase:
    """A lesion whose features change by ``follows`` times what the vector asks for; the real one has the own vector."""
    rng = np.random.default_rng(patient)
    own, donors = rng.normal(size=F), rng.normal(size=(2, F))
    return SwappedCase(
        patient_id=f"P{patient}",
        pair_id=f"P{patient}_L",
        direction=Direction.CC_TO_MLO,
        own=own,
        donors=donors,
        lesion=own,
        swapped=own + follows * (donors - own),
        real=own,
        change_in_lesion=0.2,
        change_elsewhere=0.1,
    )


@pytest.mark.parametrize(("follows", "sign"), [(1.0, 1), (-1.0, -1), (0.0, 0)])
def test_the_sign_of_the_correlation_is_that_of_the_obedience(follows: float, sign: int) -> None:
    cases = [made_case(patient, follows=follows) for patient in range(12)]
    found = judge_conditioning(cases, conditions=UNIT, lesions=UNIT, resamples=200, seed=0)[Direction.CC_TO_MLO]
    assert np.sign(round(found.correlation.interval.mean, 6)) == sign
    assert found.correlation.p is not None
    assert (found.correlation.p < 0.001) is (sign != 0)
    # Any change away from the own vector makes these lesions less like the real ones.
    assert (found.advantage.interval.mean > 0.1) is (sign != 0)
    assert found.error_true.mean == 0
    assert (found.change_in_lesion.mean, found.change_elsewhere.mean) == pytest.approx((0.2, 0.1))


def test_no_case_gives_no_result() -> None:
    assert judge_conditioning([], conditions=UNIT, lesions=UNIT, resamples=200, seed=0) == {}


def test_donors_are_other_patients_of_the_same_direction_whatever_the_order() -> None:
    items = made_items(range(5))
    items[3]["radiomics"] = np.full(F, np.nan)
    donors = choose_donors(items, seed=0)
    assert (items[3]["pair_id"], items[3]["target_view"]) not in donors
    assert len(donors) == 9
    for item in items:
        key = item["pair_id"], item["target_view"]
        if key not in donors:
            continue
        assert donors[key].shape == (DONORS, F)
        allowed = [
            other["radiomics"]
            for other in items
            if other["target_view"] == item["target_view"] and other["patient_id"] != item["patient_id"]
        ]
        assert all(any(np.array_equal(vector, other) for other in allowed) for vector in donors[key])
    back = choose_donors(items[::-1], seed=0)
    assert all(np.array_equal(donors[key], back[key]) for key in donors)


def test_one_patient_has_no_donor() -> None:
    assert choose_donors(made_items(range(1)), seed=0) == {}
