import pytest
import torch

from bundle.networks.generator import OUTLINE_SHARPNESS, Generator, composed, full_range, noise_place


def _inputs(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(batch, 2, 32, 32, generator=generator)
    radiomics = torch.randn(batch, 102, generator=generator)
    return image, radiomics, torch.tensor([0, 1, 0])[:batch]


def _small() -> Generator:
    """A generator whose FiLM layers do something (they start as the identity)."""
    torch.manual_seed(0)
    network = Generator(channels=(8, 16, 16), blocks=1, condition=16).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "film" in name:
                parameter.normal_(std=0.3)
    return network


def test_default_size_and_range() -> None:
    network = Generator()
    assert sum(parameter.numel() for parameter in network.parameters()) <= 8_000_000
    image = torch.rand(1, 2, 64, 32)
    output = network(image)
    assert output.shape == (1, 1, 64, 32)
    assert output.min() >= 0
    assert output.max() <= 1


def test_one_level_is_refused() -> None:
    with pytest.raises(ValueError, match=r"two levels or more; got \[8\]"):
        Generator(channels=(8,))


def test_no_layer_draws_a_checkerboard_or_mixes_the_batch() -> None:
    kinds = {type(module).__name__ for module in Generator().modules()}
    assert not any("ConvTranspose" in kind or "BatchNorm" in kind for kind in kinds)


def test_missing_conditions_are_the_unknown_vector_and_mlo() -> None:
    network, (image, _, _) = _small(), _inputs()
    unknown = torch.full((3, 102), float("nan"))
    torch.testing.assert_close(network(image), network(image, unknown, torch.ones(3, dtype=torch.int64)))


def test_unknown_is_not_zero() -> None:
    network, (image, _, view) = _small(), _inputs()
    unknown = torch.full((3, 102), float("nan"))
    assert not torch.allclose(network(image, unknown, view), network(image, torch.zeros(3, 102), view))


def test_one_unknown_row_leaves_the_others_alone() -> None:
    network, (image, radiomics, view) = _small(), _inputs()
    some = radiomics.clone()
    some[1, 7] = float("nan")
    expected, got = network(image, radiomics, view), network(image, some, view)
    torch.testing.assert_close(got[[0, 2]], expected[[0, 2]])
    assert not torch.allclose(got[1], expected[1])
    assert torch.isfinite(got).all()


def test_both_conditions_change_the_image() -> None:
    network, (image, radiomics, view) = _small(), _inputs()
    output = network(image, radiomics, view)
    assert not torch.allclose(output, network(image, radiomics.flip(0) + 1, view))
    assert not torch.allclose(output, network(image, radiomics, 1 - view))


def test_unknown_embedding_is_learned() -> None:
    network, (image, radiomics, view) = _small(), _inputs()
    radiomics[0] = float("nan")
    network(image, radiomics, view).sum().backward()
    assert network.embedding.unknown.grad is not None
    assert network.embedding.unknown.grad.abs().sum() > 0


def test_torchscript_equals_eager() -> None:
    image, radiomics, view = _inputs()
    for network in (_small(), _noisy()):
        scripted = torch.jit.script(network)
        torch.testing.assert_close(scripted(image), network(image), atol=1e-5, rtol=0)
        torch.testing.assert_close(scripted(image, radiomics, view), network(image, radiomics, view), atol=1e-5, rtol=0)


def test_the_view_is_the_tissue_where_the_breast_is_probable() -> None:
    network, inputs = _small(), _inputs()
    parts = network(*inputs, parts=True)
    torch.testing.assert_close(composed(parts), network(*inputs))
    assert OUTLINE_SHARPNESS >= 4
    for logit, share in ((-1.0, 0.0), (0.0, 0.5), (1.0, 1.0)):  # probabilities of 0.27, 0.5, 0.73
        made = torch.stack([torch.full((1, 20, 16), 0.8), torch.full((1, 20, 16), logit)], dim=1)
        torch.testing.assert_close(composed(made), torch.full((1, 1, 20, 16), 0.8 * share))


def _noisy() -> Generator:
    """A generator with two levels that have noise in place of a skip connection."""
    torch.manual_seed(0)
    return Generator(channels=(8, 16, 16, 16, 16), condition=16).eval()


def test_the_same_film_gives_the_same_view_and_another_film_other_noise() -> None:
    network, (image, radiomics, view) = _noisy(), _inputs()
    features = torch.zeros(3, 8, 32, 32)
    noise = network._noise_beside(features, noise_place(image))
    assert noise.shape == (3, 8, 32, 32)
    torch.testing.assert_close(network._noise_beside(features[:1], noise_place(image[1:2])), noise[1:2], rtol=0, atol=0)
    assert abs(torch.corrcoef(noise.flatten(1))[0, 1:]).max() < 0.1
    marked = image.clone()
    marked[:, 1] = 1 - marked[:, 1]
    torch.testing.assert_close(network._noise_beside(features, noise_place(marked)), noise, rtol=0, atol=0)
    torch.testing.assert_close(network(image[1:2], radiomics[1:2], view[1:2]), network(image, radiomics, view)[1:2])


def test_noise_makes_the_tissue_but_not_the_outline() -> None:
    network, inputs = _noisy(), _inputs()
    before = network(*inputs, parts=True)
    network.noise.copy_(network.noise.flip(1))
    after = network(*inputs, parts=True)
    assert (before[:, 0] != after[:, 0]).float().mean() > 0.9
    torch.testing.assert_close(before[:, 1], after[:, 1], rtol=0, atol=0)


def test_the_period_is_walked_by_whole_pixels() -> None:
    network = _noisy()
    period = network.noise.shape[-1]
    image = torch.zeros(1, 2, 16, 16)
    image[0, 0, 0, 0] = 1.0  # the sum that says the place is 255
    torch.testing.assert_close(
        network._noise_beside(torch.zeros(1, 8, 4, 4), noise_place(image))[0],
        network.noise.roll((-(255 % period), -(255 // period)), (1, 2))[:, :4, :4],
    )


def test_the_background_can_be_exactly_zero_and_still_learn() -> None:
    logits = torch.tensor([-9.0, -3.5, 0.0, 9.0], requires_grad=True)
    values = full_range(logits)
    assert values.tolist() == [0.0, 0.0, 0.5, 1.0]
    values.sum().backward()
    sigmoid = torch.sigmoid(logits.detach())
    torch.testing.assert_close(logits.grad, 1.1 * sigmoid * (1 - sigmoid))
