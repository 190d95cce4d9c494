"""Trivial methods, without which no score means anything; they learn from training pairs alone."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch.nn.functional import avg_pool2d
from tqdm import tqdm

from bundle.evaluation.cases import plain
from bundle.vocabulary import Direction

# Sources are compared in blocks of pixels, at most this many rows of them: the memory of thousands of training pairs
# stays small, and which neighbour is the nearest hardly depends on detail.
NEAREST_SOURCE_ROWS = 64
# Principal components of the linear regression: more training pairs bear more of them.
LEAST_COMPONENTS, MOST_COMPONENTS, PAIRS_PER_COMPONENT = 24, 100, 20
RIDGE_PENALTY = 10.0


class Baseline(Protocol):
    """A trivial method of synthesis.

    Args:
        name: METHOD in the tables.
        description: what it does, for the protocol.
    """

    name: str
    description: str

    def learn(self, *, index: int, source: torch.Tensor, target: torch.Tensor, direction: Direction) -> None:
        """See one training pair: its index in the training data, both views ``[1, H, W]`` and its direction."""

    def synthesize(self, source: torch.Tensor, direction: Direction) -> torch.Tensor:
        """Return the target view ``[1, H, W]`` for a source view ``[1, H, W]``."""


class SourceCopied:
    """The source view, as if it were the target view."""

    name = "source_copied"
    description = "the source view as it lies on the canvas"

    def learn(self, *, index: int, source: torch.Tensor, target: torch.Tensor, direction: Direction) -> None:
        """Learn nothing."""

    def synthesize(self, source: torch.Tensor, direction: Direction) -> torch.Tensor:
        """Return the source ``[1, H, W]``."""
        return source


class MeanTarget:
    """The mean of the training targets of the direction."""

    name = "mean_target"
    description = "mean of the training pairs' target views in the same direction"

    def __init__(self) -> None:
        self._sums: dict[Direction, torch.Tensor] = {}
        self._counts: dict[Direction, int] = defaultdict(int)

    def learn(self, *, index: int, source: torch.Tensor, target: torch.Tensor, direction: Direction) -> None:
        """Add a target to its direction's mean."""
        total = self._sums.get(direction)
        self._sums[direction] = target.double() if total is None else total + target
        self._counts[direction] += 1

    def synthesize(self, source: torch.Tensor, direction: Direction) -> torch.Tensor:
        """Return the mean target ``[1, H, W]``, whatever the source.

        Raises:
            ValueError: there was no training pair of this direction.
        """
        if direction not in self._sums:
            raise ValueError(_nothing_learned(self.name, direction))
        return (self._sums[direction] / self._counts[direction]).float()


class NearestSource:
    """The target of the training pair whose source is nearest: least L2 distance on the canvas, in blocks of pixels.

    It keeps the sources in blocks, and reads the one target that it needs again.

    Args:
        training: the training data, items with ``label`` ``[1, H, W]``.
    """

    name = "nearest_source"
    description = (
        "target view of the training pair of the same direction whose source has the least L2 distance on the canvas, "
        f"averaged over square blocks of pixels to at most {NEAREST_SOURCE_ROWS} rows; among equals the first"
    )

    def __init__(self, training: Sequence[Mapping[str, Any]]) -> None:
        self._training = training
        self._indices: dict[Direction, list[int]] = defaultdict(list)
        self._sources: dict[Direction, list[np.ndarray]] = defaultdict(list)

    def learn(self, *, index: int, source: torch.Tensor, target: torch.Tensor, direction: Direction) -> None:
        """Keep a source in blocks, and the pair's index."""
        self._indices[direction].append(index)
        self._sources[direction].append(_in_blocks(source))

    def synthesize(self, source: torch.Tensor, direction: Direction) -> torch.Tensor:
        """Return the target ``[1, H, W]`` of the nearest training source.

        Raises:
            ValueError: there was no training pair of this direction.
        """
        if not self._sources[direction]:
            raise ValueError(_nothing_learned(self.name, direction))
        blocks = _in_blocks(source)
        distances = [float(np.square(known - blocks).sum(dtype=np.float64)) for known in self._sources[direction]]
        return plain(self._training[self._indices[direction][int(np.argmin(distances))]]["label"])


class LinearRegression:
    """Ridge regression of every target pixel on the first principal components of the source.

    It keeps the sources in blocks, as `NearestSource` does, and reads each target a second time.

    Args:
        training: the training data, items with ``label`` ``[1, H, W]``.
    """

    name = "linear_regression"
    description = (
        f"ridge regression (penalty {RIDGE_PENALTY:g}) of the target view's pixels on the first principal "
        f"components of the source view (a {PAIRS_PER_COMPONENT}th of the training pairs, from {LEAST_COMPONENTS} to "
        f"{MOST_COMPONENTS}), averaged over square blocks of pixels to at most {NEAREST_SOURCE_ROWS} rows, "
        "fitted on the training pairs of the same direction; clipped to [0, 1]"
    )

    def __init__(self, training: Sequence[Mapping[str, Any]]) -> None:
        self._training = training
        self._indices: dict[Direction, list[int]] = defaultdict(list)
        self._sources: dict[Direction, list[np.ndarray]] = defaultdict(list)
        self._fitted: dict[Direction, tuple[PCA | None, np.ndarray, np.ndarray]] = {}

    def learn(self, *, index: int, source: torch.Tensor, target: torch.Tensor, direction: Direction) -> None:
        """Keep a source in blocks, and the pair's index."""
        self._indices[direction].append(index)
        self._sources[direction].append(_in_blocks(source).ravel())

    def fit(self) -> None:
        """Find the components of the sources, then the weights of each target pixel."""
        for direction, sources in self._sources.items():
            stacked = np.stack(sources)
            components = None  # where no source differs from another
            if (stacked != stacked[0]).any():
                components = PCA(number_of_components(len(sources)), svd_solver="full").fit(stacked)
            codes = self._codes(components, stacked)
            targets = (plain(self._training[index]["label"]).double().numpy() for index in self._indices[direction])
            products, total = np.zeros(1), np.zeros(1)
            for code, target in zip(codes, targets, strict=True):
                products, total = products + code[:, None, None, None] * target, total + target
            # The codes' mean is zero, so that the intercept is the mean target.
            weights = np.tensordot(
                np.linalg.inv(codes.T @ codes + RIDGE_PENALTY * np.eye(codes.shape[1])), products, axes=1
            )
            self._fitted[direction] = (components, weights, total / len(sources))
        self._sources.clear()

    def synthesize(self, source: torch.Tensor, direction: Direction) -> torch.Tensor:
        """Return the predicted target ``[1, H, W]``.

        Raises:
            ValueError: there was no training pair of this direction.
        """
        if direction not in self._fitted:
            raise ValueError(_nothing_learned(self.name, direction))
        components, weights, mean = self._fitted[direction]
        code = self._codes(components, _in_blocks(source).reshape(1, -1))[0]
        view = mean + np.tensordot(code, weights, axes=1)
        return torch.from_numpy(np.clip(view, 0.0, 1.0).astype(np.float32))

    @staticmethod
    def _codes(components: PCA | None, sources: np.ndarray) -> np.ndarray:
        """Components ``[N, K]`` of sources ``[N, pixels]``, the first one with variance 1."""
        if components is None:
            return np.zeros((len(sources), 0))
        return components.transform(sources) / float(components.explained_variance_[0]) ** 0.5


def number_of_components(pairs: int) -> int:
    """How many principal components the linear regression takes for so many training pairs of one direction."""
    wanted = min(MOST_COMPONENTS, max(LEAST_COMPONENTS, pairs // PAIRS_PER_COMPONENT))
    return min(wanted, pairs - 1)


def fit_baselines(training: Sequence[Mapping[str, Any]]) -> tuple[Baseline, ...]:
    """Fit all baselines on the training pairs.

    Args:
        training: a dataset without any random transform; items with ``image`` ``[2, H, W]`` (view, lesion mask),
            ``label`` ``[1, H, W]`` and ``target_view`` (0 = CC, 1 = MLO). Its items are read twice here, and those that
            are a nearest neighbour once more later.

    Raises:
        ValueError: there is no training pair.
    """
    if len(training) == 0:
        raise ValueError("The training split is empty: the baselines need its pairs.")
    regression = LinearRegression(training)
    baselines: tuple[Baseline, ...] = (SourceCopied(), MeanTarget(), NearestSource(training), regression)
    for index in tqdm(range(len(training)), desc="baselines", unit="pair"):
        item = training[index]
        direction = Direction.to_class(int(item["target_view"]))
        source, target = plain(item["image"])[:1], plain(item["label"])
        for baseline in baselines:
            baseline.learn(index=index, source=source, target=target, direction=direction)
    regression.fit()
    return baselines


def _in_blocks(source: torch.Tensor) -> np.ndarray:
    """Average a view ``[1, H, W]`` over square blocks, at the lower and right edge over what is there."""
    size = math.ceil(source.shape[-2] / NEAREST_SOURCE_ROWS)
    return avg_pool2d(source, kernel_size=size, ceil_mode=True).numpy()


def _nothing_learned(name: str, direction: Direction) -> str:
    return (
        f"{name} has seen no training pair of the direction {direction}, which the test split holds: train and test "
        "must have the same directions."
    )
