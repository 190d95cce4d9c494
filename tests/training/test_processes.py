"""Two processes on the CPU (gloo) learn what one process with their batch learns."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import pytest
import torch
from ignite.engine import Events
from monai.data import DistributedSampler
from torch import multiprocessing, nn
from torch.utils.data import DataLoader

from bundle.losses.objective import DiscriminatorObjective, GeneratorObjective
from bundle.networks.discriminator import Discriminator
from bundle.networks.feature_network import FeatureNetwork
from bundle.networks.generator import Generator
from bundle.training.processes import data_parallel, part, process_device, unwrapped
from bundle.training.run_folder import generator_average
from bundle.training.trainer import ViewSynthesisTrainer
from tests.training.conftest import ROOT

STEPS = 10
PROCESSES = 2
PORT = 29577


class _Items(torch.utils.data.Dataset):
    """40 directed pairs of noise, each with a lesion."""

    def __len__(self) -> int:
        return 4 * STEPS

    def __getitem__(self, index: int) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(index)
        mask = torch.zeros(1, 32, 32)
        mask[:, 4:9, 3:8] = 1
        return {
            "image": torch.cat([torch.rand(1, 32, 32, generator=generator), mask]),
            "label": torch.rand(1, 32, 32, generator=generator),
            "label_mask": mask,
            "label_breast": (torch.arange(32) < 20 + index % 8).float().expand(1, 32, 32),
            "radiomics": torch.randn(102, generator=generator),
            "label_radiomics": torch.randn(102, generator=generator),
            "target_view": index % 2,
        }


def _losses(loader: DataLoader, *, parallel: bool, accumulation_steps: int) -> tuple[list[dict[str, float]], Any]:
    """Train for ten steps; the losses of each, as means over all processes, and the averaged generator's state.

    In float64: ten steps of Adam make a difference of the last bit in float32 larger than what is allowed.
    """
    device = torch.device("cpu")
    torch.manual_seed(0)
    generator: nn.Module = Generator(channels=(8, 16), condition=16)
    discriminator: nn.Module = Discriminator(channels=(8, 16, 16, 16))
    feature_network = FeatureNetwork(channels=(8, 8))
    if parallel:
        generator = data_parallel(network=generator, device=device)
        discriminator = data_parallel(network=discriminator, device=device)
    seen: list[dict[str, float]] = []
    trainer = ViewSynthesisTrainer(
        device=device,
        max_epochs=1,
        train_data_loader=loader,
        generator=generator,
        discriminator=discriminator,
        feature_network=feature_network,
        perceptual_network=feature_network,
        average=generator_average(network=generator, decay=0.9),
        generator_optimizer=torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999)),
        discriminator_optimizer=torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.999)),
        generator_objective=GeneratorObjective(
            {"GAN": 0.5, "view": 0.3, "L1": 5.0, "percep": 1.0, "SSIM": 0.5, "rad": 0.7, "shape": 0.6}
        ),
        discriminator_objective=DiscriminatorObjective({"GAN": 1.0, "view": 1.0}),
        spacing_mm=2.0,
        accumulation_steps=accumulation_steps,
        input_noise=0.0,
    )

    def record() -> None:
        losses = trainer.state.output[0]["losses"]  # type: ignore[index, call-overload]
        seen.append({name: idist.all_reduce(value) / idist.get_world_size() for name, value in losses.items()})

    trainer.add_event_handler(Events.ITERATION_COMPLETED, record)
    trainer.run()
    assert isinstance(trainer.generator, nn.parallel.DistributedDataParallel) is parallel
    assert isinstance(trainer.discriminator, nn.parallel.DistributedDataParallel) is parallel
    assert unwrapped(trainer.generator) is not trainer.average.module
    return seen, trainer.average.module.state_dict()


def _process(rank: int, folder: str, accumulation_steps: int) -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    os.environ |= {
        **dict.fromkeys(("RANK", "LOCAL_RANK"), str(rank)),
        **dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(PROCESSES)),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(PORT),
        "CUDA_VISIBLE_DEVICES": "",
    }
    assert process_device() == torch.device("cpu")
    sampler = DistributedSampler(_Items(), shuffle=False)
    loader = DataLoader(_Items(), batch_size=2, sampler=sampler)
    losses, state = _losses(loader, parallel=True, accumulation_steps=accumulation_steps)
    torch.save({"losses": losses, "state": state}, Path(folder) / f"{rank}.pt")
    part()


@pytest.fixture
def in_float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("accumulation_steps", [1, 3])
def test_two_processes_at_batch_2_are_one_at_batch_4(tmp_path: Path, accumulation_steps: int, in_float64: None) -> None:
    multiprocessing.spawn(_process, args=(str(tmp_path), accumulation_steps), nprocs=PROCESSES)
    loader = DataLoader(_Items(), batch_size=4)
    expected, state = _losses(loader, parallel=False, accumulation_steps=accumulation_steps)
    of_process = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]
    assert len(expected) == STEPS
    for one in of_process:
        for got, wanted in zip(one["losses"], expected, strict=True):
            assert got == pytest.approx(wanted, abs=1e-6)
        for name, value in state.items():
            torch.testing.assert_close(one["state"][name], value, atol=1e-6, rtol=0)
    changed = [abs(expected[0][name] - expected[-1][name]) for name in expected[0]]
    assert max(changed) > 0.05, "ten steps that change something"


def test_without_torchrun_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(ValueError, match=r"^configs/multi_gpu_train\.json is for several .* torchrun"):
        process_device()


@pytest.mark.slow
def test_the_whole_run_under_torchrun(prepared_collection: Path, tmp_path: Path) -> None:
    overrides = {
        "dataset_dir": prepared_collection,
        "output_dir": tmp_path / "run",
        "max_epochs": 2,
        "network_def#channels": "[8,16,16]",
        "discriminator_def#channels": "[8,8,8,8]",
        "feature_network_def#channels": "[8,8]",
        "feature_training#epochs": 1,
        "batch_size": 1,
        "learning_rate": 1e-12,
    }
    arguments = [str(each) for name, value in overrides.items() for each in (f"--{name}", value)]
    environment = {**os.environ, "PYTHONPATH": ".", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

    def train(config: str, *launcher: str, more: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *launcher, "-m", "monai.bundle", "run", "--config_file", config, *arguments, *more]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    torchrun = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(PORT + 1))
    several = "['configs/train.json','configs/multi_gpu_train.json','configs/demo.json']"
    ended = train(several, *torchrun)
    assert ended.returncode == 0, ended.stderr[-3000:]
    folder = tmp_path / "run"
    with (folder / "results.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert ended.stdout.count("R2 on the validation split's regions") == 1, "one process trains the feature network"
    assert len(list((folder / "tensorboard").iterdir())) == 1, "one process writes"
    assert (folder / "curves.png").is_file()
    checkpoint = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert not any(name.startswith("module.") for name in checkpoint["generator"])
    Generator(channels=[8, 16, 16], condition=128).load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    assert json.loads((folder / "network.json").read_text())["network_def"]["channels"] == [8, 16, 16]

    again = train(several, *torchrun, more=("--max_epochs", "3"))
    assert again.returncode == 0, again.stderr[-3000:]
    assert "Going on behind epoch 2" in again.stdout

    # Without learning, one process scores the same validation images the same.
    one = train("['configs/train.json','configs/demo.json']", more=("--output_dir", str(tmp_path / "one")))
    assert one.returncode == 0, one.stderr[-3000:]
    with (tmp_path / "one" / "results.csv").open(newline="") as stream:
        alone = next(csv.DictReader(stream))
    for name in (name for name in alone if name.startswith("val_")):
        assert float(rows[0][name]) == pytest.approx(float(alone[name]), abs=2e-6), name
