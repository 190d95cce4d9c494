from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from bundle.collection import prepare_collection
from bundle.datasets.cbis_ddsm import find_views
from bundle.datasets.phantom.case import plan_cohort
from bundle.datasets.phantom.layout import Layout
from bundle.datasets.phantom.quirks import Quirk, quirks_of_breast
from bundle.preparation import PreparationSettings, PreparedFiles, load_prepared, to_film
from bundle.radiomics.settings import read_settings
from bundle.vocabulary import Split, ViewPosition
from tests.datasets.phantom.cohorts import case, rows, table_rows, truth_of, write

ROOT = Path(__file__).resolve().parents[3]
REAL_TABLES = ROOT.parent / "shared" / "real" / "cbis-ddsm"
INBREAST_QUIRKS = {Quirk.ROI_POINTS, Quirk.VIEW_FB, Quirk.ODD_NAMES}
BREASTS = 12


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("phantom") / "dicom"
    write(output, breasts=4)
    return output


@pytest.fixture(scope="module")
def quirky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("quirky") / "dicom"
    write(output, breasts=BREASTS, quirks=True, film_spacing_mm=1.0)
    return output


@pytest.fixture(scope="module")
def at_table_paths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("tables") / "dicom"
    write(output, breasts=BREASTS, quirks=True, layout=Layout.CBIS_DDSM_TABLES, film_spacing_mm=1.0)
    return output


def _views(cohort: Path):
    for breast in truth_of(cohort)["breasts"]:
        for view, of_view in breast["views"].items():
            yield breast, view, of_view


def _has(breast: dict, quirk: Quirk, **where: str) -> bool:
    return any(note["quirk"] == quirk and where.items() <= note.items() for note in breast["quirks"])


def _stretched(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    down, right = (
        np.floor((np.arange(wanted) + 0.5) * size / wanted).astype(int)
        for size, wanted in zip(mask.shape, shape, strict=True)
    )
    return mask[down][:, right]


@pytest.mark.skipif(not REAL_TABLES.is_dir(), reason="the real CBIS-DDSM tables are not here")
def test_headers_and_line_ends_are_the_real_ones(cohort: Path) -> None:
    for real in sorted(REAL_TABLES.glob("*.csv")):
        ours = (cohort / real.name).read_bytes()
        assert ours.split(b"\r\n")[0] == real.read_bytes().split(b"\r\n")[0], real.name
        assert ours.endswith(b"\r\n")


def test_one_path_of_each_row_has_a_line_break_as_the_real_ones(cohort: Path) -> None:
    for row in table_rows(cohort):
        broken = "ROI mask file path" if row["abnormality type"] == "mass" else "cropped image file path"
        paths = ("image file path", "cropped image file path", "ROI mask file path")
        assert [path for path in paths if row[path].endswith("\n")] == [broken]


@pytest.mark.parametrize("fixture", ["cohort", "quirky"])
def test_every_series_is_on_disk_with_its_uid(request: pytest.FixtureRequest, fixture: str) -> None:
    folder = request.getfixturevalue(fixture)
    listed = set()
    for row in rows(folder / "metadata.csv"):
        files = sorted((folder / row["File Location"]).glob("*.dcm"))
        assert [path.name for path in files] == [f"1-{k + 1}.dcm" for k in range(int(row["Number of Images"]))]
        for path in files:
            dataset = pydicom.dcmread(path)
            assert dataset.SeriesInstanceUID == row["Series UID"]
            assert dataset.PatientID == row["Subject ID"]
            listed.add(path)
    assert listed == set(folder.rglob("*.dcm"))
    uids = [pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in sorted(listed)]
    assert len(set(uids)) == len(uids)


def test_every_table_row_leads_to_film_mask_and_crop(cohort: Path) -> None:
    by_uid = {row["Series UID"]: row for row in rows(cohort / "metadata.csv")}
    assert table_rows(cohort)
    for row in table_rows(cohort):
        film, crop, mask = (
            pydicom.dcmread(
                cohort / by_uid[path.split("/")[2]]["File Location"] / f"1-{int(path.strip()[-10:-4]) + 1}.dcm"
            )
            for path in (row["image file path"], row["cropped image file path"], row["ROI mask file path"])
        )
        assert film.pixel_array.dtype == np.uint16
        assert film.PhotometricInterpretation == "MONOCHROME2"
        assert [float(spacing) for spacing in film.PixelSpacing] == [2.0, 2.0]
        assert mask.pixel_array.shape == film.pixel_array.shape
        assert set(np.unique(mask.pixel_array)) == {0, 255}
        assert crop.pixel_array.size < film.pixel_array.size
        # The crop is the film around the mask.
        assert film.pixel_array[mask.pixel_array > 0].max() in crop.pixel_array


def test_lesion_free_views_have_a_film_and_no_row(cohort: Path) -> None:
    subjects = {row["Subject ID"] for row in rows(cohort / "metadata.csv")}
    in_tables = {row["image file path"].split("/")[0] for row in table_rows(cohort)}
    for breast, view, of_view in _views(cohort):
        side = {"L": "LEFT", "R": "RIGHT"}[breast["laterality"]]
        films = {subject for subject in subjects if subject.endswith(f"{breast['patient_id']}_{side}_{view}")}
        assert films
        assert bool(films & in_tables) == any(lesion["reported"] for lesion in of_view["lesions"])


def test_a_lesion_has_the_same_number_in_both_views(quirky: Path) -> None:
    for breast in truth_of(quirky)["breasts"]:
        by_view = [{each["lesion"]: each["lesion_id"] for each in view["written"]} for view in breast["views"].values()]
        for lesion in by_view[0].keys() & by_view[1].keys():
            assert by_view[0][lesion] == by_view[1][lesion]
        numbers = {number for of_view in by_view for number in of_view.values()}
        for kind in ("mass", "calcification"):
            count = sum(number.startswith(kind) for number in numbers)
            assert {f"{kind}_{k + 1}" for k in range(count)} <= numbers


@pytest.mark.parametrize("fixture", ["quirky", "at_table_paths"])
def test_every_quirk_is_there(request: pytest.FixtureRequest, fixture: str) -> None:
    truth = truth_of(request.getfixturevalue(fixture))
    assert {quirk["quirk"] for breast in truth["breasts"] for quirk in breast["quirks"]} == set(Quirk) - INBREAST_QUIRKS


def test_quirks_are_in_the_files_where_the_truth_says(at_table_paths: Path) -> None:
    """The tables' own paths lead to the files directly."""
    seen: Counter[str] = Counter()
    table = {
        (
            row["patient_id"],
            row["left or right breast"][0],
            row["image view"],
            row["abnormality type"],
            row["abnormality id"],
        ): row
        for row in table_rows(at_table_paths)
    }
    for breast, view, of_view in _views(at_table_paths):
        for each in of_view["written"]:
            kind, number = each["lesion_id"].split("_")
            row = table[breast["patient_id"], breast["laterality"], view, kind, number]
            where = {"view": view, "lesion_id": each["lesion_id"]}
            film, crop, mask = (
                pydicom.dcmread(at_table_paths / row[column].strip())
                for column in ("image file path", "cropped image file path", "ROI mask file path")
            )
            if _has(breast, Quirk.SWAPPED_FILES, **where):
                crop, mask = mask, crop
                seen["swapped"] += 1
            assert set(np.unique(mask.pixel_array)) == {0, 255}
            assert len(np.unique(crop.pixel_array)) > 2
            assert list(mask.pixel_array.shape) == each["mask_shape"]
            other_size = _has(breast, Quirk.MASK_OF_ANOTHER_SIZE, **where)
            assert (mask.pixel_array.shape != film.pixel_array.shape) == other_size
            separate = crop.SeriesInstanceUID != mask.SeriesInstanceUID
            assert separate == _has(breast, Quirk.SEPARATE_SERIES, **where)
            assert ("PixelSpacing" not in film) == _has(breast, Quirk.NO_SPACING, view=view)
            breaks = sum("\n" in row[column] for column in row if column.endswith("path"))
            assert breaks == (3 if _has(breast, Quirk.LINE_BREAKS, **where) else 1)
            assert (row["assessment"] == "0") == _has(breast, Quirk.ASSESSMENT_0, **where)
            density = row.get("breast_density") or row.get("breast density")
            assert (density == "0") == _has(breast, Quirk.DENSITY_0, **where)
            differs = row["pathology"] != breast["lesions"][each["lesion"]]["pathology"]
            assert differs == _has(breast, Quirk.PATHOLOGY_DIFFERS, **where)
            seen.update({"other_size": other_size, "separate": separate, "differs": differs})
    assert all(seen[name] for name in ("swapped", "other_size", "separate", "differs"))
    splits: dict[str, set[str]] = {}
    for path in at_table_paths.glob("*_set.csv"):
        for row in rows(path):
            splits.setdefault(row["patient_id"], set()).add(path.stem.split("_")[-2])
    in_both = {patient for patient, official in splits.items() if official == {"train", "test"}}
    told = {b["patient_id"] for b in truth_of(at_table_paths)["breasts"] if _has(b, Quirk.BOTH_OFFICIAL_SPLITS)}
    assert in_both == told != set()


def test_both_layouts_hold_the_same_views(at_table_paths: Path, quirky: Path) -> None:
    by_tables, _ = find_views(at_table_paths)
    by_download, rejections = find_views(quirky)
    assert rejections == []
    with_lesions = [view for view in by_download if view.lesions]

    def said(view):
        lesions = [(each.lesion_id, each.abnormality, each.pathology) for each in view.lesions]
        return view.patient_id, view.laterality, view.view_position, view.density, view.flags, lesions

    # Without metadata.csv nothing names the films that have no lesion.
    assert [said(view) for view in by_tables] == [said(view) for view in with_lesions]


def test_masks_are_those_of_the_breast(at_table_paths: Path) -> None:
    """What was written, against the breast made again: equal, or by nearest neighbour where the size differs."""
    truth = truth_of(at_table_paths)["breasts"]
    plans = plan_cohort(breasts=BREASTS, seed=11)
    for index in (0, 1):
        plan = replace(plans[index], quirks=quirks_of_breast(index, layout=Layout.CBIS_DDSM_TABLES))
        films = case(plan, film_spacing_mm=1.0, digital=False).films
        for view, of_view in truth[index]["views"].items():
            for each in of_view["written"]:
                mask = pydicom.dcmread(at_table_paths / each["mask"]).pixel_array > 0
                expected = films[ViewPosition(view)].masks[each["lesion"]]
                np.testing.assert_array_equal(mask, _stretched(expected, mask.shape))


def test_a_cohort_with_quirks_prepares_to_the_known_truth(quirky: Path, tmp_path: Path) -> None:
    output = tmp_path / "prepared"
    summary = prepare_collection(
        collection="cbis_ddsm",
        source=quirky,
        output=output,
        preparation=PreparationSettings(assumed_spacing_mm=1.0),
        radiomics=read_settings(ROOT / "configs" / "radiomics.yaml"),
        fractions={Split.TRAINING: 0.5, Split.VALIDATION: 0.25, Split.TEST: 0.25},
        seed=0,
        workers=2,
    )
    assert summary.found_views == summary.prepared_views == 2 * BREASTS
    pairs = {row["pair_id"]: row for row in rows(output / "pairs.csv")}
    truth = truth_of(quirky)["breasts"]
    assert set(pairs) == {f"{breast['patient_id']}_{breast['laterality']}" for breast in truth}
    for patient in {row["patient_id"] for row in pairs.values()}:
        assert len({row["split"] for row in pairs.values() if row["patient_id"] == patient}) == 1
    for breast in truth:
        row = pairs[f"{breast['patient_id']}_{breast['laterality']}"]
        flags = set(row["flags"].split(";"))
        assert ("lesion_counts_differ" in flags) == _has(breast, Quirk.UNEQUAL_COUNTS)
        differing = {flag.split(":")[1] for flag in flags if flag.startswith("pathology_differs:")}
        assert differing == {note["lesion_id"] for note in breast["quirks"] if note["quirk"] == Quirk.PATHOLOGY_DIFFERS}
        for view, of_view in breast["views"].items():
            name = view.lower()
            assert (f"{name}:two_series" in flags) == _has(breast, Quirk.BOTH_TABLES, view=view)
            assert (f"{name}:assumed_spacing" in flags) == _has(breast, Quirk.NO_SPACING, view=view)
            prepared = load_prepared(
                PreparedFiles(
                    image=output / row[f"{name}_image"],
                    mask=output / row[f"{name}_mask"],
                    breast=output / row[f"{name}_breast"],
                )
            )
            assert prepared.geometry.flipped_columns != of_view["chest_wall_at_left"]
            found = to_film(prepared.lesions, prepared.geometry, is_mask=True)
            within = to_film(prepared.breast, prepared.geometry, is_mask=True)
            labels = np.zeros(found.shape, dtype=int)
            masks = []
            for each in of_view["written"]:
                mask = pydicom.dcmread(quirky / each["mask"]).pixel_array > 0
                masks.append(_stretched(mask, found.shape))
                resized = f"{name}:mask_resized:{each['lesion_id']}" in flags
                where = {"view": view, "lesion_id": each["lesion_id"]}
                assert resized == _has(breast, Quirk.MASK_OF_ANOTHER_SIZE, **where)
            # Where lesions overlap in the projection, the smaller one shows.
            for number in sorted(range(len(masks)), key=lambda k: -masks[k].sum()):
                labels[masks[number]] = number + 1
            np.testing.assert_array_equal(found[within], labels[within])
            assert (labels[within] > 0).sum() > 0.9 * (labels > 0).sum()
