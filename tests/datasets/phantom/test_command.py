from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bundle.datasets.phantom.layout import Layout
from scripts.phantom import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["phantom", *arguments])
        main()

    return run


def test_it_says_what_was_written_and_what_comes_next(run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "dicom"
    command = ("--breasts", "1", "--workers", "1", "--film_spacing_mm", "3", "--output", str(output))
    run(*command, "--overwrite", "false")
    said = capsys.readouterr().out
    assert said.startswith("Wrote 2 films of 1 breasts")
    assert f"python -m scripts.prepare cbis_ddsm --source {output}" in said
    assert "assumed_spacing_mm" not in said
    assert (output / "truth.json").is_file()
    run(*command)
    assert capsys.readouterr().out.startswith("Nothing to do: 2 films of 1 breasts")


@pytest.mark.parametrize("option", [("--quirks",), ("--layout", "cbis_ddsm_jpeg")])
def test_films_without_spacing_are_prepared_with_a_hint(
    run, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    output = tmp_path / "dicom"
    run("--breasts", "1", "--workers", "1", "--film_spacing_mm", "3", *option, "--output", str(output))
    assert "--assumed_spacing_mm 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus", "3"], "unknown argument(s) --bogus"),
        (["extra"], "unknown argument(s) 'extra'"),
        (["--layout", "vindr"], f"layout is vindr; it must be one of {', '.join(Layout)}"),
        (["--transfer_syntax", "jpeg_xl"], "transfer_syntax is jpeg_xl; it must be one of explicit_vr_little_endian"),
        (["--transfer_syntax", "rle_lossless"], "only layout clinical has a choice"),
        (["--layout", "clinical", "--quirks"], "layout clinical has none"),
        (["--breasts", "two"], "--breasts is 'two'"),
        (["--breasts", "0"], "breasts is 0"),
        (["--breasts", "-5"], "breasts is -5"),
        (["--film_spacing_mm", "wide"], "--film_spacing_mm is 'wide'"),
        (["--film_spacing_mm", "0"], "--film_spacing_mm is 0"),
        (["--overwrite", "maybe"], "--overwrite is 'maybe'"),
        (["--quirks", "some"], "--quirks is 'some'"),
        (["--workers", "-1"], "workers is -1"),
    ],
)
def test_bad_arguments_stop_with_one_sentence(run, tmp_path: Path, arguments: list[str], message: str) -> None:
    output = tmp_path / "dicom"
    with pytest.raises(SystemExit) as stopped:
        run("--output", str(output), *arguments)
    assert message in str(stopped.value.code)
    assert "\n" not in str(stopped.value.code)
    assert list(tmp_path.iterdir()) == []


def test_output_is_needed(run) -> None:
    with pytest.raises(SystemExit, match="output is missing"):
        run("--breasts", "1")
