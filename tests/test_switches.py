import pytest

from bundle.switches import read_switch


@pytest.mark.parametrize(("value", "expected"), [(True, True), (False, False), ("true", True), ("False", False)])
def test_truth_values_and_words(value: object, expected: bool) -> None:
    assert read_switch(value, name="resume") is expected


@pytest.mark.parametrize("value", ["flase", "", 0, 1, None, "no"])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"--resume is .*; it must be true or false"):
        read_switch(value, name="resume")
