"""Pictures of the best, the median and the worst case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bundle.evaluation.cases import Case
from bundle.evaluation.scoring import MODEL, ImageScore
from bundle.report.panels import view_panel
from bundle.vocabulary import Direction

CHOSEN_BY = "in_breast_ssim"
RANKS = ("best", "median", "worst")


class PictureStore:
    """Keeps the cases' pictures on the disk until all scores are known, so that memory does not grow with them.

    Args:
        folder: where the temporary folder is made; it goes when the store is closed or the program ends.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = TemporaryDirectory(dir=folder, prefix=".cases-")
        self._paths: dict[tuple[Direction, str], Path] = {}

    def keep(self, case: Case) -> None:
        """Keep a case's source, target, synthetic view and lesion as a display shows them, in 8 bits."""
        path = Path(self._folder.name) / f"{len(self._paths)}.npz"
        views = [view[0].clamp(0, 1).numpy() for view in (case.source, case.target, case.synthetic)]
        np.savez(path, views=np.round(255 * np.stack(views)).astype(np.uint8), lesion=case.lesion[0].numpy() > 0.5)
        self._paths[case.direction, case.pair_id] = path

    def views_and_lesion(self, *, direction: Direction, pair_id: str) -> tuple[np.ndarray, np.ndarray]:
        """Return source, target and synthetic view float64 ``[3, H, W]``, and the source's lesion bool ``[H, W]``."""
        with np.load(self._paths[direction, pair_id]) as kept:
            return kept["views"] / 255, kept["lesion"]

    def close(self) -> None:
        """Remove the temporary folder."""
        self._folder.cleanup()


def write_pictures(scores: Sequence[ImageScore], *, store: PictureStore, folder: Path) -> list[Path]:
    """Write ``best_case.png``, ``median_case.png``, ``worst_case.png``: source | real | synthetic, a row per direction.

    Args:
        scores: of all methods; the model's in-breast SSIM ranks the cases, in each direction by itself.
        store: holds every case.
        folder: where to write.
    """
    ranked = {direction: _ranked(scores, direction) for direction in Direction}
    paths = []
    for rank in RANKS:
        images, outlines, row_titles = [], [], []
        for direction, cases in ranked.items():
            if not cases:
                continue
            case = cases[{"best": -1, "median": (len(cases) - 1) // 2, "worst": 0}[rank]]
            views, lesion = store.views_and_lesion(direction=direction, pair_id=case.pair_id)
            images.append(list(views))
            outlines.append([lesion, None, None])
            row_titles.append(
                f"{rank} {direction.source} -> {direction.target}: in-breast SSIM {case.values[CHOSEN_BY]:.3f}, "
                f"PSNR {case.values['in_breast_psnr_db']:.1f} dB"
            )
        paths.append(
            view_panel(
                images,
                titles=("source", "real target", "synthetic target"),
                path=folder / f"{rank}_case.png",
                row_titles=row_titles,
                outlines=outlines,
            )
        )
    return paths


def _ranked(scores: Sequence[ImageScore], direction: Direction) -> list[ImageScore]:
    """Sort the model's scores of one direction from worst to best; among equals by pair."""
    of_model = [score for score in scores if score.method == MODEL and score.direction is direction]
    return sorted(of_model, key=lambda score: (score.values[CHOSEN_BY], score.pair_id))
