"""The breasts that the classifier learns from: patients whom the generator has not seen, and their synthetic views."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bundle.collection.datalist import read_datalist
from bundle.imaging.canvas import canvas_scale, place_on_canvas
from bundle.preparation import load_prepared_image, load_prepared_mask
from bundle.records import Canvas
from bundle.training.data import read_preparation
from bundle.vocabulary import Direction, Split, ViewPosition


@dataclass(frozen=True, kw_only=True)
class Breasts:
    """Breasts in one direction, all on the canvas of the generator.

    Args:
        patient_ids, pair_ids: who they are ``[N]``.
        has_lesion: bool ``[N]``, whether a lesion is outlined in either view.
        source: float32 ``[N, 1, H, W]``, the view that there is.
        real: the real target view, likewise.
        synthetic: what the generator makes of the source, likewise.
    """

    patient_ids: tuple[str, ...]
    pair_ids: tuple[str, ...]
    has_lesion: tuple[bool, ...]
    source: Tensor
    real: Tensor
    synthetic: Tensor


def unseen_pairs(prepared: Path, *, trained_on: Path) -> list[dict[str, Any]]:
    """List the pairs of a prepared collection whose patients the generator did not learn from.

    Identifiers alone do not tell: two collections may both have a first patient, and one collection may hold another
    under other names. So views are compared by their pixels: a patient is left out, with all breasts, when one of the
    views is also a view of the training split.

    Args:
        prepared: the collection to take breasts from, of all its splits.
        trained_on: the collection that the generator was trained on, prepared with the same settings.

    Raises:
        FileNotFoundError: one of them is no prepared collection.
        ValueError: they were prepared with different settings, so that the same film has other pixels; or no patient
            is left.
    """
    if read_preparation(prepared)["preparation"] != read_preparation(trained_on)["preparation"]:
        raise ValueError(
            f"{prepared} and {trained_on} were prepared with different settings: whom the generator has seen cannot be "
            "told; prepare both alike"
        )
    seen = {
        _pixels(trained_on / pair[view]["image"])
        for pair in read_datalist(trained_on, Split.TRAINING)
        for view in _views()
    }
    pairs = [pair for split in Split for pair in read_datalist(prepared, split)]
    known = {
        pair["patient_id"]
        for pair in pairs
        if any(_pixels(prepared / pair[view]["image"]) in seen for view in _views())
    }
    unseen = [pair for pair in pairs if pair["patient_id"] not in known]
    if not unseen:
        raise ValueError(f"the generator was trained on every patient of {prepared}: name a collection with others")
    return sorted(unseen, key=lambda pair: pair["pair_id"])


def load_breasts(
    pairs: Sequence[dict[str, Any]],
    *,
    prepared: Path,
    direction: Direction,
    generator: nn.Module,
    canvas: Canvas,
    device: torch.device,
) -> Breasts:
    """Load both views of each breast and synthesize the target view from the source alone.

    The generator gets neither lesion mask nor radiomic vector, as of a breast about which nothing is known: a mask
    would tell it, and by its view the classifier, whether there is a lesion. The masks of the collection serve as
    labels only.

    Args:
        pairs: of the datalist of ``prepared``.
        prepared: their folder.
        direction: which view is the source.
        generator: on ``device``.
        canvas: its frame.
        device: where it runs.

    Raises:
        OSError, ValueError: a file cannot be read, or the generator gives a value that is NaN or infinite.
    """
    spacing_mm = float(read_preparation(prepared)["preparation"]["spacing_mm"])
    sources: list[Tensor] = []
    targets: list[Tensor] = []
    labels: list[bool] = []
    for pair in pairs:
        pixels = {view: load_prepared_image(prepared / pair[view.lower()]["image"]) for view in ViewPosition}
        scale = canvas_scale(pixels[direction.source].shape, spacing_mm=spacing_mm, canvas=canvas)
        for view, placed in ((direction.source, sources), (direction.target, targets)):
            on_canvas = place_on_canvas(
                pixels[view], view_position=view, canvas=canvas, spacing_mm=spacing_mm, scale=scale, is_mask=False
            )
            placed.append(torch.from_numpy(on_canvas.astype("float32"))[None])
        labels.append(any(load_prepared_mask(prepared / pair[view]["mask"]).any() for view in _views()))
    source = torch.stack(sources)
    return Breasts(
        patient_ids=tuple(pair["patient_id"] for pair in pairs),
        pair_ids=tuple(pair["pair_id"] for pair in pairs),
        has_lesion=tuple(labels),
        source=source,
        real=torch.stack(targets),
        synthetic=synthesize(generator, source, direction=direction, device=device),
    )


@torch.inference_mode()
def synthesize(
    generator: nn.Module, source: Tensor, *, direction: Direction, device: torch.device, batch_size: int = 8
) -> Tensor:
    """Make the target views of sources ``[N, 1, H, W]`` without any knowledge of lesions.

    Raises:
        ValueError: the generator gives a value that is NaN or infinite.
    """
    generator.eval()
    made = []
    for views in source.split(batch_size):
        no_lesion_known = torch.zeros_like(views)
        target_view = torch.full((len(views),), direction.target.class_index, dtype=torch.int64, device=device)
        made.append(generator(torch.cat([views, no_lesion_known], dim=1).to(device), None, target_view).cpu())
    synthetic = torch.cat(made)
    if not torch.isfinite(synthetic).all():
        raise ValueError("the generator gives views with NaN or infinite pixels: its training has broken down")
    return synthetic.clone()


def _pixels(path: Path) -> str:
    pixels = load_prepared_image(path)
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def _views() -> Iterable[str]:
    return [position.lower() for position in ViewPosition]
