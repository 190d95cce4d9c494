"""That the figures are there and belong together; never how large they are."""

import json
import re
from pathlib import Path

import pytest

from scripts import bench_training
from scripts.bench_training import TRAIN_CONFIG, memory, training
from tests.training.conftest import ROOT, SMALL


def test_training_prints_speed_and_shares(
    prepared_collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads(TRAIN_CONFIG.read_text()) | json.loads((ROOT / "configs" / "demo.json").read_text()) | SMALL
    del config["feature_training#epochs"]  # the section's own
    (tmp_path / "train.json").write_text(json.dumps(config))
    monkeypatch.setattr(bench_training, "TRAIN_CONFIG", tmp_path / "train.json")
    monkeypatch.setattr(bench_training, "prepare_films", lambda *_, **__: prepared_collection)
    lines = list(training(tmp_path, 1))
    text = "\n".join(lines)
    assert re.search(r"128 x 96, batch 4, all losses, on cpu", text)
    assert re.search(r"^training: \d+\.\d\d images/s", text, flags=re.MULTILINE)
    assert re.search(r"^generator: \d+\.\d ms an image", text, flags=re.MULTILINE)
    (loader,) = re.findall(r"^loader: (\d+\.\d)% of an epoch of (\d+) steps", text, flags=re.MULTILINE)
    assert 0 <= float(loader[0]) <= 100
    assert int(loader[1]) > 0
    shares = re.findall(r"^  ([^:]+): -?\d+ ms, (-?\d+)%$", text, flags=re.MULTILINE)
    terms = {"L_GAN", "L_view", "L_percep", "L_rad", "L_1", "L_SSIM", "L_shape", "L_D"}
    assert {name for name, _ in shares} == terms | {"generator", "clipping, Adam, average"}
    assert sum(int(share) for _, share in shares) == pytest.approx(100, abs=len(shares))


@pytest.mark.slow
def test_memory_is_that_of_a_fresh_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_training, "CANVASES", ((64, 64),))
    monkeypatch.setattr(bench_training, "BATCHES", (1,))
    (row,) = (line for line in memory(tmp_path, 1) if line.startswith("| 64 x 64 | 1 |"))
    step, checkpointing, inference = (float(cell) for cell in row.split("|")[3:6])
    weights_mib = 20  # of the generator alone, at least
    assert step > 4 * weights_mib, "weights, gradients, and two moments"
    assert checkpointing > 4 * weights_mib
    assert weights_mib < inference < step


def test_what_does_not_fit_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def peak(kind: str, rows: int, columns: int, batch_size: int) -> float:
        tried.append((kind, rows, batch_size))
        return 1e9

    monkeypatch.setattr(bench_training, "_in_fresh_process", peak)
    lines = list(memory(tmp_path, 1))
    assert {rows for _, rows, _ in tried} == {128}
    assert lines[-1] == "| 1024 x 768 | 4 | does not fit here | does not fit here | does not fit here |"
