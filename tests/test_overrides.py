"""Overrides on the command line that no configuration holds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bundle.overrides import _refuse_unknown, refuse_unknown_overrides

ROOT = Path(__file__).resolve().parents[1]
TRAIN = ("run", "--config_file", str(ROOT / "configs" / "train.json"))
TUPLE = ("run", "--config_file", f"('{ROOT / 'configs' / 'train.json'}',)")
DEMO = ("run", f"--config_file=['{ROOT / 'configs' / 'train.json'}','{ROOT / 'configs' / 'demo.json'}']")


@pytest.mark.parametrize("command", [TRAIN, DEMO, TUPLE])
@pytest.mark.parametrize(
    ("option", "meant"),
    [
        (("--batchsize", "8"), "batch_size"),
        (("--train#trainer#acumulation#steps", "1"), ""),
        (("--generator_objective#weight#GAN=1.0",), ""),
        (("--train#handler#0#end", "0.0"), "train#handlers#0#end"),
        (("--train#handlers#99#end", "0.0"), "train#handlers#"),
        (("--lr", "1"), ""),
    ],
)
def test_an_unknown_id_stops_with_the_nearest_ones(
    command: tuple[str, ...], option: tuple[str, ...], meant: str
) -> None:
    name = option[0].partition("=")[0]
    with pytest.raises(ValueError, match=f"{name} overrides nothing: no such id in .*{meant}"):
        _refuse_unknown([*command, *option])


@pytest.mark.parametrize(
    "option",
    [
        ("--batch_size", "8"),
        ("--train#trainer#accumulation_steps=1",),
        ("--train#handlers#0#end", "0.0"),
        ("--train::handlers::0::end", "0.0"),
        ("--generator_objective#weights#GAN", "1.0"),
        ("--network_def#radiomics_features", "102"),
        ("--discriminator_optimizer#lr", "0.001"),
        ("--tracking", "mlflow"),
        ("--resume", "false"),
    ],
)
def test_known_ids_and_further_arguments_of_objects_pass(option: tuple[str, ...]) -> None:
    _refuse_unknown([*TRAIN, *option])


def test_other_programs_keep_their_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest", "--config_file", "absent.json", "--unknown", "1"])
    refuse_unknown_overrides()


@pytest.mark.parametrize("config", ["train.json", "inference.json"])
def test_the_command_ends_with_the_sentence(config: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", f"configs/{config}"]
    ended = subprocess.run(
        [*command, "--ouput_dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("Stopped: --ouput_dir overrides nothing"), ended.stderr
    assert "output_dir" in ended.stderr
