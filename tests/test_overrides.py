"""What the command line may not ask for: unknown ids, values out of range, paths with ``#``, ids that run nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle.allowed import allowed_for
from bundle.overrides import _check, check_command

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs"


def _files(*names: str) -> str:
    return str([str(CONFIGS / name) for name in names])


TRAIN = ("run", "--config_file", str(CONFIGS / "train.json"))
TUPLE = ("run", "--config_file", f"('{CONFIGS / 'train.json'}',)")
DEMO = ("run", f"--config_file={_files('train.json', 'demo.json')}")
EVALUATE = ("run", "--config_file", _files("train.json", "evaluate.json", "demo.json"))
INFERENCE = ("run", "--config_file", str(CONFIGS / "inference.json"))


@pytest.mark.parametrize("command", [TRAIN, DEMO, TUPLE])
@pytest.mark.parametrize(
    ("option", "meant"),
    [
        (("--batchsize", "8"), "batch_size"),
        (("-batchsize", "8"), "batch_size"),
        (("--train#trainer#acumulation#steps", "1"), ""),
        (("--generator_objective#weight#GAN=1.0",), ""),
        (("--train#handler#0#end", "0.0"), "train#handlers#0#end"),
        (("--train#handlers#99#end", "0.0"), "train#handlers#"),
        (("--no_such_id", "1"), ""),
    ],
)
def test_an_unknown_id_stops_with_the_nearest_ones(
    command: tuple[str, ...], option: tuple[str, ...], meant: str
) -> None:
    name = option[0].partition("=")[0].lstrip("-")
    with pytest.raises(ValueError, match=f"--{name} overrides nothing: no such id in .*{meant}"):
        _check([*command, *option])


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
        ("--max_epochs", "$2 * 8"),
        ("--feature_training#batch_size", "@batch_size"),
        ("--tracking", "mlflow"),
        ("--resume", "false"),
        ("--dataset_dir", "/data/prepared@1 mm"),
        ("--learning_rate", "1e-3"),
        ("--betas", "[0.0,0.99]"),
    ],
)
def test_what_is_known_and_in_range_passes(option: tuple[str, ...]) -> None:
    _check([*TRAIN, *option])


@pytest.mark.parametrize(
    "files",
    [
        ("train.json",),
        ("train.json", "demo.json"),
        ("train.json", "reference.json"),
        ("train.json", "radimagenet.json"),
        ("train.json", "multi_gpu_train.json"),
        ("train.json", "evaluate.json"),
        ("train.json", "evaluate.json", "demo.json"),
        ("inference.json",),
    ],
)
def test_the_configs_themselves_pass(files: tuple[str, ...]) -> None:
    _check(["run", "--config_file", _files(*files)])


def _numbers(config: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(config, dict | list):
        for key, value in config.items() if isinstance(config, dict) else enumerate(config):
            yield from _numbers(value, f"{prefix}#{key}".removeprefix("#"))
    elif isinstance(config, bool | int | float):
        yield prefix


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIGS.glob("*.json") if path.name != "metadata.json"))
def test_every_number_and_switch_of_the_configs_has_a_range(name: str) -> None:
    numbers = list(_numbers(json.loads((CONFIGS / name).read_text())))
    assert [each for each in numbers if allowed_for(each) is None] == []


@pytest.mark.parametrize(
    ("command", "option", "sentence"),
    [
        (TRAIN, ("--max_epochs", "2.5"), "--max_epochs is 2.5; it must be a whole number of at least 1."),
        (TRAIN, ("--batch_size", "abc"), "--batch_size is 'abc'; it must be a whole number of at least 1."),
        (TRAIN, ("--batch_size", "0"), "--batch_size is 0; it must be a whole number of at least 1."),
        (TRAIN, ("--batch_size",), "--batch_size is True; it must be a whole number of at least 1."),
        (TRAIN, ("--learning_rate", "-1"), "--learning_rate is -1; it must be a number above 0."),
        (TRAIN, ("--learning_rate", "1e999"), "--learning_rate is inf; it must be a number above 0."),
        (TRAIN, ("--learning_rate=nan",), "--learning_rate is 'nan'; it must be a number above 0."),
        (TRAIN, ("--discriminator_optimizer#lr", "0"), "lr is 0; it must be a number above 0."),
        (TRAIN, ("--seed", "-1"), "--seed is -1; it must be a whole number from 0 to 4294967295."),
        (TRAIN, ("--betas", "0.5"), "--betas is 0.5; it must be a list of 2, each a number from 0 to below 1."),
        (TRAIN, ("--betas#1", "1"), r"--betas is \[0.5, 1\]; it must be a list of 2"),
        (TRAIN, ("--network_def#channels", "[32,0]"), "each a whole number of at least 1."),
        (TRAIN, ("--discriminator_def#channels", "[8,8]"), "--discriminator_def#channels .* a list of 4"),
        (TRAIN, ("--discriminator_def#windows", "[4]"), "each an odd whole number of at least 3"),
        (
            TRAIN,
            ("--generator_objective#weights#view", "-0.1"),
            "weights#view is -0.1; it must be a number of at least 0",
        ),
        (TRAIN, ("--train#handlers#0#until", "0"), "until is 0; it must be a number above 0, at most 1."),
        (TRAIN, ("--train#preprocessing#transforms#3#gamma", "0.9"), "gamma is 0.9; it must be a number of at least 1"),
        (TRAIN, ("--train#dataloader#num_workers", "-1"), "it must be a whole number of at least 0"),
        (TRAIN, ("--train#dataloader#shuffle", "false"), "is 'false'; it must be True or False, with a capital"),
        (TRAIN, ("--amp", "maybe"), "--amp is 'maybe'; it must be auto, true or false"),
        (TRAIN, ("--val_interval", "2"), "--val_interval is 2; it must be 1: every epoch is validated"),
        (TRAIN, ("--output_dir", "2024"), "--output_dir is 2024; it must be a path"),
        (DEMO, ("--canvas#spacing_mm", "0"), "--canvas#spacing_mm is 0; it must be a number above 0"),
        (EVALUATE, ("--workers", "0"), "--workers is 0; it must be a whole number of at least 1"),
        (EVALUATE, ("--validate#handlers#1#resamples", "0.5"), "resamples is 0.5; it must be a whole number"),
        (INFERENCE, ("--preparation#spacing_mm", "-1"), "--preparation#spacing_mm is -1; it must be a number above 0"),
        (INFERENCE, ("--mark", "1"), "--mark is 1; it must be true or false"),
    ],
)
def test_a_value_out_of_its_range_stops_with_a_sentence(
    command: tuple[str, ...], option: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        _check([*command, *option])


def test_a_value_out_of_range_in_a_config_file_is_caught_too(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"train#trainer#lesion_weight": 0}))
    with pytest.raises(ValueError, match="--train#trainer#lesion_weight is 0; it must be a number above 0"):
        _check(["run", "--config_file", f"['{CONFIGS / 'train.json'}','{tmp_path / 'mine.json'}']"])


def test_what_an_args_file_says_is_checked_and_the_command_line_goes_before_it(tmp_path: Path) -> None:
    path = tmp_path / "args.json"
    path.write_text(json.dumps({"config_file": str(CONFIGS / "train.json"), "batch_size": 0}))
    with pytest.raises(ValueError, match="--batch_size is 0"):
        _check(["run", "--args_file", str(path)])
    _check(["run", "--args_file", str(path), "--batch_size", "2"])


# Python Fire would take what follows the # in the last one for a comment.
@pytest.mark.parametrize("path", ["/data/a#b", "prepared#1", "a/b#c/d", "prepared#mine"])
def test_a_path_with_a_hash_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=f"--dataset_dir is '{path}'; MONAI reads a # in a setting as ::"):
        _check([*TRAIN, "--dataset_dir", path])


@pytest.mark.parametrize(
    ("command", "running"),
    [(TRAIN, "feature_training, run, training"), (EVALUATE, "feature_training, run, training"), (INFERENCE, "run")],
)
@pytest.mark.parametrize("name", ["train", "canvas", "initialize", "max_epochs", "no_such_id"])
def test_an_id_that_runs_nothing_is_refused(command: tuple[str, ...], running: str, name: str) -> None:
    sentence = f"'{name}' runs nothing; these ids do: {running}."
    with pytest.raises(ValueError, match=sentence):
        _check(["run", name, *command[1:]])
    with pytest.raises(ValueError, match=sentence):
        _check([*command, "--run_id", name])


@pytest.mark.parametrize("name", ["run", "training", "feature_training"])
def test_an_id_that_runs_something_passes(name: str) -> None:
    _check(["run", name, *TRAIN[1:]])


def test_other_programs_keep_their_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest", "--config_file", "absent.json", "--unknown", "1"])
    check_command()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--config_file", "configs/inference.json", "--ouput_dir", "x"), "Stopped: --ouput_dir overrides nothing"),
        (("train", "--config_file", "configs/train.json"), "Stopped: 'train' runs nothing; these ids do: "),
    ],
)
def test_the_command_ends_with_the_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    """Before any data: there are none at the default place, and nothing is said of that."""
    ended = subprocess.run(
        [sys.executable, "-m", "monai.bundle", "run", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith(sentence), ended.stderr
