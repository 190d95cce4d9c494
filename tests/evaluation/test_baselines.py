from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from bundle.evaluation.baselines import NEAREST_SOURCE_ROWS, RIDGE_PENALTY, fit_baselines, number_of_components
from bundle.vocabulary import Direction
from tests.evaluation.made_cases import made_item, made_items

DIRECTIONS = {0: Direction.MLO_TO_CC, 1: Direction.CC_TO_MLO}


def fitted(training):
    return {baseline.name: baseline for baseline in fit_baselines(training)}


def test_the_methods_and_their_names() -> None:
    assert list(fitted(made_items(range(1)))) == ["source_copied", "mean_target", "nearest_source", "linear_regression"]


def test_source_copied_is_the_view_without_the_lesion_mask() -> None:
    source = made_item(seed=9, target_view=1)["image"][:1]
    assert torch.equal(fitted(made_items(range(2)))["source_copied"].synthesize(source, Direction.CC_TO_MLO), source)


@pytest.mark.parametrize("view", [0, 1])
def test_mean_target_is_the_mean_of_the_directions_targets(view: int) -> None:
    training = made_items(range(5))
    expected = torch.stack([item["label"] for item in training if item["target_view"] == view]).double().mean(dim=0)
    got = fitted(training)["mean_target"].synthesize(training[0]["image"][:1], DIRECTIONS[view])
    torch.testing.assert_close(got, expected.float())


def test_a_training_source_gets_exactly_its_own_target() -> None:
    training = made_items(range(6))
    nearest = fitted(training)["nearest_source"]
    for item in training:
        assert torch.equal(nearest.synthesize(item["image"][:1], DIRECTIONS[item["target_view"]]), item["label"])


def test_nearest_source_stays_in_its_direction() -> None:
    training = made_items(range(4))
    source = training[1]["image"][:1]  # of a pair towards MLO
    got = fitted(training)["nearest_source"].synthesize(source, Direction.MLO_TO_CC)
    assert any(torch.equal(got, item["label"]) for item in training if item["target_view"] == 0)


def test_nearest_source_by_hand() -> None:
    training = [made_item(seed=seed, target_view=1) for seed in range(3)]
    for item, brightness in zip(training, (0.1, 0.5, 0.9), strict=True):
        item["image"][:1] = brightness
    nearest = fitted(training)["nearest_source"]
    for brightness, index in ((0.0, 0), (0.29, 0), (0.31, 1), (0.69, 1), (0.71, 2)):
        source = torch.full_like(training[0]["label"], brightness)
        assert torch.equal(nearest.synthesize(source, Direction.CC_TO_MLO), training[index]["label"])


def test_nearest_source_ignores_the_lesion_mask() -> None:
    training = [made_item(seed=seed, target_view=1) for seed in range(3)]
    source = training[2]["image"][:1].clone()
    training[2]["image"][1] = 1
    assert torch.equal(fitted(training)["nearest_source"].synthesize(source, Direction.CC_TO_MLO), training[2]["label"])


def test_large_sources_are_kept_in_blocks_and_still_found() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = 2 * NEAREST_SOURCE_ROWS + 10
    training = [
        {
            "image": torch.rand(2, rows, 33, generator=generator),
            "label": torch.rand(1, rows, 33, generator=generator),
            "target_view": 1,
        }
        for _ in range(4)
    ]
    nearest = fitted(training)["nearest_source"]
    assert max(kept.shape[-2] for kept in nearest._sources[Direction.CC_TO_MLO]) <= NEAREST_SOURCE_ROWS
    noisy = training[3]["image"][:1] + 0.01
    assert torch.equal(nearest.synthesize(noisy, Direction.CC_TO_MLO), training[3]["label"])


def test_linear_regression_is_scikit_learns() -> None:
    training = [item for item in made_items(range(30)) if item["target_view"] == 1]
    source = made_item(seed=99, target_view=1)["image"][:1]
    sources, targets = (
        np.stack([item[key][0].numpy().ravel() for item in training]).astype(float) for key in ("image", "label")
    )
    components = PCA(number_of_components(len(sources)), svd_solver="full").fit(sources)
    scale = components.explained_variance_[0] ** 0.5
    regression = Ridge(RIDGE_PENALTY).fit(components.transform(sources) / scale, targets)
    expected = regression.predict(components.transform(source.numpy().reshape(1, -1).astype(float)) / scale)
    got = fitted(training)["linear_regression"].synthesize(source, Direction.CC_TO_MLO)
    np.testing.assert_allclose(got.numpy().ravel(), np.clip(expected[0], 0, 1), atol=1e-5)


def test_linear_regression_of_one_pair_is_its_target() -> None:
    (item,) = [made_item(seed=3, target_view=1)]
    source = made_item(seed=99, target_view=1)["image"][:1]
    torch.testing.assert_close(
        fitted([item])["linear_regression"].synthesize(source, Direction.CC_TO_MLO), item["label"]
    )


@pytest.mark.filterwarnings("error")
def test_linear_regression_on_equal_sources_is_their_mean_target() -> None:
    first, second = (made_item(seed=seed, target_view=1) for seed in (3, 4))
    second["image"] = first["image"]
    torch.testing.assert_close(
        fitted([first, second])["linear_regression"].synthesize(second["image"][:1], Direction.CC_TO_MLO),
        (first["label"] + second["label"]) / 2,
    )


def test_the_order_of_the_training_pairs_does_not_matter() -> None:
    training = made_items(range(7))
    source = made_item(seed=99, target_view=1)["image"][:1]
    there, back = fitted(training), fitted(training[::-1])
    for name in there:
        torch.testing.assert_close(
            there[name].synthesize(source, Direction.CC_TO_MLO), back[name].synthesize(source, Direction.CC_TO_MLO)
        )


def test_metadata_of_monais_tensors_stays_behind() -> None:
    training = [
        {**item, "image": MetaTensor(item["image"]), "label": MetaTensor(item["label"])}
        for item in made_items(range(2))
    ]
    source = made_item(seed=9, target_view=1)["image"][:1]
    for baseline in fit_baselines(training):
        assert type(baseline.synthesize(source, Direction.CC_TO_MLO)) is torch.Tensor


def test_no_training_pair_is_an_error() -> None:
    with pytest.raises(ValueError, match="training split is empty"):
        fit_baselines([])


@pytest.mark.parametrize("name", ["mean_target", "nearest_source", "linear_regression"])
def test_an_unseen_direction_is_an_error(name: str) -> None:
    only_to_mlo = [made_item(seed=seed, target_view=1) for seed in range(2)]
    with pytest.raises(ValueError, match=f"{name} has seen no training pair of the direction mlo_to_cc"):
        fitted(only_to_mlo)[name].synthesize(only_to_mlo[0]["label"], Direction.MLO_TO_CC)


@pytest.mark.parametrize(("pairs", "components"), [(10, 9), (114, 24), (400, 24), (1392, 69), (4050, 100)])
def test_more_pairs_bear_more_components_of_the_linear_regression(pairs, components):
    assert number_of_components(pairs) == components
