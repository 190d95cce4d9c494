"""Lesions as 3-D objects in the uncompressed breast: masses, architectural distortion, calcification clusters.

Architectural distortion is, as in the tables, a mass shape: strands that meet in a point without a mass in the middle.
That they pull on the tissue around is not modelled.

Shapes, margins, distributions and their words are those of the CBIS-DDSM tables (BI-RADS 4th edition). How often each
is malignant follows the order of the BI-RADS atlas: spiculated and irregular masses, pleomorphic and fine linear
branching calcifications most, circumscribed round or oval masses and punctate calcifications least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bundle.datasets.phantom.anatomy import CARCINOMA_PER_MM, Breast

_SHAPE_PREVALENCE = {
    "ROUND": 0.12,
    "OVAL": 0.28,
    "LOBULATED": 0.24,
    "IRREGULAR": 0.29,
    "ARCHITECTURAL_DISTORTION": 0.07,
}
_MARGINS_OF_SHAPE = {
    "ROUND": {"CIRCUMSCRIBED": 0.7, "OBSCURED": 0.3},
    "OVAL": {"CIRCUMSCRIBED": 0.6, "OBSCURED": 0.3, "ILL_DEFINED": 0.1},
    "LOBULATED": {"CIRCUMSCRIBED": 0.4, "MICROLOBULATED": 0.35, "OBSCURED": 0.25},
    "IRREGULAR": {"SPICULATED": 0.6, "ILL_DEFINED": 0.4},
    "ARCHITECTURAL_DISTORTION": {"SPICULATED": 0.5, "ILL_DEFINED": 0.5},
}
_MALIGNANT_SHARE = {
    "CIRCUMSCRIBED": 0.10,
    "OBSCURED": 0.25,
    "MICROLOBULATED": 0.5,
    "ILL_DEFINED": 0.65,
    "SPICULATED": 0.9,
    "PUNCTATE": 0.1,
    "AMORPHOUS": 0.25,
    "PLEOMORPHIC": 0.55,
    "FINE_LINEAR_BRANCHING": 0.85,
}
_SOFTNESS_OF_MARGIN = {
    "CIRCUMSCRIBED": 0.06,
    "MICROLOBULATED": 0.1,
    "SPICULATED": 0.3,
    "OBSCURED": 0.4,
    "ILL_DEFINED": 0.6,
}
# (amplitude, lowest and highest angular frequency) of the undulation of the surface.
_UNDULATION = {
    "ROUND": (0.03, 1, 2),
    "OVAL": (0.04, 1, 2),
    "LOBULATED": (0.13, 3, 5),
    "IRREGULAR": (0.20, 4, 9),
    "ARCHITECTURAL_DISTORTION": (0.20, 4, 9),
}
# Even in glandular tissue a mass adds a little: fibrosis around it is denser than the carcinoma of the table.
_LEAST_CONTRAST_PER_MM = 0.010
# Less of a lesion's tissue than this counts as none.
FAINTEST_CONTENT = 1e-3
_SPICULE_WIDTH_MM = 1.2
_SPICULE_REACH_MM2 = -np.log(FAINTEST_CONTENT) * _SPICULE_WIDTH_MM**2
_CALCIFICATION_PREVALENCE = {"PUNCTATE": 0.2, "AMORPHOUS": 0.2, "PLEOMORPHIC": 0.45, "FINE_LINEAR_BRANCHING": 0.15}


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """One lesion.

    Args:
        abnormality: ``mass`` or ``calcification``.
        form: mass shape or calcification type, in the tables' words.
        border: mass margins or calcification distribution, in the tables' words.
        pathology: ``MALIGNANT`` or ``BENIGN``.
        assessment: BI-RADS category.
        subtlety: 1 (subtle) to 5 (obvious).
        centre_mm: ``[3]`` in the uncompressed breast.
        axes: ``[3, 3]`` rows are the body's axes.
        radii_mm: ``[3]`` half axes.
        undulation: ``[J, 5]`` rows of amplitude, frequency, and the unit direction of each wave on the surface.
        phases: ``[J]`` phases of the waves.
        softness: width of the margin over the radius.
        density: excess over the surroundings, 1 for a carcinoma's attenuation.
        spicule_directions: ``[S, 3]``; spicule_lengths_mm: ``[S]`` from the centre.
        grains_mm: ``[G, 3]`` centres of the calcifications; grain_radii_mm: ``[G]``.
    """

    abnormality: str
    form: str
    border: str
    pathology: str
    assessment: int
    subtlety: int
    centre_mm: np.ndarray
    axes: np.ndarray
    radii_mm: np.ndarray
    undulation: np.ndarray
    phases: np.ndarray
    softness: float
    density: float
    spicule_directions: np.ndarray
    spicule_lengths_mm: np.ndarray
    grains_mm: np.ndarray
    grain_radii_mm: np.ndarray

    @property
    def reach_mm(self) -> float:
        """Radius of a ball that holds the lesion with its spicules."""
        longest = float(self.spicule_lengths_mm.max()) if self.spicule_lengths_mm.size else 0.0
        return max(1.35 * float(self.radii_mm.max()) * (1 + self.softness), longest)

    def gauge(self, points_mm: np.ndarray) -> np.ndarray:
        """Distance from the centre over the distance of the surface in that direction; the mask is where it is <= 1.

        Args:
            points_mm: ``[3, N]``.
        """
        body = self.axes @ (points_mm - self.centre_mm[:, None]) / self.radii_mm[:, None]
        distance = np.sqrt((body * body).sum(0))
        direction = body / np.maximum(distance, 1e-6)
        surface = np.ones_like(distance)
        for (amplitude, frequency, *wave), phase in zip(self.undulation, self.phases, strict=True):
            surface += amplitude * np.sin(frequency * (np.asarray(wave) @ direction) + phase)
        return distance / np.maximum(surface, 0.3)

    def content(self, points_mm: np.ndarray, gauge: np.ndarray) -> np.ndarray:
        """Share of the lesion's tissue at points ``[3, N]``, spicules included; zero for calcifications."""
        if self.abnormality != "mass":
            return np.zeros_like(gauge)
        content = np.clip((1 - gauge) / max(self.softness, 0.02) + 0.5, 0.0, 1.0)
        if self.spicule_lengths_mm.size:
            offset = points_mm - self.centre_mm[:, None]
            squared = (offset * offset).sum(0)
            for direction, length in zip(self.spicule_directions, self.spicule_lengths_mm, strict=True):
                along = direction @ offset
                # Spicules taper to a tip; only the points that one can fill are looked at.
                near = np.flatnonzero((along > 0) & (along < length) & (squared - along * along < _SPICULE_REACH_MM2))
                across = np.maximum(squared[near] - along[near] ** 2, 0.0)
                width = np.maximum(_SPICULE_WIDTH_MM * (1 - along[near] / length), 0.05)
                content[near] = np.maximum(content[near], np.exp(-across / width**2))
        return content

    def excess_per_mm(self, content: np.ndarray, surroundings_per_mm: np.ndarray) -> np.ndarray:
        """Linear attenuation over that of the surroundings, both ``[N]``, for a `content`; never negative."""
        contrast = np.maximum(CARCINOMA_PER_MM - surroundings_per_mm, _LEAST_CONTRAST_PER_MM)
        return self.density * content * contrast


def draw_lesions(breast: Breast, generator: np.random.Generator, *, at_least: int = 0) -> tuple[Lesion, ...]:
    """Draw none (25 %), one (50 %) or two (25 %) lesions of a breast."""
    count = max(at_least, int(generator.choice([0, 1, 2], p=[0.25, 0.5, 0.25])))
    lesions: list[Lesion] = []
    for _ in range(count):
        lesion = _draw_mass(breast, generator) if generator.random() < 0.65 else _draw_cluster(breast, generator)
        apart = all(
            np.linalg.norm(lesion.centre_mm - other.centre_mm) > lesion.reach_mm + other.reach_mm for other in lesions
        )
        if apart:  # lesions that would overlap are left out, so that every mask is of one lesion
            lesions.append(lesion)
    return tuple(lesions)


def _choose(generator: np.random.Generator, prevalence: dict[str, float]) -> str:
    return str(generator.choice(list(prevalence), p=list(prevalence.values())))


def _draw_centre(breast: Breast, generator: np.random.Generator, *, margin_mm: float) -> np.ndarray:
    """Draw a place inside the breast, away from skin and muscle, by the share of glandular tissue around."""
    p = breast.parameters
    points = breast.interior_points(spacing_mm=6.0)
    gauge, distance = breast.surface(points)
    in_front = points.copy()
    in_front[0] -= np.float32(margin_mm)
    free = (distance > margin_mm + p.skin_mm + 1.0) & ~breast.is_muscle(in_front) & (points[0] > 0.22 * p.depth_mm)
    if not free.any():
        free = gauge <= np.quantile(gauge, 0.05)
    points = points[:, free]
    weight = 0.25 + breast.glandular(points).astype(np.float64)
    chosen = points[:, int(generator.choice(points.shape[1], p=weight / weight.sum()))].astype(np.float64)
    return chosen + generator.uniform(-2.0, 2.0, 3)


def _random_axes(generator: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(generator.standard_normal((3, 3)))
    return q * np.sign(np.diag(r))


def _directions(generator: np.random.Generator, count: int) -> np.ndarray:
    d = generator.standard_normal((count, 3))
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def _assess(generator: np.random.Generator, word: str) -> tuple[str, int]:
    malignant = bool(generator.random() < _MALIGNANT_SHARE[word])
    if malignant:
        return "MALIGNANT", 5 if generator.random() < 0.45 else 4
    return "BENIGN", int(generator.choice([2, 3, 4], p=[0.15, 0.45, 0.40]))


def _draw_mass(breast: Breast, generator: np.random.Generator) -> Lesion:
    # Diameters about 14 mm, 7 to 36 mm, as in screening (log-normal).
    radius = float(np.clip(np.exp(generator.normal(np.log(7.2), 0.38)), 3.5, 18.0))
    form = _choose(generator, _SHAPE_PREVALENCE)
    border = _choose(generator, _MARGINS_OF_SHAPE[form])
    ratios = np.asarray([generator.uniform(1.15, 1.5), 1.0, generator.uniform(0.75, 0.95)])
    if form == "ROUND":
        ratios = np.asarray([1.0, 1.0, generator.uniform(0.93, 1.0)])
    amplitude, lowest, highest = _UNDULATION[form]
    waves = 5
    undulation = np.column_stack(
        [
            amplitude * generator.uniform(0.4, 1.0, waves),
            generator.uniform(lowest, highest, waves),
            _directions(generator, waves),
        ]
    )
    density = float(np.clip(generator.normal(1.05, 0.30), 0.35, 1.7))
    is_distortion = form == "ARCHITECTURAL_DISTORTION"
    spicules = int(generator.integers(14, 30)) if border == "SPICULATED" or is_distortion else 0
    lengths = radius * generator.uniform(1.3, 2.6, spicules)
    softness = _SOFTNESS_OF_MARGIN[border]
    if is_distortion:
        # Strands that meet without a mass in their middle: long, over a core that fades away.
        density, lengths, softness = 0.5 * density, 1.4 * lengths, 1.6
    pathology, assessment = _assess(generator, border)
    return Lesion(
        abnormality="mass",
        form=form,
        border=border,
        pathology=pathology,
        assessment=assessment,
        subtlety=int(np.clip(round(density * radius / 2.0), 1, 5)),
        centre_mm=_draw_centre(breast, generator, margin_mm=0.8 * radius),
        axes=_random_axes(generator),
        radii_mm=radius * ratios / float(np.prod(ratios)) ** (1 / 3),
        undulation=undulation,
        phases=generator.uniform(0, 2 * np.pi, waves),
        softness=softness,
        density=density,
        spicule_directions=_directions(generator, spicules),
        spicule_lengths_mm=lengths,
        grains_mm=np.empty((0, 3)),
        grain_radii_mm=np.empty(0),
    )


def _draw_cluster(breast: Breast, generator: np.random.Generator) -> Lesion:
    form = _choose(generator, _CALCIFICATION_PREVALENCE)
    linear = form == "FINE_LINEAR_BRANCHING"
    radius = float(np.clip(np.exp(generator.normal(np.log(6.0), 0.35)), 3.0, 14.0))
    ratios = np.asarray([2.0, 0.8, 0.625]) if linear else np.asarray([1.15, 1.0, 0.87])
    axes = _random_axes(generator)
    centre = _draw_centre(breast, generator, margin_mm=radius)
    count = int(generator.integers(8, 40))
    inside = _directions(generator, count) * generator.uniform(0, 0.95, (count, 1)) ** (1 / 3)
    # Diameters 0.2 to 1 mm; amorphous ones are the smallest, pleomorphic ones the most varied.
    median, spread = {
        "PUNCTATE": (0.20, 0.2),
        "AMORPHOUS": (0.14, 0.2),
        "PLEOMORPHIC": (0.24, 0.45),
        "FINE_LINEAR_BRANCHING": (0.20, 0.3),
    }[form]
    grain_radii = np.clip(np.exp(generator.normal(np.log(median), spread, count)), 0.08, 0.6)
    radii = radius * ratios
    pathology, assessment = _assess(generator, form)
    return Lesion(
        abnormality="calcification",
        form=form,
        border="LINEAR" if linear else "CLUSTERED",
        pathology=pathology,
        assessment=assessment,
        subtlety=int(np.clip(round(median * 10 + count / 15), 1, 5)),
        centre_mm=centre,
        axes=axes,
        radii_mm=radii,
        undulation=np.empty((0, 5)),
        phases=np.empty(0),
        softness=0.05,
        density=0.0,
        spicule_directions=np.empty((0, 3)),
        spicule_lengths_mm=np.empty(0),
        grains_mm=centre + (inside * radii) @ axes,
        grain_radii_mm=grain_radii,
    )
