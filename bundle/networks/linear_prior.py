"""A linear prediction of the target view, fitted in closed form, that a network starts from."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from bundle.vocabulary import ViewPosition

CHANNELS = 2  # the target's grey values, its breast mask


class LinearPrior(nn.Module):
    """Ridge regression of the target on principal components of the source, both averaged over square blocks.

    Where tissue lies and how far the breast reaches follows to a large part linearly from the source's coarse picture,
    over distances that convolutions learn slowly. Fitted before training, on the training split alone, for each target
    view by itself; until then it predicts zero.

    Args:
        grid: rows and columns of blocks.
        components: number K of principal components.
    """

    mean_source: Tensor
    components: Tensor
    mean_target: Tensor
    weights: Tensor

    def __init__(self, *, grid: Sequence[int], components: int) -> None:
        super().__init__()
        self.rows, self.columns = int(grid[0]), int(grid[1])
        views, places = len(ViewPosition), self.rows * self.columns
        self.register_buffer("mean_source", torch.zeros(views, places))
        self.register_buffer("components", torch.zeros(views, places, components))
        self.register_buffer("mean_target", torch.zeros(views, CHANNELS * places))
        self.register_buffer("weights", torch.zeros(views, components, CHANNELS * places))

    def forward(self, view: Tensor, target_view: Tensor) -> Tensor:
        """Predict the target of source views ``[B, 1, H, W]`` in [0, 1].

        Args:
            view: H and W are the same multiple of the grid's rows and columns.
            target_view: int64 ``[B]``, 0 = CC, 1 = MLO.

        Returns:
            ``[B, 2, H, W]``: grey values and probability of breast, about in [0, 1].
        """
        block = view.shape[-2] // self.rows
        places = avg_pool2d(view, block).flatten(1) - self.mean_source[target_view]
        codes = torch.bmm(places[:, None], self.components[target_view])
        coarse = torch.bmm(codes, self.weights[target_view])[:, 0] + self.mean_target[target_view]
        coarse = coarse.reshape(-1, 2, self.rows, self.columns)
        return interpolate(coarse, size=[view.shape[-2], view.shape[-1]], mode="bilinear", align_corners=False)

    def fit(self, pairs: Iterable[tuple[Tensor, Tensor, int]], *, penalty: float = 10.0) -> None:
        """Fit on the training pairs of each target view: principal components, then ridge regression on them.

        Args:
            pairs: source view ``[1, H, W]``, target ``[2, H, W]`` (grey values, breast mask), target view 0 or 1.
            penalty: of the ridge regression, where the first component has variance 1.
        """
        sources: dict[int, list[np.ndarray]] = {}
        targets: dict[int, list[np.ndarray]] = {}
        for source, target, target_view in pairs:
            block = source.shape[-2] // self.rows
            sources.setdefault(target_view, []).append(avg_pool2d(source, block).flatten().numpy())
            targets.setdefault(target_view, []).append(avg_pool2d(target, block).flatten().numpy())
        for target_view in sources:
            x, y = np.stack(sources[target_view]), np.stack(targets[target_view])
            number = min(self.components.shape[2], len(x) - 1)
            if number < 1 or (x == x[0]).all():
                self._keep(target_view, x.mean(axis=0), np.zeros((x.shape[1], 0)), y.mean(axis=0), np.zeros((0, 1)))
                continue
            found = PCA(number, svd_solver="covariance_eigh").fit(x)
            components = found.components_.T / max(float(found.explained_variance_[0]), 1e-12) ** 0.5
            codes = (x - found.mean_) @ components
            mean_target = y.mean(axis=0)
            weights = np.linalg.solve(codes.T @ codes + penalty * np.eye(number), codes.T @ (y - mean_target))
            self._keep(target_view, found.mean_, components, mean_target, weights)

    def _keep(
        self,
        target_view: int,
        mean_source: np.ndarray,
        components: np.ndarray,
        mean_target: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        number = components.shape[1]
        self.mean_source[target_view] = torch.from_numpy(mean_source)
        self.components[target_view] = 0.0
        self.components[target_view, :, :number] = torch.from_numpy(components)
        self.mean_target[target_view] = torch.from_numpy(mean_target)
        self.weights[target_view] = 0.0
        self.weights[target_view, :number] = torch.from_numpy(weights)
