from pathlib import Path

import numpy as np
import torch
from monai.transforms import Compose

from bundle.imaging.canvas import place_on_canvas
from bundle.preparation import load_prepared_image
from bundle.records import Canvas
from bundle.training.data import directed_pairs
from bundle.training.transforms import LoadImagePreparedPaird, PlacePairOnCanvasd, RandDropConditiond
from bundle.vocabulary import ViewPosition

CANVAS = Canvas(rows=128, columns=96, spacing_mm=2.0)


def _item(source_shape: tuple[int, int], target_shape: tuple[int, int], target_view: int = 1) -> dict:
    random = np.random.default_rng(0)
    return {
        "image": random.random((1, *source_shape)).astype(np.float32),
        "image_mask": (random.random((1, *source_shape)) > 0.9).astype(np.uint8) * 3,
        "label": random.random((1, *target_shape)).astype(np.float32),
        "label_mask": (random.random((1, *target_shape)) > 0.9).astype(np.uint8) * 2,
        "label_breast": np.ones((1, *target_shape), np.uint8),
        "radiomics": np.arange(102, dtype=np.float32),
        "label_radiomics": np.arange(102, dtype=np.float32),
        "target_view": target_view,
        "spacing_mm": 2.0,
    }


def test_placed_views_and_masks() -> None:
    item = _item((40, 30), (60, 50))
    placed = PlacePairOnCanvasd(canvas=CANVAS)(item)
    assert placed["image"].shape == (2, 128, 96)
    assert "image_mask" not in placed
    # the CC in the middle rows, the MLO at the top, both at the chest wall
    np.testing.assert_array_equal(placed["image"][0, 44:84, :30], item["image"][0])
    np.testing.assert_array_equal(placed["label"][0, :60, :50], item["label"][0])
    assert placed["image"][0, :44].sum() == placed["image"][0, 84:].sum() == placed["image"][0, :, 30:].sum() == 0
    # Defect 7: masks stay masks
    for name in ("label_mask", "label_breast"):
        assert set(placed[name].unique().tolist()) == {0.0, 1.0}
    assert set(placed["image"][1].unique().tolist()) == {0.0, 1.0}
    assert all(placed[name].dtype == torch.float32 for name in ("image", "label", "label_mask", "label_breast"))


def test_masks_stay_masks_on_a_coarser_canvas() -> None:
    """Defect 7: the nearest neighbour for masks, the area's mean for grey values."""
    item = _item((80, 60), (80, 60)) | {"spacing_mm": 1.0}
    placed = PlacePairOnCanvasd(canvas=CANVAS)(item)
    for mask in (placed["label_mask"], placed["image"][1]):
        assert set(mask.unique().tolist()) == {0.0, 1.0}
    grey = item["label"][0].reshape(40, 2, 30, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(placed["label"][0, :40, :30], grey, rtol=1e-5)
    labels = item["label_mask"][0].reshape(40, 2, 30, 2) > 0
    shown = placed["label_mask"][0, :40, :30].numpy() > 0
    assert labels.any(axis=(1, 3))[shown].all()
    assert shown[labels.all(axis=(1, 3))].all()


def test_the_targets_size_does_not_show_in_the_input() -> None:
    small = PlacePairOnCanvasd(canvas=CANVAS)(_item((40, 30), (60, 50)))
    huge = PlacePairOnCanvasd(canvas=CANVAS)(
        _item((40, 30), (300, 200)) | {k: _item((40, 30), (60, 50))[k] for k in ("image", "image_mask")}
    )
    torch.testing.assert_close(small["image"], huge["image"])
    assert huge["label"].shape == (1, 128, 96)
    assert np.isnan(huge["label_radiomics"]).all(), "of pixels that the canvas crops"
    assert not np.isnan(small["label_radiomics"]).any()


def test_a_source_larger_than_the_canvas_shrinks_and_its_target_with_it() -> None:
    """Defect 10: the aspect ratio is kept, and both views of a pair have one scale."""
    item = _item((256, 96), (256, 96))
    item["label_breast"][0, 100:] = 0
    placed = PlacePairOnCanvasd(canvas=CANVAS)(item)
    columns = np.flatnonzero(placed["image"][0].numpy().any(axis=0))
    assert columns[-1] + 1 == 48
    assert placed["label_breast"].sum() == 50 * 48
    assert np.isnan(placed["label_radiomics"]).all()
    assert not np.isnan(placed["radiomics"]).any()


def test_mask_and_vector_are_dropped_together() -> None:
    item = PlacePairOnCanvasd(canvas=CANVAS)(_item((40, 30), (60, 50)))
    dropped = RandDropConditiond(prob=1.0)(item)
    assert dropped["image"][1].sum() == 0
    assert np.isnan(dropped["radiomics"]).all()
    torch.testing.assert_close(dropped["image"][0], item["image"][0])
    assert item["image"][1].sum() > 0, "the cached item must stay as it was"
    kept = RandDropConditiond(prob=0.0)(item)
    torch.testing.assert_close(kept["image"], item["image"])


def test_dropping_follows_the_seed() -> None:
    transform = Compose([RandDropConditiond(prob=0.5)])
    item = PlacePairOnCanvasd(canvas=CANVAS)(_item((40, 30), (60, 50)))

    def draws() -> list[bool]:
        transform.set_random_state(seed=3)
        return [bool(np.isnan(transform(item)["radiomics"]).all()) for _ in range(20)]

    assert draws() == draws()
    assert 0 < sum(draws()) < 20


def test_files_of_a_collection_arrive_on_the_canvas(prepared_collection: Path) -> None:
    entry = directed_pairs(dataset_dir=prepared_collection, split="validation", canvas=CANVAS)[0]
    item = PlacePairOnCanvasd(canvas=CANVAS)(LoadImagePreparedPaird()(entry))
    expected = place_on_canvas(
        load_prepared_image(Path(entry["label"])),
        view_position=ViewPosition.MLO,
        canvas=CANVAS,
        spacing_mm=1.0,
        scale=1.0,
        is_mask=False,
    )
    np.testing.assert_array_equal(item["label"][0].numpy(), expected)
    assert item["label"].max() <= 1
    assert item["label"].min() >= 0
