import pytest

from bundle.networks.blocks import group_norm


@pytest.mark.parametrize(
    ("channels", "groups"), [(4, 1), (8, 1), (64, 8), (224, 28), (20, 2), (28, 2), (100, 10), (127, 1)]
)
def test_groups_are_equal_and_hold_eight_channels_or_more(channels: int, groups: int) -> None:
    assert group_norm(channels).num_groups == groups
