"""Training, validation and test, drawn or the collection's own, by patient: no patient stands in two of them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bundle.vocabulary import Split


class SplitRule(StrEnum):
    """How patients are given to training, validation and test."""

    RANDOM = "random"
    """By chance: `split_patients`."""
    OFFICIAL = "official"
    """By the collection's own split: `split_officially`."""


@dataclass(frozen=True, kw_only=True)
class OfficialSplit:
    """The collection's own split, by patient.

    Args:
        splits: the split of each patient, sorted by identifier.
        straddling: patients that the collection has in both training and test; all of them are in test here.
    """

    splits: Mapping[str, Split]
    straddling: tuple[str, ...]


def require_fractions(fractions: Mapping[Split, float], *, rule: SplitRule) -> None:
    """See that the parts of the splits make sense, before any patient is looked at.

    Raises:
        ValueError: a part that the rule uses is not positive, or the three of a random split do not sum up to 1.
    """
    if rule is SplitRule.OFFICIAL:
        if any(not fractions.get(split, 0.0) > 0 for split in (Split.TRAINING, Split.VALIDATION)):
            raise ValueError(f"fractions are {_shown(fractions)}; training and validation must be positive")
        return
    if set(fractions) != set(Split) or any(not fraction > 0 for fraction in fractions.values()):
        raise ValueError(f"fractions are {_shown(fractions)}; training, validation and test must all be positive")
    if abs(sum(fractions.values()) - 1.0) > 1e-6:
        raise ValueError(f"fractions are {_shown(fractions)}; their sum is {sum(fractions.values()):g} and must be 1")


def split_patients(patient_ids: Iterable[str], *, fractions: Mapping[Split, float], seed: int) -> dict[str, Split]:
    """Assign every patient to one split.

    Patients are ranked by a hash of seed and identifier, and the ranks are cut: the order of the input and repeated
    identifiers change nothing. Added patients keep the order of the others but move the cuts: those near a cut change
    their split.

    Args:
        patient_ids: identifiers over the whole collection, repeats allowed.
        fractions: the part of the patients in each of the three splits; positive, their sum 1.
        seed: another seed gives another split.

    Returns:
        The split of each patient, sorted by identifier. Each split holds at least one patient.

    Raises:
        ValueError: the fractions are not allowed, or there are fewer than three patients.
    """
    require_fractions(fractions, rule=SplitRule.RANDOM)
    patients = _ranked(patient_ids, seed=seed)
    if len(patients) < len(Split):
        raise ValueError(
            f"there are {len(patients)} patients with both views; training, validation and test need at least one each"
        )
    held_out = {split: max(1, round(fractions[split] * len(patients))) for split in (Split.TEST, Split.VALIDATION)}
    while sum(held_out.values()) >= len(
        patients
    ):  # rounding up in a small collection must not empty the training split
        largest = max(held_out, key=lambda split: held_out[split])
        held_out[largest] -= 1
    test_end = held_out[Split.TEST]
    validation_end = test_end + held_out[Split.VALIDATION]
    assigned = {
        patient: Split.TEST if rank < test_end else Split.VALIDATION if rank < validation_end else Split.TRAINING
        for rank, patient in enumerate(patients)
    }
    return dict(sorted(assigned.items()))


def split_officially(
    official: Mapping[str, Collection[Split]], *, fractions: Mapping[Split, float], seed: int
) -> OfficialSplit:
    """Assign every patient to the collection's own split, and carve the validation out of its training patients.

    A patient in both official training and official test goes to test as a whole: the test then covers the whole
    official one, and no model has seen anything of its patients.

    Args:
        official: per patient the official splits that its views stand in.
        fractions: of training and validation, whose ratio divides the official training patients; positive. The test's
            own is not used: the collection decides it.
        seed: another seed gives another validation.

    Returns:
        The splits. Each one holds at least one patient.

    Raises:
        ValueError: a fraction is not positive, a patient has no official split, or a split would stay empty.
    """
    require_fractions(fractions, rule=SplitRule.OFFICIAL)
    without = sum(not splits for splits in official.values())
    if without:
        raise ValueError(f"{without} of {len(official)} patients have no official split; use the random split")
    test = {patient for patient, splits in official.items() if Split.TEST in splits}
    training = _ranked(official.keys() - test, seed=seed)
    if not test or len(training) < 2:
        raise ValueError(
            f"the official split has {len(test)} test and {len(training)} training patients with both views; "
            "at least 1 and 2 are needed, or the random split"
        )
    share = fractions[Split.VALIDATION] / (fractions[Split.TRAINING] + fractions[Split.VALIDATION])
    held_out = min(max(1, round(share * len(training))), len(training) - 1)
    assigned = {
        **dict.fromkeys(test, Split.TEST),
        **dict.fromkeys(training[:held_out], Split.VALIDATION),
        **dict.fromkeys(training[held_out:], Split.TRAINING),
    }
    return OfficialSplit(
        splits=dict(sorted(assigned.items())),
        straddling=tuple(sorted(patient for patient in test if len(set(official[patient])) > 1)),
    )


def _ranked(patient_ids: Iterable[str], *, seed: int) -> list[str]:
    """Order patients by a hash of seed and identifier."""
    return sorted(set(patient_ids), key=lambda patient: hashlib.sha256(f"{seed}/{patient}".encode()).digest())


def _shown(fractions: Mapping[Split, float]) -> str:
    return ", ".join(f"{split} {fraction:g}" for split, fraction in fractions.items())
