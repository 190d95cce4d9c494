"""One exposure: line integrals through the pressed breast, and the film that they make."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy import ndimage, special

from bundle.datasets.phantom.anatomy import CALCIFICATION_PER_MM, FAT_PER_MM, GLANDULAR_PER_MM, SKIN_PER_MM, Breast
from bundle.datasets.phantom.compression import Columns, Compression
from bundle.datasets.phantom.lesions import FAINTEST_CONTENT, Lesion
from bundle.datasets.phantom.parameters import ViewParameters
from bundle.datasets.phantom.vessels import Vessel
from bundle.vocabulary import ViewPosition

# Screen-film cassettes, height (along the chest wall) by width, in mm.
CASSETTES_MM = ((240.0, 180.0), (300.0, 240.0))
_COARSEST_SAMPLING_MM = 1.0
_STEP_ALONG_BEAM_MM = 3.0
_SAMPLES_AT_ONCE = 400_000  # bounds the memory at any film spacing
_FREE_EDGE_MM = 24.0

# Blur of screen, focal spot and digitizer, as a standard deviation at the film.
_BLUR_MM = 0.08
# Quanta per mm2 that the screen absorbs at the reference exposure, through 1 / e of attenuation beyond it.
_QUANTA_PER_MM2 = 2.0e5
# Rendering: share of the fat's attenuation that the exposure makes up for, share of the local thickness in that, and
# middle and width of the characteristic curve. Chosen by eye against real films.
_EXPOSURE_CONTROL = 0.88
_EQUALISATION = 0.3
_MIDDLE = 0.84
_LATITUDE = 0.46


@dataclass(frozen=True, kw_only=True)
class ProjectedLesion:
    """What one view shows of one lesion.

    Args:
        mask: bool ``[rows, columns]``.
        centre_px: (row, column) of the projected 3-D centre, from the top left pixel's centre.
    """

    mask: np.ndarray
    centre_px: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """One view before it becomes a film; chest wall at the left edge, lateral or the armpit at the top.

    Args:
        line_integral: float32 ``[rows, columns]``, the integral of the attenuation along the beam (no unit).
        thickness_mm: float32 ``[rows, columns]``, length of the tissue along the beam.
        lesions: one per lesion of the breast, in their order.
        nipple_px: (row, column) of the nipple.
        spacing_mm: of the pixels.
    """

    line_integral: np.ndarray
    thickness_mm: np.ndarray
    lesions: tuple[ProjectedLesion, ...]
    nipple_px: tuple[float, float]
    spacing_mm: float


@dataclass(frozen=True, kw_only=True)
class FilmFrame:
    """Where the film lies: film position (row and column, in mm from the top left corner) to compressed coordinates."""

    top_mm: float
    cut_mm: float
    tilt_rad: float
    pivot_mm: float

    def to_breast(self, down_mm: np.ndarray, right_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        along = self.top_mm - down_mm - self.pivot_mm
        cosine, sine = np.cos(self.tilt_rad), np.sin(self.tilt_rad)
        x = self.cut_mm + right_mm * cosine + along * sine
        return np.maximum(x, 0.0), self.pivot_mm + along * cosine - right_mm * sine

    def to_film(self, x_mm: Any, v_mm: Any) -> tuple[Any, Any]:
        forward, along = x_mm - self.cut_mm, v_mm - self.pivot_mm
        cosine, sine = np.cos(self.tilt_rad), np.sin(self.tilt_rad)
        right = forward * cosine - along * sine
        return self.top_mm - self.pivot_mm - (forward * sine + along * cosine), right


def choose_cassette(compressions: dict[ViewPosition, Compression]) -> tuple[float, float]:
    """Choose the smallest cassette (height, width in mm) that holds the pressed breast in both views."""
    for height, width in CASSETTES_MM:
        fits = all(c.depth_mm + 8.0 < width for c in compressions.values())
        _, low, high = compressions[ViewPosition.CC].outline_mm()
        if fits and high.max() - low.min() < height - 16.0:
            return height, width
    return CASSETTES_MM[-1]


def expose(
    *,
    breast: Breast,
    lesions: tuple[Lesion, ...],
    vessels: tuple[Vessel, ...],
    compression: Compression,
    view: ViewParameters,
    cassette_mm: tuple[float, float],
    spacing_mm: float,
) -> Exposure:
    """Project the pressed breast onto the film by Beer and Lambert's law, with a parallel beam.

    The samples lie at the film's pixels, or at a whole fraction of them where the film is coarser than 1 mm, so that a
    coarser film is the same breast, averaged.
    """
    oversampling = int(np.ceil(spacing_mm / _COARSEST_SAMPLING_MM))
    pitch = spacing_mm / oversampling
    rows, columns = (round(size / spacing_mm) * oversampling for size in cassette_mm)
    frame = place_film(compression, view, height_mm=rows * pitch)

    down, right = np.meshgrid((np.arange(rows) + 0.5) * pitch, (np.arange(columns) + 0.5) * pitch, indexing="ij")
    x, v = frame.to_breast(down.ravel(), right.ravel())
    all_columns = compression.columns(x, v)
    thickness = all_columns.thickness_mm.reshape(rows, columns)
    integral = _integrate(breast, compression, all_columns).reshape(rows, columns)
    integral += _skin(thickness, pitch, breast.parameters.skin_mm)
    nipple_x, nipple_v = compression.nipple_mm()
    nipple_v += view.nipple_roll_mm
    integral += _nipple(breast, x - nipple_x, v - nipple_v, all_columns.thickness_mm).reshape(rows, columns)

    integral += _project_tubes(_tubes(breast, vessels), compression, frame, (rows, columns), pitch)
    projected = []
    for lesion in lesions:
        centre = compression.compressed(lesion.centre_mm)
        excess, mask = _project_lesion(breast, lesion, compression, frame, (rows, columns), pitch)
        integral += excess
        down_mm, right_mm = frame.to_film(centre[0], centre[1])
        projected.append(
            ProjectedLesion(
                mask=_average(mask.astype(np.float32), oversampling) >= 0.5,
                centre_px=(down_mm / spacing_mm - 0.5, right_mm / spacing_mm - 0.5),
            )
        )
    down_mm, right_mm = frame.to_film(nipple_x, nipple_v)
    return Exposure(
        line_integral=_average(integral, oversampling).astype(np.float32),
        thickness_mm=_average(thickness, oversampling).astype(np.float32),
        lesions=tuple(projected),
        nipple_px=(down_mm / spacing_mm - 0.5, right_mm / spacing_mm - 0.5),
        spacing_mm=spacing_mm,
    )


def presentation(exposure: Exposure, view: ViewParameters) -> np.ndarray:
    """Make the film's brightness in [0, 1], bright where little light came through.

    The rendering is the same for all films: no figure is taken from the image. Automatic exposure control lengthens the
    exposure with the thickness between the plates (known before the exposure), as for a breast of fat; what is left is
    the tissue's own. Peripheral equalisation takes a part of the thickness from its local value (Snoeren and
    Karssemeijer 2004, IEEE Trans Med Imaging 23(7):799), so that skin and nipple can be seen. The characteristic curve
    of film is a sigmoid of the logarithmic exposure (Haus 1996, Med Phys).

    Returns:
        float32 ``[rows, columns]``.
    """
    generator = np.random.default_rng(view.noise_seed)
    seen = detected(exposure, view, generator)
    local_mm = _EQUALISATION * (exposure.thickness_mm - np.float32(view.thickness_mm))
    beyond = seen - np.float32(_EXPOSURE_CONTROL * FAT_PER_MM) * local_mm
    brightness = special.expit((beyond - _MIDDLE) / _LATITUDE)
    # Base and fog: the clear film is not perfectly dark for the digitizer, nor even.
    fog = 0.012 + 0.004 * generator.standard_normal()
    grain = 0.0015 * generator.standard_normal(beyond.shape, dtype=np.float32) / min(1.0, exposure.spacing_mm) ** 0.5
    return np.clip(abs(fog) + grain + (1 - abs(fog)) * brightness, 0.0, 1.0).astype(np.float32)


def detected(exposure: Exposure, view: ViewParameters, generator: np.random.Generator) -> np.ndarray:
    """Attenuation that the detector sees beyond what the exposure makes up for, with blur and noise of quanta."""
    integral = ndimage.gaussian_filter(exposure.line_integral, _BLUR_MM / exposure.spacing_mm)
    beyond = integral - np.float32(_EXPOSURE_CONTROL * FAT_PER_MM * view.thickness_mm)
    quanta = _QUANTA_PER_MM2 * exposure.spacing_mm**2 * np.exp(1.0 - beyond)
    noise = generator.standard_normal(beyond.shape, dtype=np.float32) / np.sqrt(quanta)
    return (beyond + noise).astype(np.float32)


def place_film(compression: Compression, view: ViewParameters, *, height_mm: float) -> FilmFrame:
    """Lay the film: the breast in the middle in a CC, near the lower edge in an MLO so that the armpit comes on."""
    _, low, high = compression.outline_mm()
    if view.view_position is ViewPosition.CC:
        top = 0.5 * (low.min() + high.max()) + 0.5 * height_mm + view.film_shift_mm
    else:
        top = float(low.min()) - _FREE_EDGE_MM + view.film_shift_mm + height_mm
    return FilmFrame(
        top_mm=float(top),
        cut_mm=view.posterior_cut_mm,
        tilt_rad=float(np.deg2rad(view.tilt_deg)),
        pivot_mm=compression.nipple_mm()[1],
    )


def _take(columns: Columns, index: np.ndarray) -> Columns:
    return Columns(**{f.name: getattr(columns, f.name)[index] for f in fields(columns)})


def _integrate(breast: Breast, compression: Compression, columns: Columns) -> np.ndarray:
    """Integrate the attenuation along the columns, without skin, nipple and lesions."""
    samples = int(np.ceil(compression.thickness_mm / _STEP_ALONG_BEAM_MM))
    share = (np.arange(samples, dtype=np.float32) + 0.5) / samples
    integral = np.zeros(columns.inside.shape)
    inside = np.flatnonzero(columns.inside)
    step = max(1, _SAMPLES_AT_ONCE // samples)
    for start in range(0, len(inside), step):
        index = inside[start : start + step]
        some = _take(columns, index)
        points = compression.uncompressed(some, np.broadcast_to(share, (len(index), samples)))
        integral[index] = breast.mean_attenuation_per_mm(points) * some.thickness_mm
    return integral


def _skin(thickness_mm: np.ndarray, pitch_mm: float, skin_mm: float) -> np.ndarray:
    """Excess of the skin over fat: two layers, longer along the beam where the surface is steep."""
    slope_down, slope_right = np.gradient(thickness_mm / 2, pitch_mm)
    path = np.minimum(2 * skin_mm * np.sqrt(1 + slope_down**2 + slope_right**2), thickness_mm)
    # No chord through a round edge's shell is longer than the one that grazes its inside.
    path = np.minimum(path, 2 * np.sqrt(skin_mm * np.max(thickness_mm, initial=skin_mm)))
    return (SKIN_PER_MM - FAT_PER_MM) * path


def _nipple(breast: Breast, x_mm: np.ndarray, v_mm: np.ndarray, thickness_mm: np.ndarray) -> np.ndarray:
    """Attenuation of the nipple, half an ellipsoid in front, over what the breast has there already."""
    p = breast.parameters
    length = p.nipple_length_mm + 2.0
    x = x_mm + 2.0
    inside = np.maximum(1 - (x / length) ** 2 - (v_mm / p.nipple_radius_mm) ** 2, 0.0)
    path = np.where(x > -0.8 * length, 2 * p.nipple_radius_mm * np.sqrt(inside), 0.0)
    outside = np.maximum(path - thickness_mm, 0.0)
    return SKIN_PER_MM * outside + 0.5 * (SKIN_PER_MM - FAT_PER_MM) * (path - outside)


def _project_lesion(
    breast: Breast,
    lesion: Lesion,
    compression: Compression,
    frame: FilmFrame,
    shape: tuple[int, int],
    pitch_mm: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Project one lesion: its excess attenuation ``[rows, columns]`` and its mask, both on the sampling grid."""
    excess, mask = np.zeros(shape), np.zeros(shape, dtype=bool)
    centre = compression.compressed(lesion.centre_mm)
    centre_film = (*frame.to_film(centre[0], centre[1]), centre[2])
    # The six tips give the stretch in each direction; 1.15 for the corners that shear moves further.
    tips = lesion.centre_mm[:, None] + lesion.reach_mm * np.concatenate([np.eye(3), -np.eye(3)], axis=1)
    tip_x, tip_v, tip_w = compression.compressed_points(tips)
    tips_film = np.stack([*frame.to_film(tip_x, tip_v), tip_w])
    reach = 1.15 * np.abs(tips_film - np.asarray(centre_film)[:, None]).max(axis=1) + 1.0
    first = [max(0, int((centre_film[a] - reach[a]) / pitch_mm)) for a in (0, 1)]
    last = [min(shape[a], int((centre_film[a] + reach[a]) / pitch_mm) + 2) for a in (0, 1)]
    if first[0] >= last[0] or first[1] >= last[1]:
        return excess, mask  # outside the film: this view does not show the lesion
    fineness = max(1, int(np.ceil(pitch_mm / (0.15 * float(lesion.radii_mm.min())))))
    fine = pitch_mm / fineness
    down = first[0] * pitch_mm + (np.arange((last[0] - first[0]) * fineness) + 0.5) * fine
    right = first[1] * pitch_mm + (np.arange((last[1] - first[1]) * fineness) + 0.5) * fine
    grid = np.meshgrid(down, right, indexing="ij")
    x, v = frame.to_breast(grid[0].ravel(), grid[1].ravel())
    columns = compression.columns(x, v)
    inside = np.flatnonzero(columns.inside)
    step = min(1.0, 0.15 * float(lesion.radii_mm.min()))
    w = np.arange(centre[2] - reach[2], centre[2] + reach[2], step)
    fine_mask, fine_excess = np.zeros(columns.inside.shape, dtype=np.float32), np.zeros(columns.inside.shape)
    at_once = max(1, _SAMPLES_AT_ONCE // len(w))
    for start in range(0, len(inside), at_once):
        index = inside[start : start + at_once]
        hit, excess_per_mm = _sample_lesion(breast, lesion, compression, _take(columns, index), w)
        fine_mask[index] = hit.any(axis=1)
        fine_excess[index] = excess_per_mm.sum(axis=1) * step
    window = (slice(first[0], last[0]), slice(first[1], last[1]))
    mask[window] = _average(fine_mask.reshape(grid[0].shape), fineness) >= 0.5
    excess[window] = _average(fine_excess.reshape(grid[0].shape), fineness)
    if lesion.grain_radii_mm.size:
        _add_grains(excess, lesion, compression, frame, pitch_mm)
    return excess, mask


def _sample_lesion(
    breast: Breast, lesion: Lesion, compression: Compression, columns: Columns, w_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sample a lesion along the beam at depths ``[S]``: inside or not, and excess per mm, both ``[N, S]``."""
    share = w_mm[None, :] / np.maximum(columns.thickness_mm, 1e-6)[:, None] + 0.5
    points = compression.uncompressed(columns, share).reshape(3, -1).astype(np.float64)
    within = ((share > 0) & (share < 1)).ravel()
    near = np.flatnonzero(within & (((points - lesion.centre_mm[:, None]) ** 2).sum(0) < lesion.reach_mm**2))
    gauge = lesion.gauge(points[:, near])
    hit, excess = np.zeros(points.shape[1], dtype=bool), np.zeros(points.shape[1])
    hit[near] = gauge <= 1.0
    if lesion.abnormality == "mass":
        content = lesion.content(points[:, near], gauge)
        filled = np.flatnonzero(content > FAINTEST_CONTENT)
        around = breast.attenuation_per_mm(points[:, near[filled]].astype(np.float32))
        excess[near[filled]] = lesion.excess_per_mm(content[filled], around)
    return hit.reshape(share.shape), excess.reshape(share.shape)


def _add_grains(
    excess: np.ndarray, lesion: Lesion, compression: Compression, frame: FilmFrame, pitch_mm: float
) -> None:
    """Add each calcification as a Gaussian spot of its exact integral, volume times attenuation.

    The spot's variance per axis is that of a ball's projection, r**2 / 5; its integral over each pixel is exact (a
    product of differences of the error function), so grains much smaller than a pixel keep their total.
    """
    rows, columns = excess.shape
    pressed_x, pressed_v, _ = compression.compressed_points(lesion.grains_mm.T)
    centres = np.stack(frame.to_film(pressed_x, pressed_v), axis=1)
    for centre, radius in zip(centres, lesion.grain_radii_mm, strict=True):
        sigma = radius / np.sqrt(5.0)
        total = CALCIFICATION_PER_MM * 4 / 3 * np.pi * radius**3 / pitch_mm**2
        spans, weights = [], []
        for position, size in zip(centre, (rows, columns), strict=True):
            start = max(0, int((position - 4 * sigma) / pitch_mm))
            stop = min(size, int((position + 4 * sigma) / pitch_mm) + 1)
            edges = np.arange(start, stop + 1) * pitch_mm if stop > start else np.zeros(1)
            weights.append(np.diff(0.5 * special.erf((edges - position) / (sigma * np.sqrt(2.0)))))
            spans.append(slice(start, max(stop, start)))
        excess[spans[0], spans[1]] += total * weights[0][:, None] * weights[1][None, :]


@dataclass(frozen=True, kw_only=True)
class _Tube:
    """What a vessel or a duct adds: points ``[N, 3]``, radius, and linear attenuation over its surroundings ``[N]``."""

    points_mm: np.ndarray
    radius_mm: float
    excess_per_mm: np.ndarray


def _tubes(breast: Breast, vessels: tuple[Vessel, ...]) -> list[_Tube]:
    """Collect vessels, over the fat around them, and ducts, which only show where there is no glandular tissue."""
    tubes = [
        _Tube(
            points_mm=vessel.points_mm,
            radius_mm=vessel.radius_mm,
            excess_per_mm=np.full(len(vessel.points_mm), vessel.excess_per_mm),
        )
        for vessel in vessels
    ]
    if breast.ducts:
        points = np.concatenate([duct.points_mm for duct in breast.ducts]).T.astype(np.float32)
        excess = (GLANDULAR_PER_MM - FAT_PER_MM) * (1.0 - breast.glandular(points).astype(np.float64))
        ends = np.cumsum([len(duct.points_mm) for duct in breast.ducts])[:-1]
        tubes += [
            _Tube(points_mm=duct.points_mm, radius_mm=duct.radius_mm, excess_per_mm=part)
            for duct, part in zip(breast.ducts, np.split(excess, ends), strict=True)
        ]
    return tubes


def _project_tubes(
    tubes: list[_Tube], compression: Compression, frame: FilmFrame, shape: tuple[int, int], pitch_mm: float
) -> np.ndarray:
    """Project tubes: cross-section times length times excess, laid along the axis and as wide as the tube.

    The variance of a disc's projection is r**2 / 4; bilinear weights keep the integral. Tubes of like radius (within a
    quarter) are blurred together.
    """
    total = np.zeros(shape)
    if not tubes:
        return total
    pressed = compression.compressed_points(np.concatenate([tube.points_mm for tube in tubes]).T)
    ends = np.cumsum([len(tube.points_mm) for tube in tubes])[:-1]
    groups: dict[int, list[np.ndarray]] = {}
    for tube, (x, v, w) in zip(tubes, np.split(pressed, ends, axis=1), strict=True):
        along = np.concatenate([[0.0], np.cumsum(np.sqrt(np.diff(x) ** 2 + np.diff(v) ** 2 + np.diff(w) ** 2))])
        steps = max(1, int(np.ceil(along[-1] / (0.5 * pitch_mm))))
        step = along[-1] / steps
        places = (np.arange(steps) + 0.5) * step
        down, right = frame.to_film(np.interp(places, along, x), np.interp(places, along, v))
        weight = np.interp(places, along, tube.excess_per_mm) * np.pi * tube.radius_mm**2 * step / pitch_mm**2
        groups.setdefault(round(np.log(tube.radius_mm) / np.log(1.25)), []).append(
            np.stack([down / pitch_mm - 0.5, right / pitch_mm - 0.5, weight])
        )
    for group, parts in groups.items():
        line = _laid(np.concatenate(parts, axis=1), shape)
        total += ndimage.gaussian_filter(line, 0.5 * 1.25**group / pitch_mm)
    return total


def _laid(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Lay weighted points ``[3, N]`` (row, column, weight) on a grid with bilinear weights."""
    line = np.zeros(shape[0] * shape[1])
    corner = np.floor(points[:2]).astype(int)
    part = points[:2] - corner
    for down in (0, 1):
        for right in (0, 1):
            row, column = corner[0] + down, corner[1] + right
            weight = np.abs(1 - down - part[0]) * np.abs(1 - right - part[1]) * points[2]
            on_film = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
            line += np.bincount((row * shape[1] + column)[on_film], weight[on_film], minlength=line.size)
    return line.reshape(shape)


def _average(image: np.ndarray, factor: int) -> np.ndarray:
    if factor == 1:
        return image
    rows, columns = image.shape
    return image.reshape(rows // factor, factor, columns // factor, factor).mean(axis=(1, 3))
