import sys

import pytest

from scripts import inspect


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["inspect", *map(str, arguments)])
    inspect.main()


def test_the_command_writes_the_sheet_and_says_where(monkeypatch, capsys, prepared_collection, tmp_path):
    run(monkeypatch, "--prepared", prepared_collection, "--output", tmp_path / "sheet")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("12 pairs, ")
    assert lines[0].endswith(f": {tmp_path / 'sheet' / 'index.html'}")
    assert (tmp_path / "sheet" / "page_0001.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--prepared", "absent"], "absent holds no pairs.csv"),
        (["--prepared", "x", "--pages", 3], "unknown argument(s) --pages"),
        (["--prepared", ""], "--prepared is ''"),
    ],
)
def test_a_wrong_argument_is_one_sentence(monkeypatch, tmp_path, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, *arguments)
    assert str(stopped.value).startswith("inspect: ")
    assert sentence in str(stopped.value)
    assert not list(tmp_path.iterdir())
