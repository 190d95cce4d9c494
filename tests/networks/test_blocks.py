"""Attention over the frame and along its columns."""

import pytest
import torch

from bundle.networks.blocks import Attention


def _attention(*, along_columns: bool) -> tuple[Attention, torch.Tensor]:
    """An attention that does something (it starts as the identity), and features."""
    torch.manual_seed(0)
    block = Attention(channels=8, along_columns=along_columns, heads=2)
    torch.nn.init.normal_(block.project.weight)
    block.norm = torch.nn.Identity()  # its statistics are of the whole frame
    return block, torch.randn(2, 8, 5, 3)


@pytest.mark.parametrize("along_columns", [True, False])
def test_starts_as_the_identity(along_columns: bool) -> None:
    features = torch.randn(2, 8, 5, 3)
    assert torch.equal(Attention(channels=8, along_columns=along_columns)(features), features)


@pytest.mark.parametrize("along_columns", [True, False])
def test_weighted_means_of_the_values_by_hand(along_columns: bool) -> None:
    """One head's weights, computed pixel by pixel."""
    block, features = _attention(along_columns=along_columns)
    B, C, H, W = features.shape
    rows, columns = torch.linspace(-1, 1, H), torch.linspace(-1, 1, W)
    expected = features.clone()
    half = C // 2
    for b in range(B):
        vectors = {
            (r, c): torch.cat([features[b, :, r, c], rows[r, None], columns[c, None]])
            for r in range(H)
            for c in range(W)
        }
        query_key = {at: block.query_key.weight[:, :, 0, 0] @ v + block.query_key.bias for at, v in vectors.items()}
        value = {at: block.value.weight[:, :, 0, 0] @ v[:C] + block.value.bias for at, v in vectors.items()}
        for r, c in vectors:
            seen = [at for at in vectors if not along_columns or at[1] == c]
            heads = []
            for head in (slice(0, half), slice(half, C)):
                query = query_key[r, c][:C][head]
                scores = torch.stack([query @ query_key[at][C:][head] / half**0.5 for at in seen]).softmax(0)
                heads.append(sum(w * value[at][head] for w, at in zip(scores, seen, strict=True)))
            expected[b, :, r, c] += block.project.weight[:, :, 0, 0] @ torch.cat(heads)
    torch.testing.assert_close(block(features), expected, atol=1e-5, rtol=1e-5)


def test_columns_see_themselves_alone() -> None:
    block, features = _attention(along_columns=True)
    changed = features.clone()
    changed[:, :, 2, 1] += 1
    differs = (block(changed) != block(features)).any(dim=1).any(dim=0)
    assert differs[:, 1].all()
    assert not differs[:, [0, 2]].any()
