import csv

import pytest

from bundle.collection.files import write_table
from bundle.csv_tables import plain_cell, write_csv


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1).png", "'@SUM(A1).png"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        ("a=b", "a=b"),
        ("", ""),
        (-0.5, -0.5),
        (None, None),
    ],
)
def test_what_a_spreadsheet_would_run_is_text(value, written):
    assert plain_cell(value) == written


@pytest.mark.parametrize("write", [write_csv, write_table])
def test_every_cell_is_plain_and_numbers_stay_numbers(tmp_path, write):
    write(
        tmp_path / "a.csv", columns=("path", "value", "=1"), rows=[("=HYPERLINK(1).png", -0.25, "@x"), ("b", -3, "c")]
    )
    with (tmp_path / "a.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows == [["path", "value", "'=1"], ["'=HYPERLINK(1).png", "-0.25", "'@x"], ["b", "-3", "c"]]
