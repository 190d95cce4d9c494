import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from bundle.datasets.cbis_ddsm import find_views, read_tables
from bundle.datasets.pairing import pair_views
from bundle.records import Lesion, View
from bundle.vocabulary import Laterality, ViewPosition
from tests.datasets.cbis_ddsm_tree import Row, both_views, write_tables, write_tree

REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "cbis-ddsm"
LAYOUTS = ("table_paths", "download_tool", "jpeg")
needs_real_tables = pytest.mark.skipif(not REAL.is_dir(), reason="the real CBIS-DDSM tables are not beside the clone")


def edit(path, old, new):
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new).encode())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_film_and_the_candidates_for_the_mask(tmp_path, layout):
    tree = write_tree(tmp_path, both_views("P_00012"), layout=layout)
    views, rejections = find_views(tmp_path)
    assert rejections == []
    cc, mlo = views
    assert (cc.patient_id, cc.laterality, cc.view_position) == ("P_00012", Laterality.LEFT, ViewPosition.CC)
    assert mlo.view_position is ViewPosition.MLO
    assert cc.image_path == tree.files["Mass-Training_P_00012_LEFT_CC/0"].resolve()
    (lesion,) = cc.lesions
    assert (lesion.lesion_id, lesion.abnormality, lesion.pathology) == ("mass_1", "mass", "BENIGN")
    assert set(lesion.mask_paths) == {tree.files[f"Mass-Training_P_00012_LEFT_CC_1/{i}"].resolve() for i in (0, 1)}
    assert cc.density == "2"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_view_in_the_mass_and_the_calc_table_is_one_view_with_all_lesions(tmp_path, layout):
    rows = [Row("P_00001"), Row("P_00001", number=2), Row("P_00001", kind="calcification", density="3")]
    tree = write_tree(tmp_path, rows, layout=layout)
    (view,), rejections = find_views(tmp_path)
    assert rejections == []
    assert [lesion.lesion_id for lesion in view.lesions] == ["mass_1", "mass_2", "calcification_1"]
    assert view.flags == ("two_series", "density_differs")
    assert view.image_path == tree.files["Mass-Training_P_00001_LEFT_CC/0"].resolve()
    shutil.rmtree(view.image_path.parent)
    (view,), _ = find_views(tmp_path)
    assert view.image_path == tree.files["Calc-Training_P_00001_LEFT_CC/0"].resolve()


@pytest.mark.parametrize("missing", ["tables", "dicom_info.csv", "descriptions"])
def test_the_jpeg_edition_without_one_of_its_lists(tmp_path, missing):
    """The tables know pathology and density, the list of files which series there are; either finds the files."""
    rows = [*both_views("P_00001"), Row("P_00002", number=2, kind="calcification")]
    write_tree(tmp_path, rows, layout="jpeg", without_lesion=[Row("P_00003")])
    whole, _ = find_views(tmp_path)
    assert [len(view.lesions) for view in whole] == [1, 1, 1, 0]
    if missing == "tables":
        for path in (tmp_path / "csv").glob("*_set.csv"):
            path.unlink()
    elif missing == "dicom_info.csv":
        (tmp_path / "csv" / missing).unlink()
        whole.pop()  # nothing else names a film without lesion
    else:
        edit(tmp_path / "csv" / "dicom_info.csv", "full mammogram images", "")
    views, rejections = find_views(tmp_path)
    assert rejections == []
    assert [view.image_path for view in views] == [view.image_path for view in whole]
    for view, known in zip(views, whole, strict=True):
        assert [each.lesion_id for each in view.lesions] == [each.lesion_id for each in known.lesions]
        assert [set(each.mask_paths) for each in view.lesions] == [set(each.mask_paths) for each in known.lesions]


def test_a_picture_that_the_jpeg_edition_lacks_is_a_rejection(tmp_path):
    tree = write_tree(tmp_path, both_views("P_00001"), layout="jpeg")
    shutil.rmtree(tree.files["Mass-Training_P_00001_LEFT_CC/0"].parent)
    views, (rejection,) = find_views(tmp_path)
    assert [view.view_position for view in views] == [ViewPosition.MLO]
    assert "folder jpeg/" in rejection.reason


def test_official_train_and_test_tables_give_one_patient(tmp_path):
    write_tree(tmp_path, [Row("P_00001"), Row("P_00001", view="MLO", official="Test")], layout="table_paths")
    views, _ = find_views(tmp_path)
    assert {view.patient_id for view in views} == {"P_00001"}
    assert len(pair_views(views)[0]) == 1


def test_a_full_mammogram_of_the_metadata_without_table_row_is_a_view_without_lesions(tmp_path):
    write_tree(
        tmp_path, both_views("P_00001"), layout="download_tool", without_lesion=both_views("P_00012", side="RIGHT")
    )
    views, rejections = find_views(tmp_path)
    assert rejections == []
    added = [view for view in views if view.patient_id == "P_00012"]
    assert [(view.laterality, view.view_position, view.lesions) for view in added] == [
        (Laterality.RIGHT, ViewPosition.CC, ()),
        (Laterality.RIGHT, ViewPosition.MLO, ()),
    ]


def test_without_tables_the_metadata_still_give_the_masks(tmp_path):
    write_tree(tmp_path, [Row("P_00001"), Row("P_00001", number=2)], layout="download_tool")
    with_table, _ = find_views(tmp_path)
    (tmp_path / "mass_case_description_train_set.csv").unlink()
    without, _ = find_views(tmp_path)
    masks = [[(lesion.lesion_id, lesion.mask_paths) for lesion in view.lesions] for view in (*with_table, *without)]
    assert masks[0] == masks[1]
    assert [lesion.pathology for lesion in without[0].lesions] == ["", ""]


def test_a_line_break_inside_a_path_is_taken_out(tmp_path):
    write_tree(tmp_path, [Row("P_00001")], layout="table_paths")
    table = tmp_path / "mass_case_description_train_set.csv"
    assert b'.dcm\r\n"' in table.read_bytes()
    path = Row("P_00001").image_path
    edit(table, path, f'"{path[:20]}\n{path[20:]}\n"')
    assert len(find_views(tmp_path)[0]) == 1


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (",LEFT,CC,", ",LEFT,LM,", "image view is 'LM'; it must be CC or MLO"),
        (",LEFT,CC,", ",BOTH,CC,", "left or right breast is 'BOTH'"),
        ("\nP_00001,", "\n../P_00001,", "patient_id is '../P_00001'"),
        (",1,mass,", ",one,mass,", "abnormality id is 'one'"),
        (",1,mass,", ",1,cyst,", "abnormality type is 'cyst'"),
        (Row("P_00001").image_path, "../../../etc/passwd", "image file path is '../../../etc/passwd'"),
        (Row("P_00001").image_path, "/etc/a/b", "name different views|image file path is '/etc/a/b'"),
        (Row("P_00001").image_path, Row("P_00001", side="RIGHT").image_path, "name different views"),
    ],
)
def test_a_bad_row_is_rejected_with_its_line_and_the_others_stay(tmp_path, old, new, reason):
    write_tree(tmp_path, [Row("P_00001"), *both_views("P_00002")], layout="table_paths")
    table = tmp_path / "mass_case_description_train_set.csv"
    lines = table.read_bytes().decode().split("\r\nP_00002")
    assert old in lines[0]
    table.write_bytes("\r\nP_00002".join([lines[0].replace(old, new, 1), *lines[1:]]).encode())
    views, rejections = find_views(tmp_path)
    assert [view.patient_id for view in views] == ["P_00002", "P_00002"]
    (rejection,) = rejections
    assert rejection.stage == "catalogue"
    assert rejection.path.startswith("mass_case_description_train_set.csv:")
    assert any(part in rejection.reason for part in reason.split("|"))


def test_a_view_with_one_unusable_row_is_left_out_whole(tmp_path):
    write_tree(tmp_path, [Row("P_00001"), Row("P_00001", number=2)], layout="table_paths")
    edit(tmp_path / "mass_case_description_train_set.csv", ",2,mass,", ",2,cyst,")
    views, rejections = find_views(tmp_path)
    assert views == []
    assert [rejection.reason for rejection in rejections][1] == "another table row of this view cannot be used"


def test_a_repeated_row_is_rejected_and_the_first_kept(tmp_path):
    write_tree(tmp_path, [Row("P_00001"), Row("P_00001")], layout="table_paths")
    (view,), (rejection,) = find_views(tmp_path)
    assert len(view.lesions) == 1
    assert "repeats mass_1" in rejection.reason


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("series", ["Mass-Training_P_00001_LEFT_CC", "Mass-Training_P_00001_LEFT_CC_1"])
def test_a_missing_film_or_mask_rejects_the_view(tmp_path, layout, series):
    tree = write_tree(tmp_path, both_views("P_00001"), layout=layout)
    shutil.rmtree(tree.files[f"{series}/0"].parent)
    views, (rejection,) = find_views(tmp_path)
    assert [view.view_position for view in views] == [ViewPosition.MLO]
    assert (rejection.stage, rejection.path) == ("catalogue", Row("P_00001").image_path)
    assert "is not there" in rejection.reason
    assert str(tmp_path) not in rejection.reason


def test_a_folder_that_leads_out_of_the_source_is_refused(tmp_path):
    outside = write_tree(tmp_path / "outside", [Row("P_00001")], layout="download_tool")
    write_tree(tmp_path / "source", [Row("P_00001")], layout="download_tool")
    folder = outside.files["Mass-Training_P_00001_LEFT_CC/0"].parent.relative_to(tmp_path)
    metadata = tmp_path / "source" / "metadata.csv"
    edit(
        metadata, "./CBIS-DDSM/Mass-Training_P_00001_LEFT_CC/", "./../outside/CBIS-DDSM/Mass-Training_P_00001_LEFT_CC/"
    )
    assert (tmp_path / folder).is_dir()
    views, (rejection,) = find_views(tmp_path / "source")
    assert views == []
    assert "leads out of the source folder" in rejection.reason


@pytest.mark.parametrize("target", ["../outside.dcm", "000000.dcm"])
def test_links_that_lead_out_or_round_are_refused(tmp_path, target):
    (tmp_path / "outside.dcm").write_bytes(b"")
    tree = write_tree(tmp_path / "source", [Row("P_00001")], layout="table_paths")
    film = tree.files["Mass-Training_P_00001_LEFT_CC/0"]
    film.unlink()
    film.symlink_to(tmp_path / "outside.dcm" if target.startswith("..") else film)
    views, (rejection,) = find_views(tmp_path / "source")
    assert views == []
    assert "leads out" in rejection.reason or "cannot be followed" in rejection.reason


def test_bytes_that_are_not_utf8_reject_only_their_row(tmp_path):
    write_tree(tmp_path, [Row("P_00001"), *both_views("P_00002")], layout="table_paths")
    table = tmp_path / "mass_case_description_train_set.csv"
    table.write_bytes(table.read_bytes().replace(b"\nP_00001,", b"\nP_\xff0001,"))
    views, (rejection,) = find_views(tmp_path)
    assert len(views) == 2
    assert "patient_id" in rejection.reason


def test_a_missing_folder_or_table_stops(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"source folder .* does not exist"):
        find_views(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="holds none of"):
        find_views(tmp_path)


@pytest.mark.parametrize("column", ["breast_density", "image view", "ROI mask file path"])
def test_a_missing_column_stops_and_is_named(tmp_path, column):
    write_tables(tmp_path, both_views("P_00001"))
    edit(tmp_path / "mass_case_description_train_set.csv", column, "something else")
    with pytest.raises(ValueError, match=f"mass_case_description_train_set.csv lacks the column.*{column}"):
        find_views(tmp_path)


def test_a_table_that_is_no_table_stops(tmp_path):
    write_tables(tmp_path, both_views("P_00001"))
    table = tmp_path / "mass_case_description_train_set.csv"
    table.write_bytes(table.read_bytes() + b'P_00001,"' + b"x" * 200_000)
    with pytest.raises(ValueError, match="not a readable table near line"):
        find_views(tmp_path)


@needs_real_tables
def test_the_real_tables_have_their_known_counts():
    """The counts that the collection's description gives (1,566 patients; doi 10.7937/K9/TCIA.2016.7O02S9CY)."""
    tables = read_tables(REAL)
    assert tables.rejections == ()
    assert (len(tables.abnormalities), len(tables.folders)) == (3568, 3103 + 3565 + 107)
    by_view = defaultdict(list)
    for abnormality in tables.abnormalities:
        by_view[abnormality.key].append(abnormality)
    assert len({key.patient_id for key in by_view}) == 1566
    assert (len(by_view), len({(key.patient_id, key.laterality) for key in by_view})) == (3032, 1708)
    assert sum(len({each.image for each in found}) == 2 for found in by_view.values()) == 71
    assert sum(len({each.image for each in found}) for found in by_view.values()) == 3103

    views = [
        View(
            patient_id=key.patient_id,
            laterality=key.laterality,
            view_position=key.view_position,
            image_path=Path(str(found[0].image)),
            lesions=tuple(Lesion(lesion_id=each.lesion_id, pathology=each.pathology) for each in found),
        )
        for key, found in by_view.items()
    ]
    pairs, unpaired = pair_views(views)
    assert (len(pairs), len(unpaired)) == (3032 - 1708, 2 * 1708 - 3032)
    matched = [
        {lesion.lesion_id for lesion in pair.cc.lesions} & {lesion.lesion_id for lesion in pair.mlo.lesions}
        for pair in pairs
    ]
    assert sum(map(len, matched)) == 1518
    assert sum(flag.startswith("pathology_differs") for pair in pairs for flag in pair.flags) == 6


@needs_real_tables
def test_the_real_metadata_alone_give_the_same_lesions(tmp_path):
    shutil.copy(REAL / "metadata.csv", tmp_path)
    from_tables = {(each.key, each.lesion_id) for each in read_tables(REAL).abnormalities}
    assert {(each.key, each.lesion_id) for each in read_tables(tmp_path).abnormalities} == from_tables


@needs_real_tables
def test_the_real_tables_without_films_reject_every_view_with_its_folder():
    views, rejections = find_views(REAL)
    assert views == []
    assert len(rejections) == 3032
    assert all(
        each.reason.startswith("folder CBIS-DDSM/") and each.reason.endswith(" is not there") for each in rejections
    )
