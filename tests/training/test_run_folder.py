"""What a run leaves in its folder, and how it goes on; through the real configs."""

import csv
import hashlib
import json
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.networks.nets import ResNetFeatures
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bundle.networks.generator import Generator
from bundle.radiomics.features import FEATURE_NAMES
from bundle.training.run_folder import RunFolder
from tests.raising import raises_within_monai
from tests.report.made_evaluation import write_made_evaluation
from tests.training.conftest import ROOT, MakeWorkflow, assert_same_tensors

COLUMNS = (
    "epoch,loss_G,loss_D,loss_GAN,loss_view,loss_L1,loss_percep,loss_SSIM,loss_rad,loss_shape,loss_D_GAN,loss_D_view,"
    "val_L1,val_SSIM,val_PSNR,val_in_breast_SSIM,val_in_breast_PSNR"
)
EPOCHS = 3


def _trainer(workflow: ConfigWorkflow) -> Any:
    return workflow.parser.get_parsed_content("train#trainer")


def _handler_id(target: type) -> str:
    """The id of a handler of train.json, whatever its place in the list."""
    handlers = json.loads((ROOT / "configs" / "train.json").read_text())["train"]["handlers"]
    (position,) = [k for k, each in enumerate(handlers) if each["_target_"].endswith(f".{target.__name__}")]
    return f"train#handlers#{position}"


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def _datalist(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return json.loads((folder / "datalist.json").read_text())


def _digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _names(folder: Path) -> set[str]:
    """The files of a run; TensorBoard puts time and process into the names of its own, one per start."""
    return {re.sub(r"events\.out\.tfevents\..*", "events", name) for name in _digests(folder)}


def _stop_at(trainer: Any, *, iteration: int) -> None:
    """Press Ctrl-C behind one iteration."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=iteration), interrupt)


@pytest.fixture(scope="module")
def finished(training_workflow: MakeWorkflow, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was never stopped."""
    folder = tmp_path_factory.mktemp("finished")
    workflow = training_workflow(folder, max_epochs=EPOCHS)
    workflow.run()
    workflow.finalize()
    return folder


@pytest.fixture
def copy_of_finished(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


class TestFiles:
    def test_the_folder_holds_what_is_promised(self, finished: Path) -> None:
        panels = {f"panels/epoch_{epoch:03d}.png" for epoch in range(1, EPOCHS + 1)}
        names = {"results.csv", "model.pt", "network.json", "checkpoint.pt", "curves.png"}
        names |= {"feature_network.pt", "feature_network.json"}
        assert _names(finished) == {*names, "tensorboard/events", *panels}

    def test_results_have_one_row_per_epoch_and_the_agreed_columns(self, finished: Path) -> None:
        lines = (finished / "results.csv").read_text().splitlines()
        assert lines[0] == COLUMNS
        assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]
        for row in _rows(finished):
            assert np.isfinite([float(value) for value in row.values()]).all()

    def test_panels_show_three_views_a_row(self, finished: Path) -> None:
        with Image.open(finished / "panels" / "epoch_003.png") as picture:
            rows, columns = picture.height, picture.width
        assert rows > 4 * 3 * 128, "four cases, each magnified three times"
        assert columns > 3 * 3 * 96

    def test_model_is_the_best_epochs_average_as_a_bare_state_dict(
        self, training_workflow: MakeWorkflow, tmp_path: Path
    ) -> None:
        workflow = training_workflow(tmp_path, max_epochs=EPOCHS, **{f"{_handler_id(RunFolder)}#choose_from": 0.0})
        averages = []
        trainer = _trainer(workflow)
        trainer.add_event_handler(
            Events.EPOCH_COMPLETED,
            lambda: averages.append({k: v.clone() for k, v in trainer.average.module.state_dict().items()}),
        )
        workflow.run()
        best = int(np.argmax([float(row["val_in_breast_PSNR"]) for row in _rows(tmp_path)]))
        state = torch.load(tmp_path / "model.pt", weights_only=True)
        assert_same_tensors(dict(state), averages[best])
        different = [
            name for name, value in trainer.generator.state_dict().items() if not torch.equal(value, state[name])
        ]
        assert different, "the average, not the generator itself"
        Generator(channels=[8, 16, 16], condition=128).load_state_dict(state, strict=True)

    def test_the_best_epoch_is_one_that_can_be_chosen(self) -> None:
        run = RunFolder.__new__(RunFolder)
        run.key_metric, run.first_candidate = "val_SSIM", 3
        scores = [0.9, 0.8, 0.5, 0.7, 0.6]
        best = []
        for count in range(len(scores) + 1):
            run.rows = [{"val_SSIM": score} for score in scores[:count]]
            best.append(run.best_epoch)
        assert best == [0, 1, 2, 3, 4, 4]

    def test_network_json_makes_inference_fit_the_weights(self, finished: Path) -> None:
        parser = ConfigParser()
        parser.read_config([str(ROOT / "configs" / "inference.json"), str(finished / "network.json")])
        network = parser.get_parsed_content("network_def")
        network.load_state_dict(torch.load(finished / "model.pt", weights_only=True), strict=True)
        canvas = parser.get_parsed_content("canvas")
        assert (canvas.rows, canvas.columns, canvas.spacing_mm) == (128, 96, 2.0)

    def test_the_model_holds_the_standardizer_of_the_training_split(
        self, finished: Path, prepared_collection: Path
    ) -> None:
        """Defect 2: fitted on the training split alone, and saved with the weights."""
        training = {pair["pair_id"] for pair in _datalist(prepared_collection)["training"]}
        with (prepared_collection / "radiomics.csv").open(newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["scale"] == "fine"]
        # A view with several lesions has their mean, weighted by area.
        views: dict[tuple[str, str], list[tuple[float, list[float]]]] = {}
        for row in rows:
            if row["pair_id"] in training:
                vector = [float(row[name]) for name in FEATURE_NAMES]
                views.setdefault((row["pair_id"], row["view"]), []).append((float(row["area_mm2"]), vector))
        assert len(views) < len({(row["pair_id"], row["view"]) for row in rows}), "other splits have lesions too"
        vectors = [np.average([v for _, v in found], axis=0, weights=[a for a, _ in found]) for found in views.values()]
        state = torch.load(finished / "model.pt", weights_only=True)
        (center,) = (value for name, value in state.items() if name.endswith("standardizer.center"))
        np.testing.assert_allclose(center.numpy(), np.median(vectors, axis=0), rtol=1e-4)


class TestMeans:
    @pytest.fixture(scope="class")
    def spied(
        self, training_workflow: MakeWorkflow, tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[Path, list[tuple[int, dict[str, float]]], list[tuple[torch.Tensor, torch.Tensor]]]:
        """A run of one epoch whose mini-batches are not equally large, and all that passed through it."""
        folder = tmp_path_factory.mktemp("spied")
        workflow = training_workflow(
            folder,
            max_epochs=1,
            **{"batch_size": 3, "train#dataloader#drop_last": False, "validate#dataloader#batch_size": 3},
        )
        losses: list[tuple[int, dict[str, float]]] = []
        views: list[tuple[torch.Tensor, torch.Tensor]] = []
        trainer, evaluator = _trainer(workflow), workflow.parser.get_parsed_content("validate#evaluator")
        trainer.add_event_handler(
            Events.ITERATION_COMPLETED,
            lambda: losses.append((len(trainer.state.batch["image"]), dict(trainer.state.output[0]["losses"]))),
        )
        evaluator.add_event_handler(
            Events.ITERATION_COMPLETED,
            lambda: views.extend((item["pred"].clone(), item["label"].clone()) for item in evaluator.state.output),
        )
        workflow.run()
        return folder, losses, views

    def test_losses_are_means_over_the_images_of_the_epoch(self, spied: Any) -> None:
        """Defect 9: neither the last mini-batch's losses, nor means of batch means."""
        folder, losses, _ = spied
        (row,) = _rows(folder)
        images = [count for count, _ in losses]
        assert len(set(images)) > 1, "batches of one size would not tell the two means apart"
        for name in (name for name in row if name.startswith("loss_")):
            values = [each[name] for _, each in losses]
            mean = sum(count * value for count, value in zip(images, values, strict=True)) / sum(images)
            assert float(row[name]) == pytest.approx(mean, abs=1e-6), name
        assert float(row["loss_G"]) != pytest.approx(losses[-1][1]["loss_G"], abs=1e-4)

    def test_metrics_are_means_over_the_validation_images(self, spied: Any) -> None:
        """Defect 9, against scikit-image."""
        folder, _, views = spied
        assert len(views) % 3, "the last batch is smaller"
        (row,) = _rows(folder)
        pairs = [(pred[0].double().numpy(), label[0].double().numpy()) for pred, label in views]
        expected = {
            "val_L1": [np.abs(pred - label).mean() for pred, label in pairs],
            "val_PSNR": [peak_signal_noise_ratio(label, pred, data_range=1) for pred, label in pairs],
            "val_SSIM": [structural_similarity(label, pred, data_range=1) for pred, label in pairs],
        }
        for name, values in expected.items():
            assert float(row[name]) == pytest.approx(np.mean(values), abs=2e-6), name


class TestRepeatAndResume:
    def test_the_same_seed_gives_the_same_results(
        self, finished: Path, training_workflow: MakeWorkflow, tmp_path: Path
    ) -> None:
        training_workflow(tmp_path, max_epochs=EPOCHS).run()
        for name in ("results.csv", "model.pt"):
            assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()

    def test_another_seed_gives_others(self, finished: Path, training_workflow: MakeWorkflow, tmp_path: Path) -> None:
        training_workflow(tmp_path, max_epochs=1, seed=1).run()
        assert _rows(tmp_path)[0] != _rows(finished)[0]

    def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
        self, finished: Path, training_workflow: MakeWorkflow, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        workflow = training_workflow(tmp_path, max_epochs=EPOCHS)
        length = len(workflow.parser.get_parsed_content("train#dataloader"))
        assert length > 1, "in the middle of an epoch"
        _stop_at(_trainer(workflow), iteration=length + 1)
        with pytest.raises(KeyboardInterrupt):
            workflow.run()
        assert len(_rows(tmp_path)) == 1
        before = _digests(tmp_path)

        again = training_workflow(tmp_path, max_epochs=EPOCHS)
        with caplog.at_level(logging.INFO, logger="bundle"):
            again.run()
        assert "Going on behind epoch 1" in caplog.text
        assert (tmp_path / "results.csv").read_bytes() == (finished / "results.csv").read_bytes()
        for name in ("model.pt", "checkpoint.pt"):
            one, other = (torch.load(folder / name, weights_only=True) for folder in (tmp_path, finished))
            assert_same_tensors(dict(one), dict(other))
        after = _digests(tmp_path)
        for name in ("feature_network.pt", "feature_network.json", "network.json", "panels/epoch_001.png"):
            assert after[name] == before[name], name
        assert after["curves.png"] == _digests(finished)["curves.png"]
        assert _names(tmp_path) == _names(finished)

    def test_a_run_that_is_interrupted_in_its_first_epoch_begins_again(
        self, finished: Path, training_workflow: MakeWorkflow, tmp_path: Path
    ) -> None:
        workflow = training_workflow(tmp_path, max_epochs=EPOCHS)
        _stop_at(_trainer(workflow), iteration=1)
        with pytest.raises(KeyboardInterrupt):
            workflow.run()
        assert not {"results.csv", "model.pt", "checkpoint.pt"} & set(_digests(tmp_path))
        training_workflow(tmp_path, max_epochs=EPOCHS).run()
        assert (tmp_path / "results.csv").read_bytes() == (finished / "results.csv").read_bytes()

    def test_a_finished_run_says_so_and_changes_nothing(
        self, copy_of_finished: Path, training_workflow: MakeWorkflow, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = _digests(copy_of_finished)
        workflow = training_workflow(copy_of_finished, max_epochs=EPOCHS)
        iterations: list[int] = []
        trainer = _trainer(workflow)
        trainer.add_event_handler(Events.ITERATION_STARTED, lambda: iterations.append(trainer.state.iteration))
        with caplog.at_level(logging.INFO, logger="bundle"):
            workflow.run()
        assert re.search(r"is finished \(3 epochs, the best one \d\)\. --resume false starts anew", caplog.text)
        assert iterations == []
        assert _digests(copy_of_finished) == before

    def test_a_finished_run_goes_on_where_more_epochs_are_asked_for(
        self, copy_of_finished: Path, training_workflow: MakeWorkflow
    ) -> None:
        earlier = (copy_of_finished / "results.csv").read_text()
        evaluation = write_made_evaluation(copy_of_finished / "evaluation", pairs=1)
        evaluated = _digests(evaluation)
        training_workflow(copy_of_finished, max_epochs=EPOCHS + 1).run()
        assert (copy_of_finished / "results.csv").read_text().startswith(earlier)
        assert [row["epoch"] for row in _rows(copy_of_finished)] == ["1", "2", "3", "4"]
        assert _digests(evaluation) == evaluated

    def test_the_word_false_starts_anew(
        self, finished: Path, copy_of_finished: Path, training_workflow: MakeWorkflow
    ) -> None:
        workflow = training_workflow(
            copy_of_finished, max_epochs=1, resume="false", **{"network_def#channels": [8, 8], "seed": 4}
        )
        workflow.run()
        assert len(_rows(copy_of_finished)) == 1
        assert [path.name for path in (copy_of_finished / "panels").iterdir()] == ["epoch_001.png"]
        assert json.loads((copy_of_finished / "network.json").read_text())["network_def"]["channels"] == [8, 8]
        features = (
            json.loads((folder / "feature_network.json").read_text()) for folder in (copy_of_finished, finished)
        )
        assert [each["seed"] for each in features] == [4, 0]

    def test_a_new_start_that_is_interrupted_leaves_nothing_of_the_old_run(
        self, copy_of_finished: Path, training_workflow: MakeWorkflow
    ) -> None:
        workflow = training_workflow(copy_of_finished, max_epochs=EPOCHS, resume=False)
        _stop_at(_trainer(workflow), iteration=1)
        with pytest.raises(KeyboardInterrupt):
            workflow.run()
        assert not {"results.csv", "model.pt", "checkpoint.pt"} & set(_digests(copy_of_finished))


class TestRefusals:
    @pytest.mark.parametrize(
        ("overrides", "sentence"),
        [
            ({"network_def#channels": [8, 16, 24]}, r"other settings \(network_def#channels\)"),
            ({"canvas#rows": 160}, r"other settings \(canvas#rows\)"),
            ({"discriminator_def#channels": [8, 8, 8, 16]}, "holds another discriminator than the configuration"),
            ({"learning_rate": 1e-3}, r"\(learning_rate of the generator, learning_rate of the discriminator\)"),
            ({"train#handlers#2#since": 0.25}, r"\(decay of the generator, decay of the discriminator\)"),
            ({"generator_objective#weights#L1": 3.5}, r"other settings \(generator_objective#weights\)"),
            ({"discriminator_objective#weights#view": 0.5}, r"other settings \(discriminator_objective#weights\)"),
            ({"train#handlers#0#until": 0.9}, r"other settings \(ramps of the generator_objective\)"),
            ({"batch_size": 2}, r"other settings \(batch_size\)"),
            ({"train#trainer#accumulation_steps": 2}, r"other settings \(accumulation_steps\)"),
            ({"average#decay": 0.9}, r"other settings \(average#decay\)"),
            ({"discriminator_def#windows": [3, 7]}, r"other settings \(discriminator_def#windows\)"),
            ({"train#preprocessing#transforms#2#prob": 0.5}, r"other settings \(prob of RandDropConditiond\)"),
            ({"train#preprocessing#transforms#3#gamma": 1.2}, r"other settings \(gamma of RandPairAugmentationd\)"),
            ({"train#handlers#6#choose_from": 0.5}, r"other settings \(choose_from\)"),
        ],
    )
    def test_another_network_or_training_in_the_same_folder(
        self,
        copy_of_finished: Path,
        training_workflow: MakeWorkflow,
        overrides: dict[str, Any],
        sentence: str,
    ) -> None:
        before = _digests(copy_of_finished)
        workflow = training_workflow(copy_of_finished, max_epochs=EPOCHS + 1, **overrides)
        with raises_within_monai(rf"checkpoint\.pt .*{sentence}.*--resume false"):
            workflow.run()
        assert _digests(copy_of_finished) == before

    @pytest.mark.parametrize(
        ("overrides", "sentence"),
        [
            ({"feature_training#epochs": 2}, r"trained with other settings \(epochs\)"),
            ({"seed": 1}, r"trained with other settings \(seed\)"),
            ({"feature_network_def#channels": [8, 16]}, "holds another feature network than the configuration"),
        ],
    )
    def test_another_feature_network_in_the_same_folder(
        self,
        copy_of_finished: Path,
        training_workflow: MakeWorkflow,
        overrides: dict[str, Any],
        sentence: str,
    ) -> None:
        before = _digests(copy_of_finished)
        with raises_within_monai(rf"feature_network\.pt .*{sentence}.*--resume false"):
            training_workflow(copy_of_finished, max_epochs=EPOCHS, **overrides)
        assert _digests(copy_of_finished) == before

    def test_other_pairs_in_the_same_folder(
        self, copy_of_finished: Path, training_workflow: MakeWorkflow, prepared_collection: Path, tmp_path: Path
    ) -> None:
        """A run must not go on where its test patients may have become training patients."""
        for path in prepared_collection.glob("*.*"):
            shutil.copyfile(path, tmp_path / path.name)
        (tmp_path / "images").symlink_to(prepared_collection / "images")
        datalist = _datalist(tmp_path)
        datalist["training"], datalist["test"] = datalist["test"], datalist["training"]
        (tmp_path / "datalist.json").write_text(json.dumps(datalist))
        with raises_within_monai(r"trained with other settings \(datalist_hash\)"):
            training_workflow(copy_of_finished, max_epochs=EPOCHS, dataset_dir=str(tmp_path))
        for name in ("feature_network.pt", "feature_network.json"):
            (copy_of_finished / name).unlink()
        workflow = training_workflow(copy_of_finished, max_epochs=EPOCHS, dataset_dir=str(tmp_path))
        with raises_within_monai(r"other settings \(datalist_hash\)"):
            workflow.run()

    def test_another_perceptual_network_in_the_same_folder(
        self, finished: Path, training_workflow: MakeWorkflow, tmp_path: Path
    ) -> None:
        """A made-up file of weights by configs/radimagenet.json, trained with; then not taken for the default."""
        run, weights = tmp_path / "run", tmp_path / "resnet50.pt"
        torch.manual_seed(0)
        torch.save(ResNetFeatures("resnet50", pretrained=False, spatial_dims=2, in_channels=3).state_dict(), weights)
        override = json.loads((ROOT / "configs" / "radimagenet.json").read_text())
        training_workflow(run, max_epochs=1, **override, **{"perceptual_network#weights": str(weights)}).run()
        weights.unlink()  # 100 MB, and pytest keeps what tests write
        (row,) = _rows(run)
        assert np.isfinite(float(row["loss_percep"]))
        assert row["loss_percep"] != _rows(finished)[0]["loss_percep"]
        workflow = training_workflow(run, max_epochs=2)
        with raises_within_monai(r"other settings \(perceptual_network\)"):
            workflow.run()

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut"])
    def test_a_damaged_checkpoint(
        self, copy_of_finished: Path, training_workflow: MakeWorkflow, content: bytes
    ) -> None:
        (copy_of_finished / "checkpoint.pt").write_bytes(content)
        workflow = training_workflow(copy_of_finished, max_epochs=EPOCHS + 1)
        with raises_within_monai(r"checkpoint\.pt is no file of weights, or was cut .*--resume false"):
            workflow.run()

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"discriminator_optimizer": None}, "lacks discriminator_optimizer"),
            ({"rows": None, "settings": None}, "lacks rows, settings"),
            ({"rows": []}, "is damaged"),
            ({"rows": [{"epoch": 1}]}, "is damaged"),
            ({"settings": "none"}, "is damaged"),
            ({"generator": {}}, "holds another generator"),
            ({"generator_optimizer": 3}, "holds another generator_optimizer"),
        ],
    )
    def test_a_checkpoint_that_lacks_a_part(
        self, copy_of_finished: Path, training_workflow: MakeWorkflow, changes: dict[str, Any], sentence: str
    ) -> None:
        path = copy_of_finished / "checkpoint.pt"
        checkpoint = torch.load(path, weights_only=True) | changes
        torch.save({name: part for name, part in checkpoint.items() if part is not None}, path)
        workflow = training_workflow(copy_of_finished, max_epochs=EPOCHS + 1)
        with raises_within_monai(rf"checkpoint\.pt {sentence}.*--resume false"):
            workflow.run()

    @pytest.mark.parametrize(
        ("overrides", "sentence"),
        [
            ({"resume": "flase"}, r"--resume is 'flase'; it must be true or false"),
            ({"dataset_dir": "absent"}, r"No prepared collection at absent .*--dataset_dir"),
        ],
    )
    def test_wrong_arguments_write_nothing(
        self, training_workflow: MakeWorkflow, tmp_path: Path, overrides: dict[str, Any], sentence: str
    ) -> None:
        with raises_within_monai(rf"^{sentence}"):
            training_workflow(tmp_path / "run", max_epochs=1, **overrides)
        assert not (tmp_path / "run").exists()

    def test_fewer_epochs_than_the_run_has(self, copy_of_finished: Path, training_workflow: MakeWorkflow) -> None:
        """Its best epoch was chosen by rules that follow from its length."""
        before = _digests(copy_of_finished)
        workflow = training_workflow(copy_of_finished, max_epochs=EPOCHS - 1)
        with raises_within_monai(rf"has {EPOCHS} epochs, more than --max_epochs {EPOCHS - 1}: name another"):
            workflow.run()
        assert _digests(copy_of_finished) == before

    def test_machines_without_a_common_folder(
        self, training_workflow: MakeWorkflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workflow = training_workflow(tmp_path, max_epochs=1)
        monkeypatch.setattr("bundle.training.run_folder.is_first_process", lambda: False)  # as on another machine
        with raises_within_monai("--output_dir must name one that all machines share"):
            workflow.run()

    @pytest.mark.parametrize(
        ("overrides", "sentence"),
        [
            ({"val_interval": 2}, "val_interval must be 1: every epoch is validated; got 2"),
            ({"batch_size": 500}, "fewer than one batch of 500: prepare more data or lower batch_size"),
            ({"generator_objective#weights#L1": -1.0}, "The weight of loss term 'L1' must not be negative"),
            ({"discriminator_def#windows": [4]}, r"windows must be odd numbers of 3 pixels or more; got \[4\]"),
        ],
    )
    def test_settings_out_of_their_range(
        self, training_workflow: MakeWorkflow, tmp_path: Path, overrides: dict[str, Any], sentence: str
    ) -> None:
        with raises_within_monai(sentence):
            training_workflow(tmp_path, max_epochs=1, **overrides).run()

    @pytest.mark.parametrize(
        ("wrong", "sentence"),
        [
            ({"key_metric": "val_SSIN"}, r"key_metric must be one of val_L1, .*; got val_SSIN"),
            ({"choose_from": 1.5}, r"fraction of the run in \[0, 1\] on; got 1.5"),
        ],
    )
    def test_wrong_rules_for_the_best_epoch(
        self, prepared_collection: Path, tmp_path: Path, wrong: dict[str, Any], sentence: str
    ) -> None:
        rules: dict[str, Any] = {"key_metric": "val_SSIM", "choose_from": 0.5, "patience": 1}
        with pytest.raises(ValueError, match=sentence):
            RunFolder(
                output_dir=tmp_path,
                evaluator=None,  # type: ignore[arg-type]
                canvas=None,  # type: ignore[arg-type]
                network={},
                parts={},
                dataset_dir=prepared_collection,
                seed=0,
                **rules | wrong,
            )


class TestEarlyStopping:
    def test_patience_counts_epochs_without_a_better_one(
        self, training_workflow: MakeWorkflow, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        run_folder = _handler_id(RunFolder)
        overrides = {"learning_rate": 0.0, f"{run_folder}#choose_from": 0.5, f"{run_folder}#patience": 2}
        training_workflow(tmp_path, max_epochs=9, **overrides).run()
        scores = [row["val_in_breast_SSIM"] for row in _rows(tmp_path)]
        assert len(scores) == 7, "the fifth is the first of the second half, and the best; two more were waited for"
        assert len(set(scores)) == 1, "without learning no epoch is better"

        workflow = training_workflow(tmp_path, max_epochs=9, **overrides)
        with caplog.at_level(logging.INFO, logger="bundle"):
            workflow.run()
        assert "is finished (7 epochs, the best one 5)" in caplog.text
        assert len(_rows(tmp_path)) == 7
