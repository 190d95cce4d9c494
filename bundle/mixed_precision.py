"""bfloat16 where the machine computes faster with it."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import SimpleInferer
from torch import Tensor, nn

from bundle.switches import read_switch

AUTO = "auto"
# Without instructions of its own for bfloat16 a processor is slower with it than with float32.
_PROCESSOR_FEATURES = ("avx512_bf16", "amx_bf16")


def uses_bfloat16(amp: object, *, device: torch.device | str) -> bool:
    """Decide whether networks run in bfloat16 (autocast; weights, losses and sums stay float32).

    Args:
        amp: true, false, or ``auto``: where the device has instructions for it.
        device: where the networks run.

    Raises:
        ValueError: ``amp`` is none of the three words.
    """
    if str(amp).lower() != AUTO:
        try:
            return read_switch(amp, name="amp")
        except ValueError:
            raise ValueError(f"--amp is {amp!r}; it must be auto, true or false") from None
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported()
    capabilities = torch.cpu.get_capabilities()
    return torch.device(device).type == "cpu" and any(capabilities.get(name, False) for name in _PROCESSOR_FEATURES)


class AutocastInferer(SimpleInferer):
    """MONAI's simple inferer, in bfloat16 where wanted.

    MONAI's engines have autocast of their own, for CUDA alone and with a gradient scaler, which bfloat16 does not need.

    Args:
        amp: see `uses_bfloat16`.
        device: where the network runs.
    """

    def __init__(self, *, amp: object, device: torch.device | str) -> None:
        super().__init__()
        self.device_type = torch.device(device).type
        self.amp = uses_bfloat16(amp, device=device)

    def __call__(self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> Tensor:
        """Apply the network to ``inputs``; the result is float32."""
        with torch.autocast(self.device_type, dtype=torch.bfloat16, enabled=self.amp):
            return super().__call__(inputs, network, *args, **kwargs).float()
