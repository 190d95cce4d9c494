"""Pairs: the CC and the MLO view of the same breast in one examination, their lesions matched by identifier."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from bundle.records import Pair, Rejection, View
from bundle.vocabulary import Laterality, Split, ViewPosition

STAGE = "pairing"


@dataclass(frozen=True, kw_only=True)
class BreastViews:
    """The two views of one breast before its patient has a split.

    Args:
        pair_id: patient, examination where the collection tells it, and side, e.g. ``P_00012_L``.
        flags: ``lesion_counts_differ``; for a lesion that both views name alike ``pathology_differs:LESION_ID``,
            ``assessment_differs:LESION_ID``, ``descriptors_differ:LESION_ID``.
    """

    pair_id: str
    patient_id: str
    laterality: Laterality
    cc: View
    mlo: View
    flags: tuple[str, ...] = ()

    def in_split(self, split: Split) -> Pair:
        """Return the pair with its patient's split."""
        return Pair(
            pair_id=self.pair_id,
            patient_id=self.patient_id,
            laterality=self.laterality,
            split=split,
            cc=self.cc,
            mlo=self.mlo,
            flags=self.flags,
        )


def pair_views(views: Iterable[View]) -> tuple[list[BreastViews], list[Rejection]]:
    """Pair views by patient, examination and side.

    Of several views of the same breast and position the first by file name is taken; the collection's reader chooses
    better where its headers tell more. The result does not depend on the order of the input.

    Returns:
        The pairs sorted by ``pair_id``, and a rejection for each view that was left without its partner or repeated.
    """
    breasts: dict[tuple[str, str, Laterality], dict[ViewPosition, list[View]]] = defaultdict(lambda: defaultdict(list))
    for view in views:
        breasts[view.patient_id, view.study_id, view.laterality][view.view_position].append(view)
    pairs: list[BreastViews] = []
    rejections: list[Rejection] = []
    for (patient_id, study_id, laterality), by_position in sorted(breasts.items()):
        chosen: dict[ViewPosition, View] = {}
        for position, candidates in sorted(by_position.items()):
            chosen[position], *repeated = sorted(candidates, key=lambda view: str(view.image_path))
            rejections.extend(
                Rejection(
                    path=str(view.image_path),
                    stage=STAGE,
                    reason=f"repeats the {position} view of {patient_id} {laterality}; the first by file name is kept",
                )
                for view in repeated
            )
        if len(chosen) < len(ViewPosition):
            (view,) = chosen.values()
            rejections.append(
                Rejection(
                    path=str(view.image_path),
                    stage=STAGE,
                    reason=f"{view.view_position} view of {patient_id} {laterality} has no "
                    f"{view.view_position.complement} view beside it",
                )
            )
            continue
        cc, mlo = chosen[ViewPosition.CC], chosen[ViewPosition.MLO]
        pairs.append(
            BreastViews(
                pair_id="_".join(part for part in (patient_id, study_id, laterality) if part),
                patient_id=patient_id,
                laterality=laterality,
                cc=cc,
                mlo=mlo,
                flags=_disagreements(cc, mlo),
            )
        )
    return pairs, rejections


def _disagreements(cc: View, mlo: View) -> tuple[str, ...]:
    """Name what the two views' lesions disagree about; the same identifier is meant to be the same lesion."""
    in_cc = {lesion.lesion_id: lesion for lesion in cc.lesions}
    in_mlo = {lesion.lesion_id: lesion for lesion in mlo.lesions}
    flags = ["lesion_counts_differ"] if len(in_cc) != len(in_mlo) else []
    for lesion_id in sorted(in_cc.keys() & in_mlo.keys()):
        first, second = in_cc[lesion_id], in_mlo[lesion_id]
        if first.pathology != second.pathology:
            flags.append(f"pathology_differs:{lesion_id}")
        if first.assessment != second.assessment:
            flags.append(f"assessment_differs:{lesion_id}")
        if first.descriptors != second.descriptors:
            flags.append(f"descriptors_differ:{lesion_id}")
    return tuple(flags)
