"""One small prepared collection for all tests that need one: phantom films, prepared by the real code."""

from pathlib import Path

import pytest

from bundle.collection import prepare_collection
from bundle.datasets.phantom.cohort import Layout, write_cohort
from bundle.preparation import PreparationSettings
from bundle.radiomics.settings import read_settings
from bundle.vocabulary import Split

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def prepared_collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 breasts in the CBIS-DDSM layout, prepared with the default settings."""
    folder = tmp_path_factory.mktemp("collection")
    write_cohort(
        layout=Layout.CBIS_DDSM,
        breasts=12,
        seed=5,
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
