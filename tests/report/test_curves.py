from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bundle.report.curves import CurvePanel, write_curves

_PANELS = (CurvePanel(title="loss", names={"loss": "L"}, logarithmic=True), CurvePanel(title="score", names={"s": "S"}))
_ROWS: list[dict[str, float]] = [
    {"epoch": 1, "loss": 100.0, "s": 0.1},
    {"epoch": 2, "loss": 0.0, "s": 0.3},
    {"epoch": 3, "loss": 1e-4, "s": 0.2},
]


def _drawn(path: Path, rows: list[dict[str, float]], **changes: Any) -> np.ndarray:
    write_curves(rows, **{"panels": _PANELS, "best_epoch": 2, "key_metric": "s", "path": path} | changes)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_the_same_rows_give_the_same_bytes_and_others_another_picture(tmp_path: Path) -> None:
    one = _drawn(tmp_path / "one.png", _ROWS)
    other = _drawn(tmp_path / "other.png", _ROWS)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()
    assert np.array_equal(one, other)
    changed = _drawn(tmp_path / "changed.png", [*_ROWS[:2], _ROWS[2] | {"s": 0.25}])
    columns = np.nonzero((changed != one).any(axis=(0, 2)))[0]
    assert columns.min() > one.shape[1] / 3, "the first of three panels a row has not changed"


def test_the_best_epoch_is_marked(tmp_path: Path) -> None:
    second, third = (_drawn(tmp_path / "c.png", _ROWS, best_epoch=best) for best in (2, 3))
    assert not np.array_equal(second, third)


def test_one_epoch(tmp_path: Path) -> None:
    assert _drawn(tmp_path / "c.png", _ROWS[:1], best_epoch=1).std() > 0


@pytest.mark.parametrize("nothing", [{"rows": []}, {"panels": ()}])
def test_nothing_to_draw(tmp_path: Path, nothing: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least one epoch and one panel"):
        _drawn(tmp_path / "c.png", **{"rows": _ROWS} | nothing)
    assert not (tmp_path / "c.png").exists()
