"""The uncompressed breast in 3-D: what tissue is where."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bundle.datasets.phantom.ducts import Duct, draw_ducts
from bundle.datasets.phantom.parameters import BreastParameters
from bundle.datasets.phantom.texture import Texture

# Linear attenuation at 20 keV, per mm: Johns and Yaffe 1987, Phys Med Biol 32(6):675, table 3; muscle from NIST's
# mass attenuation (0.82 cm2/g) and density.
FAT_PER_MM = 0.0456
GLANDULAR_PER_MM = 0.0802
SKIN_PER_MM = 0.0802
MUSCLE_PER_MM = 0.0850
CARCINOMA_PER_MM = 0.0844
# Hydroxyapatite, NIST's mass attenuation at 20 keV, at the partial density of a calcification.
CALCIFICATION_PER_MM = 1.2

_SOFTNESS = 0.35
_LARGEST_SWING = 4.0
# Half the width of a ligament, in standard deviations of the field whose zero crossings are its middle.
_LIGAMENT_WIDTH = np.float32(0.11)


@dataclass(frozen=True, kw_only=True)
class Breast:
    """A breast before compression, as functions of a point: glandular content, muscle, attenuation.

    The axes are those of `BreastParameters`. Left and right breasts share them (y is lateral in both). Ducts are finer
    than the functions' samples and are projected apart; the tissue's attenuation here is without them.
    """

    parameters: BreastParameters
    texture: Texture
    strands: Texture
    threshold: float
    ducts: tuple[Duct, ...] = ()

    @classmethod
    def grow(cls, *, parameters: BreastParameters, generator: np.random.Generator) -> Breast:
        """Draw the texture and find the threshold at which the glandular fraction is what the parameters say."""
        texture = Texture.draw(exponent=parameters.texture_exponent, generator=generator)
        strands = Texture.draw(exponent=parameters.ligament_exponent, generator=generator)
        seedling = cls(parameters=parameters, texture=texture, strands=strands, threshold=-np.inf)
        points = seedling.interior_points(spacing_mm=4.0)
        score = seedling._score(points)
        ligaments = seedling._ligaments(points)
        # Bisection: the soft threshold is monotone in the mean glandular content.
        low, high = float(score.min()) - 1.0, float(score.max()) + 1.0
        for _ in range(30):
            middle = 0.5 * (low + high)
            if np.maximum(_soft_step(score - middle), ligaments).mean() > parameters.glandular_fraction:
                low = middle
            else:
                high = middle
        grown = replace(seedling, threshold=0.5 * (low + high))
        return replace(grown, ducts=draw_ducts(grown, generator))

    def profile(self, x_mm: np.ndarray) -> np.ndarray:
        """Radius at a depth over the radius of the base."""
        u = np.clip(x_mm / self.parameters.depth_mm, 0.0, 1.0)
        return np.sqrt(np.maximum(1.0 - u**self.parameters.profile_exponent, 0.0))

    def centre(self, x_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centre (y, z) of the slice at a depth: it goes to lateral with the turn and down with the ptosis."""
        p = self.parameters
        bend = p.depth_mm * np.clip(x_mm / p.depth_mm, 0.0, 1.0) ** 2
        return p.turn * bend, -p.ptosis * bend

    def slice_outline(self, x_mm: float, *, points: int = 192) -> tuple[np.ndarray, np.ndarray]:
        """Outline (y, z) of the slice at a depth: four quarter ellipses, each ``[points]``."""
        p = self.parameters
        angle = np.linspace(0.0, 2 * np.pi, points, endpoint=False)
        cosine, sine = np.cos(angle), np.sin(angle)
        radius = float(self.profile(np.asarray(x_mm)))
        y, z = self.centre(np.asarray(x_mm))
        return (
            y + radius * np.where(cosine > 0, p.radius_lateral_mm, p.radius_medial_mm) * cosine,
            z + radius * np.where(sine > 0, p.radius_superior_mm, p.radius_inferior_mm) * sine,
        )

    def slice_area_mm2(self, x_mm: np.ndarray) -> np.ndarray:
        """Area of the slice at each depth."""
        p = self.parameters
        base = np.pi / 4 * (p.radius_lateral_mm + p.radius_medial_mm) * (p.radius_superior_mm + p.radius_inferior_mm)
        return base * self.profile(x_mm) ** 2

    def interior_points(self, *, spacing_mm: float) -> np.ndarray:
        """Points ``[3, N]`` of a regular grid inside the breast and in front of the muscle."""
        p = self.parameters
        half = max(p.radius_lateral_mm, p.radius_medial_mm, p.radius_superior_mm, p.radius_inferior_mm)
        half += max(abs(p.ptosis), abs(p.turn)) * p.depth_mm
        x = np.arange(spacing_mm / 2, p.depth_mm, spacing_mm, dtype=np.float32)
        yz = np.arange(-half, half, spacing_mm, dtype=np.float32)
        grid = np.stack([g.ravel() for g in np.meshgrid(x, yz, yz, indexing="ij")])
        gauge, _ = self.surface(grid)
        return grid[:, (gauge < 1.0) & ~self.is_muscle(grid)]

    def is_muscle(self, points_mm: np.ndarray) -> np.ndarray:
        """Whether each point ``[3, N]`` lies in the pectoral muscle."""
        return self._in_front_of_muscle(points_mm) < 0.0

    def glandular(self, points_mm: np.ndarray) -> np.ndarray:
        """Glandular content in [0, 1] at each point ``[3, N]``, skin and muscle not considered."""
        return np.maximum(_soft_step(self._score(points_mm) - self.threshold), self._ligaments(points_mm))

    def glandular_fraction(self) -> float:
        """Volume fraction of glandular tissue in front of the muscle, skin not counted."""
        return float(self.glandular(self.interior_points(spacing_mm=3.0)).mean())

    def attenuation_per_mm(self, points_mm: np.ndarray) -> np.ndarray:
        """Linear attenuation at each point ``[3, N]``, without skin and lesions."""
        return self._attenuation(points_mm, self.glandular(points_mm))

    def mean_attenuation_per_mm(self, points_mm: np.ndarray) -> np.ndarray:
        """Mean linear attenuation ``[N]`` along columns of points ``[3, N, S]``, without skin and lesions.

        Cooper's ligaments are thinner than the points are apart: point samples would hit or miss them, which is noise
        on the film. They are integrated between the points instead.
        """
        flat = points_mm.reshape(3, -1)
        ligaments = self._mean_ligaments(self._ridge(flat).reshape(points_mm.shape[1:]))
        glandular = np.maximum(_soft_step(self._score(flat) - self.threshold), ligaments.ravel())
        return self._attenuation(flat, glandular).reshape(points_mm.shape[1:]).mean(axis=1)

    def _attenuation(self, points_mm: np.ndarray, glandular: np.ndarray) -> np.ndarray:
        tissue = np.float32(FAT_PER_MM) + np.float32(GLANDULAR_PER_MM - FAT_PER_MM) * glandular
        muscle = np.clip(0.5 - self._in_front_of_muscle(points_mm), 0.0, 1.0)
        within = np.flatnonzero(muscle)
        # Fat between the muscle's bundles.
        bundles = np.clip(np.float32(0.82) + np.float32(0.18) * self.texture.sample(points_mm[:, within]), 0.4, 1.0)
        muscle[within] *= bundles
        return tissue + muscle * (np.float32(MUSCLE_PER_MM) - tissue)

    def _in_front_of_muscle(self, points_mm: np.ndarray) -> np.ndarray:
        return in_front_of_muscle(self.parameters, points_mm)

    def surface(self, points_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gauge of the slice (0 in its centre, 1 on the surface) and distance to the surface in mm, at ``[3, N]``."""
        p = self.parameters
        x, y, z = points_mm
        u = np.clip(x / np.float32(p.depth_mm), 0.0, 1.0)
        bend = np.float32(p.depth_mm) * u * u
        y = y - np.float32(p.turn) * bend
        z = z + np.float32(p.ptosis) * bend
        y = y / np.where(y > 0, np.float32(p.radius_lateral_mm), np.float32(p.radius_medial_mm))
        z = z / np.where(z > 0, np.float32(p.radius_superior_mm), np.float32(p.radius_inferior_mm))
        power = u ** np.float32(p.profile_exponent - 1)
        g = np.sqrt(np.maximum(1 - power * u, 1e-4))
        gauge = np.sqrt(y * y + z * z) / g
        radius = np.float32(0.5 * (p.radius_lateral_mm + p.radius_medial_mm))
        slope = radius * np.float32(p.profile_exponent / (2 * p.depth_mm)) * power
        distance = (1 - gauge) * radius * g * g / np.sqrt(g * g + slope * slope)
        return gauge, distance

    def _towards_nipple(self, points_mm: np.ndarray) -> np.ndarray:
        """Coordinates in which strands that converge on the nipple are parallel and long."""
        p = self.parameters
        x, y, z = points_mm
        u = np.clip(x / np.float32(p.depth_mm), 0.0, 1.05)
        bend = np.float32(p.depth_mm) * u * u
        narrowing = 1 / np.maximum(np.float32(1.1) - np.float32(0.7) * u, np.float32(0.4))
        return np.stack(
            [
                x * np.float32(p.strand_compression),
                (y - np.float32(p.turn) * bend) * narrowing,
                (z + np.float32(p.ptosis) * bend) * narrowing,
            ]
        )

    def _score(self, points_mm: np.ndarray) -> np.ndarray:
        """What, above the threshold, is glandular: an envelope leaving fat at skin and chest wall, plus texture."""
        p = self.parameters
        x = points_mm[0]
        u = np.clip(x / np.float32(p.depth_mm), 0.0, 1.0)
        gauge, distance = self.surface(points_mm)
        bend = np.float32(p.depth_mm) * u * u
        # Glandular tissue reaches furthest back in the upper outer quadrant.
        y = (points_mm[1] - np.float32(p.turn) * bend) / np.float32(p.radius_lateral_mm) - np.float32(0.10)
        z = (points_mm[2] + np.float32(p.ptosis) * bend) / np.float32(p.radius_superior_mm) - np.float32(0.08)
        cone = (y * y + z * z) / np.square(np.float32(0.25) + np.float32(p.cone_width) * (1 - u))
        # Behind the nipple the fat under the skin gives way.
        fat_mm = np.float32(p.subcutaneous_fat_mm) * (1 - 0.75 * np.exp(-8 * gauge * gauge) * u)
        under_skin = np.square(np.maximum(1.3 - distance / fat_mm, 0.0))
        at_back = np.square(np.maximum(2.6 - x / np.float32(p.retromammary_fat_mm), 0.0))
        envelope = -0.55 * cone - 2.5 * under_skin - 0.33 * at_back
        score = envelope
        # Where no swing of the texture could reach the threshold it need not be sampled.
        near = np.flatnonzero(envelope > self.threshold - _SOFTNESS - _LARGEST_SWING * p.texture_weight)
        texture = self.texture.sample(self._towards_nipple(points_mm[:, near]))
        score[near] += np.float32(p.texture_weight) * np.minimum(texture, np.float32(_LARGEST_SWING))
        return score

    def _ligaments(self, points_mm: np.ndarray) -> np.ndarray:
        """Glandular content of Cooper's ligaments: thin sheets at the zero crossings of a second field."""
        return np.float32(self.parameters.ligament_density) * np.maximum(
            1 - np.abs(self._ridge(points_mm)) / _LIGAMENT_WIDTH, 0.0
        )

    def _mean_ligaments(self, ridge: np.ndarray) -> np.ndarray:
        """Mean ligament content around each sample of a column, for a field ``[N, S]`` that is linear between them.

        The mean of the sheet's hat function from a to b is (F(b) - F(a)) / (b - a), with its antiderivative F.
        """
        halfway = 0.5 * (ridge[:, 1:] + ridge[:, :-1])
        before = np.concatenate([ridge[:, :1], halfway], axis=1)
        after = np.concatenate([halfway, ridge[:, -1:]], axis=1)
        change = after - before
        steep = np.abs(change) > 1e-3 * _LIGAMENT_WIDTH
        content = np.maximum(1 - np.abs(ridge) / _LIGAMENT_WIDTH, 0.0)
        content[steep] = (_hat_integral(after[steep]) - _hat_integral(before[steep])) / change[steep]
        return np.float32(self.parameters.ligament_density) * content

    def _ridge(self, points_mm: np.ndarray) -> np.ndarray:
        """The field whose zero crossings are the ligaments."""
        return self.strands.sample(self._towards_nipple(points_mm) * np.float32(0.8))


def in_front_of_muscle(parameters: BreastParameters, points_mm: np.ndarray) -> np.ndarray:
    """Distance in front of the pectoral muscle's surface, along x, in mm, at points ``[3, N]``.

    The sheet runs from the breastbone to the armpit; its front leaves the chest wall at an angle, a little convex.
    """
    p = parameters
    fibre = np.deg2rad(p.pectoral_fibre_deg)
    along = points_mm[1] * np.float32(np.cos(fibre)) + points_mm[2] * np.float32(np.sin(fibre))
    along = np.maximum(along - np.float32(p.pectoral_start_mm), 0.0)
    # It never comes nearer to the skin of the armpit than a fifth of the fold's depth.
    slope, highest = np.float32(np.tan(np.deg2rad(p.pectoral_angle_deg))), np.float32(0.8 * p.armpit_depth_mm)
    in_front = points_mm[0] + np.float32(0.5) - highest * (1 - np.exp(-slope / highest * along))
    # Above and below the sheet there is fat; its edges are round.
    across = points_mm[2] * np.float32(np.cos(fibre)) - points_mm[1] * np.float32(np.sin(fibre))
    beyond_edge = np.maximum(np.abs(across) - np.float32(0.4 * p.pectoral_width_mm), 0.0)
    return in_front + np.square(beyond_edge) / np.float32(0.2 * p.pectoral_width_mm)


def _hat_integral(values: np.ndarray) -> np.ndarray:
    inside = np.clip(values, -_LIGAMENT_WIDTH, _LIGAMENT_WIDTH)
    return inside - inside * np.abs(inside) / (2 * _LIGAMENT_WIDTH)


def _soft_step(score: np.ndarray) -> np.ndarray:
    """From 0 to 1 over the width in which tissue is mixed."""
    return np.clip(score * np.float32(1 / _SOFTNESS) + np.float32(0.5), 0.0, 1.0)
