"""Lactiferous ducts: branching tubes that converge on the nipple, geometric objects that are projected exactly.

A breast has some fifteen to twenty lobes, each drained by one duct; what opens at the nipple are about nine (Love and
Barsky 2004, Cancer 101(9):1947; Ramsay et al. 2005, J Anat 206(6):525: bores of 1 to 4 mm near the nipple, which narrow
and branch from within the first centimetre on). Here each main duct runs back, fans out, and forks a few times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bundle.datasets.phantom.anatomy import Breast

_STEP_MM = 3.0
_GENERATIONS = 2
_SMALLEST_BRANCHES = 2


@dataclass(frozen=True, kw_only=True)
class Duct:
    """One unbranched stretch of a duct.

    Args:
        points_mm: ``[N, 3]`` along its axis in the uncompressed breast, from the nipple's side, about 3 mm apart.
        radius_mm: outer radius, wall included.
    """

    points_mm: np.ndarray
    radius_mm: float


def draw_ducts(breast: Breast, generator: np.random.Generator) -> tuple[Duct, ...]:
    """Draw seven to twelve main ducts with their branches."""
    p = breast.parameters
    # Glandular tissue ends in front of the fat at the chest wall, and the tree with it.
    furthest_back = p.retromammary_fat_mm
    ducts: list[Duct] = []
    mains = int(generator.integers(7, 13))
    directions = 2 * np.pi * (np.arange(mains) + generator.uniform(0.0, 0.8, mains)) / mains
    for direction in directions:
        start = np.asarray([p.depth_mm - 1.0, *(float(c) for c in breast.centre(np.asarray(p.depth_mm)))])
        start[1:] += 0.3 * p.nipple_radius_mm * np.asarray([np.cos(direction), np.sin(direction)])
        opening = generator.uniform(0.15, 0.75)  # tangent of the angle to the axis of the breast
        heading = np.asarray([-1.0, opening * np.cos(direction), opening * np.sin(direction)])
        stretches = [(start, heading, float(generator.uniform(0.6, 1.1)), 0)]
        while stretches:
            point, heading, radius, generation = stretches.pop()
            points = _wander(breast, point, heading, furthest_back, generator)
            if len(points) < _SMALLEST_BRANCHES:
                continue
            ducts.append(Duct(points_mm=points, radius_mm=radius))
            if generation < _GENERATIONS:
                forward = points[-1] - points[-2]
                for side in (-1.0, 1.0):
                    across = np.cross(forward, generator.standard_normal(3))
                    across *= side * generator.uniform(0.25, 0.6) * np.linalg.norm(forward) / np.linalg.norm(across)
                    # A fork into two keeps the sum of the cubes of the radii (Murray 1926).
                    stretches.append((points[-1], forward + across, radius / 2 ** (1 / 3), generation + 1))
    return tuple(ducts)


def _wander(
    breast: Breast, start: np.ndarray, heading: np.ndarray, furthest_back_mm: float, generator: np.random.Generator
) -> np.ndarray:
    """Walk from a point with small turns until the stretch's length or the glandular region ends: ``[N, 3]``."""
    p = breast.parameters
    steps = int(generator.integers(4, 9))
    heading = heading / np.linalg.norm(heading)
    points = [start]
    for _ in range(steps):
        heading = heading + 0.15 * generator.standard_normal(3)
        heading[0] = min(heading[0], -0.35)  # ducts lead back
        heading = heading / np.linalg.norm(heading)
        points.append(points[-1] + _STEP_MM * heading)
    path = np.asarray(points)
    _, distance = breast.surface(path.T.astype(np.float32))
    u = np.clip(path[:, 0] / p.depth_mm, 0.0, 1.0)
    kept = (path[:, 0] > furthest_back_mm) & ((distance > 0.6 * p.subcutaneous_fat_mm * (1 - u)) | (u > 0.85))
    kept[0] = True
    last = len(kept) if kept.all() else int(np.argmin(kept))
    return path[:last]
