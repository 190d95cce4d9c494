from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from bundle.datasets.phantom.case import plan_cohort
from bundle.datasets.phantom.cohort import CohortSummary, Layout, write_cohort

REAL_TABLES = Path(__file__).parents[4] / "shared" / "real" / "cbis-ddsm"
BREASTS = 6


def _write(output: Path, layout: Layout = Layout.CBIS_DDSM, *, breasts: int, workers: int = 1, overwrite: bool = False):
    return write_cohort(
        layout=layout,
        breasts=breasts,
        seed=11,
        output=output,
        film_spacing_mm=2.0,
        workers=workers,
        overwrite=overwrite,
        show_progress=False,
    )


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("phantom") / "dicom"
    _write(output, breasts=BREASTS)
    return output


@pytest.fixture(scope="module")
def truth(cohort: Path) -> dict:
    return json.loads((cohort / "truth.json").read_text())


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _table_rows(cohort: Path) -> list[dict[str, str]]:
    return [row for path in sorted(cohort.glob("*_case_description_*_set.csv")) for row in _rows(path)]


def test_same_bytes_on_any_number_of_workers(cohort: Path, tmp_path: Path) -> None:
    _write(tmp_path / "again", breasts=BREASTS, workers=2)
    assert _digests(tmp_path / "again") == _digests(cohort)


def test_a_smaller_cohort_begins_with_the_same_breasts() -> None:
    assert plan_cohort(breasts=7, seed=3) == plan_cohort(breasts=12, seed=3)[:7]


def test_most_women_have_both_breasts() -> None:
    plans = plan_cohort(breasts=200, seed=0)
    assert 100 <= len({plan.woman for plan in plans}) < 130
    assert len(set(plans)) == 200


@pytest.mark.skipif(not REAL_TABLES.is_dir(), reason="the real CBIS-DDSM tables are not here")
def test_headers_and_line_ends_are_the_real_ones(cohort: Path) -> None:
    for real in sorted(REAL_TABLES.glob("*.csv")):
        ours = (cohort / real.name).read_bytes()
        assert ours.split(b"\r\n")[0] == real.read_bytes().split(b"\r\n")[0], real.name
        assert ours.endswith(b"\r\n")


def test_paths_of_the_tables_can_hold_a_line_break_as_the_real_ones(cohort: Path) -> None:
    for row in _table_rows(cohort):
        broken = "ROI mask file path" if row["abnormality type"] == "mass" else "cropped image file path"
        assert row[broken].endswith("\n")


def test_every_series_is_on_disk_with_its_uid(cohort: Path) -> None:
    series = _rows(cohort / "metadata.csv")
    listed = set()
    for row in series:
        files = sorted((cohort / row["File Location"]).glob("*.dcm"))
        assert [path.name for path in files] == [f"1-{k + 1}.dcm" for k in range(int(row["Number of Images"]))]
        for path in files:
            dataset = pydicom.dcmread(path)
            assert dataset.SeriesInstanceUID == row["Series UID"]
            assert dataset.PatientID == row["Subject ID"]
            listed.add(path)
    assert listed == set(cohort.rglob("*.dcm"))
    uids = [pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in sorted(listed)]
    assert len(set(uids)) == len(uids)


def test_every_table_row_leads_to_film_mask_and_crop(cohort: Path) -> None:
    by_uid = {row["Series UID"]: row for row in _rows(cohort / "metadata.csv")}
    rows = _table_rows(cohort)
    assert rows
    for row in rows:
        film, crop, mask = (
            pydicom.dcmread(
                cohort / by_uid[path.split("/")[2]]["File Location"] / f"1-{int(path.strip()[-10:-4]) + 1}.dcm"
            )
            for path in (row["image file path"], row["cropped image file path"], row["ROI mask file path"])
        )
        assert film.pixel_array.dtype == np.uint16
        assert film.PhotometricInterpretation == "MONOCHROME2"
        assert [float(s) for s in film.PixelSpacing] == [2.0, 2.0]
        assert mask.pixel_array.shape == film.pixel_array.shape
        assert set(np.unique(mask.pixel_array)) == {0, 255}
        assert crop.pixel_array.size < film.pixel_array.size
        # The crop is the film around the mask.
        brightest = film.pixel_array[mask.pixel_array > 0].max()
        assert brightest in crop.pixel_array


def test_lesion_free_views_have_a_film_and_no_row(cohort: Path, truth: dict) -> None:
    subjects = {row["Subject ID"] for row in _rows(cohort / "metadata.csv")}
    in_tables = {row["image file path"].split("/")[0] for row in _table_rows(cohort)}
    for breast in truth["breasts"]:
        for view, of_view in breast["views"].items():
            side = {"L": "LEFT", "R": "RIGHT"}[breast["laterality"]]
            films = {s for s in subjects if s.endswith(f"{breast['patient_id']}_{side}_{view}")}
            assert films
            reported = any(lesion["reported"] for lesion in of_view["lesions"])
            assert bool(films & in_tables) == reported


def test_truth_tells_where_lesions_are(cohort: Path, truth: dict) -> None:
    checked = 0
    for breast in truth["breasts"]:
        for of_view in breast["views"].values():
            reported = [lesion for lesion in of_view["lesions"] if lesion["reported"]]
            centres = []
            for path in of_view["files"]["mask"]:
                mask = pydicom.dcmread(cohort / path).pixel_array > 0
                centres.append(np.argwhere(mask).mean(axis=0))
            assert len(centres) == len(reported)
            for lesion in reported:
                nearest = min(np.linalg.norm(np.asarray(lesion["centre_px"]) - c) for c in centres)
                assert nearest < 3.0  # pixels of 2 mm; outlines are irregular
                checked += 1
    assert checked >= 4


def test_truth_holds_the_drawn_parameters(truth: dict) -> None:
    for breast in truth["breasts"]:
        assert abs(breast["glandular_fraction"] - breast["breast_parameters"]["glandular_fraction"]) < 0.02
        assert {"CC", "MLO"} == set(breast["views"])
        assert 30 <= breast["views"]["MLO"]["angle_deg"] <= 60


def test_clinical_layout(tmp_path: Path) -> None:
    output = tmp_path / "clinical"
    summary = _write(output, Layout.CLINICAL, breasts=2)
    assert summary == CohortSummary(women=summary.women, breasts=2, films=4, lesions=summary.lesions)
    truth = json.loads((output / "truth.json").read_text())
    for breast in truth["breasts"]:
        for view, of_view in breast["views"].items():
            dataset = pydicom.dcmread(output / of_view["files"]["film"][0])
            assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1.2"
            assert dataset.ViewPosition == view
            assert dataset.ImageLaterality == breast["laterality"]
            assert dataset.ViewCodeSequence[0].CodeValue == {"CC": "399162004", "MLO": "399368009"}[view]
            expected = {"L": {"CC": ["A", "R"], "MLO": ["A", "FR"]}, "R": {"CC": ["P", "L"], "MLO": ["P", "FL"]}}
            assert list(dataset.PatientOrientation) == expected[breast["laterality"]][view]
            assert dataset.pixel_array.max() < 2**dataset.BitsStored
            assert dataset.pixel_array.max() > 1000
            assert bool(of_view["files"]["mask"]) == any(lesion["reported"] for lesion in of_view["lesions"])
            for path in of_view["files"]["mask"]:
                mask = np.asarray(Image.open(output / path))
                assert mask.shape == dataset.pixel_array.shape
                assert set(np.unique(mask)) == {0, 255}


def test_full_folder_is_refused_unless_overwritten(tmp_path: Path) -> None:
    output = tmp_path / "out"
    _write(output, Layout.CLINICAL, breasts=1)
    with pytest.raises(FileExistsError, match="--overwrite"):
        _write(output, Layout.CLINICAL, breasts=1)
    (output / "old").touch()
    _write(output, Layout.CLINICAL, breasts=1, overwrite=True)
    assert not (output / "old").exists()
    assert list(tmp_path.iterdir()) == [output]


def test_a_folder_that_is_no_cohort_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="no phantom cohort"):
        _write(tmp_path, breasts=1, overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_nothing_half_written_stays_when_the_run_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("bundle.datasets.phantom.clinical_layout.write_case", full_disk)
    with pytest.raises(OSError, match="No space"):
        _write(tmp_path / "out", Layout.CLINICAL, breasts=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"breasts": 0}, "breasts is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"film_spacing_mm": 9.0}, "film_spacing_mm is 9.0"),
        ({"workers": 0}, "workers is 0"),
    ],
)
def test_values_out_of_range_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    values = {"breasts": 1, "seed": 0, "film_spacing_mm": 1.0, "workers": 1} | changes
    with pytest.raises(ValueError, match=message):
        write_cohort(layout=Layout.CLINICAL, output=tmp_path / "out", overwrite=False, **values)
    assert not (tmp_path / "out").exists()
