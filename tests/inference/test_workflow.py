"""``configs/inference.json`` as it is run."""

import os
import subprocess
import sys

import numpy as np
import pydicom
import pytest
import torch
from monai.bundle import ConfigWorkflow

from bundle.networks.flow import FlowGenerator
from tests.inference.films import breast_pixels, write_dicom, write_film
from tests.raising import raises_within_monai


@pytest.fixture
def workflow(repository, trained, tmp_path):
    def make(**override):
        configs = [str(repository / "configs" / "inference.json"), str(trained / "network.json")]
        defaults = {
            "bundle_root": str(repository),
            "weights": str(trained / "model.pt"),
            "output_dir": str(tmp_path / "out"),
            "device": "cpu",
        }
        made = ConfigWorkflow(
            config_file=configs, workflow_type="inference", logging_file=False, **{**defaults, **override}
        )
        made.initialize()
        return made

    return make


def run(workflow) -> list[pydicom.Dataset]:
    workflow.run()
    workflow.finalize()
    paths = workflow.parser.get_parsed_content("written_files").paths
    return [pydicom.dcmread(path) for path in paths if path.endswith(".dcm")]


def test_a_film_with_and_without_its_mask(workflow, film, mask, tmp_path, capsys):
    (with_mask,) = run(workflow(source=str(film), mask=str(mask)))
    (without,) = run(workflow(source=str(film)))
    for written in (with_mask, without):
        assert (written.ViewPosition, written.ImageLaterality) == ("MLO", "L")
        assert written.pixel_array.shape == (128, 96)
        assert list(written.ImagerPixelSpacing) == [2.0, 2.0]
    assert not np.array_equal(with_mask.pixel_array, without.pixel_array)
    printed = capsys.readouterr().out
    for path in (tmp_path / "out").iterdir():
        assert str(path) in printed


def test_the_network_is_given_what_the_film_tells(workflow, film, mask, generator):
    """The run's pixels equal the generator's own answer to the loaded item."""
    made = workflow(source=str(film), mask=str(mask))
    (written,) = run(made)
    (item,) = made.dataset
    prediction = generator.eval()(
        item["image"][None], radiomics=item["radiomics"][None], target_view=item["target_view"][None]
    )
    expected = np.round(prediction[0, 0].detach().numpy().astype(np.float64) * 4095)
    assert np.abs(written.pixel_array - expected).max() <= 1


def test_a_folder_with_a_bad_film(workflow, tmp_path, caplog):
    write_film(tmp_path / "in" / "a.dcm")
    write_dicom(
        tmp_path / "in" / "b.dcm", breast_pixels(chest_wall_right=True), ImageLaterality="R", ViewPosition="MLO"
    )
    (tmp_path / "in" / "cut.dcm").write_bytes((tmp_path / "in" / "a.dcm").read_bytes()[:3000])
    written = run(workflow(source=str(tmp_path / "in")))
    assert [(each.ImageLaterality, each.ViewPosition) for each in written] == [("L", "MLO"), ("R", "CC")]
    assert "1 of 3 films were left out" in caplog.text
    assert "cut.dcm" in caplog.text


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ({"source": "absent.dcm"}, "there is no film at absent.dcm"),
        ({"weights": "absent.pt"}, "there are no weights at absent.pt"),
        (
            {"network_def": {"_target_": "bundle.networks.generator.Generator", "channels": [4, 12]}},
            "are of another network",
        ),
        ({"view": "LM"}, "--view must be CC or MLO; got LM"),
    ],
)
def test_bad_arguments_are_a_sentence(workflow, film, override, sentence):
    made = workflow(**{"source": str(film), **override})
    with raises_within_monai(sentence):
        made.run()


def test_the_zoos_properties_are_there_before_any_film_is(workflow):
    assert workflow().check_properties() == []


def test_from_another_folder_with_one_sentence_and_status_1(repository, tmp_path):
    configs = repository / "configs"
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "monai.bundle", "run", "--config_file", str(configs / "inference.json")),
            *("--bundle_root", str(repository), "--source", "absent.dcm", "--weights", "absent.pt"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("Stopped: there are no weights at absent.pt")
    assert "Traceback" not in ended.stderr + ended.stdout


@pytest.fixture
def flow(tmp_path):
    """Overrides for a small flow generator with weights of its own."""
    network = {"grid": [32, 24], "channels": [8, 32], "condition": 8, "prior_components": 2}
    torch.manual_seed(0)
    generator = FlowGenerator(**network)
    torch.nn.init.normal_(generator.head[-1].weight, std=0.1)
    torch.nn.init.constant_(generator.head[-1].bias, 1.0)
    torch.save(generator.state_dict(), tmp_path / "flow.pt")
    settings = {name: f"@{name}" for name in FlowGenerator.INFERENCE_SETTINGS}
    definition = {"_target_": "bundle.networks.flow.FlowGenerator", **network, **settings}
    return {"network_def": definition, "weights": str(tmp_path / "flow.pt"), "steps": 2}


def test_mean_and_samples_say_what_they_are(workflow, film, flow, tmp_path):
    views = {
        name: run(workflow(source=str(film), **flow, **settings))[0]
        for name, settings in {
            "mean": {},
            "sample 0": {"realism": 1.0},
            "sample 1": {"realism": 1.0, "sample": 1},
            "sample 1 at 0.5": {"realism": 0.5, "sample": 1},
        }.items()
    }
    for name, view in views.items():
        assert view.SeriesDescription == f"SYNTHETIC MLO made from CC, not for diagnosis: {name}"
        assert (tmp_path / "out" / f"cc_to_mlo_{name.replace(' ', '_')}_001.dcm").is_file()
    assert "It is the posterior mean (blurred)." in views["mean"].DerivationDescription
    assert "It is one possible view (sample 1)." in views["sample 1"].DerivationDescription
    pixels = {name: view.pixel_array.astype(int) for name, view in views.items()}
    assert np.abs(pixels["sample 0"] - pixels["sample 1"]).mean() > 1
    (again,) = run(workflow(source=str(film), realism=1.0, sample=1, **flow))
    assert np.array_equal(again.pixel_array, pixels["sample 1"]), "the same film gives the same view"


def test_weights_of_the_other_kind_of_generator_are_refused(workflow, trained, film, flow):
    made = workflow(source=str(film), **{**flow, "weights": str(trained / "model.pt")})
    with raises_within_monai(r"weights of a Generator, .* wants a FlowGenerator"):
        made.run()
