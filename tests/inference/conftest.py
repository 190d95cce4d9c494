import json
from pathlib import Path

import pytest
import torch

from bundle.networks.generator import Generator
from bundle.radiomics.settings import read_settings, settings_hash
from bundle.records import Canvas
from tests.inference.films import write_film, write_mask

CHANNELS = [4, 8]


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def radiomics_settings(repository) -> Path:
    return repository / "configs" / "radiomics.yaml"


@pytest.fixture(scope="session")
def radiomics_hash(radiomics_settings) -> str:
    return settings_hash(read_settings(radiomics_settings))


@pytest.fixture
def canvas() -> Canvas:
    return Canvas(rows=128, columns=96, spacing_mm=2.0)


@pytest.fixture(scope="session")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(channels=CHANNELS)


@pytest.fixture(scope="session")
def trained(tmp_path_factory, generator) -> Path:
    """A folder with ``model.pt`` and ``network.json``, as a training run leaves them."""
    folder = tmp_path_factory.mktemp("trained")
    torch.save(generator.state_dict(), folder / "model.pt")
    overrides = {
        "canvas#rows": 128,
        "canvas#columns": 96,
        "canvas#spacing_mm": 2.0,
        "network_def": {"_target_": "bundle.networks.generator.Generator", "channels": CHANNELS},
        "preparation#spacing_mm": 2.0,
    }
    (folder / "network.json").write_text(json.dumps(overrides))
    return folder


@pytest.fixture
def film(tmp_path) -> Path:
    return write_film(tmp_path / "films" / "film.dcm")


@pytest.fixture
def mask(tmp_path) -> Path:
    return write_mask(tmp_path / "masks" / "film.dcm")
