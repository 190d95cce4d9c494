from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from bundle.metrics.spectrum import band_per_mm, spectrum


def _power_law_noise(exponent: float, *, size: int, spacing_mm: float, seed: int) -> np.ndarray:
    """White noise filtered to the power spectrum ``k ** -exponent``, periodic, twice as wide as what is cut out."""
    frequency = np.fft.fftfreq(2 * size, spacing_mm)
    k = np.hypot(frequency[:, None], frequency[None, :])
    k[0, 0] = np.inf
    noise = np.random.default_rng(seed).standard_normal((2 * size, 2 * size))
    return np.fft.ifft2(np.fft.fft2(noise) * k ** (-exponent / 2)).real[:size, :size]


@pytest.mark.parametrize("exponent", [2.0, 2.5, 3.0, 3.3, 3.5])
@pytest.mark.parametrize("spacing_mm", [0.4, 0.8, 1.0, 2.0])
def test_made_noise_gives_its_exponent(exponent: float, spacing_mm: float) -> None:
    size = round(250 / spacing_mm)
    image = _power_law_noise(exponent, size=size, spacing_mm=spacing_mm, seed=1)
    breast = np.ones((size, size), dtype=bool)
    assert spectrum(image, breast, spacing_mm=spacing_mm).exponent == pytest.approx(exponent, abs=0.1)


def test_white_noise_has_exponent_zero() -> None:
    image = np.random.default_rng(0).standard_normal((500, 500))
    breast = np.ones((500, 500), dtype=bool)
    assert spectrum(image, breast, spacing_mm=0.5).exponent == pytest.approx(0.0, abs=0.1)


def test_scale_and_offset_of_the_grey_values_do_not_matter() -> None:
    image = _power_law_noise(3.0, size=300, spacing_mm=0.5, seed=2)
    breast = np.ones((300, 300), dtype=bool)
    one, other = (spectrum(values, breast, spacing_mm=0.5).exponent for values in (image, 40.0 - 3.0 * image))
    assert one == pytest.approx(other, abs=1e-9)


def test_power_is_that_of_the_texture_and_a_faint_noise_over_a_blurred_view_has_little() -> None:
    image = _power_law_noise(3.0, size=300, spacing_mm=0.5, seed=2)
    breast = np.ones((300, 300), dtype=bool)
    real = spectrum(image, breast, spacing_mm=0.5)
    assert spectrum(5.0 - 3.0 * image, breast, spacing_mm=0.5).power == pytest.approx(9.0 * real.power)
    blurred = ndimage.gaussian_filter(image, 10.0)
    faint = 0.1 * _power_law_noise(3.0, size=300, spacing_mm=0.5, seed=3)
    over = spectrum(blurred + faint, breast, spacing_mm=0.5)
    assert over.exponent == pytest.approx(real.exponent, abs=0.5)
    assert over.power < 0.05 * real.power


def test_what_lies_outside_the_breast_does_not_matter() -> None:
    image = _power_law_noise(3.0, size=300, spacing_mm=0.5, seed=3)
    breast = np.zeros((300, 300), dtype=bool)
    breast[20:280, 20:280] = True
    changed = np.where(breast, image, 1e3 * np.random.default_rng(0).standard_normal(image.shape))
    assert spectrum(image, breast, spacing_mm=0.5).exponent == spectrum(changed, breast, spacing_mm=0.5).exponent


def test_too_small_a_breast_and_a_uniform_one_have_none() -> None:
    image = _power_law_noise(3.0, size=200, spacing_mm=0.5, seed=4)
    small = np.zeros((200, 200), dtype=bool)
    small[50:140, 50:140] = True  # 45 mm: without its margin it holds hardly one square
    assert math.isnan(spectrum(image, small, spacing_mm=0.5).exponent)
    assert math.isnan(spectrum(np.ones((200, 200)), np.ones((200, 200), dtype=bool), spacing_mm=0.5).exponent)


def test_coarse_pixels_and_unequal_shapes_are_refused() -> None:
    breast = np.ones((100, 100), dtype=bool)
    with pytest.raises(ValueError, match="at most 2 mm"):
        spectrum(np.ones((100, 100)), breast, spacing_mm=2.5)
    with pytest.raises(ValueError, match="both must be"):
        spectrum(np.ones((90, 100)), breast, spacing_mm=0.5)


def test_the_band_of_fine_pixels_is_one_and_coarser_ones_have_less() -> None:
    assert band_per_mm(0.1) == band_per_mm(0.6) == (0.15, 0.5)
    assert band_per_mm(1.0) == pytest.approx((0.15, 0.4))
    assert band_per_mm(2.0) == pytest.approx((0.075, 0.2))


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0])
def test_a_checkerboard_shows_at_the_nyquist_frequency_and_noise_does_not(spacing_mm: float) -> None:
    size = round(200 / spacing_mm)
    image = _power_law_noise(3.0, size=size, spacing_mm=spacing_mm, seed=5)
    image /= image.std()
    breast = np.ones((size, size), dtype=bool)
    row, column = np.indices(image.shape)
    assert 0.5 < spectrum(image, breast, spacing_mm=spacing_mm).nyquist_peak < 1.5
    for pattern in ((-1) ** (row + column), (-1) ** row, (-1) ** column):
        assert spectrum(image + 0.1 * pattern, breast, spacing_mm=spacing_mm).nyquist_peak > 5


def test_a_uniform_or_small_breast_has_no_nyquist_peak() -> None:
    small = np.zeros((100, 100), dtype=bool)
    small[40:70, 40:70] = True
    assert math.isnan(spectrum(np.ones((100, 100)), small, spacing_mm=1.0).nyquist_peak)
    assert math.isnan(spectrum(np.ones((100, 100)), np.ones((100, 100), dtype=bool), spacing_mm=1.0).nyquist_peak)
