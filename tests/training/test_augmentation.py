"""Defect 6: augmentation that is written and never switched on, or that moves the two views of a pair differently."""

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose, Randomizable

from bundle.training import transforms
from tests.training.conftest import ROOT


def _preprocessing(container: str) -> Compose:
    parser = ConfigParser(json.loads((ROOT / "configs" / "train.json").read_text()))
    return parser.get_parsed_content(f"{container}#preprocessing")


def _random_transforms(compose: Compose) -> list[Randomizable]:
    return [each for each in compose.transforms if isinstance(each, Randomizable)]


def test_every_random_transform_of_the_bundle_is_on_in_training() -> None:
    written = {
        each
        for _, each in inspect.getmembers(transforms, inspect.isclass)
        if issubclass(each, Randomizable) and each.__module__ == transforms.__name__
    }
    assert written
    configured = {type(each): each for each in _random_transforms(_preprocessing("train"))}
    assert written <= configured.keys()
    assert all(0 < each.prob <= 1 for each in configured.values())  # type: ignore[attr-defined]


def test_no_random_transform_is_on_in_validation() -> None:
    assert _random_transforms(_preprocessing("validate")) == []


def test_the_conditions_are_dropped_in_some_draws_of_the_configured_training() -> None:
    compose = _preprocessing("train")
    compose.set_random_state(seed=0)
    (drop,) = _random_transforms(compose)
    item = {"image": torch.ones(2, 8, 8), "radiomics": np.zeros(102, np.float32)}
    dropped = [bool(np.isnan(drop(item)["radiomics"]).all()) for _ in range(300)]  # type: ignore[operator]
    assert 10 < sum(dropped) < 150


@pytest.fixture
def one_view_as_both(prepared_collection: Path) -> dict[str, Any]:
    """An item whose source and target are the same prepared view, so that only the transforms can tell them apart."""
    pair = json.loads((prepared_collection / "datalist.json").read_text())["training"][0]
    view = {name: str(prepared_collection / pair["cc"][name]) for name in ("image", "mask", "breast")}
    return {
        "image": view["image"],
        "image_mask": view["mask"],
        "label": view["image"],
        "label_mask": view["mask"],
        "label_breast": view["breast"],
        "radiomics": np.zeros(102, np.float32),
        "label_radiomics": np.zeros(102, np.float32),
        "target_view": 1,
        "spacing_mm": 1.0,
        "pair_id": "P_L",
        "patient_id": "P",
    }


def test_both_views_of_a_pair_are_moved_by_one_draw(one_view_as_both: dict[str, Any]) -> None:
    """The views stand at different heights on the canvas, but no draw may shift, flip or turn one alone."""
    compose = _preprocessing("train")
    compose.set_random_state(seed=0)
    for _ in range(20):
        item = compose(one_view_as_both)
        source, target = item["image"][0].numpy(), item["label"][0].numpy()
        assert target.any()
        np.testing.assert_allclose(source.sum(axis=0), target.sum(axis=0), rtol=1e-5)
        heights = [view.any(axis=1) for view in (source, target)]
        np.testing.assert_array_equal(source[heights[0]], target[heights[1]])
