"""The test cases that the page shows: pictures, lesion outlines, and how far from the nipple a lesion lies."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image
from skimage.draw import polygon

from bundle.datasets.containment import inside
from bundle.metrics.search_region import TOLERANCE_MM
from bundle.report.evaluation.folder import Evaluation, Row
from bundle.vocabulary import Direction

FULL_DIFFERENCE = 0.4  # of the intensity range, shown in full colour
_ROLES = ("source", "real", "synthetic")


class Pictures:
    """The page's pictures, each once: the source of one direction is often the target of the other."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self._numbers: dict[bytes, int] = {}

    def add(self, path: Path, *, size: tuple[int, int]) -> int:
        """Take a picture as it is and return its number in `addresses`.

        Args:
            path: a PNG picture in 8-bit grey.
            size: rows and columns that it must have.

        Raises:
            ValueError: it cannot be read, or is another picture than that.
        """
        content = path.read_bytes()
        if content not in self._numbers:
            try:
                with Image.open(io.BytesIO(content), formats=("PNG",)) as opened:
                    opened.load()
            except (OSError, SyntaxError) as error:
                raise ValueError(f"{path} cannot be read as a PNG picture: {error}; evaluate again") from error
            if (opened.height, opened.width, opened.mode) != (*size, "L"):
                raise ValueError(
                    f"{path} has {opened.height} x {opened.width} pixels of mode {opened.mode}, the canvas "
                    f"{size[0]} x {size[1]} of mode L"
                )
            self._numbers[content] = len(self.addresses)
            self.addresses.append("data:image/png;base64," + base64.b64encode(content).decode("ascii"))
        return self._numbers[content]


def gallery_data(evaluation: Evaluation) -> dict[str, Any] | None:
    """Collect what the page's script shows.

    Args:
        evaluation: whose folder holds the cases' pictures.

    Returns:
        JSON values only; None where the evaluation left no pictures.

    Raises:
        OSError: a picture is absent.
        ValueError: the protocol, the list of the cases or a picture is damaged; the message names the file.
    """
    path = evaluation.folder / "cases" / "cases.json"
    if not path.is_file():
        return None
    size, spacing_mm = _canvas(evaluation)
    rows = {(row.pair_id, row.direction, row.method): row for row in evaluation.rows}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["cases"]
        cases = [_case(entry, rows, evaluation=evaluation) for entry in entries]
        files = [{role: str(entry["views"][role]["file"]) for role in _ROLES} for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error}); evaluate again") from error
    pictures = Pictures()
    for case, of_case in zip(cases, files, strict=True):
        for role, name in of_case.items():
            case[role]["image"] = pictures.add(_inside(path.parent, name), size=size)
    return {
        "rows": size[0],
        "columns": size[1],
        "tolerance": TOLERANCE_MM / spacing_mm,
        "full_difference": FULL_DIFFERENCE,
        "headline": [*evaluation.headline, *evaluation.measures.values()][0].name,
        "measures": [
            {"name": each.name, "title": each.title, "better": each.better, "decimals": each.decimals}
            for each in evaluation.measures.values()
        ],
        "images": pictures.addresses,
        "cases": sorted(cases, key=lambda case: (case["pair"], case["direction"])),
    }


def _canvas(evaluation: Evaluation) -> tuple[tuple[int, int], float]:
    """Read rows and columns, and the pixel spacing in mm, from the protocol."""
    try:
        canvas = evaluation.protocol["canvas"]
        return (int(canvas["rows"]), int(canvas["columns"])), float(canvas["spacing_mm"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{evaluation.folder / 'summary.json'} describes no canvas in its protocol ({type(error).__name__}: "
            f"{error}); evaluate again"
        ) from error


def _case(
    entry: Mapping[str, Any], rows: Mapping[tuple[str, Direction, str], Row], *, evaluation: Evaluation
) -> dict[str, Any]:
    """Lay out one case, but for the numbers of its pictures."""
    direction, pair_id, views = Direction(entry["direction"]), str(entry["pair_id"]), entry["views"]
    return {
        "pair": pair_id,
        "direction": str(direction),
        "source_view": str(direction.source),
        "target_view": str(direction.target),
        "scores": _scores(rows[pair_id, direction, evaluation.model]),
        "below": _below(rows, pair_id, direction, evaluation=evaluation),
        **{role: _view(views[role]) for role in _ROLES},
        "lesions": _lesions(views["source"]),
    }


def _scores(row: Row) -> dict[str, float]:
    return {name: value for name, value in row.values.items() if value is not None}


def _below(
    rows: Mapping[tuple[str, Direction, str], Row], pair_id: str, direction: Direction, *, evaluation: Evaluation
) -> list[str]:
    """Name the measures in which the best baseline scores better on this image."""
    model = rows[pair_id, direction, evaluation.model].values
    names = []
    for name, margin in evaluation.margins.get(direction, {}).items():
        ours, others = model[name], rows[pair_id, direction, margin.baseline].values[name]
        if ours is None or others is None:
            continue
        sign = -1 if evaluation.measures[name].better == "lower" else 1
        if sign * others > sign * ours:
            names.append(name)
    return names


def _inside(folder: Path, name: str) -> Path:
    return inside(folder / name, root=folder.resolve(), shown=PurePosixPath(name))


def _view(view: Mapping[str, Any]) -> dict[str, Any]:
    """Give lesions and nipple in the coordinates of SVG: x right, y down, the top left pixel's centre at (0.5, 0.5)."""
    nipple = view["nipple"]
    return {
        "lesions": [
            " ".join(f"{column + 0.5:.2f},{row + 0.5:.2f}" for row, column in outline)
            for outline in view.get("lesions", ())
        ],
        "nipple": None if nipple is None else [nipple[1] + 0.5, nipple[0] + 0.5],
    }


def _lesions(view: Mapping[str, Any]) -> list[dict[str, float]]:
    """How far each lesion's centre lies from the nipple, and how deep behind it towards the chest wall, in pixels."""
    if view["nipple"] is None:
        return []
    lesions = []
    for outline in view["lesions"]:
        vertices = np.array(outline)
        covered = np.transpose(polygon(*vertices.T))
        row, column = np.array(view["nipple"]) - np.mean(covered if len(covered) else vertices, axis=0)
        lesions.append({"distance": round(math.hypot(row, column), 2), "depth": round(float(column), 2)})
    return lesions
