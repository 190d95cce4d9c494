import sys

import pytest

from bundle.collection.view_task import ViewResult
from bundle.records import Rejection
from scripts import bench

PROBLEM = Rejection(path="a.dcm", stage="breast", reason="no breast found")


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
    bench.main()


@pytest.mark.slow
def test_what_comes_before_training_gives_its_figures(monkeypatch, capsys):
    monkeypatch.setattr(bench, "FILM_SHAPE", (368, 240))
    monkeypatch.setattr(bench, "FILM_SPACING_MM", 0.6)
    monkeypatch.setattr(bench, "BREASTS", 2)
    monkeypatch.setattr(bench, "REPEATS", 1)
    sections = ["reading", "preparation", "radiomics"]
    run(monkeypatch, *sections, "--rounds", 1)
    output = capsys.readouterr().out
    assert [line for line in output.splitlines() if line.endswith(":")] == [f"{name}:" for name in sections]
    assert output.count("of its speed") == 10
    assert output.count("to float32") == output.count("looked up") == 1
    assert output.count("two are ") == 2
    assert output.count("largest process ") == 2
    assert "0.00 views/s" not in output
    assert "0.00 lesions/s" not in output


def test_a_section_is_chosen_by_its_name(monkeypatch, capsys):
    monkeypatch.setitem(bench.SECTIONS, "training", lambda folder, rounds: iter([f"{rounds} in {folder.is_dir()}"]))
    run(monkeypatch, "training", "--rounds", 2)
    assert capsys.readouterr().out.splitlines()[1:] == ["training:", "  2 in True"]


def test_a_view_that_cannot_be_prepared_is_no_figure(monkeypatch):
    monkeypatch.setattr(bench, "prepare_views", lambda tasks, workers: {"a": ViewResult(problem=PROBLEM)})
    with pytest.raises(ValueError, match="could not be prepared: no breast found"):
        bench._prepare([], 1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["reading", "writing"], "unknown section(s) writing; there are reading"),
        (["reading", "--rounds", 0], "--rounds is 0"),
        (["reading", "--films", 3], "unknown argument(s) --films"),
    ],
)
def test_a_wrong_argument_is_one_sentence(monkeypatch, arguments, sentence):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, *arguments)
    assert str(stopped.value).startswith("bench: ")
    assert sentence in str(stopped.value)
