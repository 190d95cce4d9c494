"""A run that is killed by SIGKILL, which no program can catch, goes on as if nothing had been."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.training.conftest import ROOT, assert_same_tensors

EPOCHS = 6
SEED = 7

# Runs a module as `python -m` does, in which the Nth `torch.save` writes half of its bytes and kills the process.
CUT_WRITING = """
import io, os, runpy, signal, sys, torch
save, remaining = torch.save, int(sys.argv.pop(1))
def cut(content, file):
    global remaining
    remaining -= 1
    if remaining:
        return save(content, file)
    whole = io.BytesIO()
    save(content, whole)
    file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
torch.save = cut
module = sys.argv.pop(1)
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def _command(prepared: Path, output: Path) -> list[str]:
    overrides = {
        "dataset_dir": prepared,
        "output_dir": output,
        "max_epochs": EPOCHS,
        "network_def#channels": "[8,16,16]",
        "discriminator_def#channels": "[8,8,8,8]",
        "feature_network_def#channels": "[8,8]",
        "feature_training#epochs": 1,
        "batch_size": 1,
        "train#trainer#accumulation_steps": 2,
    }
    arguments = [str(each) for name, value in overrides.items() for each in (f"--{name}", value)]
    return ["monai.bundle", "run", "--config_file", "['configs/train.json','configs/demo.json']", *arguments]


def _start(*arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": ".", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _epochs(folder: Path) -> int:
    path = folder / "results.csv"
    return len(path.read_text().splitlines()) - 1 if path.is_file() else 0


def _assert_same_run(one: Path, other: Path) -> None:
    for name in ("results.csv", "model.pt"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert_same_tensors(*(torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (one, other)))
    assert not list(one.rglob(".*")), "nothing half written stays"


@pytest.fixture(scope="module")
def uninterrupted(prepared_collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert _start("-m", *_command(prepared_collection, folder)).wait() == 0
    assert _epochs(folder) == EPOCHS
    return folder


@pytest.mark.slow
def test_killed_at_random_moments(prepared_collection: Path, uninterrupted: Path, tmp_path: Path) -> None:
    generator = random.Random(SEED)
    killed_behind = []
    for wanted in (1, 3):  # behind these epochs, somewhere within the next ones
        running = _start("-m", *_command(prepared_collection, tmp_path))
        while _epochs(tmp_path) < wanted and running.poll() is None:
            time.sleep(0.005)
        time.sleep(generator.uniform(0, 0.3))
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL, "killed before it was done"
        killed_behind.append(_epochs(tmp_path))
    assert 1 <= killed_behind[0] <= killed_behind[1] < EPOCHS
    assert _start("-m", *_command(prepared_collection, tmp_path)).wait() == 0
    _assert_same_run(tmp_path, uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("writing", [1, 2, 3, 5])
def test_killed_in_the_middle_of_writing(
    prepared_collection: Path, uninterrupted: Path, tmp_path: Path, writing: int
) -> None:
    """The feature network, the first model, the first checkpoint, and a later file."""
    command = _command(prepared_collection, tmp_path)
    assert _start("-c", CUT_WRITING, str(writing), *command).wait() == -signal.SIGKILL
    assert list(tmp_path.glob(".*")), "half of a file"
    complete = [path for path in tmp_path.glob("*.pt") if not path.name.startswith(".")]
    for path in complete:
        torch.load(path, weights_only=True)
    assert _start("-m", *command).wait() == 0
    _assert_same_run(tmp_path, uninterrupted)
