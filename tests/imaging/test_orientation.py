from __future__ import annotations

import numpy as np
import pytest

from bundle.imaging.orientation import (
    chest_wall_is_right,
    flip,
    head_is_down,
    patient_orientation_contradicts,
)
from bundle.vocabulary import Laterality, ViewPosition


def half_disk(*, rows: int = 60, columns: int = 50, radius: int = 25, wall: int = 0) -> np.ndarray:
    """A breast whose chest wall is the column ``wall``, at its left."""
    row, column = np.mgrid[:rows, :columns]
    return ((row - rows / 2) ** 2 + (column - wall) ** 2 < radius**2) & (column >= wall)


@pytest.mark.parametrize("wall", [0, 10])
def test_the_straight_side_is_the_chest_wall_wherever_it_lies(wall):
    breast = half_disk(wall=wall)
    assert not chest_wall_is_right(breast)
    assert chest_wall_is_right(breast[:, ::-1])
    assert not chest_wall_is_right(breast[::-1])


@pytest.mark.parametrize(
    ("orientation", "view", "side", "down"),
    [
        (("A", "FR"), ViewPosition.MLO, Laterality.LEFT, False),
        (("P", "FL"), ViewPosition.MLO, Laterality.RIGHT, False),
        (("A", "HL"), ViewPosition.MLO, Laterality.LEFT, True),
        (("P", "H"), None, None, True),
        (("A", "R"), ViewPosition.CC, Laterality.LEFT, False),
        (("P", "L"), ViewPosition.CC, Laterality.RIGHT, False),
        (("A", "L"), ViewPosition.CC, Laterality.LEFT, True),
        (("P", "R"), ViewPosition.CC, Laterality.RIGHT, True),
        (("P", "R"), ViewPosition.CC, None, False),
        ((), ViewPosition.MLO, Laterality.LEFT, False),
        (("CC",), ViewPosition.CC, Laterality.LEFT, False),  # what CBIS-DDSM writes
        (("MLO",), ViewPosition.MLO, Laterality.LEFT, False),
    ],
)
def test_up_and_down(orientation, view, side, down):
    assert head_is_down(orientation, view_position=view, laterality=side) is down


def test_contradiction_of_header_and_outline():
    assert patient_orientation_contradicts(("P", "FL"), chest_wall_right=False)
    assert not patient_orientation_contradicts(("P", "FL"), chest_wall_right=True)
    assert patient_orientation_contradicts(("A", "FR"), chest_wall_right=True)
    assert not patient_orientation_contradicts((), chest_wall_right=True)
    assert not patient_orientation_contradicts(("CC",), chest_wall_right=True)


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("rows", [False, True])
def test_flipping_twice_changes_nothing(columns, rows):
    image = np.random.default_rng(0).random((5, 7))
    flipped = flip(image, columns=columns, rows=rows)
    np.testing.assert_array_equal(flip(flipped, columns=columns, rows=rows), image)
    assert (flipped[0, 0] == image[0, 0]) == (not columns and not rows)
    assert np.shares_memory(flipped, image)
