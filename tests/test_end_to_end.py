"""The README's commands, each in a process of its own, on a few breasts and with a small network."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image

from tests.report.browser import needs_chromium, opened, started

ROOT = Path(__file__).resolve().parents[1]
TRAIN = "['configs/train.json','configs/demo.json']"
SMALL = (
    *("--network_def#channels", "[8,16,16]", "--discriminator_def#channels", "[8,8,8,8]"),
    *("--feature_network_def#channels", "[8,8]", "--feature_training#epochs", "1", "--max_epochs", "1"),
)
BASELINES = ["source_copied", "mean_target", "nearest_source", "linear_regression"]
METHODS = ["model", *BASELINES, "target_blurred", "target", "model_last_epoch"]
FIDELITY = ["in_breast_ssim", "in_breast_psnr_db", "in_breast_ms_ssim", "ssim", "psnr_db", "l1"]

Command = Callable[..., subprocess.CompletedProcess[str]]


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    # One thread: on busy cores the threads of several processes would wait for each other.
    environment = {**os.environ, "PYTHONPATH": ".", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _succeed(*arguments: object) -> str:
    ended = _run(*arguments)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "Traceback" not in ended.stderr
    return ended.stdout


@dataclass(frozen=True)
class Job:
    """The main job's folders, and what each command said."""

    folder: Path
    said: dict[str, str]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("job")
    dicom, prepared, train = folder / "dicom", folder / "prepared", folder / "train"
    bundle_run = ("monai.bundle", "run", "--config_file")
    network = f"'{train / 'network.json'}'"
    film = folder / "unseen" / "P_00001" / "L_CC.dcm"
    inference = (
        *bundle_run,
        f"['configs/inference.json',{network}]",
        "--weights",
        train / "model.pt",
        "--source",
        film,
    )
    commands: dict[str, tuple[object, ...]] = {
        "phantom": (*("scripts.phantom", "--layout", "cbis_ddsm", "--breasts", 10, "--seed", 0, "--output", dicom),),
        "prepare": ("scripts.prepare", "cbis_ddsm", "--source", dicom, "--output", prepared),
        "train": (*bundle_run, TRAIN, "--dataset_dir", prepared, "--output_dir", train, *SMALL),
        "evaluate": (
            *bundle_run,
            f"['configs/train.json','configs/evaluate.json','configs/demo.json',{network}]",
            *("--dataset_dir", prepared, "--output_dir", train),
        ),
        "unseen": (
            *("scripts.phantom", "--layout", "clinical", "--breasts", 1, "--seed", 1003),
            *("--output", folder / "unseen"),
        ),
        "inference": (*inference, "--mask", film.with_name("L_CC_mask.png"), "--output_dir", folder / "with_mask"),
        "inference without mask": (*inference, "--output_dir", folder / "without_mask"),
    }
    return Job(folder=folder, said={name: _succeed(*command) for name, command in commands.items()})


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_all_breasts_are_prepared(job: Job) -> None:
    assert "Wrote 20 films of 10 breasts" in job.said["phantom"]
    assert "views: 20 found, 20 prepared" in job.said["prepare"]
    pairs = _rows(job.folder / "prepared" / "pairs.csv")
    assert len(pairs) == 10
    assert {row["split"] for row in pairs} == {"training", "validation", "test"}
    patients = {split: {row["patient_id"] for row in pairs if row["split"] == split} for split in ("training", "test")}
    assert not patients["training"] & patients["test"], "Defect 12"


def test_training_leaves_a_model(job: Job) -> None:
    train = job.folder / "train"
    (row,) = _rows(train / "results.csv")
    assert row["epoch"] == "1"
    state = torch.load(train / "model.pt", weights_only=True)
    assert all(torch.isfinite(value).all() for value in state.values() if value.is_floating_point())
    assert json.loads((train / "network.json").read_text())["network_def"]["channels"] == [8, 16, 16]
    assert (train / "panels" / "epoch_001.png").is_file()


def test_evaluation_has_the_agreed_form(job: Job) -> None:
    folder = job.folder / "train" / "evaluation"
    summary = json.loads((folder / "summary.json").read_text())
    keys = {"protocol", "measures", "kinds", "methods", "margins", "family"}
    assert keys | {"trade_off", "lesion_concordance", "distribution", "conditioning"} <= set(summary)
    assert list(summary["methods"]) == METHODS
    test_pairs = [row for row in _rows(job.folder / "prepared" / "pairs.csv") if row["split"] == "test"]
    for directions in summary["methods"].values():
        assert set(directions) == {"cc_to_mlo", "mlo_to_cc"}
        for measures in directions.values():
            assert set(FIDELITY) <= set(measures) <= set(summary["measures"])
            assert all(set(cell) == {"mean", "low", "high", "n"} for cell in measures.values())
            assert {measures[name]["n"] for name in FIDELITY} == {len(test_pairs)}
    rows = _rows(folder / "metrics.csv")
    assert list(rows[0]) == ["patient_id", "pair_id", "direction", "method", *summary["measures"]]
    assert len(rows) == len(test_pairs) * 2 * len(METHODS)
    assert {row["pair_id"] for row in rows} == {row["pair_id"] for row in test_pairs}
    means = {}
    for method in METHODS:
        scores = [float(r["in_breast_ssim"]) for r in rows if (r["method"], r["direction"]) == (method, "cc_to_mlo")]
        means[method] = np.mean(scores)
        reported = summary["methods"][method]["cc_to_mlo"]["in_breast_ssim"]["mean"]
        assert reported == pytest.approx(means[method], abs=2e-6)
    assert len(set(means.values())) == len(METHODS) - 1
    assert means["model"] == means["model_last_epoch"]  # of a single epoch


def test_evaluation_names_its_files_and_they_exist(job: Job) -> None:
    named = [Path(line.strip()) for line in job.said["evaluate"].splitlines() if line.startswith("  /")]
    assert {path.name for path in named} >= {"summary.json", "metrics.csv", "best_case.png", "report.html", "report.md"}
    assert all(path.is_file() for path in named)
    assert any(baseline in job.said["evaluate"] for baseline in BASELINES)


@needs_chromium
def test_the_report_works_in_a_browser(job: Job) -> None:
    assert "report.html" in job.said["evaluate"]
    with started() as browser, opened(browser, job.folder / "train" / "evaluation" / "report.html") as page:
        cases = page.locator(".case")
        rows = [row for row in _rows(job.folder / "train" / "evaluation" / "metrics.csv") if row["method"] == "model"]
        assert cases.count() == min(12, len(rows))
        slider = page.locator(".compare input").first
        slider.focus()
        page.keyboard.press("ArrowRight")
        assert slider.input_value() == "52"
        page.keyboard.press("w")
        worst = min(rows, key=lambda row: float(row["in_breast_ssim"]))
        assert page.locator(".case h3").first.inner_text().startswith(worst["pair_id"])
        assert page.locator("#trade-off svg").count() == 2
        assert page.locator("#training svg").count() > 10


@pytest.mark.parametrize("name", ["with_mask", "without_mask"])
def test_inference_writes_a_synthetic_mlo(job: Job, name: str) -> None:
    folder = job.folder / name
    assert {path.suffix for path in folder.iterdir()} == {".dcm", ".png"}
    (path,) = folder.glob("*.dcm")
    written = pydicom.dcmread(path)
    source = pydicom.dcmread(job.folder / "unseen" / "P_00001" / "L_CC.dcm")
    assert written.SyntheticData == "YES"
    assert (written.Modality, written.PresentationIntentType) == ("MG", "FOR PRESENTATION")
    assert (written.ViewPosition, written.ImageLaterality) == ("MLO", "L")
    assert written.ImageType[0] == "DERIVED"
    assert written.PatientID == source.PatientID
    assert written.SOPInstanceUID != source.SOPInstanceUID
    assert written.pixel_array.shape == (128, 96)
    assert written.pixel_array.std() > 0
    (panel,) = folder.glob("*.png")
    with Image.open(panel) as picture:
        assert picture.width > picture.height / 2


def test_the_mask_changes_the_synthetic_view(job: Job) -> None:
    one, other = (
        pydicom.dcmread(next((job.folder / name).glob("*.dcm"))).pixel_array for name in ("with_mask", "without_mask")
    )
    assert not np.array_equal(one, other)


def test_the_training_id_trains_too(job: Job) -> None:
    """``run training`` gives, with the same seed, the same results as ``run``."""
    output = job.folder / "train_by_id"
    _succeed(
        *("monai.bundle", "run", "training", "--config_file", TRAIN),
        *("--dataset_dir", job.folder / "prepared", "--output_dir", output, *SMALL),
    )
    assert (output / "results.csv").read_bytes() == (job.folder / "train" / "results.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--dataset_dir", "absent"], "Stopped: No prepared collection at absent (preparation.json is missing)"),
        (["--dataset_dir", "PREPARED", "--resume", "flase"], "Stopped: --resume is 'flase'; it must be true or false"),
    ],
)
def test_wrong_arguments_of_training_end_with_one_sentence(
    job: Job, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    given = [str(job.folder / "prepared") if each == "PREPARED" else each for each in arguments]
    ended = _run("monai.bundle", "run", "--config_file", TRAIN, *given, "--output_dir", tmp_path / "train")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(sentence)
    assert "Traceback" not in ended.stderr + ended.stdout
    assert not (tmp_path / "train").exists()
