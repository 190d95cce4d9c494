"""Small cohorts for the tests, and their files read by nothing of the bundle's own."""

from __future__ import annotations

import csv
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bundle.datasets.phantom.case import Case, CasePlan, make_case
from bundle.datasets.phantom.cohort import CohortSummary, write_cohort
from bundle.datasets.phantom.layout import Layout


@cache
def case(plan: CasePlan, *, film_spacing_mm: float, digital: bool) -> Case:
    """Make a breast once for all tests: what they are about is how it is written."""
    return make_case(plan, film_spacing_mm=film_spacing_mm, digital=digital)


def write(output: Path, **changes: Any) -> CohortSummary:
    """Write two breasts at 2 mm, or what the changes say."""
    values: dict[str, Any] = {
        "layout": Layout.CBIS_DDSM,
        "breasts": 2,
        "seed": 11,
        "film_spacing_mm": 2.0,
        "workers": 1,
        "overwrite": False,
        "show_progress": False,
    }
    with patch("bundle.datasets.phantom.cohort.make_case", case):  # not in other processes
        return write_cohort(output=output, **(values | changes))


def truth_of(cohort: Path) -> dict[str, Any]:
    return json.loads((cohort / "truth.json").read_text(encoding="utf-8"))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(path: Path, *, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))


def table_rows(cohort: Path) -> list[dict[str, str]]:
    return [row for path in sorted(cohort.glob("*_case_description_*_set.csv")) for row in rows(path)]
