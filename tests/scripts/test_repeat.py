from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--cohort", "absent", "--dataset_dir", "absent", "--output", "OUT"], "repeat: There is no phantom cohort at"),
        (["--cohort", "absent", "--dataset_dir", "absent", "--output", "OUT", "--repeats", "1.5"], "whole number"),
        (["--cohort", "absent", "--output", "OUT", "--repeat", "3"], "unknown argument(s) --repeat"),
    ],
)
def test_wrong_arguments_end_with_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    given = [str(tmp_path / "again") if each == "OUT" else each for each in arguments]
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.repeat", *given], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "again").exists()
