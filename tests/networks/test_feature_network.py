import torch

from bundle.networks.feature_network import (
    FeatureNetwork,
    _masked_moments,
    _shape_numbers,
    region_windows,
    window_side,
)


def test_windows_around_regions() -> None:
    image, mask = torch.rand(4, 1, 20, 30), torch.zeros(4, 1, 20, 30)
    mask[0, 0, 8:12, 13:18] = 1  # its middle is row 9 and column 15
    mask[1, 0, :2, 28:] = 1  # in a corner
    mask[2, 0, 5, 3:12] = 1  # nine columns in a row
    windows, masks, fits = region_windows(image, mask, side=8)
    assert fits.tolist() == [True, True, False, False], "too large, and none"
    assert windows.shape == masks.shape == (4, 1, 8, 8)
    torch.testing.assert_close(windows[0, 0], image[0, 0, 5:13, 11:19])
    torch.testing.assert_close(masks[0, 0], mask[0, 0, 5:13, 11:19])
    torch.testing.assert_close(windows[1, 0, 4:, :6], image[1, 0, :4, 24:])
    assert windows[1, 0, :4].abs().max() == windows[1, 0, :, 6:].abs().max() == 0, "beyond the edges"
    assert masks[1].sum() == 4


def test_side_of_the_window() -> None:
    assert [window_side(spacing_mm) for spacing_mm in (2.0, 1.0, 0.7)] == [24, 48, 72]


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


def test_hidden_levels_halve() -> None:
    levels = FeatureNetwork(channels=(8, 16, 24)).hidden(torch.rand(2, 1, 32, 16))
    assert [tuple(level.shape) for level in levels] == [(2, 8, 32, 16), (2, 16, 16, 8), (2, 24, 8, 4)]
