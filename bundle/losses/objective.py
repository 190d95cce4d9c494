"""The weighted sums that the generator and the discriminator minimize."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

GENERATOR_TERMS = ("GAN", "view", "L1", "percep", "SSIM", "rad", "shape")
DISCRIMINATOR_TERMS = ("GAN", "view")


class Objective:
    """A weighted sum of named loss terms whose weights may change during training.

    Args:
        terms: the names that exist.
        weights: weight per term; every term needs one, zero switches it off.

    Raises:
        ValueError: a term without a weight, an unknown term, or a negative weight.
    """

    def __init__(self, *, terms: tuple[str, ...], weights: Mapping[str, float]) -> None:
        if set(weights) != set(terms):
            raise ValueError(f"Loss weights must name exactly {', '.join(terms)}; got {', '.join(weights) or 'none'}.")
        self.terms = terms
        self.weights: dict[str, float] = {}
        self.ramps: dict[str, dict[str, float]] = {}  # of the terms whose weight changes: start, end, until
        for term in terms:
            self.set_weight(term, weights[term])

    def set_weight(self, term: str, weight: float) -> None:
        """Set one weight (what a ramp does at each epoch's start)."""
        if term not in self.terms:
            raise ValueError(f"Unknown loss term '{term}'; the terms are {', '.join(self.terms)}.")
        if not weight >= 0:
            raise ValueError(f"The weight of loss term '{term}' must not be negative; got {weight}.")
        self.weights[term] = float(weight)

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted sum of scalar ``losses``, which name exactly the terms."""
        return sum(self.weights[term] * losses[term] for term in self.terms)  # type: ignore[return-value]


class GeneratorObjective(Objective):
    """L_G = sum of weight x loss over GAN, view, L1, percep, SSIM, rad, shape."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__(terms=GENERATOR_TERMS, weights=weights)


class DiscriminatorObjective(Objective):
    """L_D = sum of weight x loss over GAN, view."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__(terms=DISCRIMINATOR_TERMS, weights=weights)
