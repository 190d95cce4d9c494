"""Training, validation and test, by patient: no patient stands in two of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from bundle.vocabulary import Split


def split_patients(patient_ids: Iterable[str], *, fractions: Mapping[Split, float], seed: int) -> dict[str, Split]:
    """Assign every patient to one split.

    Patients are ranked by a hash of seed and identifier, and the ranks are cut: the order of the input and repeated
    identifiers change nothing, and a patient's rank does not depend on who else is in the collection.

    Args:
        patient_ids: identifiers over the whole collection, repeats allowed.
        fractions: the part of the patients in each of the three splits; positive, their sum 1.
        seed: another seed gives another split.

    Returns:
        The split of each patient, sorted by identifier. Each split holds at least one patient.

    Raises:
        ValueError: the fractions are not allowed, or there are fewer than three patients.
    """
    if set(fractions) != set(Split) or any(not fraction > 0 for fraction in fractions.values()):
        raise ValueError(f"fractions are {_shown(fractions)}; training, validation and test must all be positive")
    if abs(sum(fractions.values()) - 1.0) > 1e-6:
        raise ValueError(f"fractions are {_shown(fractions)}; their sum is {sum(fractions.values()):g} and must be 1")
    patients = sorted(set(patient_ids), key=lambda patient: hashlib.sha256(f"{seed}/{patient}".encode()).digest())
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


def _shown(fractions: Mapping[Split, float]) -> str:
    return ", ".join(f"{split} {fraction:g}" for split, fraction in fractions.items())
