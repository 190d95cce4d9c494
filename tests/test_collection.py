import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundle.collection import prepare_collection
from bundle.collection.prepare import _canvas_flags
from bundle.collection.view_task import ViewResult
from bundle.datasets.splitting import split_patients
from bundle.imaging.resampling import resample_image, resample_mask
from bundle.preparation import PreparationSettings, load_prepared_image, load_prepared_mask
from bundle.radiomics.extraction import extract_features
from bundle.radiomics.features import FEATURE_NAMES
from bundle.radiomics.regions import Region, region_mask
from bundle.radiomics.settings import read_settings
from bundle.vocabulary import Split, ViewPosition
from tests.datasets.cbis_ddsm_tree import Row, both_views, film, lesion_mask, write_dicom, write_tree

RADIOMICS = read_settings(Path(__file__).resolve().parents[1] / "configs" / "radiomics.yaml")
FRACTIONS = {Split.TRAINING: 0.70, Split.VALIDATION: 0.15, Split.TEST: 0.15}
TABLES = ("pairs.csv", "radiomics.csv", "regions.csv", "rejected.csv", "datalist.json", "preparation.json")
FILM = "Mass-Training_P_0000{}_LEFT_{}/0"


def prepare(source, output, **changes):
    arguments = {
        "collection": "cbis_ddsm",
        "source": source,
        "output": output,
        "preparation": PreparationSettings(),
        "radiomics": RADIOMICS,
        "fractions": FRACTIONS,
        "seed": 0,
        "workers": 1,
    }
    return prepare_collection(**{**arguments, **changes})


def four_patients():
    rows = [row for number in range(4) for row in both_views(f"P_0000{number}")]
    return [*rows, *both_views("P_00001", kind="calcification", centre=(85, 25), radius=5)]


def read_rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def vector(row):
    return np.array([float(row[name]) for name in FEATURE_NAMES])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("source")
    write_tree(root, four_patients(), layout="download_tool")
    return root


@pytest.fixture(scope="module")
def prepared(source, tmp_path_factory):
    output = tmp_path_factory.mktemp("prepared")
    return prepare(source, output), output


def test_every_pair_is_listed_with_its_files(prepared):
    summary, output = prepared
    rows = read_rows(output / "pairs.csv")
    assert [row["pair_id"] for row in rows] == ["P_00000_L", "P_00001_L", "P_00002_L", "P_00003_L"]
    assert (summary.found_views, summary.prepared_views, sum(summary.pairs.values())) == (8, 8, 4)
    for row in rows:
        for column in ("cc_image", "mlo_image", "cc_mask", "mlo_mask", "cc_breast", "mlo_breast"):
            assert (output / row[column]).is_file()
        assert (row["laterality"], row["cc_spacing_mm"], row["mlo_spacing_mm"]) == ("L", "1", "1")
    assert "cc:two_series" in rows[1]["flags"].split(";")
    assert read_rows(output / "rejected.csv") == []


def test_the_datalist_holds_the_same_pairs_by_split(prepared):
    _, output = prepared
    datalist = json.loads((output / "datalist.json").read_text())
    rows = {row["pair_id"]: row for row in read_rows(output / "pairs.csv")}
    assert list(datalist) == ["training", "validation", "test"]
    entries = [(split, entry) for split, pairs in datalist.items() for entry in pairs]
    assert {entry["pair_id"] for _, entry in entries} == set(rows)
    expected = split_patients([row["patient_id"] for row in rows.values()], fractions=FRACTIONS, seed=0)
    for split, entry in entries:
        row = rows[entry["pair_id"]]
        assert split == row["split"] == expected[entry["patient_id"]]
        for view in ("cc", "mlo"):
            assert entry[view] == {
                "image": row[f"{view}_image"],
                "mask": row[f"{view}_mask"],
                "breast": row[f"{view}_breast"],
                "spacing_mm": 1.0,
            }


def test_masks_are_told_from_crops_and_lesions_keep_their_labels(prepared):
    _, output = prepared
    mask = load_prepared_mask(output / "images" / "P_00001_L_CC_mask.nii.gz")
    areas = [np.count_nonzero(mask == label) for label in (1, 2)]
    assert areas == [np.count_nonzero(lesion_mask(Row("P", radius=radius))) for radius in (8, 5)]


def test_each_lesion_has_a_vector_per_view_scale_and_spacing(prepared):
    _, output = prepared
    rows = read_rows(output / "radiomics.csv")
    keys = {(row["pair_id"], row["view"], row["lesion_id"], row["scale"], row["spacing_mm"]) for row in rows}
    expected = {
        (row.patient + "_L", row.view, f"{row.kind}_{row.number}", scale, spacing)
        for row in four_patients()
        for scale, spacing in (("fine", "1"), ("canvas", "1"), ("canvas", "2"))
    }
    assert len(rows) == len(keys)
    assert keys == expected
    settings_hash = json.loads((output / "preparation.json").read_text())["radiomics"]["settings_hash"]
    assert {row["settings_hash"] for row in rows} == {settings_hash}


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0])
def test_canvas_vectors_are_those_of_the_pixels_that_a_canvas_shows(prepared, spacing_mm):
    _, output = prepared
    image = load_prepared_image(output / "images" / "P_00001_L_MLO_image.nii")
    mask = load_prepared_mask(output / "images" / "P_00001_L_MLO_mask.nii.gz") == 2
    on_canvas = resample_image(image, spacing_mm=1.0, target_spacing_mm=spacing_mm)
    mask_on_canvas = resample_mask(mask, spacing_mm=1.0, target_spacing_mm=spacing_mm)
    (row,) = [
        row
        for row in read_rows(output / "radiomics.csv")
        if (row["pair_id"], row["view"], row["lesion_id"]) == ("P_00001_L", "MLO", "calcification_1")
        and (row["scale"], float(row["spacing_mm"])) == ("canvas", spacing_mm)
    ]
    expected = extract_features(on_canvas, mask_on_canvas, spacing_mm=spacing_mm, settings=RADIOMICS)
    np.testing.assert_allclose(vector(row), expected, rtol=1e-7)
    assert float(row["area_mm2"]) == np.count_nonzero(mask_on_canvas) * spacing_mm**2


def test_regions_are_in_training_and_validation_only_and_can_be_drawn_again(prepared):
    _, output = prepared
    splits = {row["pair_id"]: row["split"] for row in read_rows(output / "pairs.csv")}
    rows = read_rows(output / "regions.csv")
    views = {(row["pair_id"], row["view"], row["spacing_mm"]) for row in rows}
    assert views == {
        (pair_id, view, spacing)
        for pair_id, split in splits.items()
        for view in ("CC", "MLO")
        for spacing in ("1", "2")
        if split != "test"
    }
    assert len(rows) == 4 * len(views)
    row = rows[-1]
    spacing_mm = float(row["spacing_mm"])
    image = load_prepared_image(output / "images" / f"{row['pair_id']}_{row['view']}_image.nii")
    on_canvas = resample_image(image, spacing_mm=1.0, target_spacing_mm=spacing_mm)
    region = Region(**{name: float(row[name]) for name in Region.__dataclass_fields__})
    mask = region_mask(region, shape=on_canvas.shape, spacing_mm=spacing_mm)
    expected = extract_features(on_canvas, mask, spacing_mm=spacing_mm, settings=RADIOMICS)
    np.testing.assert_allclose(vector(row), expected, rtol=1e-7)


def test_two_workers_and_a_second_run_give_the_same_tables(source, prepared, tmp_path):
    _, output = prepared
    assert prepare(source, tmp_path / "again", workers=2).reused_views == 0
    before = {name: (tmp_path / "again" / name).read_bytes() for name in TABLES}
    assert before == {name: (output / name).read_bytes() for name in TABLES}
    assert prepare(source, tmp_path / "again").reused_views == 8
    assert before == {name: (tmp_path / "again" / name).read_bytes() for name in TABLES}


def test_a_run_that_was_stopped_goes_on(source, prepared, tmp_path):
    _, finished = prepared
    output = tmp_path / "output"
    shutil.copytree(finished, output)
    (output / "datalist.json").unlink()
    (output / "views" / "P_00002_L_CC.json").unlink()
    (output / "views" / "P_00002_L_MLO.json").write_text('{"key": "cut')
    (output / "images" / "P_00003_L_CC_breast.nii.gz").unlink()
    assert prepare(source, output).reused_views == 5
    assert all((output / name).read_bytes() == (finished / name).read_bytes() for name in TABLES)


def test_damaged_results_are_made_again(source, prepared, tmp_path):
    """What a crash, a full disk or an editor leaves: the view is made again and the tables are the same."""
    _, finished = prepared
    output = tmp_path / "output"
    shutil.copytree(finished, output)
    damage = {
        "views/P_00000_L_CC.json": lambda content: b"\xff\xfe\x00garbage",
        "views/P_00000_L_MLO.json": lambda content: b"[]",
        "views/P_00001_L_CC.json": lambda content: b"{}",
        "views/P_00001_L_MLO.json": lambda content: content.replace(b'"shape"', b'"shade"'),
        "views/P_00002_L_CC.json": lambda content: content.replace(b'"spacing_mm": 1.0', b'"spacing_mm": 7.0'),
        "images/P_00002_L_MLO_image.nii": lambda content: b"",
        "images/P_00003_L_CC_mask.nii.gz": lambda content: content[:-9],
    }
    for name, change in damage.items():
        before = (output / name).read_bytes()
        (output / name).write_bytes(change(before))
        assert (output / name).read_bytes() != before
    assert prepare(source, output).reused_views == 1
    assert contents(output) == contents(finished)


def test_the_tables_stay_until_new_ones_replace_them(source, prepared, tmp_path, monkeypatch):
    output = tmp_path / "output"
    shutil.copytree(prepared[1], output)
    before = {name: (output / name).read_bytes() for name in TABLES}
    (output / "views" / "P_00002_L_CC.json").write_bytes(b"\xff")

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("bundle.collection.prepare.prepare_views", stop)
    with pytest.raises(KeyboardInterrupt):
        prepare(source, output)
    assert before == {name: (output / name).read_bytes() for name in TABLES}
    # A version that gives other images is another thing: tables that do not fit them are worse than none.
    monkeypatch.setattr("bundle.collection.prepare.decisive_versions", lambda: {"preparation": "another"})
    with pytest.raises(KeyboardInterrupt):
        prepare(source, output)
    assert [name for name in TABLES if (output / name).exists()] == ["preparation.json"]


def test_a_film_that_changed_is_done_again(tmp_path):
    rows = [row for number in range(3) for row in both_views(f"P_0000{number}")]
    tree = write_tree(tmp_path / "source", rows, layout="table_paths")
    prepare(tmp_path / "source", tmp_path / "output")
    changed = tree.files[FILM.format(1, "CC")]
    changed.write_bytes(changed.read_bytes()[:-1000])
    summary = prepare(tmp_path / "source", tmp_path / "output")
    assert (summary.reused_views, sum(summary.pairs.values())) == (5, 2)


def test_bad_films_become_reasons_and_the_run_goes_on(tmp_path):
    source, output = tmp_path / "source", tmp_path / "output"
    rows = [row for number in range(7) for row in both_views(f"P_0000{number}")]
    tree = write_tree(source, [*rows, Row("P_00007")], layout="download_tool")
    cut = tree.files[FILM.format(0, "CC")]
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    write_dicom(
        tree.files[FILM.format(1, "MLO")], np.zeros((130, 90), np.uint16), subject="Mass-Training_P_00001_LEFT_MLO"
    )
    empty = [tree.files[f"Mass-Training_P_00002_LEFT_CC_1/{number}"] for number in (0, 1)]
    write_dicom(empty[1], np.zeros((130, 90), np.uint8), subject="Mass-Training_P_00002_LEFT_CC_1")
    tiny = tree.files["Mass-Training_P_00003_LEFT_CC_1/1"]
    write_dicom(tiny, lesion_mask(Row("P_00003", radius=2)), subject="Mass-Training_P_00003_LEFT_CC_1")

    summary = prepare(source, output)
    rejected = read_rows(output / "rejected.csv")
    by_patient = {number: [row for row in rejected if f"P_0000{number}" in row["path"]] for number in range(8)}
    assert {row["stage"] for row in by_patient[0]} == {"read", "pairing"}
    assert {row["stage"] for row in by_patient[1]} == {"breast", "pairing"}
    assert {row["stage"] for row in by_patient[2]} == {"mask", "pairing"}
    assert any("empty" in row["reason"] for row in by_patient[2])
    assert {row["stage"] for row in by_patient[3]} == {"radiomics"}
    assert all("features need at least 16" in row["reason"] for row in by_patient[3])
    assert [row["stage"] for row in by_patient[7]] == ["pairing"]
    assert all(str(tmp_path) not in row["path"] + row["reason"] for row in rejected)
    assert all((source / row["path"]).is_file() for row in rejected)
    kept = {row["pair_id"] for row in read_rows(output / "pairs.csv")}
    assert kept == {"P_00003_L", "P_00004_L", "P_00005_L", "P_00006_L"}
    assert {row["pair_id"] for row in read_rows(output / "radiomics.csv")} == kept
    assert sum(summary.rejections.values()) == len(rejected)


def test_breasts_of_an_impossible_size_are_left_out_with_their_spacing(tmp_path):
    source, output = tmp_path / "source", tmp_path / "output"
    rows = [row for number in range(4) for row in both_views(f"P_0000{number}")]
    tree = write_tree(source, rows, layout="table_paths")
    film_row = next(row for row in rows if row.patient == "P_00001" and row.view == "CC")
    write_dicom(tree.files[FILM.format(1, "CC")], film(film_row, [film_row]), subject=film_row.subject, spacing_mm=None)
    prepare(source, output)
    stages = {row["stage"]: row["reason"] for row in read_rows(output / "rejected.csv")}
    assert set(stages) == {"breast", "pairing"}
    assert "with the assumed spacing of 0.05 x 0.05 mm the breast would be 5 mm high" in stages["breast"]
    assert [row["pair_id"] for row in read_rows(output / "pairs.csv")] == ["P_00000_L", "P_00002_L", "P_00003_L"]
    # With the true one it is taken.
    prepare(source, output, preparation=PreparationSettings(assumed_spacing_mm=1.0), overwrite=True)
    assert len(read_rows(output / "pairs.csv")) == 4


def test_nothing_left_is_one_sentence_and_leaves_the_reasons(tmp_path):
    rows = [row for number in range(3) for row in both_views(f"P_0000{number}")]
    tree = write_tree(tmp_path / "source", rows, layout="table_paths")
    for number in range(3):
        tree.files[FILM.format(number, "CC")].write_bytes(b"no film")
    with pytest.raises(
        ValueError, match=r"no pair could be prepared; .*rejected\.csv holds the reasons \(6\), the first: "
    ):
        prepare(tmp_path / "source", tmp_path / "output")
    assert len(read_rows(tmp_path / "output" / "rejected.csv")) == 6
    assert not (tmp_path / "output" / "datalist.json").exists()


def test_no_pair_at_all_leaves_the_reasons(tmp_path):
    source, output = tmp_path / "source", tmp_path / "output"
    write_tree(source, [Row("P_00001"), Row("P_00002"), Row("P_00003")], layout="table_paths")
    with pytest.raises(
        ValueError, match=r"no breast has both views; .*rejected\.csv holds the reasons \(3\), the first"
    ):
        prepare(source, output)
    rejected = read_rows(output / "rejected.csv")
    assert [row["stage"] for row in rejected] == ["pairing"] * 3
    assert all("has no MLO view" in row["reason"] for row in rejected)
    assert not (output / "datalist.json").exists()
    # Nothing was made: other settings are taken without more ado.
    with pytest.raises(ValueError, match="no breast has both views"):
        prepare(source, output, seed=1)


def test_too_few_patients_leave_the_reasons(tmp_path):
    source, output = tmp_path / "source", tmp_path / "output"
    write_tree(source, [*both_views("P_00001"), Row("P_00002")], layout="table_paths")
    with pytest.raises(ValueError, match=r"there are 1 patients with both views; .* holds the reasons \(1\)"):
        prepare(source, output)
    assert [row["stage"] for row in read_rows(output / "rejected.csv")] == ["pairing"]


def test_other_settings_are_refused_unless_overwritten(source, prepared, tmp_path):
    output = tmp_path / "output"
    shutil.copytree(prepared[1], output)
    with pytest.raises(FileExistsError, match="prepared with other settings \\(seed\\)"):
        prepare(source, output, seed=1)
    assert (output / "datalist.json").read_bytes() == (prepared[1] / "datalist.json").read_bytes()
    assert prepare(source, output, seed=1, overwrite=True).reused_views == 0
    assert json.loads((output / "preparation.json").read_text())["seed"] == 1


def test_stopped_before_the_settings_are_written_the_same_command_goes_on(source, prepared, tmp_path, monkeypatch):
    output = tmp_path / "output"
    shutil.copytree(prepared[1], output)

    def stop(*_):
        raise KeyboardInterrupt

    for folder in (output, tmp_path / "new"):
        with monkeypatch.context() as patch:
            patch.setattr("bundle.collection.prepare.write_json", stop)
            with pytest.raises(KeyboardInterrupt):
                prepare(source, folder, seed=1, overwrite=True)
        assert not (folder / "datalist.json").exists()
        assert not (folder / "pairs.csv").exists()
        prepare(source, folder, seed=1, overwrite=True)
        assert json.loads((folder / "preparation.json").read_text())["seed"] == 1
        assert (folder / "datalist.json").exists()


def test_a_changed_setting_redoes_what_depends_on_it(source, prepared, tmp_path):
    output = tmp_path / "output"
    shutil.copytree(prepared[1], output)
    splits = {row["pair_id"]: row["split"] for row in read_rows(output / "pairs.csv")}
    (output / "views" / "P_99999_L_CC.json").write_text("{}")  # of a view that is no longer wanted
    (output / "images" / "P_99999_L_CC_breast.nii.gz").write_bytes(b"")
    (output / "images" / ".123.P_00001_L_CC_image.nii").write_bytes(b"")  # of a worker that was killed
    fractions = {Split.TRAINING: 0.3, Split.VALIDATION: 0.2, Split.TEST: 0.5}
    summary = prepare(source, output, fractions=fractions, overwrite=True)
    moved = [row for row in read_rows(output / "pairs.csv") if row["split"] != splits[row["pair_id"]]]
    assert 0 < len(moved) < len(splits)
    assert summary.reused_views == 2 * (len(splits) - len(moved))  # a split decides which views have regions
    afresh = tmp_path / "afresh"
    prepare(source, afresh, fractions=fractions)
    assert contents(output) == contents(afresh)
    radiomics = replace(RADIOMICS, least_pixels=20)
    assert prepare(source, output, fractions=fractions, radiomics=radiomics, overwrite=True).reused_views == 0


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_with_other_files_is_left_alone(source, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds other files"):
        prepare(source, tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"collection": "ddsm"}, "collection is 'ddsm'; it must be one of cbis_ddsm"),
        ({"workers": 0}, "workers is 0"),
        ({"fractions": {**FRACTIONS, Split.TEST: 0.0}}, "training, validation and test must all be positive"),
        ({"preparation": PreparationSettings(spacing_mm=1.5)}, "canvas features at 1 mm cannot come from views of 1.5"),
    ],
)
def test_wrong_arguments_stop_before_anything_is_written(source, tmp_path, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        prepare(source, tmp_path / "output", **changes)
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("cc", "mlo", "flags"),
    [
        ((150, 90), (220, 100), []),
        ((150, 90), (300, 100), ["cc_to_mlo:target_cropped", "mlo_to_cc:source_shrunk"]),
        ((300, 90), (320, 100), ["cc_to_mlo:source_shrunk", "cc_to_mlo:target_cropped", "mlo_to_cc:source_shrunk"]),
    ],
)
def test_what_a_standard_canvas_does_to_a_pair_is_flagged(cc, mlo, flags):
    results = {
        position: ViewResult(spacing_mm=1.0, shape=shape)
        for position, shape in ((ViewPosition.CC, cc), (ViewPosition.MLO, mlo))
    }
    assert _canvas_flags(results) == flags
