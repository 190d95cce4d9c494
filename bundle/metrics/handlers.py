"""The measures as Ignite metrics of a MONAI validation engine: means over *images*, not over batches' means."""

from __future__ import annotations

from collections.abc import Callable

import torch
from ignite.engine import Engine
from monai.handlers import IgniteMetricHandler
from monai.metrics import CumulativeIterationMetric

from bundle.metrics.absolute_error import mean_absolute_error
from bundle.metrics.in_breast import in_breast
from bundle.metrics.items import items_of
from bundle.metrics.psnr import psnr_db
from bundle.metrics.ssim import ssim

Measure = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class ImageMean(CumulativeIterationMetric):
    """Mean over all images of a measure, gathered from all processes.

    MONAI's own regression metrics leave out an image whose score is NaN without a word; here it is an error.

    Args:
        measure: (pred, target, breast), each ``[B, 1, H, W]``, to scores ``[B]``.
    """

    def __init__(self, measure: Measure) -> None:
        super().__init__()
        self.measure = measure

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        """Score a batch: ``y_pred`` ``[B, 1, H, W]``; ``y`` ``[B, 2, H, W]``, the target and its breast mask."""
        if y is None:
            raise ValueError("ImageMean needs y [B, 2, H, W]: the target view and its breast mask.")
        return self.measure(y_pred, y[:, :1], y[:, 1:])[:, None]

    def aggregate(self) -> torch.Tensor:
        """Mean over the images so far.

        Raises:
            ValueError: no image has been scored.
        """
        scores = self.get_buffer()
        if scores is None:
            raise ValueError("No image was scored: the validation split is empty, prepare more patients.")
        return scores.mean()


class ImageMeanHandler(IgniteMetricHandler):
    """Ignite metric that hands the predictions, targets and breast masks of each iteration to an `ImageMean`.

    Ignite shows a metric the engine's output alone, where MONAI's evaluators leave the breast mask out.

    Args:
        measure: see `ImageMean`.
    """

    def __init__(self, measure: Measure) -> None:
        super().__init__(metric_fn=ImageMean(measure))

    def iteration_completed(self, engine: Engine) -> None:
        """Score the images of one iteration: ``pred``, ``label`` and ``label_breast``, each ``[1, H, W]`` per item."""
        items = items_of(engine)
        pred = torch.stack([item["pred"].as_subclass(torch.Tensor) for item in items])
        truth = [
            torch.cat([item[key].as_subclass(torch.Tensor).to(pred.device) for key in ("label", "label_breast")])
            for item in items
        ]
        self.update((pred, torch.stack(truth)))


def validation_metrics(*, data_range: float, spacing_mm: float) -> dict[str, ImageMeanHandler]:
    """All validation measures by their names in ``results.csv``, for the ``key_val_metric`` of MONAI's evaluator.

    Which of them chooses the best epoch, the run folder is told. Per-image scores stay in
    ``engine.state.metric_details``.

    Args:
        data_range: width of the intensity range of the views; 1.0 for prepared views.
        spacing_mm: pixel spacing of the canvas.
    """
    measures: dict[str, Measure] = {
        "val_SSIM": lambda pred, target, _: ssim(pred, target, data_range=data_range),
        "val_L1": lambda pred, target, _: mean_absolute_error(pred, target, data_range=data_range),
        "val_PSNR": lambda pred, target, _: psnr_db(pred, target, data_range=data_range),
        "val_in_breast_SSIM": lambda pred, target, breast: (
            in_breast(pred, target, breast, data_range=data_range, spacing_mm=spacing_mm).ssim
        ),
        "val_in_breast_PSNR": lambda pred, target, breast: (
            in_breast(pred, target, breast, data_range=data_range, spacing_mm=spacing_mm).psnr_db
        ),
    }
    return {name: ImageMeanHandler(measure) for name, measure in measures.items()}
