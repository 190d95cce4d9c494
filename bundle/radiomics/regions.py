"""Random elliptic regions of a breast: the many examples that train the network of mammogram features.

Drawing is separated from rasterizing: a `Region` is in mm from the top left corner of the prepared image, so that the
same region can be laid over the canvas in training.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np

_MOST_DRAWS = 200
"""Draws for one region before giving up: a region must lie in the breast, which a small or thin breast may not hold."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """An ellipse in a prepared view.

    Args:
        centre_row_mm: from the top edge of the prepared image down.
        centre_column_mm: from the left edge (the chest wall) to the right.
        major_radius_mm: the longer semi-axis.
        minor_radius_mm: the shorter semi-axis.
        angle_degrees: from the row direction (to the right) to the longer axis, clockwise as seen, in [0, 180).
    """

    centre_row_mm: float
    centre_column_mm: float
    major_radius_mm: float
    minor_radius_mm: float
    angle_degrees: float


def region_mask(region: Region, *, shape: tuple[int, int], spacing_mm: float) -> np.ndarray:
    """Rasterize a region: True where a pixel's centre lies in the ellipse.

    Args:
        region: the ellipse.
        shape: (rows, columns) of the image whose top left corner is the origin of the region.
        spacing_mm: pixel spacing; the centre of pixel (0, 0) lies at half a spacing from both edges.

    Returns:
        bool ``[rows, columns]``; what lies beyond the image is cut off.
    """
    rows_mm = (np.arange(shape[0]) + 0.5) * spacing_mm - region.centre_row_mm
    columns_mm = (np.arange(shape[1]) + 0.5) * spacing_mm - region.centre_column_mm
    cosine, sine = math.cos(math.radians(region.angle_degrees)), math.sin(math.radians(region.angle_degrees))
    along = cosine * columns_mm[np.newaxis, :] + sine * rows_mm[:, np.newaxis]
    across = -sine * columns_mm[np.newaxis, :] + cosine * rows_mm[:, np.newaxis]
    return (along / region.major_radius_mm) ** 2 + (across / region.minor_radius_mm) ** 2 <= 1.0


def region_generator(*, seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of one view: they depend on the seed and the view's name, not on the order of views."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def draw_region(
    breast: np.ndarray,
    *,
    spacing_mm: float,
    least_radius_mm: float,
    greatest_radius_mm: float,
    least_pixels: int,
    generator: np.random.Generator,
) -> Region | None:
    """Draw a random ellipse that lies wholly in the breast.

    The centre is uniform over the breast, the longer semi-axis log-uniform between the two radii (small lesions are the
    common ones), the ratio of the axes uniform in [0.5, 1] but never below the least radius, the angle uniform.

    Args:
        breast: bool ``[rows, columns]``, True in the breast.
        spacing_mm: its pixel spacing.
        least_radius_mm: least semi-axis.
        greatest_radius_mm: greatest semi-axis.
        least_pixels: a region with fewer pixels at this spacing is drawn again.
        generator: the random numbers.

    Returns:
        The region, or None where the breast holds none after many draws.
    """
    rows, columns = np.nonzero(breast)
    if len(rows) == 0:
        return None
    for _ in range(_MOST_DRAWS):
        centre = generator.integers(len(rows))
        within_pixel = generator.random(2)
        major_radius_mm = math.exp(generator.uniform(math.log(least_radius_mm), math.log(greatest_radius_mm)))
        region = Region(
            centre_row_mm=float((rows[centre] + within_pixel[0]) * spacing_mm),
            centre_column_mm=float((columns[centre] + within_pixel[1]) * spacing_mm),
            major_radius_mm=major_radius_mm,
            minor_radius_mm=max(least_radius_mm, major_radius_mm * generator.uniform(0.5, 1.0)),
            angle_degrees=float(generator.uniform(0.0, 180.0)),
        )
        if not _is_within_frame(region, height_mm=breast.shape[0] * spacing_mm, width_mm=breast.shape[1] * spacing_mm):
            continue
        mask = region_mask(region, shape=(breast.shape[0], breast.shape[1]), spacing_mm=spacing_mm)
        if np.count_nonzero(mask) >= least_pixels and breast[mask].all():
            return region
    return None


def _is_within_frame(region: Region, *, height_mm: float, width_mm: float) -> bool:
    """Tell whether the ellipse's bounding box lies in the image, so that nothing of it is cut off."""
    cosine, sine = math.cos(math.radians(region.angle_degrees)), math.sin(math.radians(region.angle_degrees))
    half_height_mm = math.hypot(region.major_radius_mm * sine, region.minor_radius_mm * cosine)
    half_width_mm = math.hypot(region.major_radius_mm * cosine, region.minor_radius_mm * sine)
    return (
        half_height_mm <= region.centre_row_mm <= height_mm - half_height_mm
        and half_width_mm <= region.centre_column_mm <= width_mm - half_width_mm
    )
