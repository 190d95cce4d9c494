import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.datasets.splitting import split_officially, split_patients
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


def official_patients(training=20, test=6, both=2):
    """Give the official splits of P_000.. (training), T_000.. (test) and B_000.. (both)."""
    return {
        **{f"P_{i:03d}": {Split.TRAINING} for i in range(training)},
        **{f"T_{i:03d}": {Split.TEST} for i in range(test)},
        **{f"B_{i:03d}": {Split.TRAINING, Split.TEST} for i in range(both)},
    }


def test_the_official_split_keeps_its_test_and_gives_all_of_a_straddling_patient_to_it():
    official = official_patients()
    split = split_officially(official, fractions=FRACTIONS, seed=0)
    assert list(split.splits) == sorted(official)
    assert {patient for patient, part in split.splits.items() if part is Split.TEST} == {
        patient for patient in official if patient[0] in "TB"
    }
    assert split.straddling == ("B_000", "B_001")
    assert list(split.splits.values()).count(Split.VALIDATION) == round(20 * 0.15 / 0.85)


def test_the_official_validation_depends_on_the_seed_and_not_on_the_order():
    official = official_patients()
    backwards = dict(reversed(official.items()))
    first = split_officially(official, fractions=FRACTIONS, seed=0)
    assert split_officially(backwards, fractions=FRACTIONS, seed=0) == first
    assert split_officially(official, fractions=FRACTIONS, seed=1).splits != first.splits


@given(share=st.floats(0.001, 0.998), training=st.integers(2, 12))
def test_no_part_of_the_official_split_is_empty(share, training):
    fractions = {Split.TRAINING: 0.999 - share, Split.VALIDATION: share, Split.TEST: 0.001}
    split = split_officially(official_patients(training=training), fractions=fractions, seed=0)
    assert min(counts(split.splits)) >= 1


@pytest.mark.parametrize(
    ("official", "sentence"),
    [
        ({**official_patients(), "X": set()}, "1 of 29 patients have no official split"),
        (official_patients(test=0, both=0), "has 0 test and 20 training patients"),
        (official_patients(training=1), "has 8 test and 1 training patients"),
    ],
)
def test_a_collection_that_cannot_be_split_officially_is_refused(official, sentence):
    with pytest.raises(ValueError, match=sentence):
        split_officially(official, fractions=FRACTIONS, seed=0)


def test_the_official_split_needs_a_part_for_training_and_validation():
    with pytest.raises(ValueError, match="training and validation must be positive"):
        split_officially(official_patients(), fractions={**FRACTIONS, Split.VALIDATION: 0.0}, seed=0)
