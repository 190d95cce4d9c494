"""One small prepared collection for all tests that need one: phantom films, prepared by the real code."""

from pathlib import Path

import pytest

from scripts.verify import prepare_films


@pytest.fixture(scope="session")
def prepared_collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 breasts in the CBIS-DDSM layout, prepared with the default settings."""
    return prepare_films(tmp_path_factory.mktemp("collection"), breasts=12, seed=5)
