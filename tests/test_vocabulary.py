import pytest

from bundle.vocabulary import Direction, ViewPosition


def test_directions_by_their_target_views_class() -> None:
    assert Direction.to_class(ViewPosition.MLO.class_index) is Direction.CC_TO_MLO
    assert Direction.to_class(ViewPosition.CC.class_index) is Direction.MLO_TO_CC
    with pytest.raises(ValueError, match=r"0 \(CC\) or 1 \(MLO\); got 2"):
        Direction.to_class(2)


def test_source_and_target_are_the_two_views() -> None:
    for direction in Direction:
        assert {direction.source, direction.target} == set(ViewPosition)
        assert direction.value == f"{direction.source}_to_{direction.target}".lower()
