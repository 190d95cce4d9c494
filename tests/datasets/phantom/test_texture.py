from __future__ import annotations

import numpy as np
import pytest

from bundle.datasets.phantom.texture import Texture


@pytest.mark.parametrize("exponent", [3.0, 4.0])
def test_spectrum_along_a_line_follows_the_power_law(exponent: float) -> None:
    """A line at frequency f sees all waves with k >= f: the integral of k**-b * 2 pi k dk from f to the finest wave."""
    texture = Texture.draw(exponent=exponent, generator=np.random.default_rng(0))
    n, step = 512, 0.8
    lines = []
    for start in np.random.default_rng(1).uniform(0, 200, (400, 2)):
        points = np.stack([np.arange(n) * step, np.full(n, start[0]), np.full(n, start[1])]).astype(np.float32)
        lines.append(np.abs(np.fft.rfft(texture.sample(points) * np.hanning(n))) ** 2)
    frequency, density = np.fft.rfftfreq(n, step), np.mean(lines, axis=0)
    # Octave by octave, as a periodic field has a line spectrum; both sides of where the grids join (0.083 / mm).
    octaves = np.asarray([0.02, 0.028, 0.04, 0.056, 0.08, 0.112, 0.16])
    measured = [density[(frequency > 0.75 * f) & (frequency < 1.33 * f)].mean() for f in octaves]
    finest_per_mm = 0.4  # beyond, linear interpolation halves the amplitude
    expected = octaves ** (2 - exponent) - finest_per_mm ** (2 - exponent)
    slope, expected_slope = (np.polyfit(np.log(octaves), np.log(d), 1)[0] for d in (measured, expected))
    assert slope == pytest.approx(expected_slope, abs=0.25)


def test_field_is_standardized_and_repeats_from_the_seed() -> None:
    points = np.random.default_rng(2).uniform(0, 225, (3, 20000)).astype(np.float32)
    one, same, other = (
        Texture.draw(exponent=3.5, generator=np.random.default_rng(seed)).sample(points) for seed in (7, 7, 8)
    )
    assert one.std() == pytest.approx(1.0, abs=0.2)
    np.testing.assert_array_equal(one, same)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.3
