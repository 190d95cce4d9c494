"""The linear prediction that the flow generator starts from."""

import pytest
import torch

from bundle.networks.linear_prior import LinearPrior


def _pairs(number: int = 60, *, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor, int]]:
    """Sources on 8 x 8 pixels in blocks of 2, and targets that are linear in them, another way for each view."""
    draw = torch.Generator().manual_seed(seed)
    pairs = []
    for index in range(number):
        view = index % 2
        blocks = torch.rand(1, 4, 4, generator=draw)
        grey, breast = (blocks.flip(2), blocks) if view else (1 - blocks, blocks.flip(1))
        source, target = (
            torch.nn.functional.interpolate(each[None], scale_factor=2.0)[0]
            for each in (blocks, torch.cat([grey, breast]))
        )
        pairs.append((source, target, view))
    return pairs


class TestFit:
    def test_what_is_linear_is_found_for_each_view_by_itself(self) -> None:
        prior = LinearPrior(grid=(4, 4), components=16)
        prior.fit(_pairs(), penalty=1e-6)
        for source, target, view in _pairs(6, seed=1):
            predicted = prior(source[None], torch.tensor([view]))[0]
            blocks = torch.nn.functional.avg_pool2d(target, 2)
            expected = torch.nn.functional.interpolate(blocks[None], size=(8, 8), mode="bilinear")[0]
            torch.testing.assert_close(predicted, expected, atol=2e-3, rtol=0)

    def test_a_batch_is_predicted_as_its_images_alone(self) -> None:
        prior = LinearPrior(grid=(4, 4), components=5)
        prior.fit(_pairs())
        sources, views = torch.rand(3, 1, 8, 8), torch.tensor([1, 0, 1])
        together = prior(sources, views)
        for index in range(3):
            alone = prior(sources[index : index + 1], views[index : index + 1])
            torch.testing.assert_close(together[index : index + 1], alone)

    @pytest.mark.parametrize("number", [1, 2])
    def test_one_pair_gives_its_target(self, number: int) -> None:
        prior = LinearPrior(grid=(4, 4), components=5)
        pairs = [pair for pair in _pairs(number) if pair[2] == 0]
        prior.fit(pairs)
        predicted = prior(torch.rand(1, 1, 8, 8), torch.tensor([0]))[0]
        torch.testing.assert_close(
            torch.nn.functional.avg_pool2d(predicted, 2).mean(), pairs[0][1].mean(), atol=1e-5, rtol=0
        )

    def test_before_it_is_fitted_it_predicts_zero(self) -> None:
        prior = LinearPrior(grid=(4, 4), components=5)
        assert not prior(torch.rand(2, 1, 8, 8), torch.tensor([0, 1])).any()
