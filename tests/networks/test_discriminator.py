import pytest
import torch

from bundle.networks.discriminator import Discriminator, detail


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


def test_coarse_structure_is_not_judged() -> None:
    """An even change of the whole target, the frame's edge included, is none."""
    network, inputs = Discriminator(channels=(8, 16, 16, 16)), _inputs()
    brighter = network(**inputs | {"target": inputs["target"] + 0.2})
    for seen, expected in zip(brighter, network(**inputs), strict=True):
        torch.testing.assert_close(seen, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("window", [3, 5])
def test_detail_of_a_point_by_hand(window: int) -> None:
    view = torch.full((1, 1, 9, 9), 0.25)
    view[0, 0, 4, 4] += 0.9
    beyond_mean = torch.zeros(9, 9)
    margin = window // 2
    beyond_mean[4 - margin : 5 + margin, 4 - margin : 5 + margin] = -0.9 / window**2
    beyond_mean[4, 4] += 0.9
    torch.testing.assert_close(detail(view, window=window)[0, 0], 24 / window * beyond_mean)
