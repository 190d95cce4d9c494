from __future__ import annotations

from pathlib import Path

import fire
import pytest

from scripts.phantom import phantom


def _run(*arguments: str) -> None:
    fire.Fire(phantom, command=list(arguments), name="phantom")


def test_it_says_what_was_written_and_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "dicom"
    _run("--breasts", "1", "--workers", "1", "--film_spacing_mm", "3", "--overwrite", "false", "--output", str(output))
    said = capsys.readouterr().out
    assert "2 films of 1 breasts" in said
    assert f"python -m scripts.prepare cbis_ddsm --source {output}" in said
    assert (output / "truth.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus", "3"], "unknown argument --bogus"),
        (["extra"], "unknown argument extra"),
        (["--layout", "vindr"], "layout is vindr"),
        (["--breasts", "two"], "breasts is two"),
        (["--breasts", "0"], "breasts is 0"),
        (["--film_spacing_mm", "wide"], "film_spacing_mm is wide"),
        (["--overwrite", "maybe"], "overwrite is maybe"),
        (["--workers", "-1"], "workers is -1"),
    ],
)
def test_bad_arguments_stop_with_one_sentence(tmp_path: Path, arguments: list[str], message: str) -> None:
    output = tmp_path / "dicom"
    with pytest.raises(SystemExit) as stopped:
        _run("--output", str(output), *arguments)
    assert message in str(stopped.value.code)
    assert "\n" not in str(stopped.value.code)
    assert not output.exists()


def test_output_is_needed() -> None:
    with pytest.raises(SystemExit, match="output is missing"):
        _run("--breasts", "1")
