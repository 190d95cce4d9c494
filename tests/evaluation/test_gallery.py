"""Outlines of lesions, and what a killed evaluation leaves behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.measure import points_in_poly

from bundle.evaluation.gallery import Gallery, outlines
from bundle.metrics.lesion import regions

RING = np.pad(np.ones((7, 7), dtype=bool), 3)
RING[5:8, 5:8] = False
DIAGONAL = np.pad(np.eye(2, dtype=bool), 3)


@pytest.mark.parametrize("mask", [RING, DIAGONAL], ids=["ring", "pixels that touch at a corner"])
def test_one_lesion_has_one_outline(mask: np.ndarray) -> None:
    assert len(outlines(mask)) == len(regions(mask)) == 1


@given(mask=arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_outlines_are_the_measures_lesions_with_their_holes_filled(mask: np.ndarray) -> None:
    drawn, lesions = outlines(mask), regions(mask)
    assert len(drawn) == len(lesions)
    centres = np.argwhere(np.ones(mask.shape))
    for outline, lesion in zip(drawn, lesions, strict=True):
        assert outline[0] == outline[-1]
        covered = points_in_poly(centres, np.array(outline)).reshape(mask.shape)
        np.testing.assert_array_equal(covered, ndimage.binary_fill_holes(lesion))


def test_pictures_of_a_killed_evaluation_are_removed(tmp_path: Path) -> None:
    left, other = tmp_path / ".cases-killed" / "cases" / "P_00001_L_cc_to_mlo", tmp_path / "cases"
    for folder in (left, other):
        folder.mkdir(parents=True)
        (folder / "source.png").write_bytes(b"a patient's")
    gallery = Gallery(tmp_path, spacing_mm=1.0)
    assert not (tmp_path / ".cases-killed").exists()
    assert (other / "source.png").is_file()
    gallery.publish()
    assert [path.name for path in tmp_path.iterdir()] == ["cases"]
