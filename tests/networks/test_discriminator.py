import torch

from bundle.networks.discriminator import Discriminator


def _inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "target": torch.rand(2, 1, 32, 32),
        "image": torch.rand(2, 2, 32, 32),
        "radiomics": torch.randn(2, 102),
        "target_view": torch.tensor([0, 1]),
    }


def test_shapes() -> None:
    patches, views = Discriminator(channels=(8, 16, 16, 16))(**_inputs())
    assert patches.shape == (2, 1, 4, 4)
    assert views.shape == (2, 2)


def test_view_head_sees_the_target_alone() -> None:
    network, inputs = Discriminator(channels=(8, 16, 16, 16)), _inputs()
    _, views = network(**inputs)
    for name, other in (
        ("image", torch.rand(2, 2, 32, 32)),
        ("radiomics", torch.randn(2, 102)),
        ("target_view", torch.tensor([1, 0])),
    ):
        torch.testing.assert_close(network(**inputs | {name: other})[1], views)
    assert not torch.allclose(network(**inputs | {"target": torch.rand(2, 1, 32, 32)})[1], views)


def test_patches_depend_on_every_input() -> None:
    network, inputs = Discriminator(channels=(8, 16, 16, 16)), _inputs()
    patches, _ = network(**inputs)
    for name, other in (
        ("target", torch.rand(2, 1, 32, 32)),
        ("image", torch.rand(2, 2, 32, 32)),
        ("radiomics", torch.randn(2, 102)),
        ("target_view", torch.tensor([1, 0])),
    ):
        assert not torch.allclose(network(**inputs | {name: other})[0], patches)
