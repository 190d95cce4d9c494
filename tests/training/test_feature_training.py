import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import run as run_bundle
from monai.transforms import Compose

from bundle.networks.feature_network import FeatureNetwork, region_windows
from bundle.preparation import load_prepared_mask
from bundle.radiomics.features import FEATURE_NAMES, FEATURES_OF_CLASS
from bundle.records import Canvas
from bundle.training.data import directed_pairs
from bundle.training.feature_training import (
    RegionExamples,
    accuracy,
    fit_feature_network,
    region_examples,
    train_feature_network,
)
from bundle.training.transforms import LoadImagePreparedPaird, PlacePairOnCanvasd
from bundle.vocabulary import Split
from tests.raising import raises_within_monai
from tests.training.conftest import ROOT

CANVAS = Canvas(rows=128, columns=96, spacing_mm=2.0)


@pytest.fixture(scope="module")
def examples(prepared_collection: Path) -> RegionExamples:
    return region_examples(dataset_dir=prepared_collection, split=Split.TRAINING, canvas=CANVAS)


def _network() -> FeatureNetwork:
    torch.manual_seed(0)
    return FeatureNetwork(channels=(8, 16))


def test_examples_are_the_real_regions_and_lesions_of_one_split(
    prepared_collection: Path, examples: RegionExamples
) -> None:
    count = len(examples.radiomics)
    assert examples.image.shape == examples.mask.shape == (count, 1, 24, 24), "48 mm at 2 mm"
    assert set(examples.mask.unique().tolist()) == {0.0, 1.0}
    assert 0 <= examples.image.min() < examples.image.max() <= 1
    pairs = json.loads((prepared_collection / "datalist.json").read_text())["training"]
    views = [pair[view] for pair in pairs for view in ("cc", "mlo")]
    with_lesion = sum(load_prepared_mask(prepared_collection / view["mask"]).any() for view in views)
    assert 0 < examples.is_lesion.sum() <= with_lesion
    assert 0 < (~examples.is_lesion).sum() <= 4 * len(views)


def test_vectors_belong_to_their_windows(examples: RegionExamples) -> None:
    """The mean grey value in the window's region is the vector's own."""
    column = FEATURE_NAMES.index("firstorder_Mean")
    random_regions = torch.from_numpy(~examples.is_lesion)
    image, mask = examples.image[random_regions], examples.mask[random_regions]
    means = (image * mask).sum(dim=(1, 2, 3)) / mask.sum(dim=(1, 2, 3))
    torch.testing.assert_close(means, examples.radiomics[random_regions, column], rtol=1e-4, atol=1e-5)


def test_a_training_step_sees_the_lesions_as_the_network_learns_them(
    prepared_collection: Path, examples: RegionExamples
) -> None:
    """From the same pixels, so that a real view has the error that the network's report tells."""
    place = Compose([LoadImagePreparedPaird(), PlacePairOnCanvasd(canvas=CANVAS)])
    learned = {vector.numpy().tobytes(): k for k, vector in enumerate(examples.radiomics) if examples.is_lesion[k]}
    compared = 0
    for item in directed_pairs(dataset_dir=prepared_collection, split="training", canvas=CANVAS):
        placed = place(item)
        windows, masks, fits = region_windows(placed["label"][None], placed["label_mask"][None], side=24)
        k = learned.get(placed["label_radiomics"].tobytes())
        assert (k is not None) == (bool(fits) and not np.isnan(placed["label_radiomics"]).any())
        if k is not None:
            torch.testing.assert_close(windows[0], examples.image[k])
            torch.testing.assert_close(masks[0], examples.mask[k])
            compared += 1
    assert compared >= 3, "the others are of pairs that do not fit the canvas"


def test_the_network_learns(examples: RegionExamples) -> None:
    """Defect 3: an estimator whose optimizer never steps explains nothing, not even its own training regions."""
    network = _network()
    network.standardizer.fit(examples.radiomics.numpy())
    before = accuracy(network, examples, device="cpu")["regions"]["all"]
    fit_feature_network(network, examples, epochs=40, batch_size=16, learning_rate=4e-3, seed=0, device="cpu")
    after = accuracy(network, examples, device="cpu")["regions"]
    assert before < 0.1
    assert after["all"] > 0.5
    assert all(after[feature_class] > 0.2 for feature_class in FEATURES_OF_CLASS), after


def test_accuracy_of_a_perfect_and_of_a_constant_answer(examples: RegionExamples) -> None:
    class Answers(FeatureNetwork):
        answers: torch.Tensor

        def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return self.answers

    network = Answers(channels=(8,))
    network.standardizer.fit(examples.radiomics.numpy())
    network.answers = network.standardizer(examples.radiomics)
    perfect = accuracy(network, examples, device="cpu")
    assert perfect["regions"]["all"] == pytest.approx(1)
    chosen = torch.from_numpy(~examples.is_lesion)
    network.answers = network.answers[chosen].mean(dim=0).expand(len(chosen), -1)
    assert accuracy(network, examples, device="cpu")["regions"]["all"] == pytest.approx(0, abs=1e-5)
    assert all(math.isfinite(value) for scores in perfect.values() for value in scores.values())


def test_a_kind_with_one_example_has_no_accuracy(examples: RegionExamples) -> None:
    network = _network()
    network.standardizer.fit(examples.radiomics.numpy())
    few = RegionExamples(
        image=examples.image[:3],
        mask=examples.mask[:3],
        radiomics=examples.radiomics[:3],
        is_lesion=np.array([False, False, True]),
    )
    assert set(accuracy(network, few, device="cpu")) == {"regions"}


def test_training_reports_its_accuracy_and_is_found_again(
    prepared_collection: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Defect 3: the accuracy is on record. And a run that finds the network draws the same numbers afterwards."""
    states, draws = [], []
    for _ in range(2):
        network = _network()
        with caplog.at_level("INFO", logger="bundle"):
            trained = train_feature_network(
                network=network,
                dataset_dir=prepared_collection,
                output_dir=tmp_path / "run",
                canvas=CANVAS,
                epochs=1,
                batch_size=16,
                learning_rate=1e-3,
                seed=0,
                device="cpu",
            )
        assert trained is network
        states.append(network.state_dict())
        draws.append(torch.rand(3))
    assert all(torch.equal(states[1][name], value) for name, value in states[0].items())
    assert torch.equal(*draws)
    report = json.loads((tmp_path / "run" / "feature_network.json").read_text())
    assert set(report["r2"]["regions"]) == {*FEATURES_OF_CLASS, "all"}
    assert report["training_regions"] > report["validation_regions"] > 0
    assert caplog.text.count("R2 on the validation split's regions") == 1, "the second run trains nothing"


def test_a_split_without_regions_or_lesions(prepared_collection: Path, tmp_path: Path) -> None:
    for name in ("preparation.json", "datalist.json", "radiomics.csv", "regions.csv"):
        text = (prepared_collection / name).read_text()
        (tmp_path / name).write_text(text.splitlines()[0] + "\n" if name.endswith(".csv") else text)
    (tmp_path / "images").symlink_to(prepared_collection / "images")
    with pytest.raises(ValueError, match=r"The test split of .* has no region with radiomic features at 2\.0 mm"):
        region_examples(dataset_dir=tmp_path, split=Split.TEST, canvas=CANVAS)


def _with_other_settings(collection: Path, folder: Path, *, changed: tuple[str, ...]) -> Path:
    """A copy of the collection in which these files say that their features were made with other settings."""
    old = json.loads((collection / "preparation.json").read_text())["radiomics"]["settings_hash"]
    for path in collection.glob("*.*"):
        text = path.read_text()
        (folder / path.name).write_text(text.replace(old, "0" * len(old)) if path.name in changed else text)
    (folder / "images").symlink_to(collection / "images")
    return folder


def test_regions_of_other_radiomics_settings_are_refused(prepared_collection: Path, tmp_path: Path) -> None:
    collection = _with_other_settings(prepared_collection, tmp_path, changed=("regions.csv",))
    with pytest.raises(ValueError, match=r"regions\.csv mixes radiomic features made with different settings"):
        region_examples(dataset_dir=collection, split=Split.TRAINING, canvas=CANVAS)


def test_one_command_trains_it_alone(
    prepared_collection: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As in the README; a network that other radiomics settings have taught is not taken for this collection."""
    copy, run = tmp_path / "copy", tmp_path / "run"
    copy.mkdir()
    collection = _with_other_settings(
        prepared_collection, copy, changed=("preparation.json", "radiomics.csv", "regions.csv")
    )

    def command(dataset_dir: Path) -> None:
        run_bundle(
            run_id="feature_training",
            config_file=str(ROOT / "configs" / "train.json"),
            logging_file=False,
            bundle_root=str(ROOT),
            dataset_dir=str(dataset_dir),
            output_dir=str(run),
            device="cpu",
            **{"feature_network_def#channels": [8, 8], "feature_training#epochs": 1},
        )

    with caplog.at_level("INFO", logger="bundle"):
        command(prepared_collection)
    assert {path.name for path in run.iterdir()} == {"feature_network.pt", "feature_network.json"}
    for kind in json.loads((run / "feature_network.json").read_text())["r2"]:
        assert f"R2 on the validation split's {kind}: firstorder " in caplog.text
    with raises_within_monai(r"feature_network\.pt was trained with other settings \(settings_hash\)"):
        command(collection)
