"""The bundle's own checks, as the MONAI Model Zoo makes them: metadata, network, export, workflow properties."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from urllib.error import URLError

import torch
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, verify_metadata, verify_net_in_out
from monai.utils import set_determinism

from bundle.collection import prepare_collection
from bundle.datasets.phantom.cohort import Layout, write_cohort
from bundle.preparation import PreparationSettings
from bundle.radiomics.settings import read_settings
from bundle.stopping import ending_with_a_sentence
from bundle.vocabulary import Split

ROOT = Path(__file__).resolve().parents[1]
METADATA = ROOT / "configs" / "metadata.json"
INFERENCE = ROOT / "configs" / "inference.json"
SCHEMA = ROOT.parent / "shared" / "schema" / "meta_schema_20240725.json"  # a copy, for machines without a network


def check_metadata(folder: Path) -> None:
    """Check ``metadata.json`` against the zoo's schema; without the copy it is fetched from its public address.

    Raises:
        ConnectionError: it cannot be fetched; the sentence says so.
    """
    schema = folder / "schema.json"
    if SCHEMA.is_file():
        shutil.copyfile(SCHEMA, schema)  # MONAI downloads only what is not there
    try:
        verify_metadata(meta_file=str(METADATA), filepath=str(schema))
    except URLError as error:
        address = json.loads(METADATA.read_text())["schema"]
        raise ConnectionError(
            f"metadata.json's schema cannot be fetched ({error.reason}): it needs a network, {address}"
        ) from None


def check_network() -> None:
    """Check that the network takes and gives what ``metadata.json`` says, on the declared image alone."""
    verify_net_in_out(net_id="network_def", meta_file=str(METADATA), config_file=str(INFERENCE), device="cpu")


def check_export(folder: Path) -> None:
    """Export weights to TorchScript as users do and compare the reloaded network with the eager one.

    Raises:
        AssertionError: their outputs differ by more than 1e-5.
    """
    set_determinism(0)
    parser = ConfigParser()
    parser.read_config(INFERENCE)
    network = parser.get_parsed_content("network_def").eval()
    weights, exported = folder / "model.pt", folder / "model.ts"
    torch.save(network.state_dict(), weights)
    ckpt_export(
        net_id="network_def",
        filepath=str(exported),
        ckpt_file=str(weights),
        meta_file=str(METADATA),
        config_file=str(INFERENCE),
    )
    reloaded = torch.jit.load(exported).eval()
    image, radiomics, view = torch.rand(2, 2, 256, 192), torch.randn(2, 102), torch.tensor([0, 1])
    with torch.no_grad():
        for inputs in ((image,), (image, radiomics, view)):
            torch.testing.assert_close(reloaded(*inputs), network(*inputs), atol=1e-5, rtol=0)


def prepare_films(folder: Path, *, breasts: int, seed: int) -> Path:
    """Make and prepare a handful of phantom breasts, half of the patients for training, for checks that need data.

    Args:
        folder: the films go to its ``dicom``, the prepared collection to its ``prepared``, which is returned.
        breasts: how many.
        seed: of the phantom.
    """
    write_cohort(
        layout=Layout.CBIS_DDSM,
        breasts=breasts,
        seed=seed,
        output=folder / "dicom",
        film_spacing_mm=1.0,
        workers=2,
        overwrite=False,
    )
    prepare_collection(
        collection="cbis_ddsm",
        source=folder / "dicom",
        output=folder / "prepared",
        preparation=PreparationSettings(),
        radiomics=read_settings(ROOT / "configs" / "radiomics.yaml"),
        fractions={Split.TRAINING: 0.5, Split.VALIDATION: 0.25, Split.TEST: 0.25},
        seed=0,
        workers=2,
    )
    return folder / "prepared"


def check_workflows(folder: Path) -> None:
    """Check that both workflows have the properties that the zoo asks for.

    Raises:
        ValueError: some are missing.
    """
    of_training = {
        "dataset_dir": str(prepare_films(folder, breasts=8, seed=0)),
        "output_dir": str(folder / "train"),
        "feature_training#epochs": 1,
    }
    for workflow_type, config, overrides in (
        ("training", "train.json", of_training),
        ("inference", "inference.json", {}),
    ):
        workflow = ConfigWorkflow(
            config_file=str(ROOT / "configs" / config),
            meta_file=str(METADATA),
            logging_file=str(ROOT / "configs" / "logging.conf"),
            workflow_type=workflow_type,
            bundle_root=str(ROOT),
            **overrides,
        )
        workflow.initialize()
        missing = workflow.check_properties()
        if missing:
            raise ValueError(f"configs/{config} lacks required properties: {missing}.")


def main() -> None:
    """Run all checks; the first that fails ends the program with its error."""
    with ending_with_a_sentence("verify"), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, check in (
            ("metadata.json against the zoo's schema", lambda: check_metadata(folder)),
            ("network inputs and outputs", check_network),
            ("TorchScript export and reload", lambda: check_export(folder)),
            ("properties of the training and the inference workflow", lambda: check_workflows(folder)),
        ):
            check()
            print(f"ok: {title}")


if __name__ == "__main__":
    main()
