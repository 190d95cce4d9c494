import pytest
import torch

from bundle.networks.discriminator import Discriminator, detail, interior


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


@pytest.mark.parametrize("windows", [(), (3, 4), (1,)])
def test_impossible_windows(windows: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="odd numbers of 3 pixels or more; got"):
        Discriminator(windows=windows)


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


@pytest.mark.parametrize("window", [3, 5, 9])
def test_detail_of_a_point_by_hand(window: int) -> None:
    view = torch.full((1, 1, 13, 13), 0.25)
    view[0, 0, 6, 6] += 0.9
    beyond_mean = torch.zeros(13, 13)
    margin = window // 2
    beyond_mean[6 - margin : 7 + margin, 6 - margin : 7 + margin] = -0.9 / window**2
    beyond_mean[6, 6] += 0.9
    torch.testing.assert_close(detail(view, window=window)[0, 0], 24 / window * beyond_mean)


@pytest.mark.parametrize("rim", [4, 6])
def test_the_interior_lies_behind_the_rim_but_reaches_to_the_chest_wall(rim: int) -> None:
    view = torch.zeros(1, 1, 40, 30)
    view[..., 5:35, :24] = 0.5  # the mean over 5 x 5 pixels carries it two pixels further
    expected = torch.zeros(1, 1, 40, 30)
    expected[..., 3 + rim : 37 - rim, : 26 - rim] = 1
    found = interior(view, rim=rim)
    torch.testing.assert_close(found[..., :15], expected[..., :15])
    torch.testing.assert_close(found[..., 15:25, :], expected[..., 15:25, :])
    assert (found <= expected).all()  # the corners are rounded
    assert not interior(torch.zeros(1, 1, 40, 30), rim=rim).any()
    assert interior(torch.ones(1, 1, 40, 30), rim=rim).all()


@pytest.mark.parametrize("windows", [(3, 5), (3, 5, 9)])
def test_what_lies_beyond_the_skin_is_not_judged_and_the_tissue_is(windows: tuple[int, ...]) -> None:
    network, inputs = Discriminator(channels=(8, 16, 16, 16), windows=windows), _inputs()
    target = torch.zeros(2, 1, 32, 32)
    target[..., 4:28, :24] = 0.5 + 0.1 * torch.rand(2, 1, 24, 24)
    patches, views = network(**inputs | {"target": target})
    faded, other_tissue = target.clone(), target.clone()
    faded[..., 3, :12] = 0.04
    other_tissue[..., 15, 10] += 0.1
    for seen, expected in zip(network(**inputs | {"target": faded}), (patches, views), strict=True):
        torch.testing.assert_close(seen, expected, atol=1e-6, rtol=1e-6)
    assert not torch.allclose(network(**inputs | {"target": other_tissue})[0], patches)
