"""Pictures of the best, the median and the worst case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bundle.evaluation.gallery import Gallery
from bundle.evaluation.methods import MODEL
from bundle.evaluation.scoring import ImageScore
from bundle.report.panels import view_panel
from bundle.vocabulary import Direction

CHOSEN_BY = "in_breast_ssim"
RANKS = ("best", "median", "worst")


def write_pictures(scores: Sequence[ImageScore], *, gallery: Gallery, folder: Path) -> list[Path]:
    """Write ``best_case.png``, ``median_case.png``, ``worst_case.png``: source | real | synthetic, a row per direction.

    Args:
        scores: of all methods; the model's in-breast SSIM ranks the cases, in each direction by itself.
        gallery: holds every case.
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
            views, lesion = gallery.views_and_lesion(direction=direction, pair_id=case.pair_id)
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
