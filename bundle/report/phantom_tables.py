"""The measured comparison of the phantom with reality as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from bundle.imaging.resampling import resample_image
from bundle.metrics.depth_profile import profile_distance_mm
from bundle.metrics.spectrum import BAND_PER_MM, MARGIN_MM, WINDOW_MM
from bundle.records import Film
from bundle.report.phantom_measures import BreastMeasures, FilmMeasures, Score, measure_film
from bundle.vocabulary import ViewPosition

# Chen et al. 2012, Med Phys 39(3):1435: mean and standard deviation over 23 women.
PUBLISHED_EXPONENT = {ViewPosition.CC: (3.17, 0.23), ViewPosition.MLO: (3.30, 0.24)}
# Real films do not tell their spacing: a cassette's height, and square pixels.
ASSUMED_HEIGHT_MM = 240.0


def measure_real_films(folder: Path, *, spacing_mm: float) -> dict[ViewPosition, list[FilmMeasures]]:
    """Measure real films, 8 or 16-bit PNG whose names hold ``_CC`` or ``_MLO`` (and no ``mask``), at a spacing.

    A folder that does not exist gives no films.
    """
    measured: dict[ViewPosition, list[FilmMeasures]] = {position: [] for position in ViewPosition}
    for position in ViewPosition:
        for path in sorted(folder.glob(f"*_{position.value}*.png")):
            if "mask" in path.name:
                continue
            with Image.open(path) as image:
                pixels = np.asarray(image, dtype=np.float32)
            film = resample_image(
                pixels / pixels.max(), spacing_mm=ASSUMED_HEIGHT_MM / len(pixels), target_spacing_mm=spacing_mm
            )
            measured[position].append(measure_film(Film(pixels=film, spacing_mm=(spacing_mm, spacing_mm))))
    return measured


def exponent_table(
    breasts: Sequence[BreastMeasures],
    real: dict[str, dict[ViewPosition, list[FilmMeasures]]],
    *,
    film_spacing_mm: float,
) -> str:
    """Tabulate the spectral exponents of phantom, literature and real films."""
    lines = [
        f"Squares of {WINDOW_MM} mm, {MARGIN_MM:g} mm away from the skin, {BAND_PER_MM[0]} to {BAND_PER_MM[1]} per mm, "
        f"films of {film_spacing_mm} mm:",
        "",
        "| films | CC | MLO |",
        "| --- | --- | --- |",
        "| published (Chen et al. 2012) | "
        + " | ".join(f"{mean:.2f} +- {deviation:.2f}" for mean, deviation in PUBLISHED_EXPONENT.values())
        + " |",
    ]
    groups = {f"phantom ({len(breasts)} breasts)": {p: [b.films[p] for b in breasts] for p in ViewPosition}} | real
    for name, films in groups.items():
        cells = []
        for position in ViewPosition:
            values = np.asarray([film.exponent for film in films[position]])
            values = values[np.isfinite(values)]
            cells.append(f"{values.mean():.2f} +- {values.std():.2f} (n = {len(values)})" if len(values) else "-")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def size_table(breasts: Sequence[BreastMeasures]) -> str:
    """Tabulate quantiles of area, thickness, glandular fraction and lesion contrast."""
    rows = {
        f"{position.value} breast area with muscle, cm2": [b.films[position].area_cm2 for b in breasts]
        for position in ViewPosition
    }
    rows |= {
        f"{position.value} breast area without muscle, cm2": [
            b.films[position].area_without_muscle_cm2 for b in breasts
        ]
        for position in ViewPosition
    }
    rows |= {
        f"{position.value} thickness, mm": [b.thickness_mm[position] for b in breasts] for position in ViewPosition
    }
    rows["glandular fraction, %"] = [100 * b.glandular_fraction for b in breasts]
    rows["contrast-to-noise of masses"] = [value for b in breasts for value in b.mass_contrast]
    rows["contrast-to-noise of clusters"] = [value for b in breasts for value in b.cluster_contrast]
    lines = ["| | mean | sd | least | 5 % | 25 % | 50 % | 75 % | 95 % | most |", "| --- |" + " --- |" * 9]
    for name, values in rows.items():
        cells = [np.mean(values), np.std(values), *np.quantile(values, [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0])]
        lines.append(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
    return "\n".join(lines)


def profile_table(breasts: Sequence[BreastMeasures], real: dict[str, dict[ViewPosition, list[FilmMeasures]]]) -> str:
    """Tabulate the Wasserstein distance of depth profiles, own pairs against the views of different women."""
    lines = ["| pairs | own CC and MLO, mm | CC and MLO of different women, mm |", "| --- | --- | --- |"]
    groups = {
        "phantom": [(b.woman, b.films[ViewPosition.CC].profile, b.films[ViewPosition.MLO].profile) for b in breasts]
    }
    for name, films in real.items():
        pairs = zip(films[ViewPosition.CC], films[ViewPosition.MLO], strict=True)
        groups[name] = [(number, cc.profile, mlo.profile) for number, (cc, mlo) in enumerate(pairs)]
    for name, group in groups.items():
        own = [profile_distance_mm(cc, mlo) for _, cc, mlo in group]
        different = [
            profile_distance_mm(one[1], other[2]) for one, other in product(group, group) if one[0] != other[0]
        ]
        cells = [
            f"{np.mean(values):.1f} (median {np.median(values):.1f})" if values else "-" for values in (own, different)
        ]
        lines.append(f"| {name} ({len(own)} pairs) | {' | '.join(cells)} |")
    return "\n".join(lines)


def score_table(scores: Sequence[Score]) -> str:
    """Tabulate what the simple predictors and the truth reach."""
    lines = ["| prediction of the MLO | SSIM in the breast | PSNR in the breast, dB |", "| --- | --- | --- |"]
    lines += [f"| {score.method} | {score.ssim:.3f} | {score.psnr_db:.1f} |" for score in scores]
    return "\n".join(lines)
