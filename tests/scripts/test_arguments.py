from pathlib import Path

import pytest

from scripts.arguments import numbers, path, positive_number, refuse_unexpected, whole_number


def test_what_is_allowed_comes_back() -> None:
    assert whole_number(-3, name="seed") == -3
    assert positive_number(2, name="spacing_mm") == 2.0
    assert numbers((1, 0.5), name="fractions", count=2, example="[1,2]") == (1.0, 0.5)
    assert path("demo/dicom", name="output") == Path("demo/dicom")
    assert path(2024, name="output") == Path("2024")
    refuse_unexpected((), {}, command="python -m scripts.phantom")


@pytest.mark.parametrize("value", ["many", 1.0, True, None, (1,)])
def test_no_whole_number(value: object) -> None:
    with pytest.raises(ValueError, match=r"^--seed is .*; it must be a whole number$"):
        whole_number(value, name="seed")


@pytest.mark.parametrize("value", ["wide", 0, -1.5, float("nan"), float("inf"), True, None])
def test_no_positive_number(value: object) -> None:
    with pytest.raises(ValueError, match=r"^--spacing_mm is .*; it must be a positive number$"):
        positive_number(value, name="spacing_mm")


@pytest.mark.parametrize("value", [0.5, "1,2", (1, 2, 3), (1, "x"), (1, True), [], None])
def test_no_two_numbers(value: object) -> None:
    with pytest.raises(ValueError, match=r"^--fractions is .*; it must be 2 numbers, e\.g\. \[1,2\]$"):
        numbers(value, name="fractions", count=2, example="[1,2]")


@pytest.mark.parametrize("value", ["", True, 1.5, (1, 2), None])
def test_no_path(value: object) -> None:
    with pytest.raises(ValueError, match=r"^--output is .*; it must be a path"):
        path(value, name="output")


def test_what_the_command_does_not_know_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"^unknown argument\(s\) --sed, 'extra'; see python -m scripts\.phantom --help$"
    ):
        refuse_unexpected(["extra"], {"sed": 3}, command="python -m scripts.phantom")
