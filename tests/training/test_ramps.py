import pytest
from ignite.engine import Engine

from bundle.losses.objective import GENERATOR_TERMS, GeneratorObjective
from bundle.training.ramps import LossWeightRamp


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


@pytest.mark.parametrize("until", [0.0, -1.0, 1.5])
def test_refuses_what_is_no_fraction(until: float) -> None:
    with pytest.raises(ValueError, match="fraction of the run"):
        _weights(max_epochs=5, until=until)
