"""Dictionary transforms between the files of a directed pair and the networks' batch."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import RandomizableTransform, Transform

from bundle.imaging.canvas import canvas_scale, exceeds_canvas, place_on_canvas
from bundle.preparation import load_prepared_image, load_prepared_mask
from bundle.records import Canvas
from bundle.vocabulary import Direction

_MASKS_OF = {"image": ("image_mask",), "label": ("label_mask", "label_breast")}


class LoadImagePreparedPaird(Transform):
    """Load the files of a directed pair: each path becomes ``[1, rows, columns]``, float32 or (masks) uint8.

    MONAI's ``LoadImaged`` would try every reader that it knows on a damaged file, and hand on the first axis as x.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load one item."""
        item = dict(data)
        for key, masks in _MASKS_OF.items():
            item[key] = load_prepared_image(Path(item[key]))[None]
            for mask in masks:
                item[mask] = load_prepared_mask(Path(item[mask]))[None]
        return item


class PlacePairOnCanvasd(Transform):
    """Place source and target, each with its masks, on the canvas; the source alone decides the scale.

    Reads ``image``, ``image_mask``, ``label``, ``label_mask``, ``label_breast``, each ``[1, rows, columns]`` at
    ``spacing_mm``, and ``target_view``. Leaves ``image`` float32 ``[2, H, W]`` (view and lesion mask), the others
    ``[1, H, W]`` (float32; masks in {0, 1}), all plain tensors.

    Where the source has to shrink, or the canvas crops the target, the target's ``canvas`` vector, made of the whole
    view at full size, describes other pixels than those of the label: it becomes unknown (NaN).

    Args:
        canvas: the frame of the networks.
    """

    def __init__(self, *, canvas: Canvas) -> None:
        self.canvas = canvas

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Place one item."""
        item = dict(data)
        direction = Direction.to_class(int(item["target_view"]))
        spacing_mm = float(item["spacing_mm"])
        scale = canvas_scale(item["image"].shape[1:], spacing_mm=spacing_mm, canvas=self.canvas)
        is_cropped = exceeds_canvas(item["label"].shape[1:], spacing_mm=spacing_mm, canvas=self.canvas, scale=scale)
        for key, view in (("image", direction.source), ("label", direction.target)):
            for name in (key, *_MASKS_OF[key]):
                pixels = item[name][0]
                is_mask = name != key
                placed = place_on_canvas(
                    (pixels > 0) if is_mask else pixels,
                    view_position=view,
                    canvas=self.canvas,
                    spacing_mm=spacing_mm,
                    scale=scale,
                    is_mask=is_mask,
                )
                item[name] = torch.from_numpy(np.ascontiguousarray(placed, dtype=np.float32))[None]
        item["image"] = torch.cat([item["image"], item.pop("image_mask")])
        if scale != 1 or is_cropped:
            item["label_radiomics"] = np.full_like(item["label_radiomics"], np.nan)
        return item


class RandDropConditiond(RandomizableTransform):
    """Drop the source's lesion mask and radiomic vector together, so that users without a mask meet a trained case.

    Args:
        prob: probability of dropping.
    """

    def __init__(self, *, prob: float) -> None:
        super().__init__(prob)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Drop or keep: ``image`` ``[2, H, W]`` loses its second channel, ``radiomics`` ``[F]`` becomes NaN."""
        self.randomize(None)
        item = dict(data)
        if self._do_transform:
            image = item["image"].clone()
            image[1] = 0
            item["image"] = image
            item["radiomics"] = np.full_like(item["radiomics"], np.nan)
        return item
