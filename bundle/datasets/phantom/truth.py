"""What is known about a phantom breast and about no real one, as JSON."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np

from bundle.datasets.phantom.case import Case
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
        "volume_ml": round(case.parameters.volume_mm3 / 1000, 2),
        "breast_parameters": _plain(vars(case.parameters)),
        "lesions": [_lesion(lesion) for lesion in case.lesions],
        "vessels": [_plain(vars(vessel)) for vessel in case.vessels],
        "views": {
            position.value: {
                "thickness_mm": round(case.views[position].thickness_mm, 3),
                "angle_deg": round(case.views[position].angle_deg, 3),
                "view_parameters": _plain(vars(case.views[position])),
                "pressed_depth_mm": round(case.compressions[position].depth_mm, 3),
                "film_shape": list(case.films[position].brightness.shape),
                "chest_wall_at_left": case.films[position].chest_wall_at_left,
                "nipple_px": _plain(case.films[position].nipple_px),
                "lesions": [
                    {
                        "centre_px": _plain(case.films[position].centres_px[k]),
                        "centre_pressed_mm": _plain(case.compressions[position].compressed(lesion.centre_mm)),
                        "mask_area_mm2": round(
                            float(case.films[position].masks[k].sum()) * case.films[position].spacing_mm ** 2, 3
                        ),
                        "reported": case.shows(position, k),
                    }
                    for k, lesion in enumerate(case.lesions)
                ],
                "files": {role: [str(path) for path in paths] for role, paths in files[position].items()},
            }
            for position in ViewPosition
        },
    }


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
