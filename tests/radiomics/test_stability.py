import numpy as np
import pytest

from bundle.radiomics.stability import CHANGES, changed, concordance, noise_level


def test_concordance_by_hand():
    before = np.array([[1.0, 1.0, 5.0, 1.0, 2.0], [2.0, 2.0, 5.0, 2.0, 2.0], [3.0, 3.0, 5.0, 3.0, 2.0]])
    after = np.array([[1.0, 2.0, 5.0, 3.0, 1.0], [2.0, 3.0, 5.0, 2.0, 2.0], [3.0, 4.0, 5.0, 1.0, 3.0]])
    # Equal; one higher: 2 (2/3) / (2/3 + 2/3 + 1); constant; reversed; constant before and not after.
    np.testing.assert_allclose(concordance(before, after), [1.0, 4 / 7, np.nan, -1.0, 0.0])


def test_concordance_does_not_depend_on_unit_or_order():
    before, after = np.random.default_rng(0).normal(size=(2, 20, 3))
    expected = concordance(before, after)
    np.testing.assert_allclose(concordance(before * 1000 + 7, after * 1000 + 7), expected)
    np.testing.assert_allclose(concordance(before[::-1], after[::-1]), expected)
    np.testing.assert_allclose(concordance(after, before), expected)


@pytest.mark.parametrize("sd", [0.002, 0.05])
def test_the_noise_of_an_even_ramp_is_found(sd):
    row, column = np.mgrid[:200, :200]
    image = 0.3 + 0.001 * row + 0.0005 * column
    breast = np.ones(image.shape, dtype=bool)
    assert noise_level(image, breast) == pytest.approx(0.0, abs=1e-12)
    noisy = image + np.random.default_rng(0).normal(0.0, sd, image.shape)
    assert noise_level(noisy, breast) == pytest.approx(sd, rel=0.03)


def test_what_lies_outside_the_breast_is_no_noise():
    image = np.full((20, 20), 0.5)
    image[:, 10:] = 0.0
    breast = image > 0
    assert noise_level(image, breast) == 0.0
    assert noise_level(image, np.zeros_like(breast)) == 0.0


def test_each_change_is_one_pixel_and_stays_in_the_breast():
    image = np.random.default_rng(1).uniform(0.2, 0.8, (12, 12))
    mask = np.zeros((12, 12), dtype=bool)
    mask[4:8, 9:12] = True  # 4 x 3, at the right edge
    breast = np.ones((12, 12), dtype=bool)
    breast[8:] = False
    regions = changed(image, mask, breast, generator=np.random.default_rng(2))
    assert tuple(regions) == CHANGES
    expected = {name: np.zeros_like(mask) for name in CHANGES}
    expected["grown"][4:8, 8:12] = expected["grown"][3:4, 9:12] = True
    expected["shrunk"][5:7, 10:11] = True
    expected["shifted_up"][3:7, 9:12] = True
    expected["shifted_down"][5:8, 9:12] = True
    expected["shifted_left"][4:8, 8:11] = True
    expected["shifted_right"][4:8, 10:12] = True
    expected["noise"][4:8, 9:12] = True
    for name, (changed_image, changed_mask) in regions.items():
        np.testing.assert_array_equal(changed_mask, expected[name], err_msg=name)
        assert (changed_image is image) is (name != "noise")
    noisy = regions["noise"][0]
    assert 0 < np.abs(noisy - image).mean() < 0.5
    assert noisy.min() >= 0
    assert noisy.max() <= 1
