"""L_GAN and L_D,GAN: least squares on the patch logits, with softened labels."""

from __future__ import annotations

from torch import Tensor

REAL_LABEL, SYNTHETIC_LABEL = 0.9, 0.1  # one-sided certainty lets the discriminator's gradient vanish


def discriminator_adversarial_loss(real_logits: Tensor, synthetic_logits: Tensor) -> Tensor:
    """Mean of both halves of the least-squares loss of the discriminator (Mao et al. 2017, arXiv 1611.04076).

    Args:
        real_logits: ``[B, 1, h, w]`` patch logits of real target views.
        synthetic_logits: ``[B, 1, h, w]`` patch logits of synthetic ones, detached from the generator.
    """
    real = (real_logits - REAL_LABEL).square().mean()
    synthetic = (synthetic_logits - SYNTHETIC_LABEL).square().mean()
    return (real + synthetic) / 2


def generator_adversarial_loss(synthetic_logits: Tensor) -> Tensor:
    """Least-squares loss of the generator: its patches ``[B, 1, h, w]`` shall be judged real."""
    return (synthetic_logits - REAL_LABEL).square().mean()
