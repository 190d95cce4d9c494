from __future__ import annotations

import plistlib
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from skimage.draw import polygon2mask

from bundle.datasets.phantom.case import plan_cohort
from bundle.datasets.phantom.layout import Layout
from bundle.vocabulary import ViewPosition
from tests.datasets.phantom.cohorts import case, rows, truth_of, write

BREASTS = 4
NAME = re.compile(r"(?P<image>\d{8})_(?P<patient>[0-9a-f]{16})_MG_(?P<side>[LR])_(?P<view>CC|ML)_ANON\.dcm")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("inbreast") / "dicom"
    write(output, layout=Layout.INBREAST, breasts=BREASTS)
    return output


@pytest.fixture(scope="module")
def quirky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("inbreast") / "dicom"
    write(output, layout=Layout.INBREAST, breasts=4, quirks=True)
    return output


def _views(cohort: Path):
    for breast in truth_of(cohort)["breasts"]:
        for view, of_view in breast["views"].items():
            yield breast, view, of_view


def _points(texts: list[str]) -> np.ndarray:
    """Points (row, column) from texts ``(x, y)``."""
    return np.asarray([[float(part) for part in text.strip("(){}").split(",")] for text in texts])[:, 1::-1]


def test_files_and_table_join_by_the_image_number(cohort: Path) -> None:
    table = rows(cohort / "INbreast.csv", delimiter=";")
    first_line = (cohort / "INbreast.csv").read_text().split("\n")[0]
    assert first_line == "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads"
    by_image = {row["File Name"]: row for row in table}
    files = sorted((cohort / "AllDICOMs").iterdir())
    assert len(files) == len(table) == len(by_image) == 2 * BREASTS
    patients = set()
    for path in files:
        name = NAME.fullmatch(path.name)
        assert name
        row = by_image[name["image"]]
        assert row["Patient ID"] == "removed"
        assert row["Laterality"] == name["side"]
        assert row["View"] == {"CC": "CC", "ML": "MLO"}[name["view"]]
        dataset = pydicom.dcmread(path)
        assert dataset.BitsStored == 14
        assert 2**12 < dataset.pixel_array.max() < 2**14
        assert [float(spacing) for spacing in dataset.ImagerPixelSpacing] == [2.0, 2.0]
        assert "PixelSpacing" not in dataset
        patients.add(name["patient"])
    assert len(patients) == len({breast["woman"] for breast in truth_of(cohort)["breasts"]})


def test_normal_images_have_category_1_and_no_property_list(cohort: Path) -> None:
    table = {row["File Name"]: row for row in rows(cohort / "INbreast.csv", delimiter=";")}
    categories = set()
    for _, _, of_view in _views(cohort):
        (written,) = of_view["written"]
        has_lesion = any(lesion["reported"] for lesion in of_view["lesions"])
        assert (cohort / "AllXML" / f"{written['image_id']}.xml").exists() == has_lesion
        category = table[written["image_id"]]["Bi-Rads"]
        assert (category == "1") == (not has_lesion)
        assert category in {"1", "2", "3", "4a", "4b", "4c", "5"}
        categories.add(category)
    assert "1" in categories
    assert len(categories) > 1


def test_polygons_filled_give_the_masks_and_points_the_calcifications(cohort: Path) -> None:
    plans = {(plan.patient_id, plan.laterality): plan for plan in plan_cohort(breasts=BREASTS, seed=11)}
    names = set()
    for breast, view, of_view in _views(cohort):
        if not of_view["files"]["regions"]:
            continue
        plan = plans[breast["patient_id"], breast["laterality"]]
        film = case(plan, film_spacing_mm=2.0, digital=True).films[ViewPosition(view)]
        document = plistlib.loads((cohort / of_view["files"]["regions"][0]).read_bytes())
        (image,) = document["Images"]
        assert image["NumberOfROIs"] == len(image["ROIs"])
        found = np.zeros(film.brightness.shape, dtype=bool)
        for roi in image["ROIs"]:
            names.add(roi["Name"])
            points = _points(roi["Point_px"])
            assert roi["NumberOfPoints"] == len(points) == len(roi["Point_mm"])
            np.testing.assert_allclose(_points(roi["Point_mm"]), 2.0 * points, atol=1e-5)
            if roi["Name"] == "Calcification":
                assert len(points) == 1
            else:
                found |= polygon2mask(found.shape, points)
        expected = np.any([film.masks[k] for k in of_view["written"][0]["lesions"]], axis=0)
        np.testing.assert_array_equal(found, expected)
    assert {"Mass", "Cluster", "Calcification"} <= names


def test_calcification_points_lie_on_the_bright_spots() -> None:
    """At 0.25 mm a calcification is brighter than what is around it."""
    for plan in plan_cohort(breasts=BREASTS, seed=11):
        lesions = case(plan, film_spacing_mm=2.0, digital=True).lesions
        clusters = [k for k, lesion in enumerate(lesions) if lesion.abnormality == "calcification"]
        if clusters:
            break
    fine = case(plan, film_spacing_mm=0.25, digital=True)
    for position, film in fine.films.items():
        spots, around = [], []
        for row, column in np.round(fine.calcifications_px(position, clusters[0])).astype(int):
            if 20 <= row < film.brightness.shape[0] - 20 and 20 <= column < film.brightness.shape[1] - 20:
                spots.append(film.brightness[row - 1 : row + 2, column - 1 : column + 2].max())
                around.append(np.median(film.brightness[row - 8 : row + 9, column - 8 : column + 9]))
        assert len(spots) > 4
        shifted = np.asarray(spots) - np.asarray(around)
        assert np.median(shifted) > 0.02


def test_muscle_edge_is_a_contour_of_the_second_dialect(cohort: Path) -> None:
    seen = 0
    for _, view, of_view in _views(cohort):
        for path in of_view["files"].get("muscle", []):
            assert view == "MLO"
            assert path.endswith(f"{of_view['written'][0]['image_id']}_muscle.xml")
            points = _points(plistlib.loads((cohort / path).read_bytes())["ROIPoints"])
            np.testing.assert_allclose(points, of_view["muscle_edge_px"], atol=0.01)
            rows_down, distance = points[:, 0], points[:, 1]
            if not of_view["chest_wall_at_left"]:
                distance = of_view["film_shape"][1] - 1 - distance
            # The muscle is a wedge at the chest wall that narrows downwards.
            assert (np.diff(rows_down) > 0).all()
            assert distance[0] > distance[-1]
            seen += 1
    assert seen


def test_second_dialect_odd_names_and_view_fb(quirky: Path) -> None:
    quirks = {quirk["quirk"] for breast in truth_of(quirky)["breasts"] for quirk in breast["quirks"]}
    assert quirks == {"roi_points", "view_fb", "odd_names"}
    documents = [plistlib.loads(path.read_bytes()) for path in sorted((quirky / "AllXML").iterdir())]
    second = [document for document in documents if "ROIPoints" in document]
    assert len(second) == 2
    for document in second:
        assert len(_points(document["ROIPoints"])) >= 3
    names = {roi["Name"] for document in documents if "Images" in document for roi in document["Images"][0]["ROIs"]}
    assert "Point 1" in names
    assert [row["View"] for row in rows(quirky / "INbreast.csv", delimiter=";")].count("FB") == 1
