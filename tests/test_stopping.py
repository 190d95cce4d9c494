"""Errors end the program at its edge alone: in scripts, and in ``python -m monai.bundle run``."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import joblib
import pytest
import torch
from monai.bundle import ConfigWorkflow

from bundle.stopping import TRACEBACK_VARIABLE, end_runs_with_a_sentence, ending_with_a_sentence, unwrap
from scripts import catalogue, prepare, radiomics

ROOT = Path(__file__).resolve().parents[1]
STARTS = ("train.json", "evaluate.json", "flow_train.json", "inference.json")
HOOK = {"_target_": "bundle.stopping.end_runs_with_a_sentence"}
BAD_OBJECTIVE = {"_target_": "bundle.losses.objective.DiscriminatorObjective", "weights": {"GAN": 1.0}}
OBJECTIVE_SENTENCE = "Loss weights must name exactly GAN, view; got GAN."
NO_WEIGHTS = "there are no weights at absent.pt: train first, or name the file with --weights"


def _config(*, bad_object: bool) -> dict[str, Any]:
    """A run that is stopped while an object is made, or else by a handler inside the engine."""
    loader = {"_target_": "bundle.networks.weights.WeightsLoader", "network": "@network", "path": "absent.pt"}
    return {
        "imports": ["$import torch"],
        "network": "$torch.nn.Linear(1, 1)",
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "cpu",
            "val_data_loader": [0],
            "network": "@network",
            "val_handlers": [loader],
        },
        "initialize": [HOOK, *([BAD_OBJECTIVE] if bad_object else [])],
        "run": ["$@evaluator.run()"],
    }


def test_nothing_in_the_library_ends_the_program() -> None:
    ending = {"SystemExit", "ending_with_a_sentence", "exit", "_exit"}
    for path in sorted((ROOT / "bundle").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path.name == "stopping.py":
            continue
        assert "SystemExit" not in text, path
        names = {getattr(node, "id", getattr(node, "attr", None)) for node in ast.walk(ast.parse(text))}
        assert not names & ending, path


@pytest.mark.parametrize("name", STARTS)
def test_every_run_begins_with_it(name: str) -> None:
    assert json.loads((ROOT / "configs" / name).read_text())["initialize"][0] == HOOK


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run_config(config: dict[str, Any], *launcher: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "run.json").write_text(json.dumps(config))
        command = [sys.executable, *launcher, "-m", "monai.bundle", "run", "--config_file", str(tmp_path / "run.json")]
        known = {name: value for name, value in os.environ.items() if name != TRACEBACK_VARIABLE}
        return subprocess.run(
            [*command, "--logging_file", str(ROOT / "configs" / "logging.conf")],
            cwd=tmp_path,
            env={**known, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run_config


@pytest.mark.parametrize(("bad_object", "sentence"), [(True, OBJECTIVE_SENTENCE), (False, NO_WEIGHTS)])
def test_the_bundle_command_ends_with_one_sentence(run: Any, bad_object: bool, sentence: str) -> None:
    ended = run(_config(bad_object=bad_object))
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == f"Stopped: {sentence}"
    assert "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.slow
def test_under_torchrun_each_process_says_its_sentence(run: Any) -> None:
    """Torch adds the process's number once the processes have joined."""
    config = {**_config(bad_object=True), "device": {"_target_": "bundle.training.processes.process_device"}}
    config["initialize"].insert(1, "@device")
    ended = run(config, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29583")
    assert ended.returncode == 1
    said = [line for line in ended.stderr.splitlines() if OBJECTIVE_SENTENCE in line]
    # The launcher may end the second process before it has come so far.
    assert {f"[rank{rank}]: Stopped: {OBJECTIVE_SENTENCE}" for rank in (0, 1)} >= set(said)
    assert 1 <= len(said) <= 2
    assert "objective.py" not in ended.stderr


def run_workflow(workflow: ConfigWorkflow) -> None:
    workflow.initialize()
    workflow.run()


@pytest.mark.parametrize("bad_object", [True, False])
def test_in_a_notebook_the_error_reaches_the_caller(tmp_path: Path, bad_object: bool) -> None:
    hook = sys.excepthook
    (tmp_path / "run.json").write_text(json.dumps(_config(bad_object=bad_object)))
    workflow = ConfigWorkflow(config_file=str(tmp_path / "run.json"), logging_file=False)
    with pytest.raises(RuntimeError) as raised:
        run_workflow(workflow)
    expected = (ValueError, OBJECTIVE_SENTENCE) if bad_object else (FileNotFoundError, NO_WEIGHTS)
    assert (type(unwrap(raised.value)), str(unwrap(raised.value))) == expected
    assert sys.excepthook is hook


@pytest.fixture
def as_bundle_command(monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException]]:
    """What is shown with its traceback, as the types of the errors."""
    shown: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "argv", ["/site-packages/monai/bundle/__main__.py"])
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: shown.append(kind))
    monkeypatch.delenv(TRACEBACK_VARIABLE, raising=False)
    end_runs_with_a_sentence()
    return shown


def _wrapped(error: Exception) -> RuntimeError:
    """As MONAI does it: a component that is made within an expression."""
    component, expression = RuntimeError("Failed to instantiate"), RuntimeError("Failed to evaluate")
    component.__cause__, expression.__cause__ = error, component
    return expression


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("a is 1"), "Stopped: a is 1\n"),
        (_wrapped(FileNotFoundError("no file a")), "Stopped: no file a\n"),
        (
            _wrapped(BrokenExecutor()),
            "Stopped: a worker was stopped, perhaps for memory; give the same command again\n",
        ),
    ],
)
def test_what_stops_a_run_is_one_sentence(
    as_bundle_command: list[type[BaseException]], capsys: pytest.CaptureFixture[str], error: Exception, sentence: str
) -> None:
    sys.excepthook(type(error), error, None)
    assert capsys.readouterr().err == sentence
    assert as_bundle_command == []


def test_a_variable_shows_the_traceback_too(
    as_bundle_command: list[type[BaseException]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(TRACEBACK_VARIABLE, "1")
    error = _wrapped(ValueError("a is 1"))
    sys.excepthook(RuntimeError, error, None)
    assert as_bundle_command == [RuntimeError]
    assert capsys.readouterr().err == "Stopped: a is 1\n"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("a fault"),
        _wrapped(KeyError("a")),
        torch.OutOfMemoryError("CUDA out of memory"),
        KeyboardInterrupt(),
    ],
)
def test_everything_else_is_shown_whole(
    as_bundle_command: list[type[BaseException]], capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    sys.excepthook(type(error), error, None)
    assert capsys.readouterr().err == ""
    assert as_bundle_command == [type(error)]


def test_a_worker_that_was_stopped_is_one_sentence() -> None:
    sentence = r"^count: a worker was stopped, perhaps for memory; --workers 1 needs least$"
    with pytest.raises(SystemExit, match=sentence), ending_with_a_sentence("count", again="--workers 1 needs least"):
        joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(os._exit)(9) for _ in range(2))


@pytest.mark.parametrize(
    "error", [ValueError("seed is 1.5"), FileNotFoundError("seed is 1.5"), _wrapped(ValueError("seed is 1.5"))]
)
@pytest.mark.parametrize("traceback", ["", "1"])
def test_a_script_ends_with_the_errors_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, traceback: str
) -> None:
    monkeypatch.setenv(TRACEBACK_VARIABLE, traceback)
    with pytest.raises(SystemExit, match=r"^count: seed is 1\.5$"), ending_with_a_sentence("count"):
        raise error
    assert ("Traceback" in capsys.readouterr().err) is bool(traceback)


def test_a_fault_of_a_script_is_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="a fault"), ending_with_a_sentence("count"):
        raise RuntimeError("a fault")


@pytest.mark.parametrize(
    ("module", "function", "arguments"),
    [
        (catalogue, "find_views_with_files", ["dicom", "--source", "s", "--output", "o", "--key", "k"]),
        (prepare, "prepare_collection", ["dicom", "--source", "s", "--output", "o", "--key", "k"]),
        (radiomics, "measure_stability", ["--stability", "--prepared", "p"]),
    ],
)
def test_every_command_with_workers_ends_with_the_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: Any, function: str, arguments: list[str]
) -> None:
    def lose_a_worker(*_: Any, **__: Any) -> None:
        raise BrokenExecutor

    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").mkdir()
    monkeypatch.setattr(module, function, lose_a_worker)
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit, match=r"a worker was stopped, perhaps for memory; .*the same command.*--workers 1"):
        module.main()
