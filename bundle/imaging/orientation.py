"""Bring a view into the canonical orientation: chest wall at the left, head (in a CC: the outer side) up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bundle.vocabulary import Laterality, ViewPosition


def chest_wall_is_right(breast: np.ndarray) -> bool:
    """Tell from the breast's outline at which side the chest wall lies.

    Within its box a breast fills the chest wall's side, where it is cut off straight, and tapers to the nipple: the
    side with the narrower gaps between box and outline is the chest wall's. The image's edge plays no part, since
    films are mirrored and padded.

    Args:
        breast: bool ``[rows, columns]``, at least one pixel set.
    """
    occupied = breast[breast.any(axis=1)]
    left_gaps, right_gaps = occupied.argmax(axis=1), occupied[:, ::-1].argmax(axis=1)
    return bool((right_gaps - right_gaps.min()).mean() < (left_gaps - left_gaps.min()).mean())


def head_is_down(
    patient_orientation: Sequence[str], *, view_position: ViewPosition | None, laterality: Laterality | None
) -> bool:
    """Tell from Patient Orientation (0020,0020) whether the film is upside down; False where it does not tell.

    Its second value names the direction of the columns, from the top to the bottom (PS3.3 section C.7.6.1.1.1): feet in
    an upright MLO. A CC has no head side: it hangs with the outer side of the breast up, so that its columns point to
    the middle of the body, which is the opposite side to the breast's.

    Args:
        patient_orientation: e.g. ``("A", "FR")``; empty when absent.
        view_position: None when unknown.
        laterality: None when unknown.
    """
    if len(patient_orientation) != 2:
        return False
    downwards = patient_orientation[1].upper()
    if view_position is not ViewPosition.CC and ("F" in downwards) != ("H" in downwards):
        return "H" in downwards
    if view_position is not ViewPosition.MLO and laterality is not None and ("L" in downwards) != ("R" in downwards):
        return laterality.value in downwards
    return False


def patient_orientation_contradicts(patient_orientation: Sequence[str], *, chest_wall_right: bool) -> bool:
    """Tell whether Patient Orientation names the other side for the chest wall than the outline shows.

    Its first value names the direction of the rows, from the left to the right: anterior where the chest wall is left.
    """
    rightwards = patient_orientation[0].upper() if patient_orientation else ""
    if ("A" in rightwards) == ("P" in rightwards):
        return False
    return ("P" in rightwards) != chest_wall_right


def flip(array: np.ndarray, *, columns: bool, rows: bool) -> np.ndarray:
    """Mirror left to right (``columns``) and top to bottom (``rows``), as a view; the same call undoes it.

    Args:
        array: ``[rows, columns]``.
        columns: whether to reverse the order of the columns.
        rows: whether to reverse the order of the rows.
    """
    return array[:: -1 if rows else 1, :: -1 if columns else 1]
