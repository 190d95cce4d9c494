"""Each term by hand, and as a mean over the whole batch: two halves average to the whole."""

from collections.abc import Callable

import pytest
import torch

from bundle.losses.adversarial import discriminator_adversarial_loss, generator_adversarial_loss
from bundle.losses.objective import GENERATOR_TERMS, DiscriminatorObjective, GeneratorObjective
from bundle.losses.perceptual import perceptual_loss
from bundle.losses.radiomics import radiomic_loss
from bundle.losses.reconstruction import reconstruction_loss
from bundle.losses.shape import shape_loss
from bundle.losses.structural import structural_loss
from bundle.losses.view import view_loss


def test_adversarial_by_hand() -> None:
    real, synthetic = torch.tensor([[[[1.0, 0.9]]]]), torch.tensor([[[[0.1, 0.6]]]])
    torch.testing.assert_close(discriminator_adversarial_loss(real, synthetic), torch.tensor((0.01 / 2 + 0.25 / 2) / 2))
    torch.testing.assert_close(generator_adversarial_loss(synthetic), torch.tensor((0.64 + 0.09) / 2))


def test_view_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    expected = (torch.tensor(2.0).log() + (1 + torch.tensor(-2.0).exp()).log()) / 2
    torch.testing.assert_close(view_loss(logits, torch.tensor([1, 0])), expected)


def test_radiomic_by_hand_and_zero_without_a_lesion() -> None:
    pred = torch.tensor([[1.0, 3.0], [5.0, 5.0]], requires_grad=True)
    label = torch.tensor([[0.0, 1.0], [float("nan"), 1.0]])
    loss = radiomic_loss(pred, label)
    torch.testing.assert_close(loss, torch.tensor((1.0 + 2.0) / 2 / 2))
    loss.backward()
    torch.testing.assert_close(pred.grad, torch.tensor([[0.25, 0.25], [0.0, 0.0]]))


def test_radiomic_without_any_lesion_is_zero_with_a_gradient() -> None:
    pred = torch.ones(2, 3, requires_grad=True)
    loss = radiomic_loss(pred, torch.full((2, 3), float("nan")))
    loss.backward()
    assert loss == 0
    assert (pred.grad == 0).all()


def test_perceptual_by_hand() -> None:
    pred, label = [torch.zeros(1, 1, 2, 2), torch.ones(1, 2, 1, 1)], [torch.ones(1, 1, 2, 2), torch.ones(1, 2, 1, 1)]
    torch.testing.assert_close(perceptual_loss(pred, label), torch.tensor(0.5))


def test_reconstruction_by_hand() -> None:
    pred, label = torch.tensor([[[[0.1, 0.9, 0.2]]]]), torch.tensor([[[[0.0, 0.3, 0.2]]]])
    loss = reconstruction_loss(pred, label, torch.zeros_like(label), lesion_weight=8.0)
    torch.testing.assert_close(loss, torch.tensor((0.1**2 / 0.4 + 0.6 - 0.1) / 3))


def test_a_lesion_counts_as_often_as_asked() -> None:
    """The other pixels count as before, and the divisor does not depend on how large the lesions are."""
    pred, label = torch.tensor([[[[0.1, 0.9, 0.2]]]]), torch.tensor([[[[0.0, 0.3, 0.2]]]])
    lesion = torch.tensor([[[[1.0, 0.0, 0.0]]]])
    weighted = reconstruction_loss(pred, label, lesion, lesion_weight=8.0)
    torch.testing.assert_close(weighted, torch.tensor((8 * 0.1**2 / 0.4 + 0.6 - 0.1) / 3))


def test_structural_knows_the_data_range() -> None:
    """Defect 5: with images in [0, 1] and a data range of 1, SSIM of a constant shift is the luminance term."""
    pred, label = (
        torch.full((1, 1, 16, 16), 0.5, dtype=torch.float64),
        torch.full((1, 1, 16, 16), 0.7, dtype=torch.float64),
    )
    luminance = (2 * 0.5 * 0.7 + 0.01**2) / (0.5**2 + 0.7**2 + 0.01**2)
    torch.testing.assert_close(structural_loss(pred, label), torch.tensor(1 - luminance, dtype=torch.float64))


def test_shape_by_hand() -> None:
    logit, breast = torch.tensor([[[[0.0, 2.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    expected = (torch.tensor(2.0).log() + (1 + torch.tensor(2.0).exp()).log()) / 2
    torch.testing.assert_close(shape_loss(logit, breast), expected)


def _images(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (
        torch.rand(count, 1, 16, 16, generator=generator, dtype=torch.float64),
        torch.rand(count, 1, 16, 16, generator=generator, dtype=torch.float64),
    )


_TERMS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "reconstruction": lambda pred, label: reconstruction_loss(pred, label, (label > 0.8).to(label), lesion_weight=8.0),
    "structural": structural_loss,
    "shape": lambda pred, label: shape_loss(pred, (label > 0.5).to(label)),
    "perceptual": lambda pred, label: perceptual_loss([pred], [label]),
    "radiomics": lambda pred, label: radiomic_loss(pred.flatten(1), label.flatten(1)),
    "generator": lambda pred, _: generator_adversarial_loss(pred),
    "discriminator": discriminator_adversarial_loss,
    "view": lambda pred, _: view_loss(pred[:, 0, 0, :2], torch.zeros(len(pred), dtype=torch.int64)),
}


@pytest.mark.parametrize("name", _TERMS)
def test_mean_over_the_whole_batch(name: str) -> None:
    pred, label = _images(4)
    label[0] = float("nan") if name == "radiomics" else label[0]
    halves = (_TERMS[name](pred[:2], label[:2]) + _TERMS[name](pred[2:], label[2:])) / 2
    torch.testing.assert_close(_TERMS[name](pred, label), halves)


@pytest.mark.parametrize("name", _TERMS)
def test_gradient(name: str) -> None:
    pred, label = _images(1)
    pred = pred[..., :12, :12].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda image: _TERMS[name](image, label[..., :12, :12]), (pred,))


def test_objective_is_the_weighted_sum() -> None:
    weights = {term: float(index) for index, term in enumerate(GENERATOR_TERMS)}
    losses = {term: torch.tensor(2.0) for term in GENERATOR_TERMS}
    assert GeneratorObjective(weights).total(losses) == 2 * sum(range(len(GENERATOR_TERMS)))


def test_objective_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="exactly GAN, view"):
        DiscriminatorObjective({"GAN": 1.0})
    objective = DiscriminatorObjective({"GAN": 1.0, "view": 1.0})
    with pytest.raises(ValueError, match="Unknown loss term 'rad'"):
        objective.set_weight("rad", 1.0)
    with pytest.raises(ValueError, match="must not be negative"):
        objective.set_weight("GAN", -1.0)
