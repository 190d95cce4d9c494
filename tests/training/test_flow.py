"""Training of the flow generator: the batch on the path, the loss, the handlers, and the whole run by its config."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigWorkflow

from bundle.networks.flow import FlowGenerator
from bundle.training.flow import (
    ClippedGradients,
    FlowLoss,
    MovingAverage,
    PathEnd,
    PrepareBatchFlow,
    fit_linear_prior,
)
from bundle.training.run_folder import generator_average
from tests.raising import raises_within_monai
from tests.training.conftest import ROOT, SMALL_FLOW, assert_same_tensors


def _batch(size: int = 8) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    pixels = torch.rand(size, 5, 8, 8, generator=draw)
    return {
        "image": pixels[:, :2],
        "label": pixels[:, 2:3],
        "label_mask": (pixels[:, 3:4] > 0.5).float(),
        "label_breast": (pixels[:, 4:5] > 0.5).float(),
        "radiomics": torch.zeros(size, 102),
        "label_radiomics": torch.zeros(size, 102),
        "target_view": torch.zeros(size, dtype=torch.int64),
    }


class TestBatch:
    def test_states_lie_on_the_path_and_a_share_at_its_beginning(self) -> None:
        prepare = PrepareBatchFlow(mean_share=0.25, time_mean=0.0, time_deviation=1.0)
        batch = _batch()
        image, end, (_, _, state, time), _ = prepare(batch, torch.device("cpu"))
        assert torch.equal(image, batch["image"])
        assert (time == 0).sum() == 2
        assert torch.equal(end.time, time)
        assert torch.equal(end.state[:, :1], 2 * batch["label"] - 1)
        assert set(end.state[:, 1:].unique().tolist()) == {-1.0, 1.0}
        t = time[:, None, None, None]
        noise = (state - t * end.state) / (1 - t)
        assert noise.mean().item() == pytest.approx(0, abs=0.1)
        assert noise.std().item() == pytest.approx(1, abs=0.1)

    def test_times_follow_the_logit_normal_law(self) -> None:
        torch.manual_seed(0)
        prepare = PrepareBatchFlow(mean_share=0.0, time_mean=-0.6, time_deviation=0.9)
        _, end, _, _ = prepare(_batch(4000), torch.device("cpu"))
        logits = end.time.logit()
        assert logits.mean().item() == pytest.approx(-0.6, abs=0.05)
        assert logits.std().item() == pytest.approx(0.9, abs=0.05)

    def test_nothing_of_the_target_is_in_the_state_at_the_beginning(self) -> None:
        prepare = PrepareBatchFlow(mean_share=1.0, time_mean=0.0, time_deviation=1.0)
        states = []
        for label in (0.0, 1.0):
            torch.manual_seed(3)
            batch = _batch() | {"label": torch.full((8, 1, 8, 8), label)}
            states.append(prepare(batch, torch.device("cpu"))[2][2])
        assert torch.equal(*states)

    @pytest.mark.parametrize("settings", [{"mean_share": 1.5}, {"time_deviation": -1.0}])
    def test_settings_out_of_range_are_refused(self, settings: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=next(iter(settings))):
            PrepareBatchFlow(**{"mean_share": 0.2, "time_mean": 0.0, "time_deviation": 1.0, **settings})


class TestLoss:
    def test_it_is_the_weighted_error_of_the_velocity(self) -> None:
        end = PathEnd(state=torch.zeros(2, 3, 4, 4), time=torch.tensor([0.0, 0.5]))
        prediction = torch.tensor([1.0, 2.0, 3.0])[None, :, None, None].expand(2, 3, 4, 4)
        loss = FlowLoss(view=1.0, lesion=2.0, breast=0.5)(prediction, end)
        of_image = 1 * 1 + 2 * 4 + 0.5 * 9
        assert loss.item() == pytest.approx((of_image + of_image / 0.25) / 2)

    def test_late_times_weigh_at_most_a_hundredfold(self) -> None:
        end = PathEnd(state=torch.zeros(1, 3, 4, 4), time=torch.tensor([0.999]))
        assert FlowLoss()(torch.ones(1, 3, 4, 4), end).item() == pytest.approx(300, rel=1e-4)


class TestHandlers:
    @staticmethod
    def _engine(loss: float = 1.0) -> Any:
        state = SimpleNamespace(output={"loss": torch.tensor(loss)}, iteration=3, epoch=2, epoch_length=5)
        return SimpleNamespace(state=state)

    def test_gradients_are_clipped(self) -> None:
        network = torch.nn.Linear(2, 1, bias=False)
        network.weight.grad = torch.tensor([[3.0, 4.0]])
        ClippedGradients(network=network, norm=1.0)(self._engine())
        torch.testing.assert_close(network.weight.grad, torch.tensor([[0.6, 0.8]]))

    def test_a_run_that_broke_down_is_ended(self) -> None:
        network = torch.nn.Linear(2, 1, bias=False)
        network.weight.grad = torch.tensor([[3.0, float("nan")]])
        with pytest.raises(ValueError, match=r"epoch 2, step 3: no finite number in loss, gradient"):
            ClippedGradients(network=network, norm=1.0)(self._engine(float("nan")))

    def test_the_average_follows(self) -> None:
        network = torch.nn.Linear(1, 1)
        average = generator_average(network=network, decay=0.9)
        handler = MovingAverage(average=average, network=network)
        torch.nn.init.constant_(network.weight, 1.0)
        handler(self._engine())  # the first one is copied
        torch.nn.init.constant_(network.weight, 2.0)
        handler(self._engine())
        assert average.module.weight.item() == pytest.approx(1.1)


def test_the_prior_is_fitted_on_view_and_breast() -> None:
    network = FlowGenerator(grid=(2, 2), channels=(8, 32), condition=8, prior_components=2)
    items = [{name: value[k] for name, value in _batch().items()} for k in range(8)]
    fit_linear_prior(network=network, training=items)
    expected = torch.stack([torch.cat([item["label"], item["label_breast"]]) for item in items]).mean(0)
    blocks = torch.nn.functional.avg_pool2d(expected, 4).flatten()
    torch.testing.assert_close(network.prior.mean_target[0], blocks)


def _workflow(dataset_dir: Path, output_dir: Path, **overrides: Any) -> ConfigWorkflow:
    workflow = ConfigWorkflow(
        config_file=str(ROOT / "configs" / "flow_train.json"),
        workflow_type="training",
        bundle_root=str(ROOT),
        dataset_dir=str(dataset_dir),
        output_dir=str(output_dir),
        **{**SMALL_FLOW, "batch_size": 2, **overrides},
    )
    workflow.initialize()
    return workflow


class TestRun:
    def test_a_stopped_run_goes_on_as_if_it_had_not_been(self, prepared_collection: Path, tmp_path: Path) -> None:
        _workflow(prepared_collection, tmp_path / "whole", max_epochs=2).run()
        names = {path.name for path in (tmp_path / "whole").iterdir()}
        assert names >= {"results.csv", "model.pt", "network.json", "checkpoint.pt", "curves.png", "panels"}
        with (tmp_path / "whole" / "results.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert list(rows[0])[:2] == ["epoch", "loss"]

        halves = _workflow(prepared_collection, tmp_path / "halves", max_epochs=2)
        trainer = halves.parser.get_parsed_content("train#trainer")
        trainer.add_event_handler(Events.EPOCH_STARTED(once=2), _interrupt)
        with pytest.raises(KeyboardInterrupt):
            halves.run()
        _workflow(prepared_collection, tmp_path / "halves", max_epochs=2).run()
        first, second = (torch.load(tmp_path / name / "model.pt", weights_only=True) for name in ("whole", "halves"))
        assert_same_tensors(first, second)

    def test_network_json_makes_the_generator_of_the_weights(self, prepared_collection: Path, tmp_path: Path) -> None:
        workflow = _workflow(prepared_collection, tmp_path, max_epochs=1)
        workflow.run()
        definition = json.loads((tmp_path / "network.json").read_text())["network_def"]
        assert definition.pop("_target_") == "bundle.networks.flow.FlowGenerator"
        assert [definition.pop(name) for name in ("steps", "realism", "sample")] == ["@steps", "@realism", "@sample"]
        FlowGenerator(**definition).load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))


class TestPretrained:
    def test_a_run_starts_from_the_weights_of_another_one(self, prepared_collection: Path, tmp_path: Path) -> None:
        _workflow(prepared_collection, tmp_path / "first", max_epochs=1).run()
        weights = torch.load(tmp_path / "first" / "model.pt", weights_only=True)
        weights["standardizer.center"] += 1.0
        torch.save(weights, tmp_path / "pretrained.pt")
        second = _workflow(prepared_collection, tmp_path / "second", pretrained=str(tmp_path / "pretrained.pt"))
        assert_same_tensors(dict(second.parser.get_parsed_content("network").state_dict()), dict(weights))

    def test_another_canvas_is_refused(self, prepared_collection: Path, tmp_path: Path) -> None:
        other = FlowGenerator(grid=(16, 12), channels=(8, 32), condition=16, prior_components=4)
        torch.save(other.state_dict(), tmp_path / "other.pt")
        with raises_within_monai("canvas of 192 patches of 4 x 4 pixels, the configuration has 768"):
            _workflow(prepared_collection, tmp_path / "run", pretrained=str(tmp_path / "other.pt"))


def _interrupt() -> None:
    raise KeyboardInterrupt
