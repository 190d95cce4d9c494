"""Superficial veins: thin curved tubes in the subcutaneous fat, geometric objects that are projected exactly.

They are finer than any volume that a laptop can hold, and they are what the eye follows in a fatty breast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bundle.datasets.phantom.anatomy import FAT_PER_MM, Breast

# Blood at 20 keV, per mm: NIST's mass attenuation (0.82 cm2/g) and density.
BLOOD_PER_MM = 0.086
_STEP_MM = 4.0


@dataclass(frozen=True, kw_only=True)
class Vessel:
    """One vein.

    Args:
        points_mm: ``[N, 3]`` along its axis in the uncompressed breast, about 4 mm apart.
        radius_mm: of its bore.
    """

    points_mm: np.ndarray
    radius_mm: float

    @property
    def excess_per_mm(self) -> float:
        """Linear attenuation over the fat around it."""
        return BLOOD_PER_MM - FAT_PER_MM


def draw_vessels(breast: Breast, generator: np.random.Generator) -> tuple[Vessel, ...]:
    """Draw two to six veins that run from the chest wall towards the nipple, in the fat under the skin."""
    p = breast.parameters
    vessels = []
    for _ in range(int(generator.integers(2, 7))):
        first, last = generator.uniform(0.02, 0.2), generator.uniform(0.55, 0.9)
        count = max(4, round((last - first) * p.depth_mm / _STEP_MM))
        u = np.linspace(first, last, count)
        # The direction from the axis wanders: a sum of two slow waves.
        wander = sum(
            generator.uniform(0.05, 0.25) * np.sin(waves * np.pi * u + generator.uniform(0, 2 * np.pi))
            for waves in (1.5, 3.5)
        )
        angle = generator.uniform(0, 2 * np.pi) + wander
        x = u * p.depth_mm
        centre_y, centre_z = breast.centre(x)
        cosine, sine = np.cos(angle), np.sin(angle)
        inward = 1 - 0.4 * p.subcutaneous_fat_mm / p.radius_lateral_mm / np.maximum(breast.profile(x), 0.3)
        radius = breast.profile(x) * inward
        vessels.append(
            Vessel(
                points_mm=np.column_stack(
                    [
                        x,
                        centre_y + radius * np.where(cosine > 0, p.radius_lateral_mm, p.radius_medial_mm) * cosine,
                        centre_z + radius * np.where(sine > 0, p.radius_superior_mm, p.radius_inferior_mm) * sine,
                    ]
                ),
                radius_mm=float(generator.uniform(0.5, 1.3)),
            )
        )
    return tuple(vessels)
