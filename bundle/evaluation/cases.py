"""One test case: a directed pair with its synthetic view, as it leaves the evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from bundle.vocabulary import Direction


@dataclass(frozen=True, kw_only=True)
class Case:
    """A directed pair and what the model made of it; images float32 ``[1, H, W]`` in [0, 1] on the CPU.

    Args:
        patient_id: whose breast it is.
        pair_id: which breast.
        direction: which view is given and which one is synthesized.
        source: the given view.
        lesion: the given view's lesion mask in {0, 1}.
        target: the real target view.
        breast: the target's breast mask in {0, 1}.
        target_lesion: the target's lesion mask in {0, 1}, all zero where it has none.
        synthetic: the model's target view.
    """

    patient_id: str
    pair_id: str
    direction: Direction
    source: torch.Tensor
    lesion: torch.Tensor
    target: torch.Tensor
    breast: torch.Tensor
    target_lesion: torch.Tensor
    synthetic: torch.Tensor

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Case:
        """Read one decollated item of the evaluator.

        Args:
            item: ``image`` ``[2, H, W]`` (view, lesion mask), ``label``, ``label_breast``, ``label_mask`` and ``pred``
                ``[1, H, W]``, ``target_view`` (0 = CC, 1 = MLO), ``pair_id``, ``patient_id``.
        """
        image = plain(item["image"])
        return cls(
            patient_id=str(item["patient_id"]),
            pair_id=str(item["pair_id"]),
            direction=Direction.to_class(int(item["target_view"])),
            source=image[:1],
            lesion=image[1:2],
            target=plain(item["label"]),
            breast=plain(item["label_breast"]),
            target_lesion=plain(item["label_mask"]),
            synthetic=plain(item["pred"]),
        )


def plain(image: torch.Tensor) -> torch.Tensor:
    """Take an image off the device and out of MONAI's metadata: float32 on the CPU."""
    return image.as_subclass(torch.Tensor).detach().to(device="cpu", dtype=torch.float32)
