"""What one step changes, and that accumulation is the large batch."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from bundle.losses.objective import DiscriminatorObjective, GeneratorObjective
from bundle.networks.discriminator import Discriminator
from bundle.networks.feature_network import FeatureNetwork
from bundle.networks.generator import Generator
from bundle.training.batch import PairedBatch
from bundle.training.run_folder import generator_average
from bundle.training.trainer import ViewSynthesisTrainer

_WEIGHTS = {"GAN": 0.5, "view": 0.3, "L1": 5.0, "percep": 1.0, "SSIM": 0.5, "rad": 0.7, "shape": 0.6}


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _items(count: int) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(1)
    items = []
    for index in range(count):
        mask = torch.zeros(1, 32, 32)
        mask[:, 4:9, 3:8] = 1
        breast = torch.zeros(1, 32, 32)
        breast[:, 2:28, :26] = 1
        items.append(
            {
                "image": torch.cat([torch.rand(1, 32, 32, generator=generator), mask]),
                "label": breast * torch.rand(1, 32, 32, generator=generator),
                "label_mask": mask,
                "label_breast": breast,
                "radiomics": torch.randn(102, generator=generator),
                "label_radiomics": torch.randn(102, generator=generator),
                "target_view": index % 2,
            }
        )
    return items


def _trainer(
    items: list[dict[str, Any]],
    *,
    batch_size: int,
    accumulation_steps: int,
    optimizer: Any = torch.optim.SGD,
    **kwargs: Any,
) -> ViewSynthesisTrainer:
    torch.manual_seed(0)
    generator = Generator(channels=(8, 16), condition=16)
    discriminator = Discriminator(channels=(8, 32, 32, 16))
    feature_network = FeatureNetwork(channels=(8, 8))
    return ViewSynthesisTrainer(
        device="cpu",
        max_epochs=1,
        train_data_loader=DataLoader(items, batch_size=batch_size),  # type: ignore[arg-type]
        generator=generator,
        discriminator=discriminator,
        feature_network=feature_network,
        perceptual_network=kwargs.pop("perceptual_network", feature_network),
        average=generator_average(network=generator, decay=0.9),
        generator_optimizer=optimizer(generator.parameters(), lr=0.1),
        discriminator_optimizer=optimizer(discriminator.parameters(), lr=0.1),
        generator_objective=GeneratorObjective(kwargs.pop("weights", _WEIGHTS)),
        discriminator_objective=DiscriminatorObjective({"GAN": 1.0, "view": 1.0}),
        spacing_mm=2.0,
        accumulation_steps=accumulation_steps,
        input_noise=0.0,
        gradient_norm=kwargs.pop("gradient_norm", 1e9),
        **kwargs,
    )


def _gradients(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


def test_each_network_steps_by_its_own_loss_alone() -> None:
    items = _items(2)
    trainer = _trainer(items, batch_size=2, accumulation_steps=1)
    generator, discriminator = copy.deepcopy(trainer.generator), copy.deepcopy(trainer.discriminator)
    features = copy.deepcopy(trainer.feature_network.state_dict())
    trainer.run()

    # The same gradients by hand, one loss at a time, on copies.
    by_hand = _trainer(items, batch_size=2, accumulation_steps=1)
    by_hand.generator.load_state_dict(generator.state_dict())
    by_hand.discriminator.load_state_dict(discriminator.state_dict())
    batch = PairedBatch.from_dictionary(next(iter(DataLoader(items, batch_size=2))), device=torch.device("cpu"))  # type: ignore[arg-type]
    parts = by_hand.generator(batch.image, batch.radiomics, batch.target_view, parts=True)
    pred, breast = parts[:, :1] * batch.label_breast, parts[:, 1:]
    by_hand.discriminator_objective.total(by_hand.discriminator_losses(batch, pred.detach())).backward()
    assert all(parameter.grad is None for parameter in by_hand.generator.parameters())
    expected_d = _gradients(by_hand.discriminator)
    by_hand.generator_objective.total(by_hand.generator_losses(batch, pred, breast)).backward()
    expected_g = _gradients(by_hand.generator)

    for network, before, expected in (
        (trainer.generator, generator, expected_g),
        (trainer.discriminator, discriminator, expected_d),
    ):
        old = dict(before.named_parameters())
        assert expected
        for name, parameter in network.named_parameters():
            step = 0.1 * expected[name] if name in expected else torch.zeros_like(parameter)
            torch.testing.assert_close(parameter.detach(), old[name].detach() - step)
    for name, value in trainer.feature_network.state_dict().items():
        torch.testing.assert_close(value, features[name])
    assert all(parameter.grad is None for parameter in trainer.feature_network.parameters())


def test_radiomic_loss_is_of_the_window_around_the_lesion() -> None:
    """As the feature network was trained and judged; a lesion that is larger than the window, or none, counts zero."""
    items = _items(3)
    items[1]["label_mask"] = torch.ones(1, 32, 32)
    items[2]["label_mask"] = torch.zeros(1, 32, 32)
    trainer = _trainer(items, batch_size=3, accumulation_steps=1)
    batch = PairedBatch.from_dictionary(next(iter(DataLoader(items, batch_size=3))), device=torch.device("cpu"))  # type: ignore[arg-type]
    pred = torch.rand(3, 1, 32, 32).requires_grad_()
    loss = trainer.generator_losses(batch, pred, torch.zeros(3, 1, 32, 32))["rad"]
    # 24 pixels around rows 4 to 8 and columns 3 to 7.
    window, mask = (nn.functional.pad(each[:1], (7, 0, 6, 0))[..., :24, :24] for each in (pred, batch.label_mask))
    network = trainer.feature_network
    expected = (network(window, mask) - network.standardizer(batch.label_radiomics[:1])).abs().mean()
    torch.testing.assert_close(loss, expected / 3)
    (gradient,) = torch.autograd.grad(loss, pred)
    assert gradient[0, :, :18, :17].abs().max() > 0
    assert gradient[0, :, 18:].abs().max() == gradient[0, :, :, 17:].abs().max() == gradient[1:].abs().max() == 0


def test_accumulation_gives_the_gradient_of_the_large_batch() -> None:
    """Defect 5: gradients must not be zeroed at each mini-batch."""
    items = _items(16)
    small = _trainer(items, batch_size=4, accumulation_steps=4)
    large = _trainer(items, batch_size=16, accumulation_steps=1)
    before = copy.deepcopy(small.generator.state_dict())
    small.run()
    large.run()
    for one, other in ((small.generator, large.generator), (small.discriminator, large.discriminator)):
        for (name, got), (_, expected) in zip(_gradients(one).items(), _gradients(other).items(), strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-12, msg=name)
    assert any(not torch.equal(before[name], value) for name, value in small.generator.state_dict().items())


def test_a_last_window_that_is_not_full_still_steps() -> None:
    trainer = _trainer(_items(6), batch_size=2, accumulation_steps=2)
    steps = []
    trainer.generator_optimizer.register_step_post_hook(lambda *_: steps.append(trainer.state.iteration))
    trainer.run()
    assert steps == [2, 3]


def test_gradients_are_clipped() -> None:
    trainer = _trainer(_items(2), batch_size=2, accumulation_steps=1, gradient_norm=1e-3)
    trainer.run()
    for network in (trainer.generator, trainer.discriminator):
        norm = torch.stack([gradient.norm() for gradient in _gradients(network).values()]).norm()
        torch.testing.assert_close(norm, torch.tensor(1e-3), rtol=1e-2, atol=0)


def test_average_follows_the_generator() -> None:
    trainer = _trainer(_items(2), batch_size=2, accumulation_steps=1)
    trainer.run()  # the first update copies
    first = copy.deepcopy(trainer.generator.state_dict())
    trainer.state.epoch = trainer.state.iteration = 0
    trainer.run()
    name = "stem.weight"
    expected = 0.9 * first[name] + 0.1 * trainer.generator.state_dict()[name]
    torch.testing.assert_close(trainer.average.module.state_dict()[name], expected)


def test_view_head_learns_from_real_views_only() -> None:
    """Defect 4: were synthetic views shown to it under their wished label, L_view would say nothing."""
    trainer = _trainer(_items(2), batch_size=2, accumulation_steps=1)
    batch = PairedBatch.from_dictionary(next(iter(DataLoader(_items(2), batch_size=2))), device=torch.device("cpu"))  # type: ignore[arg-type]
    losses = [trainer.discriminator_losses(batch, torch.full_like(batch.label, value))["view"] for value in (0.0, 1.0)]
    torch.testing.assert_close(losses[0], losses[1])


def test_target_never_reaches_the_generator() -> None:
    """Defect 1: whatever belongs to the target changes no synthetic pixel."""
    trainer = _trainer(_items(4), batch_size=4, accumulation_steps=1)
    with torch.no_grad():  # an untrained generator hardly heeds its conditions
        for parameter in trainer.generator.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))

    def pred(**other: tuple[int, ...]) -> torch.Tensor:
        items = _items(4)
        for item in items:
            item.update({name: torch.rand(shape) for name, shape in other.items()})
        batch = next(iter(DataLoader(items, batch_size=4)))  # type: ignore[arg-type]
        return torch.stack([item["pred"] for item in trainer._iteration(trainer, batch)])

    trainer.state.epoch_length, trainer.state.iteration = 10, 1
    trainer.accumulation_steps = 10  # no optimizer step in between
    one = pred()
    of_target = dict.fromkeys(("label", "label_mask", "label_breast"), (1, 32, 32)) | {"label_radiomics": (102,)}
    torch.testing.assert_close(pred(**of_target), one)
    assert not torch.allclose(pred(radiomics=(102,)), one), "the source's vector does reach it"


def test_tissue_is_judged_behind_the_real_outline_and_the_outline_by_its_own_loss() -> None:
    batch = PairedBatch.from_dictionary(next(iter(DataLoader(_items(2), batch_size=2))), device=torch.device("cpu"))  # type: ignore[arg-type]
    for term, reached, head, other in (
        ("L1", 0, "tissue_head", "outline_head"),
        ("shape", 1, "outline_head", "tissue_head"),
    ):
        trainer = _trainer(
            _items(2), batch_size=2, accumulation_steps=1, weights=dict.fromkeys(_WEIGHTS, 0.0) | {term: 1.0}
        )
        before = copy.deepcopy(trainer.generator)
        trainer.run()
        gradients = _gradients(trainer.generator)
        assert gradients[f"{head}.2.weight"].abs().max() > 0
        assert gradients[f"{other}.2.weight"].abs().max() == 0
        # By the place: what L_L1 says of a place outside the real breast is nothing.
        parts = before(batch.image, batch.radiomics, batch.target_view, parts=True).detach().requires_grad_()
        losses = trainer.generator_losses(batch, parts[:, :1] * batch.label_breast, parts[:, 1:])
        (gradient,) = torch.autograd.grad(losses[term], parts)
        outside = gradient[:, reached][batch.label_breast[:, 0] == 0]
        assert bool((outside != 0).any()) == (term == "shape")


def test_one_pair_can_be_overfitted() -> None:
    torch.set_default_dtype(torch.float32)
    items = [{k: v.float() if isinstance(v, torch.Tensor) else v for k, v in item.items()} for item in _items(1)]
    rows = torch.linspace(0, 1, 32)
    items[0]["label"] = (rows[:, None] * rows.flip(0)[None, :])[None] * items[0]["label_breast"]
    weights = dict.fromkeys(_WEIGHTS, 0.0) | {"L1": 1.0, "shape": 1.0}
    trainer = _trainer(
        items,
        batch_size=1,
        accumulation_steps=1,
        weights=weights,
        optimizer=lambda parameters, lr: torch.optim.Adam(parameters, lr=3e-3),
    )
    trainer.state.max_epochs = 250
    trainer.run()
    mse = (trainer.state.output[0]["pred"] - items[0]["label"]).square().mean()  # type: ignore[call-overload, index]
    assert -10 * torch.log10(mse) > 30


def test_mixed_precision_steps_with_finite_losses() -> None:
    torch.set_default_dtype(torch.float32)
    items = [{k: v.float() if isinstance(v, torch.Tensor) else v for k, v in item.items()} for item in _items(2)]
    trainer = _trainer(items, batch_size=2, accumulation_steps=1)
    trainer.amp = True
    before = copy.deepcopy(trainer.generator.state_dict())
    trainer.run()
    output = trainer.state.output[0]  # type: ignore[index]
    assert all(np.isfinite(value) for value in output["losses"].values())  # type: ignore[call-overload, index]
    assert output["pred"].dtype == torch.float32  # type: ignore[call-overload, index]
    assert any(not torch.equal(before[name], value) for name, value in trainer.generator.state_dict().items())


def test_activation_checkpointing_changes_no_gradient_and_no_export() -> None:
    plain, checkpointing = (
        _trainer(_items(2), batch_size=2, accumulation_steps=1, activation_checkpointing=each)
        for each in (False, "true")
    )
    evaluations: list[str] = []
    for name, trainer in (("plain", plain), ("checkpointing", checkpointing)):
        block = trainer.generator.encoder[0][0]  # type: ignore[index, union-attr]
        block.conv1.register_forward_hook(lambda *_, name=name: evaluations.append(name))  # type: ignore[union-attr]
        trainer.run()
    assert evaluations == ["plain", "checkpointing", "checkpointing"], "the second one in the backward pass"
    for network in ("generator", "discriminator"):
        one, other = (_gradients(getattr(trainer, network)) for trainer in (plain, checkpointing))
        assert one.keys() == other.keys()
        assert all(torch.equal(gradient, other[name]) for name, gradient in one.items())
    state = checkpointing.average.module.state_dict()
    assert state.keys() == plain.average.module.state_dict().keys()
    image = torch.rand(1, 2, 32, 32)
    average = checkpointing.average.module.eval()
    torch.testing.assert_close(torch.jit.script(average)(image), average(image), atol=1e-5, rtol=0)


def test_a_compiled_generator_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced and differentiated by torch.compile; without the generated code, which takes minutes to build."""
    compiled: list[str] = []

    def without_code(module: torch.nn.Module) -> None:
        compiled.append(type(module).__name__)
        original(module, backend="aot_eager")

    original = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", without_code)
    trainers = [_trainer(_items(4), batch_size=2, accumulation_steps=1, compile=each) for each in (False, "true")]
    for trainer in trainers:
        trainer.run()
    assert compiled == ["Generator"]
    one, other = (trainer.average.module.state_dict() for trainer in trainers)
    assert one.keys() == other.keys(), "checkpoints and exports know nothing of it"
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=1e-6, atol=1e-9)


def test_a_compiler_that_loses_gradients_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_the_bottleneck(module: torch.nn.Module) -> None:
        block = module.bottleneck[0]  # type: ignore[index]
        forward = block.forward

        def without_gradient(features: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
            result = forward(features, condition)
            return result.detach() + 0 * result

        block.forward = without_gradient

    monkeypatch.setattr(torch.nn.Module, "compile", lose_the_bottleneck)
    trainer = _trainer(_items(2), batch_size=2, accumulation_steps=1, compile=True)
    before = copy.deepcopy(trainer.generator.state_dict())
    with pytest.raises(ValueError, match=r"torch\.compile is wrong here: .*--train#trainer#compile"):
        trainer.run()
    assert all(torch.equal(before[name], value) for name, value in trainer.generator.state_dict().items())


def test_another_perceptual_network_serves_its_loss_alone() -> None:
    class Doubled(FeatureNetwork):
        def hidden(self, image: torch.Tensor) -> list[torch.Tensor]:
            return [2 * image]

    batch = PairedBatch.from_dictionary(next(iter(DataLoader(_items(2), batch_size=2))), device=torch.device("cpu"))  # type: ignore[arg-type]
    own = _trainer(_items(2), batch_size=2, accumulation_steps=1)
    other = _trainer(_items(2), batch_size=2, accumulation_steps=1, perceptual_network=Doubled(channels=(8,)))
    pred, breast = torch.rand_like(batch.label), torch.randn_like(batch.label)
    one, two = own.generator_losses(batch, pred, breast), other.generator_losses(batch, pred, breast)
    torch.testing.assert_close(two["percep"], 2 * (pred - batch.label).abs().mean())
    assert not torch.allclose(one["percep"], two["percep"])
    for name in set(one) - {"percep"}:
        torch.testing.assert_close(one[name], two[name])
    assert not any(parameter.requires_grad for parameter in other.perceptual_network.parameters())


@pytest.mark.parametrize("name", ["amp", "compile", "activation_checkpointing"])
def test_a_switch_that_is_neither_true_nor_false(name: str) -> None:
    with pytest.raises(ValueError, match=f"--{name} is 'flase'; it must be (auto, )?true or false"):
        _trainer(_items(2), batch_size=2, accumulation_steps=1, **{name: "flase"})


def test_too_few_pairs_for_a_batch() -> None:
    with pytest.raises(ValueError, match="fewer than one batch of 4"):
        ViewSynthesisTrainer(
            device="cpu",
            max_epochs=1,
            train_data_loader=DataLoader(_items(2), batch_size=4, drop_last=True),  # type: ignore[arg-type]
            **dict.fromkeys(
                (
                    *("generator", "discriminator", "feature_network", "perceptual_network", "average"),
                    *("generator_optimizer", "discriminator_optimizer"),
                    *("generator_objective", "discriminator_objective", "spacing_mm"),
                )
            ),  # type: ignore[arg-type]
        )
