"""Defect 6: augmentation that is written and never switched on."""

import inspect
import json

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose, Randomizable

from bundle.training import augmentation, transforms
from tests.training.conftest import ROOT


def _preprocessing(container: str) -> Compose:
    parser = ConfigParser(json.loads((ROOT / "configs" / "train.json").read_text()))
    return parser.get_parsed_content(f"{container}#preprocessing")


def _random_transforms(compose: Compose) -> list[Randomizable]:
    return [each for each in compose.transforms if isinstance(each, Randomizable)]


def test_every_random_transform_of_the_bundle_is_on_in_training() -> None:
    written = {
        each
        for module in (augmentation, transforms)
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Randomizable) and each.__module__ == module.__name__
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
    (drop,) = (each for each in _random_transforms(compose) if isinstance(each, transforms.RandDropConditiond))
    item = {"image": torch.ones(2, 8, 8), "radiomics": np.zeros(102, np.float32)}
    dropped = [bool(np.isnan(drop(item)["radiomics"]).all()) for _ in range(300)]  # type: ignore[operator]
    assert 10 < sum(dropped) < 150
