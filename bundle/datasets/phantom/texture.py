"""Random fields with a power-law spectrum, the texture of breast tissue."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import fft, ndimage

_COARSE_SIZE = 90
_COARSE_SPACING_MM = 2.5
_FINE_SIZE = 120
_FINE_SPACING_MM = 0.8
# The coarse field carries what is larger than this, the fine tile what is smaller; six coarse samples per period keep
# linear interpolation from showing.
_SPLIT_FREQUENCY_PER_MM = 1 / 12.0


def _power_law_field(
    *,
    size: int,
    spacing_mm: float,
    exponent: float,
    low_per_mm: float,
    high_per_mm: float,
    generator: np.random.Generator,
) -> np.ndarray:
    """Make a periodic field with the spectral density ``k ** -exponent`` (k in cycles/mm) in the band, else zero.

    White noise of unit variance on a grid of spacing d has the spectral density d**3, so that fields of different grids
    with the same exponent join seamlessly.
    """
    noise = generator.standard_normal((size,) * 3, dtype=np.float32)
    spectrum = fft.rfftn(noise)
    full = fft.fftfreq(size, spacing_mm).astype(np.float32)
    half = fft.rfftfreq(size, spacing_mm).astype(np.float32)
    k2 = full[:, None, None] ** 2 + full[None, :, None] ** 2 + half[None, None, :] ** 2
    k2[0, 0, 0] = 1.0
    gain = k2 ** np.float32(-exponent / 4)
    gain *= (k2 >= low_per_mm**2) & (k2 < high_per_mm**2)
    gain[0, 0, 0] = 0.0
    spectrum *= gain / np.float32(spacing_mm**1.5)
    return fft.irfftn(spectrum, s=(size,) * 3).astype(np.float32)


@cache
def _fine_tile(exponent_tenths: int) -> np.ndarray:
    """Make the periodic fine tile that all breasts share, each with its own offset and axes.

    Only detail smaller than 12 mm comes from it; it is drawn from a fixed seed, so that a breast does not depend on
    the process that made it.
    """
    return _power_law_field(
        size=_FINE_SIZE,
        spacing_mm=_FINE_SPACING_MM,
        exponent=exponent_tenths / 10,
        low_per_mm=_SPLIT_FREQUENCY_PER_MM,
        high_per_mm=0.45 / _FINE_SPACING_MM,
        generator=np.random.default_rng(20120301),
    )


@dataclass(frozen=True, kw_only=True)
class Texture:
    """A zero-mean random field over space with standard deviation about 1 and a power-law spectrum."""

    coarse: np.ndarray
    fine: np.ndarray
    fine_offset: np.ndarray
    fine_axes: tuple[int, int, int]
    scale: float

    @classmethod
    def draw(cls, *, exponent: float, generator: np.random.Generator) -> Texture:
        """Draw the large structures anew and an offset into the tile of small ones."""
        coarse = _power_law_field(
            size=_COARSE_SIZE,
            spacing_mm=_COARSE_SPACING_MM,
            exponent=exponent,
            low_per_mm=1 / 90.0,
            high_per_mm=_SPLIT_FREQUENCY_PER_MM,
            generator=generator,
        )
        return cls(
            coarse=coarse,
            fine=_fine_tile(round(exponent * 10)),
            fine_offset=generator.uniform(0, _FINE_SIZE, 3).astype(np.float32),
            fine_axes=tuple(int(a) for a in generator.permutation(3)),  # type: ignore[arg-type]
            scale=float(1.0 / coarse.std()),
        )

    def sample(self, points_mm: np.ndarray) -> np.ndarray:
        """Sample the field.

        Args:
            points_mm: ``[3, N]``, float32.

        Returns:
            ``[N]``, float32.
        """
        coarse = ndimage.map_coordinates(
            self.coarse, points_mm * np.float32(1 / _COARSE_SPACING_MM), order=1, mode="grid-wrap", output=np.float32
        )
        index = points_mm[list(self.fine_axes)] * np.float32(1 / _FINE_SPACING_MM) + self.fine_offset[:, None]
        fine = ndimage.map_coordinates(self.fine, index, order=1, mode="grid-wrap", output=np.float32)
        return (coarse + fine) * np.float32(self.scale)
