"""One mini-batch of directed pairs on the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PairedBatch:
    """What one training step sees.

    Only ``image``, ``radiomics`` and ``target_view`` ever reach the generator; all that begins with ``label`` belongs
    to the target view and serves the losses.

    Args:
        image: ``[B, 2, H, W]`` the source view in [0, 1] and its lesion mask.
        radiomics: ``[B, F]`` raw ``fine`` features of the source lesion; a row with NaN is unknown.
        target_view: int64 ``[B]``, 0 = CC, 1 = MLO.
        label: ``[B, 1, H, W]`` the real target view in [0, 1].
        label_mask: ``[B, 1, H, W]`` its lesion mask in {0, 1}.
        label_breast: ``[B, 1, H, W]`` its breast mask in {0, 1}.
        label_radiomics: ``[B, F]`` raw ``canvas`` features of the target lesion; a row with NaN is unknown.
    """

    image: Tensor
    radiomics: Tensor
    target_view: Tensor
    label: Tensor
    label_mask: Tensor
    label_breast: Tensor
    label_radiomics: Tensor

    @classmethod
    def from_dictionary(
        cls, batchdata: Mapping[str, Any], *, device: torch.device, non_blocking: bool = False
    ) -> PairedBatch:
        """Take the tensors out of a collated dictionary and move them to ``device``."""
        return cls(
            **{
                name: torch.as_tensor(batchdata[name]).to(device, non_blocking=non_blocking)
                for name in cls.__dataclass_fields__
            }
        )
