"""When networks run in bfloat16."""

import pytest
import torch

from bundle.mixed_precision import AutocastInferer, uses_bfloat16


@pytest.mark.parametrize(("feature", "expected"), [("avx512_bf16", True), ("amx_bf16", True), ("avx512_f", False)])
def test_auto_asks_the_processor(monkeypatch: pytest.MonkeyPatch, feature: str, expected: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {feature: True})
    assert uses_bfloat16("auto", device="cpu") is expected


def test_auto_asks_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert uses_bfloat16("auto", device="cuda")


@pytest.mark.parametrize(("amp", "expected"), [(True, True), ("false", False), ("True", True)])
def test_a_word_decides(monkeypatch: pytest.MonkeyPatch, amp: object, expected: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": not expected})
    assert uses_bfloat16(amp, device="cpu") is expected


def test_other_words_are_refused() -> None:
    with pytest.raises(ValueError, match="--amp is 'yes'; it must be auto, true or false"):
        uses_bfloat16("yes", device="cpu")


@pytest.mark.parametrize("amp", [True, False])
def test_the_inferer_runs_the_network_in_it(amp: bool) -> None:
    seen = []

    class Network(torch.nn.Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            seen.append(super().forward(inputs).dtype)
            return super().forward(inputs)

    torch.manual_seed(0)
    network, inputs = Network(4, 2), torch.rand(3, 4)
    made = AutocastInferer(amp=amp, device="cpu")(inputs, network)
    assert seen == [torch.bfloat16 if amp else torch.float32]
    assert made.dtype == torch.float32
    torch.testing.assert_close(made, network(inputs), atol=0.02, rtol=0)
