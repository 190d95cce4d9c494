import torch

from bundle.networks.discriminator import DETAIL_GAIN, Discriminator, with_detail


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


def test_detail_of_a_point_by_hand_and_none_of_an_even_view() -> None:
    image = torch.full((1, 2, 5, 5), 0.25)
    assert (with_detail(image)[:, 2] == 0).all(), "the edge of the frame is no detail"
    image[0, 0, 2, 2] += 0.9
    seen = with_detail(image)
    assert torch.equal(seen[:, :2], image)
    expected = torch.zeros(5, 5)
    expected[1:4, 1:4] = -0.1
    expected[2, 2] = 0.8
    torch.testing.assert_close(seen[0, 2], DETAIL_GAIN * expected)
