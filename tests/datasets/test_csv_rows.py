import logging

import pytest

from bundle.datasets.csv_rows import read_rows

TEXT = "Patient;Side;Größe\nA1;L;7\n\nB2;R\n"


def rows(path, **options):
    return list(read_rows(path, required=("patient", "side"), **options))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_table_is_read_however_it_was_written(tmp_path, encoding, delimiter, line_end):
    content = TEXT.replace(";", delimiter).replace("\n", line_end).encode(encoding)
    (tmp_path / "table.csv").write_bytes(content)
    assert rows(tmp_path / "table.csv", optional=("größe",)) == [
        (2, {"patient": "A1", "side": "L", "größe": "7"}),
        (4, {"patient": "B2", "side": "R", "größe": ""}),
    ]


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_utf_16_of_either_byte_order_is_told_by_its_mark(tmp_path, mark):
    order = "utf-16-le" if mark == b"\xff\xfe" else "utf-16-be"
    (tmp_path / "table.csv").write_bytes(mark + "patient,side\nÄ,L\n".encode(order))
    assert rows(tmp_path / "table.csv") == [(2, {"patient": "Ä", "side": "L"})]


def test_what_was_detected_is_said_once_and_only_where_it_is_unusual(tmp_path, caplog):
    path = tmp_path / "table.csv"
    path.write_bytes("patient;side\nA;L\n".encode("utf-16"))
    rows(path)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} is read as UTF-16 text with semicolons between the columns."
    ]
    caplog.clear()
    path.write_text("patient;side\nA;L\n", encoding="utf-8")
    with caplog.at_level(logging.DEBUG):
        rows(path, delimiter=";")
        path.write_text("patient,side\nA,L\n", encoding="utf-8")
        rows(path)
    assert not caplog.records


@pytest.mark.parametrize("name", ["PATIENT", " Patient ", "pa tient", "Patient\t"])
def test_names_of_columns_are_compared_without_case_and_blanks(tmp_path, name):
    (tmp_path / "table.csv").write_text(f'"{name}", SIDE ,Other Name\n"A",L,x\n')
    assert rows(tmp_path / "table.csv") == [(2, {"patient": "A", "side": "L", "Other Name": "x"})]


def test_the_name_that_is_spelled_exactly_comes_first(tmp_path):
    (tmp_path / "table.csv").write_text("Patient,patient,side\nMary,A,L\n")
    assert rows(tmp_path / "table.csv") == [(2, {"Patient": "Mary", "patient": "A", "side": "L"})]
    (tmp_path / "table.csv").write_text("Patient,PATIENT,side\nMary,A,L\n")
    with pytest.raises(ValueError, match=r"table\.csv has the column patient 2 times"):
        rows(tmp_path / "table.csv")


def test_the_line_by_which_excel_tells_the_delimiter(tmp_path):
    (tmp_path / "table.csv").write_bytes(b"sep=;\r\npatient;side\r\nA,B;L\r\n")
    assert rows(tmp_path / "table.csv") == [(3, {"patient": "A,B", "side": "L"})]


def test_quotes_hold_delimiters_and_line_breaks(tmp_path):
    (tmp_path / "table.csv").write_text('patient;side;note\n"A;1";L;"a,b,c,\nd"\n')
    assert rows(tmp_path / "table.csv") == [(3, {"patient": "A;1", "side": "L", "note": "a,b,c,d"})]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b"patient;seite\nA;L\n",
            r"lacks the column\(s\) side; .* UTF-8 text with semicolons .* \['patient', 'seite'\]",
        ),
        (b"PK\x03\x04" + bytes(400), "is a zip archive or an Excel workbook, no table; save the table as CSV"),
        (b"", r"lacks the column\(s\) patient, side"),
    ],
)
def test_no_table_is_one_sentence_that_says_how_it_was_read(tmp_path, content, reason):
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        rows(tmp_path / "table.csv")
