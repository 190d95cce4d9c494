from pathlib import Path
from urllib.error import URLError

import pytest

from scripts import verify


def test_without_a_network_one_sentence_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(**_: str) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(verify, "SCHEMA", tmp_path / "absent.json")
    monkeypatch.setattr(verify, "verify_metadata", unreachable)
    with pytest.raises(ConnectionError, match=r"^metadata\.json's schema cannot be fetched \(Name .*https://.*json$"):
        verify.check_metadata(tmp_path)
