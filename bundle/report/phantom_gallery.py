"""A sheet of phantom breasts for a person to look at: CC above MLO, lesions outlined."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from bundle.atomic import replacing
from bundle.datasets.phantom.case import Case, CasePlan, make_case
from bundle.imaging.canvas import place_on_canvas
from bundle.preparation import PreparationSettings, orient, resample_view
from bundle.records import Canvas, Film
from bundle.vocabulary import ViewPosition

CANVAS = Canvas(rows=192, columns=144, spacing_mm=4 / 3)
OUTLINE_COLOUR = (255, 200, 0)
# The palette: 255 greys and the outlines' colour.
_GREYS = 255


def write_gallery(plans: Sequence[CasePlan], path: Path, *, film_spacing_mm: float, columns: int) -> None:
    """Make the breasts and write their prepared views as one PNG.

    Args:
        plans: which breasts.
        path: the PNG.
        film_spacing_mm: of the films before the preparation.
        columns: breasts per row of the sheet.
    """
    pairs = [_pair(make_case(plan, film_spacing_mm=film_spacing_mm, digital=True)) for plan in plans]
    rows = [np.concatenate(pairs[start : start + columns], axis=1) for start in range(0, len(pairs), columns)]
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]))) for row in rows], axis=0)
    image = Image.fromarray(sheet, mode="P")
    greys = np.repeat(np.round(np.linspace(0, 255, _GREYS)).astype(int), 3).tolist()
    image.putpalette([*greys, *OUTLINE_COLOUR])
    with replacing(path) as unfinished:
        image.save(unfinished, format="PNG", optimize=True)


def _pair(case: Case) -> np.ndarray:
    """Both views of a breast on the canvas, palette indices ``[2 * rows, columns]``."""
    settings = PreparationSettings(spacing_mm=1.0)
    views = []
    for position in ViewPosition:
        film = case.films[position]
        pixels = Film(pixels=film.brightness, spacing_mm=(film.spacing_mm, film.spacing_mm))
        shown = [film.masks[k] for k in range(len(case.lesions)) if case.shows(position, k)]
        view = resample_view(orient(pixels, shown, settings), settings)
        image, lesions = (
            place_on_canvas(
                array, view_position=position, canvas=CANVAS, spacing_mm=settings.spacing_mm, scale=1.0, is_mask=is_mask
            )
            for array, is_mask in ((view.image, False), (view.lesions > 0, True))
        )
        indices = np.round(np.clip(image, 0.0, 1.0) * (_GREYS - 1)).astype(np.uint8)
        # Two pixels away, so that the line hides nothing of the lesion.
        near, further = (ndimage.binary_dilation(lesions, iterations=steps) for steps in (3, 4))
        indices[further & ~near] = _GREYS
        views.append(indices)
    return np.concatenate(views, axis=0)
