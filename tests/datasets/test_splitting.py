import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.datasets.splitting import split_patients
from bundle.vocabulary import Split

FRACTIONS = {Split.TRAINING: 0.70, Split.VALIDATION: 0.15, Split.TEST: 0.15}


def counts(assigned):
    return [list(assigned.values()).count(split) for split in Split]


def test_fractions_are_met_by_patient():
    assigned = split_patients([f"P_{i:05d}" for i in range(200)], fractions=FRACTIONS, seed=0)
    assert counts(assigned) == [140, 30, 30]


@given(
    patients=st.lists(st.text(min_size=1, max_size=8), min_size=3, max_size=60, unique=True),
    seed=st.integers(0, 2**31),
)
def test_every_patient_is_in_one_split_and_no_split_is_empty(patients, seed):
    assigned = split_patients(patients, fractions=FRACTIONS, seed=seed)
    assert set(assigned) == set(patients)
    assert min(counts(assigned)) >= 1


def test_neither_order_nor_repeats_matter():
    patients = [f"P_{i:05d}" for i in range(50)]
    shuffled = [*patients, *patients[:20]]
    random.Random(1).shuffle(shuffled)
    assert split_patients(shuffled, fractions=FRACTIONS, seed=3) == split_patients(
        patients, fractions=FRACTIONS, seed=3
    )


def test_the_seed_matters():
    patients = [f"P_{i:05d}" for i in range(50)]
    assert split_patients(patients, fractions=FRACTIONS, seed=1) != split_patients(
        patients, fractions=FRACTIONS, seed=2
    )


def test_large_held_out_fractions_leave_a_training_patient():
    fractions = {Split.TRAINING: 0.1, Split.VALIDATION: 0.45, Split.TEST: 0.45}
    assert counts(split_patients("abc", fractions=fractions, seed=0)) == [1, 1, 1]


def test_two_patients_are_refused():
    with pytest.raises(ValueError, match="2 patients"):
        split_patients(["a", "b", "a"], fractions=FRACTIONS, seed=0)


@pytest.mark.parametrize(
    "fractions",
    [
        {Split.TRAINING: 0.7, Split.VALIDATION: 0.3},
        {Split.TRAINING: 0.8, Split.VALIDATION: 0.2, Split.TEST: 0.0},
        {Split.TRAINING: 0.8, Split.VALIDATION: 0.2, Split.TEST: 0.2},
        {Split.TRAINING: float("nan"), Split.VALIDATION: 0.2, Split.TEST: 0.2},
    ],
)
def test_wrong_fractions_are_refused(fractions):
    with pytest.raises(ValueError, match="fractions are"):
        split_patients("abcdef", fractions=fractions, seed=0)
