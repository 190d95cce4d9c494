"""A phantom cohort in the INbreast layout, prepared: the truth comes back."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage.draw import polygon2mask

from bundle.collection import prepare_collection
from bundle.datasets.inbreast import find_views
from bundle.datasets.phantom.layout import Layout
from bundle.imaging.contours import contour_mask
from bundle.preparation import PreparationSettings, load_prepared_mask
from bundle.radiomics.settings import read_settings
from bundle.vocabulary import Split, ViewPosition
from tests.datasets.phantom.cohorts import truth_of, write

BREASTS, SEED, SPACING_MM = 6, 5, 2.0


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    output = tmp_path_factory.mktemp("inbreast") / "dicom"
    write(output, layout=Layout.INBREAST, breasts=BREASTS, seed=SEED, quirks=True)
    return output


def truth_by_file(cohort):
    """Give per film's name what is known about it: breast, view, number of reported lesions, quirks, true mask."""
    truth = {}
    for breast in truth_of(cohort)["breasts"]:
        for view, of_view in breast["views"].items():
            (written,) = of_view["written"]
            shape = tuple(of_view["film_shape"])
            outlines = [np.asarray(each) for k in written["lesions"] for each in of_view["lesions"][k]["outlines_px"]]
            truth[Path(of_view["files"]["film"][0]).name] = {
                "woman": breast["woman"],
                "laterality": breast["laterality"],
                "view": view,
                "written": written,
                "quirks": {each["quirk"] for each in breast["quirks"] if each.get("view") in (None, view)},
                "chest_wall_at_left": of_view["chest_wall_at_left"],
                "mask": np.any(
                    [np.zeros(shape, dtype=bool), *(polygon2mask(shape, each) for each in outlines)], axis=0
                ),
            }
    return truth


def test_the_reader_finds_every_view_and_its_exact_mask(cohort):
    truth = truth_by_file(cohort)
    views, rejections = find_views(cohort)
    assert {Path(each.path).name for each in rejections} == {
        name for name, known in truth.items() if "view_fb" in known["quirks"]
    }
    assert len(rejections) == 2
    women, compared = {}, 0
    for view in views:
        known = truth[view.image_path.name]
        assert (view.laterality, view.view_position) == (known["laterality"], known["view"])
        assert (view.density, view.assessment) == (str(known["written"]["acr"]), known["written"]["bi_rads"])
        assert women.setdefault(view.patient_id, known["woman"]) == known["woman"]
        if "roi_points" in known["quirks"]:
            assert (view.flags, view.lesions) == (("regions_unknown",), ())
        elif known["mask"].any():
            contours = [contour for lesion in view.lesions for contour in lesion.contours]
            mask = contour_mask(contours, known["mask"].shape, spacing_mm=(SPACING_MM, SPACING_MM))
            np.testing.assert_array_equal(mask, known["mask"])
            compared += 1
        else:
            assert view.lesions == ()
    assert len(set(women.values())) == len(women)
    assert compared >= 4


def test_the_prepared_collection_holds_the_true_pairs_masks_and_splits(cohort, tmp_path):
    truth = truth_by_file(cohort)
    radiomics = read_settings(Path(__file__).resolve().parents[2] / "configs" / "radiomics.yaml")
    prepare_collection(
        collection="inbreast",
        source=cohort,
        output=tmp_path,
        preparation=PreparationSettings(spacing_mm=SPACING_MM),
        radiomics=replace(radiomics, canvas_spacings_mm=(SPACING_MM,)),
        fractions={Split.TRAINING: 0.4, Split.VALIDATION: 0.3, Split.TEST: 0.3},
        seed=0,
        workers=1,
    )
    with (tmp_path / "pairs.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    films = {(name.split("_")[1], known["laterality"], known["view"]): known for name, known in truth.items()}
    rejected = {key[:2] for key, known in films.items() if "view_fb" in known["quirks"]}
    assert {(row["patient_id"], row["laterality"]) for row in rows} == {key[:2] for key in films} - rejected
    splits = {}
    for row in rows:
        assert splits.setdefault(row["patient_id"], row["split"]) == row["split"]
        for view in ViewPosition:
            known = films[row["patient_id"], row["laterality"], view]
            prepared = load_prepared_mask(tmp_path / row[f"{view.lower()}_mask"])
            if "roi_points" in known["quirks"]:
                assert f"{view.lower()}:regions_unknown" in row["flags"].split(";")
                assert not prepared.any()
            else:
                # Prepared views have the chest wall at the left, whatever side the film has it.
                truth_there = known["mask"] if known["chest_wall_at_left"] else known["mask"][:, ::-1]
                np.testing.assert_array_equal(cut_to_box(prepared > 0), cut_to_box(truth_there))


def cut_to_box(mask):
    rows, columns = np.nonzero(mask)
    return mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] if len(rows) else mask[:0, :0]
