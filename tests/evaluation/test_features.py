from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bundle.evaluation.features import (
    REGIONS_PER_VIEW,
    drawn_regions,
    embeddings,
    lesion_vector,
    radiomics_settings,
    trained_feature_network,
)
from bundle.networks.feature_network import EMBEDDING, FeatureNetwork
from bundle.radiomics.extraction import extract_features
from bundle.tensor_files import write_tensors
from tests.evaluation.made_cases import made_feature_network, made_settings

VIEW = np.random.default_rng(0).random((80, 60)).astype(np.float32)


def test_the_settings_are_the_prepared_collections(tmp_path: Path) -> None:
    radiomics = {**made_settings().as_dict(), "settings_hash": "abc"}
    (tmp_path / "preparation.json").write_text(json.dumps({"radiomics": radiomics}))
    assert radiomics_settings(dataset_dir=tmp_path) == made_settings()
    with pytest.raises(FileNotFoundError, match=r"No prepared collection at .*--dataset_dir"):
        radiomics_settings(dataset_dir=tmp_path / "absent")


def test_the_networks_file_tells_its_channels(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = FeatureNetwork([4, 6, 8]).eval()
    write_tensors(tmp_path / "feature_network.pt", network.state_dict())
    loaded = trained_feature_network(path=tmp_path / "feature_network.pt")
    image, mask = torch.rand(1, 1, 16, 16), torch.ones(1, 1, 16, 16)
    torch.testing.assert_close(loaded(image, mask), network(image, mask))


@pytest.mark.parametrize("content", [None, {"a": torch.zeros(1)}, "text"])
def test_another_file_is_a_sentence(tmp_path: Path, content: object) -> None:
    path = tmp_path / "feature_network.pt"
    if content == "text":
        path.write_text("no tensors")
    elif content is not None:
        write_tensors(path, content)
    with pytest.raises((FileNotFoundError, ValueError), match=r"feature_network\.pt.*--output_dir"):
        trained_feature_network(path=path)


def test_regions_lie_in_the_breast_and_follow_from_the_name() -> None:
    breast = np.indices((80, 60))[1] < 40
    one, again, other = (
        drawn_regions(breast, name=name, spacing_mm=1.0, settings=made_settings()) for name in ("A", "A", "B")
    )
    assert len(one) == REGIONS_PER_VIEW
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    assert all(breast[region].all() for region in (*one, *other))
    assert drawn_regions(np.zeros((80, 60), dtype=bool), name="A", spacing_mm=1.0, settings=made_settings()) == []


def test_lesions_are_averaged_by_area_and_too_small_ones_left_out() -> None:
    lesions = np.zeros((80, 60), dtype=bool)
    lesions[5:15, 5:15] = lesions[30:35, 20:40] = lesions[60, 50] = True  # 100, 100 and 1 pixels
    parts = [lesions.copy(), lesions.copy()]
    parts[0][20:], parts[1][:20], parts[1][50:] = False, False, False
    settings = made_settings()
    expected = np.mean([extract_features(VIEW, part, spacing_mm=1.0, settings=settings) for part in parts], axis=0)
    np.testing.assert_allclose(lesion_vector(VIEW, lesions, spacing_mm=1.0, settings=settings), expected)
    assert np.isnan(lesion_vector(VIEW, np.zeros_like(lesions), spacing_mm=1.0, settings=settings)).all()


def test_embedding_sees_the_region_and_its_surroundings_alone() -> None:
    network, region = made_feature_network(), np.zeros((80, 60), dtype=bool)
    region[2:12, 3:13] = True  # near the corner
    changed = VIEW.copy()
    changed[60:] = 0.0
    views = torch.from_numpy(np.stack([VIEW, changed, 0.5 * VIEW]))[:, None]
    found = embeddings(network, views, region, spacing_mm=1.0)
    assert found.shape == (3, EMBEDDING)
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    assert not np.allclose(found[0], found[2], atol=1e-3)
    # The window of 48 pixels around the region's middle, (6, 7), cut out by hand.
    window, mask = (np.pad(a, 24)[6:54, 7:55].astype(np.float32) for a in (VIEW, region))
    expected = network.embed(*(torch.from_numpy(a)[None, None] for a in (window, mask)))
    np.testing.assert_allclose(found[0], expected[0].detach().numpy(), atol=1e-5)
