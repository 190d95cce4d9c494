import math

import numpy as np
import pytest
import torch

from bundle.metrics.spectrum import spectrum
from bundle.training.augmentation import RandPairAugmentationd, positioned

_RANGES = {"rotation_degrees": 4.0, "scale": 0.05, "shift": 0.02, "gamma": 1.1, "noise": 0.01}
_STILL = {"rotation_degrees": 0.0, "scale": 0.0, "shift": 0.0, "gamma": 1.0, "noise": 0.0}


def _item() -> dict[str, torch.Tensor]:
    breast = torch.zeros(1, 64, 48)
    breast[:, 12:52, :30] = 1
    ramp = breast * torch.linspace(0.8, 0.3, 48)
    lesion = torch.zeros(1, 64, 48)
    lesion[:, 28:36, 10:18] = 1
    return {
        "image": torch.cat([ramp, lesion]),
        "label": ramp.clone(),
        "label_mask": lesion.clone(),
        "label_breast": breast,
        "radiomics": torch.ones(102),
    }


def _augmented(seed: int, **ranges: float) -> dict[str, torch.Tensor]:
    transform = RandPairAugmentationd(prob=1.0, **_RANGES | ranges)
    transform.set_random_state(seed=seed)
    return transform(_item())


def test_the_seed_decides() -> None:
    one, other = _augmented(1), _augmented(1)
    for name, value in one.items():
        torch.testing.assert_close(value, other[name])
    assert not torch.allclose(one["image"], _augmented(2)["image"])


def test_masks_stay_masks_and_images_stay_in_range() -> None:
    """Defect 7: a mask is never interpolated."""
    for seed in range(5):
        item = _augmented(seed)
        for mask in (item["image"][1], item["label_mask"], item["label_breast"]):
            assert set(mask.unique().tolist()) == {0.0, 1.0}
        for view in (item["image"][0], item["label"]):
            assert view.min() >= 0
            assert view.max() <= 1


def test_image_and_mask_of_a_view_move_together() -> None:
    """Defect 6: one draw for an image and its masks."""
    for seed in range(5):
        item = _augmented(seed, gamma=1.0)
        seen = (item["label"] > 0.15).float()
        overlap = 2 * (seen * item["label_breast"]).sum() / (seen.sum() + item["label_breast"].sum())
        assert overlap > 0.98


def test_each_view_has_its_own_positioning() -> None:
    item = _augmented(3, gamma=1.0)
    assert not torch.allclose(item["image"][:1], item["label"], atol=1e-3)


def test_exposure_is_shared() -> None:
    item = _augmented(4, **_STILL | {"gamma": 1.5})
    torch.testing.assert_close(item["image"][:1], item["label"])
    assert not torch.allclose(item["label"], _item()["label"])


def test_noise_has_one_level_and_two_realisations() -> None:
    levels = []
    for seed in range(20):
        item, before = _augmented(seed, **_STILL | {"noise": 0.1}), _item()
        inside = before["label_breast"] > 0
        changes = [(item[name][:1] - before[name][:1])[inside] for name in ("image", "label")]
        spread = [float(change.std()) for change in changes]
        assert spread[0] == pytest.approx(spread[1], rel=0.15), "1200 pixels each"
        assert abs(float(torch.corrcoef(torch.stack(changes))[0, 1])) < 0.2 or spread[0] < 1e-6
        levels.append(spread[0])
    assert 0 <= min(levels) < 0.02
    assert 0.08 < max(levels) < 0.11


def test_noise_leaves_the_background_and_the_range() -> None:
    for seed in range(5):
        item, breast = _augmented(seed, **_STILL | {"noise": 0.9}), _item()["label_breast"]
        for view in (item["image"][:1], item["label"]):
            assert (view[breast == 0] < 1e-4).all()
            assert view.min() == 0
            assert view.max() <= 1
        torch.testing.assert_close(item["image"][1:], _item()["image"][1:])


def test_no_range_changes_nothing() -> None:
    item = _augmented(5, **_STILL)
    for name, value in _item().items():
        torch.testing.assert_close(item[name], value)


def test_the_chest_wall_stays_at_the_left_edge() -> None:
    """Defects 6 and 10: never a flip, never a gap between chest wall and edge."""
    for seed in range(10):
        item = _augmented(seed)
        assert item["label_breast"][0, 20:44, 0].all()
        assert item["label_breast"].sum(dim=1).argmax() < 24
        assert not item["label_breast"][..., 40:].any()


def test_positioning_keeps_the_texture() -> None:
    """Made noise with the exponent of breasts: bilinear interpolation would add 0.8 to it."""
    generator = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128)[None, :])
    frequency[0, 0] = np.inf
    texture = np.fft.irfft2(np.fft.rfft2(generator.standard_normal((128, 128))) * frequency**-1.75)
    view = torch.from_numpy(0.5 + 0.1 * texture / texture.std())[None].float()
    angle = math.radians(2.0)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turned = positioned(view, turn, 0.003, is_mask=False)
    breast = np.ones((128, 128), dtype=bool)
    before, after = (spectrum(each[0].numpy(), breast, spacing_mm=1.0).exponent for each in (view, turned))
    assert abs(after - before) < 0.3


def test_scale_about_the_middle_of_the_chest_wall() -> None:
    # half the size: the right edge of the breast comes from 30 to 15, its rows from 12..52 to 22..42
    half = positioned(_item()["label_breast"], 2 * torch.eye(2), 0.0, is_mask=True)[0]
    rows, columns = half.any(dim=1).nonzero(), half[32].nonzero()
    assert (int(rows.min()), int(rows.max()) + 1) == (22, 42)
    assert int(columns.max()) + 1 == 15


def test_a_quarter_turn_keeps_lengths_whatever_the_canvas_aspect() -> None:
    # 10 pixels along the chest wall become 10 pixels away from it, 4 pixels away become 4 along it
    mask = torch.zeros(1, 64, 48)
    mask[:, 32:42, 1:5] = 1
    expected = torch.zeros(64, 48)
    expected[27:31, 0:10] = 1
    turned = positioned(mask, torch.tensor([[0.0, -1.0], [1.0, 0.0]]), 0.0, is_mask=True)[0]
    torch.testing.assert_close(turned, expected)


def test_shift_is_a_part_of_the_height() -> None:
    mask = torch.zeros(1, 64, 48)
    mask[:, 32:42, 0:4] = 1
    shifted = positioned(mask, torch.eye(2), 0.125, is_mask=True)
    torch.testing.assert_close(shifted, mask.roll(-8, dims=1))


@pytest.mark.parametrize(
    "wrong", [{"scale": -0.1}, {"gamma": 0.5}, {"scale": 1.0}, {"noise": -0.01}, {"noise": 1.0}, {"noise": math.nan}]
)
def test_refuses_senseless_ranges(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Augmentation needs"):
        RandPairAugmentationd(prob=1.0, **_RANGES | wrong)
