import os
from pathlib import Path

import pytest

from bundle.atomic import replacing


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _write_half_and_stop(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt


def test_a_file_is_written_and_an_older_one_replaced(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    for content in ("first", "second"):
        with replacing(path) as temporary:
            temporary.write_text(content)
        assert path.read_text() == content
    assert _names(tmp_path) == ["table.csv"]


def test_what_was_written_is_on_the_disk_before_it_replaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, steps = tmp_path / "table.csv", []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        steps.append(f"synced {os.fstat(descriptor).st_size} bytes")
        fsync(descriptor)

    def replaced(old: Path, new: Path) -> None:
        steps.append("replaced")
        replace(old, new)

    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr("os.replace", replaced)
    with replacing(path) as temporary:
        temporary.write_text("whole")
    assert steps == ["synced 5 bytes", "replaced"]


def test_the_older_file_is_whole_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("before")
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "before"


@pytest.mark.parametrize("older", [None, "before"])
def test_a_failure_leaves_the_older_file_and_no_temporary_one(tmp_path: Path, older: str | None) -> None:
    path = tmp_path / "table.csv"
    if older is not None:
        path.write_text(older)
    with pytest.raises(KeyboardInterrupt):
        _write_half_and_stop(path)
    assert _names(tmp_path) == ([] if older is None else ["table.csv"])
    assert older is None or path.read_text() == older


def test_a_failed_replacement_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.mkdir()
    with pytest.raises(OSError, match="results"), replacing(path) as temporary:
        temporary.write_text("whole")
    assert _names(tmp_path) == ["results"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert path.read_text() == "before"


@pytest.mark.parametrize("name", ["view_image.nii", "view_mask.nii.gz", "panel.png", "film.dcm"])
def test_the_temporary_file_ends_like_the_file_and_lies_beside_it(tmp_path: Path, name: str) -> None:
    with replacing(tmp_path / name) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(name)
        assert temporary.name.startswith("."), "a listing must not take it for a result"
        temporary.touch()


def test_two_processes_write_to_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for process in (1, 2):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        with replacing(tmp_path / "table.csv") as temporary:
            names.add(temporary.name)
            temporary.touch()
    assert len(names) == 2
