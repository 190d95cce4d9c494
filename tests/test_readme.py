"""The table of known defects in tests/README.md names tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent


def test_each_defect_names_tests_that_exist() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\| (.*) \|$", (TESTS / "README.md").read_text(), flags=re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 13))
    for number, cell in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", cell)
        assert named, f"defect {number} names no test"
        for path, name in named:
            assert re.search(rf"^\s*def {name}\(", (TESTS / path).read_text(), flags=re.MULTILINE), f"{path}::{name}"
