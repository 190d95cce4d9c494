"""What TensorBoard and MLflow show of a run, through the real configs."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ignite.engine import Events
from monai.bundle import ConfigWorkflow
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bundle.losses.objective import DISCRIMINATOR_TERMS, GENERATOR_TERMS
from bundle.training.ramps import linear_ramp
from bundle.training.run_folder import METRIC_COLUMNS
from bundle.training.watching import PICTURE_TAG
from tests.training.conftest import ROOT, MakeWorkflow

EPOCHS = 3

LOSS_COLUMNS = (
    *("loss_G", "loss_D"),
    *(f"loss_{term}" for term in GENERATOR_TERMS),
    *(f"loss_D_{term}" for term in DISCRIMINATOR_TERMS),
)


def _results(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def _tensorboard(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"images": 0, "scalars": 0})
    events.Reload()
    return events


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = _tensorboard(folder)
    tags = events.Tags()["scalars"]
    return {tag.replace("/", "_"): [(each.step, each.value) for each in events.Scalars(tag)] for tag in tags}


def _configured_weights() -> dict[str, list[float]]:
    """The generator's loss weights in each epoch, as train.json has them."""
    config = json.loads((ROOT / "configs" / "train.json").read_text())
    weights = {term: [weight] * EPOCHS for term, weight in config["generator_objective"]["weights"].items()}
    ramps = [each for each in config["train"]["handlers"] if each["_target_"].endswith(".LossWeightRamp")]
    for ramp in ramps:
        shape = {name: ramp[name] for name in ("start", "end", "until")}
        weights[ramp["term"]] = [
            linear_ramp(current_step=epoch, max_epochs=EPOCHS, **shape) for epoch in range(1, EPOCHS + 1)
        ]
    assert any(len(set(values)) > 1 for values in weights.values()), "one of them changes"
    return weights


def _kill_in_epoch(workflow: ConfigWorkflow, epoch: int) -> None:
    """Stop without a goodbye: what a SIGKILL leaves, but for the process."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    trainer = workflow.parser.get_parsed_content("train#trainer")
    trainer.add_event_handler(Events.EPOCH_STARTED(once=epoch), interrupt)
    with pytest.raises(KeyboardInterrupt):
        workflow.run()


def _assert_complete(folder: Path) -> None:
    """Each epoch once, with the numbers of results.csv, the loss weights and the picture of the panels' folder."""
    rows, scalars = _results(folder), _scalars(folder)
    weights = [f"weight_{term}" for term in GENERATOR_TERMS] + [f"weight_D_{term}" for term in DISCRIMINATOR_TERMS]
    assert set(scalars) == {*LOSS_COLUMNS, *METRIC_COLUMNS, *weights}
    for name, points in scalars.items():
        assert [step for step, _ in points] == list(range(1, EPOCHS + 1)), name
    for name in (*LOSS_COLUMNS, *METRIC_COLUMNS):
        expected = [float(row[name]) for row in rows]
        assert [value for _, value in scalars[name]] == pytest.approx(expected, abs=1e-5), name
    for term, expected in _configured_weights().items():
        assert [value for _, value in scalars[f"weight_{term}"]] == pytest.approx(expected), term
    events = _tensorboard(folder)
    pictures = events.Images(PICTURE_TAG)
    assert [each.step for each in pictures] == list(range(1, EPOCHS + 1))
    with Image.open(folder / "panels" / f"epoch_{EPOCHS:03d}.png") as picture:
        assert (pictures[-1].height, pictures[-1].width) == (picture.height, picture.width)


def test_tensorboard_holds_the_whole_run(training_workflow: MakeWorkflow, tmp_path: Path) -> None:
    training_workflow(tmp_path, max_epochs=EPOCHS).run()
    _assert_complete(tmp_path)
    with Image.open(tmp_path / "curves.png") as picture:
        assert np.asarray(picture).std() > 0


def test_tensorboard_of_a_run_that_was_killed_twice(training_workflow: MakeWorkflow, tmp_path: Path) -> None:
    for epoch in (2, 3):
        _kill_in_epoch(training_workflow(tmp_path, max_epochs=EPOCHS), epoch)
        assert not (tmp_path / "curves.png").exists()
    # Killed between the checkpoint and TensorBoard: the last epoch is not in the event files.
    last = max((tmp_path / "tensorboard").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    last.write_bytes(b"")
    training_workflow(tmp_path, max_epochs=EPOCHS).run()
    _assert_complete(tmp_path)
    assert (tmp_path / "curves.png").is_file()


def test_a_new_start_forgets_the_old_run(training_workflow: MakeWorkflow, tmp_path: Path) -> None:
    training_workflow(tmp_path, max_epochs=2).run()
    training_workflow(tmp_path, max_epochs=1, resume=False).run()
    assert {step for points in _scalars(tmp_path).values() for step, _ in points} == {1}


@pytest.mark.slow
def test_mlflow_keeps_the_run_in_its_folder(prepared_collection: Path, tmp_path: Path) -> None:
    """``--tracking mlflow`` with MONAI's own settings: a local database and the configuration that ran."""
    mlflow = pytest.importorskip("mlflow", reason="mlflow is optional: pip install mlflow, see README.md")
    overrides = {
        "dataset_dir": prepared_collection,
        "output_dir": tmp_path / "run",
        "network_def#channels": "[8,16,16]",
        "discriminator_def#channels": "[8,8,8,8]",
        "feature_network_def#channels": "[8,8]",
        "feature_training#epochs": 1,
        "tracking": "mlflow",
    }
    arguments = [str(each) for name, value in overrides.items() for each in (f"--{name}", value)]
    environment = {**os.environ, "PYTHONPATH": ".", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "monai.bundle", "run"]
    command += ["--config_file", "['configs/train.json','configs/demo.json']", *arguments]
    for epochs in (2, EPOCHS):  # finished, and on from there
        ended = subprocess.run(
            [*command, "--max_epochs", str(epochs)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr[-3000:]
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'run' / 'mlruns.db'}")
    (experiment,) = (each for each in client.search_experiments() if each.name == "monai_experiment")
    runs = client.search_runs(experiment.experiment_id)
    assert len(runs) == 2, "MLflow calls a run that ended finished; what comes then is another one"
    rows = _results(tmp_path / "run")
    for name in (*LOSS_COLUMNS, *METRIC_COLUMNS):
        points = sorted(
            (each.step, each.value) for run in runs for each in client.get_metric_history(run.info.run_id, name)
        )
        assert [step for step, _ in points] == [1, 2, 3], name
        assert [value for _, value in points] == pytest.approx([float(row[name]) for row in rows], abs=1e-5), name
    losses = [each for run in runs for each in client.get_metric_history(run.info.run_id, "train_loss")]
    assert len(losses) >= EPOCHS, "the generator's loss of each step"
    assert len(list((tmp_path / "run").glob("config_*.json"))) == 2, "the configurations that ran"
