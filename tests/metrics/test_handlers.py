"""The validation metrics on a real MONAI evaluator."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from monai.engines import Evaluator
from monai.engines.utils import IterationEvents

from bundle.metrics.absolute_error import mean_absolute_error
from bundle.metrics.handlers import ImageMean, validation_metrics
from bundle.metrics.in_breast import in_breast
from bundle.metrics.psnr import psnr_db
from bundle.metrics.ssim import ssim

NAMES = {"val_L1", "val_SSIM", "val_PSNR", "val_in_breast_SSIM", "val_in_breast_PSNR"}


def cases(*, count: int, seed: int) -> dict[str, torch.Tensor]:
    """Random images ``[count, 1, 16, 12]``, the errors of which differ by orders of magnitude."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.rand(count, 1, 16, 12, generator=generator)
    noise = torch.rand(count, 1, 16, 12, generator=generator)
    strength = torch.logspace(-3, 0, count)[:, None, None, None]
    breast = torch.zeros(count, 1, 16, 12)
    breast[..., 2:14, :8] = 1
    return {"pred": label + strength * (noise - label), "label": label, "label_breast": breast}


def evaluate(images: dict[str, torch.Tensor], *, batch_size: int) -> Evaluator:
    """Run a MONAI evaluator that hands the images through, in batches, the last of which may be smaller."""
    count = len(images["pred"])
    batches = [
        {key: MetaTensor(value[start : start + batch_size]) for key, value in images.items()}
        for start in range(0, count, batch_size)
    ]
    evaluator = Evaluator(
        device="cpu",
        val_data_loader=batches,
        iteration_update=_hand_through,
        key_val_metric=validation_metrics(data_range=1.0, spacing_mm=2.0),
    )
    evaluator.run()
    return evaluator


def _hand_through(engine: Evaluator, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    engine.state.output = {key: batch[key] for key in ("pred", "label")}  # as MONAI's evaluators: no mask
    engine.fire_event(IterationEvents.MODEL_COMPLETED)
    return engine.state.output


def test_the_names_are_those_of_results_csv_and_ssim_is_the_key() -> None:
    metrics = validation_metrics(data_range=1.0, spacing_mm=1.0)
    assert set(metrics) == NAMES
    assert next(iter(metrics)) == "val_SSIM"


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_means_are_over_images_not_over_batches(batch_size: int) -> None:
    images = cases(count=7, seed=0)
    pred, label, breast = images["pred"], images["label"], images["label_breast"]
    expected = in_breast(pred, label, breast, data_range=1.0, spacing_mm=2.0)
    got = evaluate(images, batch_size=batch_size).state.metrics
    assert got["val_L1"] == pytest.approx(mean_absolute_error(pred, label, data_range=1.0).mean().item())
    assert got["val_SSIM"] == pytest.approx(ssim(pred, label, data_range=1.0).mean().item())
    assert got["val_PSNR"] == pytest.approx(psnr_db(pred, label, data_range=1.0).mean().item())
    assert got["val_in_breast_SSIM"] == pytest.approx(expected.ssim.mean().item())
    assert got["val_in_breast_PSNR"] == pytest.approx(expected.psnr_db.mean().item())


def test_a_mean_of_batch_means_would_differ() -> None:
    """Guards the test above: with seven such images in threes the two kinds of mean are far apart."""
    images = cases(count=7, seed=0)
    scores = psnr_db(images["pred"], images["label"], data_range=1.0)
    of_batches = torch.stack([part.mean() for part in scores.split(3)]).mean()
    assert abs(of_batches - scores.mean()) > 1.0


def test_scores_of_each_image_are_kept() -> None:
    images = cases(count=5, seed=1)
    details = evaluate(images, batch_size=2).state.metric_details["val_SSIM"]
    torch.testing.assert_close(details[:, 0], ssim(images["pred"], images["label"], data_range=1.0))


def test_a_second_run_starts_afresh() -> None:
    metric = validation_metrics(data_range=1.0, spacing_mm=2.0)["val_L1"]
    images = cases(count=3, seed=2)
    values = []
    for _ in range(2):
        metric.reset()
        metric.update((images["pred"], torch.cat([images["label"], images["label_breast"]], dim=1)))
        values.append(metric.metric_fn.aggregate().item())
    assert values[0] == values[1]
    assert len(metric.metric_fn.get_buffer()) == 3


def test_a_nan_stops_the_validation() -> None:
    images = cases(count=4, seed=3)
    images["pred"][3, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="item 1 of the batch"):
        evaluate(images, batch_size=2)


def test_no_image_is_an_error() -> None:
    with pytest.raises(ValueError, match="validation split is empty"):
        ImageMean(lambda pred, target, _: pred.mean(dim=(1, 2, 3))).aggregate()
