import math

import pytest
import torch
from ignite.engine import Engine, Events
from monai.bundle import ConfigParser

from bundle.losses.objective import GENERATOR_TERMS, GeneratorObjective
from bundle.training.ramps import LearningRateDecay, LossWeightRamp
from tests.training.conftest import ROOT


def _weights(*, max_epochs: int, until: float) -> list[float]:
    objective = GeneratorObjective(dict.fromkeys(GENERATOR_TERMS, 0.0))
    ramp = LossWeightRamp(objective=objective, term="L1", start=5.0, end=1.0, until=until, max_epochs=max_epochs)
    seen: list[float] = []
    engine = Engine(lambda *_: seen.append(objective.weights["L1"]))
    ramp.attach(engine)
    engine.run([0], max_epochs=max_epochs)
    return seen


def test_reaches_its_values_at_fractions_of_the_run() -> None:
    assert _weights(max_epochs=5, until=0.5) == [5.0, 3.0, 1.0, 1.0, 1.0]
    assert _weights(max_epochs=5, until=1.0) == [5.0, 4.0, 3.0, 2.0, 1.0]
    assert _weights(max_epochs=1, until=1.0) == [5.0]


@pytest.mark.parametrize("files", [("train.json",), ("train.json", "demo.json"), ("train.json", "reference.json")])
def test_each_configured_ramp_reaches_its_values(files: tuple[str, ...]) -> None:
    parser = ConfigParser()
    parser.read_config([str(ROOT / "configs" / name) for name in files])
    handlers = enumerate(parser.get("train#handlers"))
    places = [place for place, handler in handlers if handler["_target_"].endswith(".LossWeightRamp")]
    assert places
    run_folder = next(each for each in parser.get("train#handlers") if each["_target_"].endswith(".RunFolder"))
    max_epochs, engine = parser.get("max_epochs"), Engine(lambda *_: None)
    seen: dict[int, list[float]] = {place: [] for place in places}
    for place in places:
        objective = parser.get_parsed_content(parser.get(f"train#handlers#{place}#objective").removeprefix("@"))
        parser.get_parsed_content(f"train#handlers#{place}").attach(engine)
        term = parser.get(f"train#handlers#{place}#term")
        engine.add_event_handler(
            Events.EPOCH_COMPLETED,
            lambda _, place=place, objective=objective, term=term: seen[place].append(objective.weights[term]),
        )
    engine.run([0], max_epochs=max_epochs)
    for place, weights in seen.items():
        ramp = parser.get(f"train#handlers#{place}")
        assert ramp["until"] <= run_folder["choose_from"], "epochs of other weights do not compare"
        reached = math.ceil(ramp["until"] * (max_epochs - 1))  # epochs behind the first one
        assert weights[0] == ramp["start"]
        assert weights[reached:] == pytest.approx([ramp["end"]] * (max_epochs - reached))
        assert weights[reached // 2] == pytest.approx(
            ramp["start"] + (ramp["end"] - ramp["start"]) * (reached // 2) / (ramp["until"] * (max_epochs - 1))
        )


@pytest.mark.parametrize("until", [0.0, -1.0, 1.5])
def test_refuses_what_is_no_fraction(until: float) -> None:
    with pytest.raises(ValueError, match="fraction of the run"):
        _weights(max_epochs=5, until=until)


def _rates(*, since: float, max_epochs: int, second: float = 0.8) -> list[list[float]]:
    optimizers = [torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=rate) for rate in (0.8, second)]
    seen: list[list[float]] = []
    engine = Engine(lambda *_: seen.append([each.param_groups[0]["lr"] for each in optimizers]))
    LearningRateDecay(optimizers=optimizers, since=since, max_epochs=max_epochs).attach(engine)
    engine.run([0], max_epochs=max_epochs)
    return seen


def test_the_learning_rate_of_both_optimizers_falls_and_is_never_zero() -> None:
    assert _rates(since=0.5, max_epochs=4) == [pytest.approx([rate] * 2) for rate in (0.8, 0.8, 0.8, 0.4)]
    assert _rates(since=0.0, max_epochs=4) == [pytest.approx([rate] * 2) for rate in (0.8, 0.6, 0.4, 0.2)]
    assert _rates(since=0.9, max_epochs=1) == [pytest.approx([0.8] * 2)]


def test_each_optimizer_falls_from_its_own_rate() -> None:
    expected = [[0.8, 0.2], [0.4, 0.1]]
    assert _rates(since=0.0, max_epochs=2, second=0.2) == [pytest.approx(rates) for rates in expected]


@pytest.mark.parametrize("since", [-0.1, 1.0])
def test_refuses_a_decay_that_begins_outside_the_run(since: float) -> None:
    with pytest.raises(ValueError, match="fraction of the run"):
        _rates(since=since, max_epochs=4)
