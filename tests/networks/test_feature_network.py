import torch

from bundle.networks.feature_network import FeatureNetwork, _masked_moments, _shape_numbers


def test_masked_moments_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0], [3.0, 100.0]]]])
    mask = torch.tensor([[[[1.0, 1.0], [1.0, 0.0]]]])
    mean, deviation = _masked_moments(features, mask)
    torch.testing.assert_close(mean, torch.tensor([[2.0]]))
    torch.testing.assert_close(deviation, torch.tensor([[(2 / 3 + 1e-6) ** 0.5]]))


def test_shape_numbers_of_a_rectangle() -> None:
    mask = torch.zeros(1, 1, 12, 12)
    mask[..., 2:5, 3:9] = 1  # 3 rows x 6 columns
    area, major, minor, perimeter = _shape_numbers(mask)[0].expm1()
    torch.testing.assert_close(area, torch.tensor(18.0))
    torch.testing.assert_close(major, torch.tensor((36 - 1) / 12), atol=1e-3, rtol=0)  # variance of 6 positions
    torch.testing.assert_close(minor, torch.tensor((9 - 1) / 12), atol=1e-3, rtol=0)
    torch.testing.assert_close(perimeter, torch.tensor(18.0))


def test_prediction_is_of_the_region_alone_up_to_its_surroundings() -> None:
    torch.manual_seed(0)
    network = FeatureNetwork(channels=(8, 8)).eval()
    image, mask = torch.rand(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    mask[..., 8:16, 8:16] = 1
    far = image.clone()
    far[..., 48:, 48:] = 0
    one, other = network(image, mask), network(far, mask)
    # Group norm sees the whole image; nothing else reaches from there into the region.
    assert (one - other).abs().mean() < (one - network(1 - image, mask)).abs().mean()


def test_hidden_levels_halve() -> None:
    levels = FeatureNetwork(channels=(8, 16, 24)).hidden(torch.rand(2, 1, 32, 16))
    assert [tuple(level.shape) for level in levels] == [(2, 8, 32, 16), (2, 16, 16, 8), (2, 24, 8, 4)]
