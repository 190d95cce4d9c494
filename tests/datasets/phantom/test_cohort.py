from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest

from bundle.datasets.phantom.case import plan_cohort
from bundle.datasets.phantom.dicom_file import TransferSyntax
from bundle.datasets.phantom.layout import Layout
from tests.datasets.phantom.cohorts import digests, truth_of, write

BREASTS = 4


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("phantom") / "dicom"
    write(output, breasts=BREASTS)
    return output


@pytest.fixture(scope="module")
def truth(cohort: Path) -> dict:
    return truth_of(cohort)


def test_same_bytes_on_any_number_of_workers(cohort: Path, tmp_path: Path) -> None:
    write(tmp_path / "again", breasts=BREASTS, workers=2)
    assert digests(tmp_path / "again") == digests(cohort)


def test_a_smaller_cohort_begins_with_the_same_breasts() -> None:
    assert plan_cohort(breasts=7, seed=3) == plan_cohort(breasts=12, seed=3)[:7]


def test_most_women_have_both_breasts() -> None:
    plans = plan_cohort(breasts=200, seed=0)
    assert 100 <= len({plan.woman for plan in plans}) < 130
    assert len(set(plans)) == 200


def test_truth_tells_where_lesions_are(cohort: Path, truth: dict) -> None:
    checked = 0
    for breast in truth["breasts"]:
        for of_view in breast["views"].values():
            reported = [lesion for lesion in of_view["lesions"] if lesion["reported"]]
            assert len(of_view["files"]["mask"]) == len(reported)
            pixels = [np.argwhere(pydicom.dcmread(cohort / path).pixel_array) for path in of_view["files"]["mask"]]
            for lesion in reported:
                # Outlines are irregular, but a lesion lies around its centre.
                nearest = min(np.linalg.norm(mask - lesion["centre_px"], axis=1).min() for mask in pixels)
                assert nearest < 1.0
                checked += 1
    assert checked >= 3


def test_truth_holds_the_drawn_parameters_and_the_settings(truth: dict) -> None:
    assert (truth["layout"], truth["seed"], truth["film_spacing_mm"]) == ("cbis_ddsm", 11, 2.0)
    assert len(truth["breasts"]) == BREASTS
    for breast in truth["breasts"]:
        assert abs(breast["glandular_fraction"] - breast["breast_parameters"]["glandular_fraction"]) < 0.02
        assert {"CC", "MLO"} == set(breast["views"])
        assert 30 <= breast["views"]["MLO"]["angle_deg"] <= 60


def test_a_finished_cohort_is_left_alone(tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = write(output)
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    second = write(output)
    assert (first.made, second.made) == (2, 0)
    assert (second.films, second.women, second.lesions) == (first.films, first.women, first.lesions)
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before


def test_another_cohort_is_refused_unless_overwritten(tmp_path: Path) -> None:
    output = tmp_path / "out"
    write(output, breasts=1)
    with pytest.raises(FileExistsError, match=r"another seed;.*--overwrite"):
        write(output, breasts=1, seed=12)
    (output / "old").touch()
    assert write(output, breasts=1, seed=12, overwrite=True).made == 1
    assert truth_of(output)["seed"] == 12
    assert not (output / "old").exists()
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("content", ["mine.txt", "truth"])
def test_a_folder_that_is_no_cohort_is_never_overwritten(tmp_path: Path, content: str) -> None:
    (tmp_path / content).write_text("precious")
    with pytest.raises(FileExistsError, match="no phantom cohort"):
        write(tmp_path, overwrite=True)
    assert (tmp_path / content).read_text() == "precious"


def _disk_that_fills_up(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """Let so many DICOM files be written; the next one ends half-way, as on a full disk."""
    written = []
    write_bytes = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.suffix == ".dcm":
            if len(written) == after:
                write_bytes(self, bytes(data)[: len(data) // 2])
                raise OSError(28, "No space left on device")
            written.append(self)
        return write_bytes(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)


def test_nothing_stays_when_not_even_one_breast_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _disk_that_fills_up(monkeypatch, after=1)
    with pytest.raises(OSError, match=r"^\[Errno 28\] No space left on device: '.*\.dcm'$"):
        write(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_cohort_goes_on_with_the_unfinished_breasts(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    with monkeypatch.context() as filling:
        first = truth_of(cohort)["breasts"][0]["views"].values()
        _disk_that_fills_up(filling, after=1 + sum(len(paths) for view in first for paths in view["files"].values()))
        with pytest.raises(OSError, match="No space"):
            write(output, breasts=BREASTS)
    assert not output.exists()
    (unfinished,) = tmp_path.iterdir()
    # No file is half there: each one is a file of the complete cohort, byte by byte.
    complete = digests(cohort)
    kept = digests(unfinished / "cohort")
    assert kept
    assert kept.items() <= complete.items()
    assert not (unfinished / "making").exists()

    with pytest.raises(FileExistsError, match="another film_spacing_mm"):
        write(output, breasts=BREASTS, film_spacing_mm=3.0)
    summary = write(output, breasts=BREASTS)
    assert 0 < summary.made < BREASTS
    assert digests(output) == complete
    assert list(tmp_path.iterdir()) == [output]


def test_tables_that_cannot_be_written_leave_the_breasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out"
    with monkeypatch.context() as filling:
        filling.setattr("csv.writer", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            write(output)
    assert not output.exists()
    assert not list(tmp_path.rglob("*.csv"))
    assert write(output).made == 0
    assert len(truth_of(output)["breasts"]) == 2


def test_an_old_cohort_stays_until_the_new_one_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out"
    write(output, breasts=1)
    before = digests(output)
    _disk_that_fills_up(monkeypatch, after=0)
    with pytest.raises(OSError, match="No space"):
        write(output, breasts=1, seed=12, overwrite=True)
    assert digests(output) == before


def test_two_runs_do_not_write_one_cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out"

    def again(*_: object, **__: object) -> None:
        monkeypatch.undo()
        write(output)

    monkeypatch.setattr("bundle.datasets.phantom.cohort.truth_of", again)
    with pytest.raises(BlockingIOError, match="another run is writing"):
        write(output)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"breasts": 0}, "breasts is 0"),
        ({"breasts": -3}, "breasts is -3"),
        ({"seed": -1}, "seed is -1"),
        ({"film_spacing_mm": 9.0}, "film_spacing_mm is 9.0"),
        ({"film_spacing_mm": float("nan")}, "film_spacing_mm is nan"),
        ({"workers": 0}, "workers is 0"),
        ({"layout": Layout.CLINICAL, "quirks": True}, "layout clinical has none"),
        ({"transfer_syntax": TransferSyntax.RLE_LOSSLESS}, "only layout clinical has a choice"),
    ],
)
def test_values_out_of_range_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "out", **changes)
    assert list(tmp_path.iterdir()) == []


def test_truth_is_one_json_document_with_a_line_per_breast(cohort: Path) -> None:
    lines = (cohort / "truth.json").read_text().splitlines()
    breasts = [json.loads(line.removesuffix(",")) for line in lines if line.startswith('{"')]
    assert breasts == truth_of(cohort)["breasts"]
