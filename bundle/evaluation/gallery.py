"""The test cases as pictures: ``cases/PAIR_DIRECTION/{source,real,synthetic}.png`` and ``cases/cases.json``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

from bundle.evaluation.cases import Case
from bundle.metrics.breast_shape import find_breast, nipple_position
from bundle.metrics.lesion import depth_mm, regions
from bundle.vocabulary import Direction, ViewPosition

FOLDER = "cases"
CASES_FILE = "cases.json"
_UNPUBLISHED = ".cases-"  # begins the temporary folder's name
_OUTLINE_TOLERANCE_PX = 0.3


class Gallery:
    """Writes each case's pictures as it comes, so that memory does not grow with them.

    They lie in a temporary folder until `publish` puts them in the place of an earlier evaluation's. What a killed
    evaluation left of such a folder is removed first.

    Args:
        folder: the evaluation's folder.
        spacing_mm: pixel spacing of the canvas.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, *, spacing_mm: float) -> None:
        self.folder = folder
        self.spacing_mm = spacing_mm
        for left in folder.glob(f"{_UNPUBLISHED}*"):
            shutil.rmtree(left)
        self._temporary = TemporaryDirectory(dir=folder, prefix=_UNPUBLISHED)
        # A temporary folder is its owner's alone; this one has the mode of any other, so that all may look at it.
        self._unpublished = Path(self._temporary.name) / FOLDER
        self._unpublished.mkdir()
        self._records: dict[tuple[Direction, str], dict[str, Any]] = {}
        self._lesions: dict[tuple[Direction, str], np.ndarray] = {}

    def keep(self, case: Case) -> None:
        """Keep a case's three views as a display shows them, in 8 bits, and where nipple and lesions are."""
        name = f"{case.pair_id}_{case.direction}"
        (self._unpublished / name).mkdir()
        source, target = case.lesion[0].numpy() > 0.5, case.target_lesion[0].numpy() > 0.5
        shown = {
            "source": (case.source, case.direction.source, source),
            "real": (case.target, case.direction.target, target),
            "synthetic": (case.synthetic, case.direction.target, None),
        }
        views = {}
        for role, (image, position, lesion) in shown.items():
            pixels = image[0].clamp(0, 1).numpy()
            file = f"{name}/{role}.png"
            Image.fromarray(np.round(255 * pixels).astype(np.uint8)).save(self._unpublished / file)
            views[role] = self._view(pixels, lesion, position=position, file=file)
        self._lesions[case.direction, case.pair_id] = source
        self._records[case.direction, case.pair_id] = {
            "patient_id": case.patient_id,
            "pair_id": case.pair_id,
            "direction": str(case.direction),
            "views": views,
        }

    def views_and_lesion(self, *, direction: Direction, pair_id: str) -> tuple[np.ndarray, np.ndarray]:
        """Return source, target and synthetic view float64 ``[3, H, W]``, and the source's lesion bool ``[H, W]``."""
        views = []
        for view in self._records[direction, pair_id]["views"].values():
            with Image.open(self._unpublished / view["file"]) as picture:
                views.append(np.asarray(picture) / 255)
        return np.stack(views), self._lesions[direction, pair_id]

    def publish(self) -> Path:
        """Write ``cases.json`` and put the folder in its place.

        Returns:
            The path of ``cases.json``.

        Raises:
            OSError: something cannot be written.
        """
        records = [self._records[key] for key in sorted(self._records)]
        document = {"spacing_mm": self.spacing_mm, "chest_wall": "left", "cases": records}
        (self._unpublished / CASES_FILE).write_text(
            json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        place = self.folder / FOLDER
        shutil.rmtree(place, ignore_errors=True)
        self._unpublished.rename(place)
        self._temporary.cleanup()
        return place / CASES_FILE

    def _view(
        self, pixels: np.ndarray, lesion: np.ndarray | None, *, position: ViewPosition, file: str
    ) -> dict[str, Any]:
        nipple = nipple_position(find_breast(pixels), spacing_mm=self.spacing_mm)
        view: dict[str, Any] = {"file": file, "view": position.value, "nipple": nipple}
        if lesion is not None:
            view["lesions"] = outlines(lesion)
            view["lesion_depth_mm"] = None
            if nipple is not None and lesion.any():
                view["lesion_depth_mm"] = round(depth_mm(lesion, nipple[1], spacing_mm=self.spacing_mm), 2)
        return view


def outlines(mask: np.ndarray) -> list[list[list[float]]]:
    """Outline a mask's lesions, each once as the measures count them (`bundle.metrics.lesion.regions`), holes filled.

    Args:
        mask: bool ``[rows, columns]``.

    Returns:
        Closed polygons of [row, column] in pixels, the top left centre at (0, 0).
    """
    lines = (
        line
        for lesion in regions(mask)
        for line in find_contours(np.pad(ndimage.binary_fill_holes(lesion), 1), 0.5, fully_connected="high")
    )
    polygons = [approximate_polygon(line, _OUTLINE_TOLERANCE_PX) for line in lines]
    return [[[round(float(row) - 1, 2), round(float(column) - 1, 2)] for row, column in line] for line in polygons]
