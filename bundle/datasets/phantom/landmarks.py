"""What a reader would mark on a film, known exactly: lesion outlines, chest wall, edge of the pectoral muscle.

All positions are (row, column) in pixels of the stored film, from the top left pixel's centre.
"""

from __future__ import annotations

import numpy as np
from skimage.measure import approximate_polygon, find_contours

from bundle.datasets.phantom.acquisition import FilmFrame, place_film
from bundle.datasets.phantom.anatomy import in_front_of_muscle
from bundle.datasets.phantom.compression import Compression
from bundle.datasets.phantom.film import StoredFilm
from bundle.datasets.phantom.parameters import BreastParameters, ViewParameters

_MUSCLE_STEP_MM = 2.0
_SAMPLES_ALONG_BEAM = 24
_OUTLINE_TOLERANCE_PX = 0.25


def mask_outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Trace a mask: one closed polygon ``[N, 2]`` per border of a region, along the pixels' half-way line."""
    traced = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    return [approximate_polygon(contour - 1.0, tolerance=_OUTLINE_TOLERANCE_PX) for contour in traced]


def chest_wall_line(compression: Compression, view: ViewParameters, film: StoredFilm) -> np.ndarray:
    """Where depth 0 of the pressed breast is, at the film's first and last row: ``[2, 2]``.

    The line lies outside the film (beyond the chest wall's edge) by the tissue that the view misses, or partly inside
    where the breast was tilted.
    """
    rows = film.brightness.shape[0]
    frame = _frame(compression, view, film)
    down = np.asarray([0.5, rows - 0.5]) * film.spacing_mm
    # to_film is linear: from two points of the line to the two rows.
    one, other = (np.asarray(frame.to_film(0.0, v)) for v in (0.0, 100.0))
    share = (down - one[0]) / (other[0] - one[0])
    return _stored(down, one[1] + share * (other[1] - one[1]), film)


def muscle_edge(
    parameters: BreastParameters, compression: Compression, view: ViewParameters, film: StoredFilm
) -> np.ndarray:
    """Find the projected front of the pectoral muscle: ``[N, 2]`` from the head's side, rows 2 mm apart.

    Per row, the last position from the chest wall on where a beam meets the muscle; empty where no beam does.
    """
    rows, columns = (size * film.spacing_mm for size in film.brightness.shape)
    down, right = (np.arange(0.5 * _MUSCLE_STEP_MM, size, _MUSCLE_STEP_MM) for size in (rows, columns))
    grid = np.meshgrid(down, right, indexing="ij")
    beams = compression.columns(*_frame(compression, view, film).to_breast(grid[0].ravel(), grid[1].ravel()))
    share = np.broadcast_to(
        (np.arange(_SAMPLES_ALONG_BEAM) + 0.5) / _SAMPLES_ALONG_BEAM, (grid[0].size, _SAMPLES_ALONG_BEAM)
    )
    points = compression.uncompressed(beams, share)
    met = (in_front_of_muscle(parameters, points.reshape(3, -1)) < 0).reshape(share.shape).any(axis=1) & beams.inside
    connected = np.logical_and.accumulate(met.reshape(grid[0].shape), axis=1)
    seen = connected[:, 0]
    reach = connected.sum(axis=1) * _MUSCLE_STEP_MM
    return _stored(down[seen], reach[seen], film)


def _frame(compression: Compression, view: ViewParameters, film: StoredFilm) -> FilmFrame:
    return place_film(compression, view, height_mm=film.brightness.shape[0] * film.spacing_mm)


def _stored(down_mm: np.ndarray, right_mm: np.ndarray, film: StoredFilm) -> np.ndarray:
    column = right_mm / film.spacing_mm - 0.5
    if not film.chest_wall_at_left:
        column = film.brightness.shape[1] - 1 - column
    return np.stack([down_mm / film.spacing_mm - 0.5, column], axis=1)
