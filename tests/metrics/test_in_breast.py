"""Figures inside the breast: the mask's growth, what counts and what does not, and the same figures from NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from skimage.metrics import structural_similarity

from bundle.metrics.in_breast import GROWTH_MM, grown, in_breast
from bundle.metrics.psnr import psnr_db
from bundle.metrics.ssim import ssim


def half_breast(*, rows: int = 40, columns: int = 32, radius: float = 14) -> np.ndarray:
    """A half disk at the left edge, as a breast on the canvas: bool ``[rows, columns]``."""
    row, column = np.mgrid[:rows, :columns]
    return (row - rows / 2) ** 2 + column**2 <= radius**2


def batch(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array))[None, None]


@pytest.mark.parametrize(
    ("spacing_mm", "growth_mm"), [(2.0, 2.0), (1.0, 2.0), (0.5, 2.0), (0.7, 2.0), (4.0, 2.0), (1.0, 5.0)]
)
def test_growth_is_the_euclidean_distance(spacing_mm: float, growth_mm: float) -> None:
    mask = half_breast()
    expected = distance_transform_edt(~mask) * spacing_mm <= growth_mm + 1e-5
    assert np.array_equal(grown(batch(mask), growth_mm=growth_mm, spacing_mm=spacing_mm)[0, 0].numpy(), expected)


def test_one_pixel_grows_to_a_disk_of_thirteen() -> None:
    mask = torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    mask[0, 0, 4, 4] = True
    # at 1 mm a disk of 2 mm: rows of 1, 3, 5, 3, 1
    assert grown(mask, growth_mm=2.0, spacing_mm=1.0)[0, 0].sum(dim=1).tolist() == [0, 0, 1, 3, 5, 3, 1, 0, 0]


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0])
def test_equals_the_figures_of_scikit_image_and_numpy(spacing_mm: float) -> None:
    rng = np.random.default_rng(0)
    target, pred, breast = rng.random((40, 32)), rng.random((40, 32)), half_breast()
    mask = distance_transform_edt(~breast) * spacing_mm <= GROWTH_MM + 1e-5
    _, similarity = structural_similarity(pred, target, data_range=1.0, full=True)
    expected_psnr = 10 * np.log10(1 / np.mean((pred - target)[mask] ** 2))
    inner = np.s_[3:-3, 3:-3]
    scores = in_breast(batch(pred), batch(target), batch(breast), data_range=1.0, spacing_mm=spacing_mm)
    assert scores.psnr_db.item() == pytest.approx(expected_psnr, abs=1e-6)
    assert scores.ssim.item() == pytest.approx(similarity[inner][mask[inner]].mean(), abs=1e-6)


def test_a_full_mask_gives_the_whole_frame_figures() -> None:
    pred, target = (torch.rand(2, 1, 20, 18, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    scores = in_breast(pred, target, torch.ones(2, 1, 20, 18), data_range=1.0, spacing_mm=1.0)
    torch.testing.assert_close(scores.ssim, ssim(pred, target, data_range=1.0))
    torch.testing.assert_close(scores.psnr_db, psnr_db(pred, target, data_range=1.0))


def test_what_lies_far_outside_the_breast_does_not_count() -> None:
    target, breast = torch.zeros(1, 1, 40, 32), batch(half_breast())
    pred = target.clone()
    pred[..., 26:] = 1.0  # more than the window's half and the growth away from column 14
    scores = in_breast(pred, target, breast, data_range=1.0, spacing_mm=1.0)
    assert scores.ssim.item() == pytest.approx(1.0)
    assert scores.psnr_db.item() == pytest.approx(100.0)


def test_a_rim_of_two_millimetres_counts() -> None:
    target, breast = torch.zeros(1, 1, 40, 32), batch(half_breast())
    pred = target.clone()
    pred[0, 0, 20, 16] = 1.0  # the half disk ends at column 14
    pixels = int(grown(breast, growth_mm=2.0, spacing_mm=1.0).sum())
    scores = in_breast(pred, target, breast, data_range=1.0, spacing_mm=1.0)
    assert scores.psnr_db.item() == pytest.approx(10 * np.log10(pixels))
    pred = target.clone()
    pred[0, 0, 20, 17] = 1.0
    assert in_breast(pred, target, breast, data_range=1.0, spacing_mm=1.0).psnr_db.item() == pytest.approx(100.0)


def test_a_dark_frame_does_not_raise_the_score() -> None:
    """The reference system's protocol counts the background: there padding alone raises SSIM and PSNR."""
    rng = np.random.default_rng(1)
    pred, target, breast = rng.random((40, 32)), rng.random((40, 32)), half_breast()
    pad = ((20, 20), (0, 40))
    small = in_breast(*(batch(a * breast) for a in (pred, target)), batch(breast), data_range=1.0, spacing_mm=2.0)
    large = in_breast(
        *(batch(np.pad(a * breast, pad)) for a in (pred, target)),
        batch(np.pad(breast, pad)),
        data_range=1.0,
        spacing_mm=2.0,
    )
    torch.testing.assert_close(small.ssim, large.ssim)
    torch.testing.assert_close(small.psnr_db, large.psnr_db)


def test_an_empty_mask_names_the_item() -> None:
    breast = torch.ones(3, 1, 16, 16)
    breast[2] = 0
    with pytest.raises(ValueError, match=r"empty .* in item 2 of the batch"):
        in_breast(torch.zeros(3, 1, 16, 16), torch.zeros(3, 1, 16, 16), breast, data_range=1.0, spacing_mm=1.0)


def test_a_mask_of_another_size_is_refused() -> None:
    image = torch.zeros(1, 1, 16, 16)
    with pytest.raises(ValueError, match=r"breast mask has the shape \[1, 1, 16, 15\]"):
        in_breast(image, image, torch.ones(1, 1, 16, 15), data_range=1.0, spacing_mm=1.0)


@pytest.mark.parametrize("spacing_mm", [0.0, -1.0, float("nan")])
def test_spacing_must_be_positive(spacing_mm: float) -> None:
    image = torch.zeros(1, 1, 16, 16)
    with pytest.raises(ValueError, match="spacing_mm"):
        in_breast(image, image, torch.ones_like(image), data_range=1.0, spacing_mm=spacing_mm)
