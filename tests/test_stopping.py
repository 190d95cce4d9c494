import os
import sys
from concurrent.futures import BrokenExecutor

import joblib
import pytest

from bundle.stopping import ending_with_a_sentence
from scripts import catalogue, prepare, radiomics


def test_a_worker_that_was_stopped_is_one_sentence():
    sentence = r"^count: a worker was stopped, perhaps for memory; --workers 1 needs least$"
    with pytest.raises(SystemExit, match=sentence), ending_with_a_sentence("count", again="--workers 1 needs least"):
        joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(os._exit)(9) for _ in range(2))


@pytest.mark.parametrize("error", [ValueError("seed is 1.5"), FileNotFoundError("seed is 1.5")])
def test_a_wrong_argument_is_its_own_sentence(error):
    with pytest.raises(SystemExit, match=r"^Stopped: seed is 1\.5$"), ending_with_a_sentence():
        raise error


@pytest.mark.parametrize(
    ("module", "function", "arguments"),
    [
        (catalogue, "find_views_with_files", ["dicom", "--source", "s", "--output", "o", "--key", "k"]),
        (prepare, "prepare_collection", ["dicom", "--source", "s", "--output", "o", "--key", "k"]),
        (radiomics, "measure_stability", ["--stability", "--prepared", "p"]),
    ],
)
def test_every_command_with_workers_ends_with_the_sentence(monkeypatch, tmp_path, module, function, arguments):
    def lose_a_worker(*_, **__):
        raise BrokenExecutor

    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").mkdir()
    monkeypatch.setattr(module, function, lose_a_worker)
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit, match=r"a worker was stopped, perhaps for memory; .*the same command.*--workers 1"):
        module.main()
