import sys

import pytest

from scripts import radiomics


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["radiomics", *map(str, arguments)])
    radiomics.main()


def test_the_command_prints_a_table_and_writes_a_row_per_feature(monkeypatch, capsys, prepared_collection, tmp_path):
    table = tmp_path / "features.csv"
    run(monkeypatch, "--stability", "--prepared", prepared_collection, "--output", table, "--workers", 1)
    lines = capsys.readouterr().out.splitlines()
    assert "of the training split" in lines[0]
    assert lines[-1] == f"each feature: {table}"
    assert len(table.read_text().splitlines()) == 103


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--prepared", "absent"], "give --stability"),
        (["--prepared", "absent", "--stability"], "no folder absent"),
        (["--prepared", "absent", "--stability", "--output", "x.csv"], "absent holds no pairs.csv"),
        (["--prepared", "absent", "--stability", "--noise", 3], "unknown argument(s) --noise"),
        (["--prepared", "absent", "--stability", "--output", "x.csv", "--spacing_mm", 0], "--spacing_mm is 0"),
    ],
)
def test_a_wrong_argument_is_one_sentence(monkeypatch, tmp_path, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, *arguments)
    assert str(stopped.value).startswith("radiomics: ")
    assert sentence in str(stopped.value)
    assert not list(tmp_path.iterdir())
