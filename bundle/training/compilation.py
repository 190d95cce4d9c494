"""``torch.compile`` for the generator, trusted only after it has given the plain network's gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

LARGEST_DIFFERENCE = 0.2  # of a gradient's norm; bfloat16 rounding stays below, a path that is lost does not
SMALLEST_NORM = 0.01  # of the largest gradient's; smaller ones are compared with this


def compile_checked(network: nn.Module, *inputs: Any) -> None:
    """Compile a network in place and compare its gradients with those of before.

    torch 2.13 builds code for a CPU whose backward pass loses the path through the generator's bottleneck: its
    gradients are zero, without a word (the same graph without generated code, ``backend="aot_eager"``, is right).

    Args:
        network: deterministic, with one output.
        inputs: its arguments, of a mini-batch.

    Raises:
        ValueError: the compiled network has other gradients.
    """
    plain = _gradients(network, inputs)
    network.compile()
    compiled = _gradients(network, inputs)
    floor = SMALLEST_NORM * max(float(gradient.norm()) for gradient in plain.values())
    different = [
        name
        for name, gradient in plain.items()
        if not float((compiled[name] - gradient).norm()) <= LARGEST_DIFFERENCE * max(float(gradient.norm()), floor)
    ]
    if different:
        raise ValueError(
            f"torch.compile is wrong here: compiled, {len(different)} of the {len(plain)} gradients of the generator "
            f"are others (the first: {different[0]}). Train without --train#trainer#compile."
        )


def _gradients(network: nn.Module, inputs: tuple[Any, ...]) -> dict[str, torch.Tensor]:
    """The gradients of a sum over all pixels in which no two weigh the same; nothing is left in the parameters."""
    output = network(*inputs)
    weights = torch.linspace(-1.0, 1.0, output.numel(), device=output.device, dtype=output.dtype).view_as(output)
    names, parameters = zip(*network.named_parameters(), strict=True)
    found = torch.autograd.grad((output * weights).sum(), parameters, allow_unused=True)
    gradients = [
        torch.zeros_like(each) if gradient is None else gradient
        for each, gradient in zip(parameters, found, strict=True)
    ]
    return {name: gradient.float() for name, gradient in zip(names, gradients, strict=True)}
