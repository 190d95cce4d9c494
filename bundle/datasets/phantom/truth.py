"""What is known about a phantom breast and about no real one, as JSON."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np

from bundle.datasets.phantom.case import Case
from bundle.datasets.phantom.landmarks import chest_wall_line, mask_outlines, muscle_edge
from bundle.datasets.phantom.lesions import Lesion
from bundle.vocabulary import ViewPosition


def truth_of(case: Case, files: dict[ViewPosition, dict[str, list[PurePosixPath]]]) -> dict[str, Any]:
    """Describe a breast: every drawn parameter, and where everything is, in 3-D and in both films.

    Args:
        case: the breast.
        files: per view the paths, relative to the cohort's folder, by role (``film``, ``mask``, ...).
    """
    return {
        "patient_id": case.plan.patient_id,
        "laterality": case.plan.laterality.value,
        "seed": case.plan.cohort_seed,
        "woman": case.plan.woman,
        "density": case.parameters.density.value,
        "glandular_fraction": round(case.glandular_fraction, 4),
        "glandular_fraction_target": round(case.parameters.glandular_fraction, 4),
        "volume_ml": round(case.parameters.volume_mm3 / 1000, 2),
        "breast_parameters": _plain(vars(case.parameters)),
        "lesions": [_lesion(lesion) for lesion in case.lesions],
        "vessels": [_plain(vars(vessel)) for vessel in case.vessels],
        "views": {position.value: _view(case, position, files[position]) for position in ViewPosition},
    }


def _view(case: Case, position: ViewPosition, files: dict[str, list[PurePosixPath]]) -> dict[str, Any]:
    film, view, compression = case.films[position], case.views[position], case.compressions[position]
    return {
        "thickness_mm": round(view.thickness_mm, 3),
        "angle_deg": round(view.angle_deg, 3),
        "view_parameters": _plain(vars(view)),
        "pressed_depth_mm": round(compression.depth_mm, 3),
        "film_shape": list(film.brightness.shape),
        "film_spacing_mm": film.spacing_mm,
        "chest_wall_at_left": film.chest_wall_at_left,
        "nipple_px": _plain(film.nipple_px),
        "chest_wall_line_px": _pixels(chest_wall_line(compression, view, film)),
        "muscle_edge_px": _pixels(muscle_edge(case.parameters, compression, view, film)),
        "lesions": [
            {
                "centre_px": _plain(film.centres_px[k]),
                "centre_pressed_mm": _plain(compression.compressed(lesion.centre_mm)),
                "mask_area_mm2": round(float(film.masks[k].sum()) * film.spacing_mm**2, 3),
                "outlines_px": [_pixels(outline) for outline in mask_outlines(film.masks[k])],
                "reported": case.shows(position, k),
            }
            for k, lesion in enumerate(case.lesions)
        ],
        "files": {role: [str(path) for path in paths] for role, paths in files.items()},
    }


def _pixels(positions: np.ndarray) -> list[list[float]]:
    """Turn positions ``[N, 2]`` into lists, rounded to a hundredth of a pixel."""
    return [[round(float(row), 2), round(float(column), 2)] for row, column in positions]


def _lesion(lesion: Lesion) -> dict[str, Any]:
    return _plain(vars(lesion))


def _plain(value: Any) -> Any:
    """Turn arrays, enumerations and tuples into what JSON knows, numbers rounded to a micrometre."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 5)
    return value
