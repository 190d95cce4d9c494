"""Activation checkpointing: less memory for a large canvas, at the price of computing the forward pass twice."""

from __future__ import annotations

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from bundle.networks.blocks import ResidualBlock


def checkpoint_activations(network: nn.Module) -> None:
    """Let each residual block keep its input alone and compute what lies between again in the backward pass.

    Chen et al. 2016, arXiv 1604.06174. Gradients stay exactly the same. Only this object changes: neither its state
    dict nor a network that is made from it does, so what is exported knows nothing of it.

    Args:
        network: any that is made of `ResidualBlock`.
    """
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            module.forward = partial(checkpoint, module.forward, use_reentrant=False)  # type: ignore[method-assign]
