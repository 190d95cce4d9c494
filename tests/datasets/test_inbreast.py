import csv
import os
import plistlib
from pathlib import Path

import pytest

from bundle.datasets.inbreast import MOST_LESIONS, find_views
from bundle.datasets.pairing import pair_views
from bundle.vocabulary import Laterality, ViewPosition

HEADER = "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads"
CC, MLO = "1_9ac1_MG_L_CC_ANON.dcm", "2_9ac1_MG_L_ML_ANON.dcm"
SQUARE = [(10, 10), (10, 30), (30, 30), (30, 10)]


def shifted(points, by):
    return [(x + by, y + by) for x, y in points]


def write(root, *, films=(CC, MLO), table=("L;CC;200801;1;3;2", "L;MLO;200801;2;3;4b"), regions=None):
    """Write a tree; ``regions`` gives per image the outlines: (name, points (x, y))."""
    for name in ("AllDICOMs", "AllXML"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in films:
        (root / "AllDICOMs" / name).write_bytes(b"not read here")
    lines = [HEADER, *(f"removed;removed;{row}" for row in table)]
    (root / "INbreast.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for image_id, outlines in (regions or {}).items():
        entries = [
            {"Name": name, "NumberOfPoints": len(points), "Point_px": [f"({x}, {y})" for x, y in points]}
            for name, points in outlines
        ]
        (root / "AllXML" / f"{image_id}.xml").write_bytes(plistlib.dumps({"Images": [{"ROIs": entries}]}))


def lesions_of(root, *outlines):
    write(root, regions={1: outlines})
    (cc, _), rejections = find_views(root)
    assert rejections == []
    return cc


def test_name_and_table_make_the_view(tmp_path):
    write(tmp_path, regions={2: [("Mass", SQUARE)]})
    (cc, mlo), rejections = find_views(tmp_path)
    assert rejections == []
    assert (cc.patient_id, cc.laterality, cc.view_position) == ("9ac1", Laterality.LEFT, ViewPosition.CC)
    assert (mlo.patient_id, mlo.view_position, mlo.density, mlo.assessment) == ("9ac1", ViewPosition.MLO, "3", "4b")
    assert cc.image_path == (tmp_path / "AllDICOMs" / CC).resolve()
    assert (cc.lesions, cc.flags) == ((), ())
    (lesion,) = mlo.lesions
    assert (lesion.lesion_id, lesion.abnormality, lesion.mask_paths) == ("mlo_mass_1", "mass", ())
    assert lesion.contours == (((10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0)),)


def test_views_of_different_examinations_are_no_pair(tmp_path):
    later = ("3_9ac1_MG_L_CC_ANON.dcm", "4_9ac1_MG_L_ML_ANON.dcm")
    dates = {1: ("CC", 200801), 3: ("CC", 201001), 4: ("MLO", 201001)}
    rows = [f"L;{view};{date};{image};3;2" for image, (view, date) in dates.items()]
    write(tmp_path, films=(CC, *later), table=rows)
    (pair,), (alone,) = pair_views(find_views(tmp_path)[0])
    assert (pair.pair_id, pair.cc.image_path.name, pair.mlo.image_path.name) == ("9ac1_201001_L", *later)
    assert alone.path.endswith(CC)


@pytest.mark.parametrize("date", ["", "removed", "../1"])
def test_views_without_a_date_are_a_pair(tmp_path, date):
    write(tmp_path, table=(f"L;CC;{date};1;3;2", f"L;MLO;{date};2;3;2"))
    (pair,), _ = pair_views(find_views(tmp_path)[0])
    assert pair.pair_id == "9ac1_L"


def test_lesions_of_the_two_views_are_never_taken_for_the_same(tmp_path):
    write(tmp_path, regions={1: [("Mass", SQUARE)], 2: [("Mass", SQUARE)]})
    (pair,), _ = pair_views(find_views(tmp_path)[0])
    assert {each.lesion_id for each in pair.cc.lesions}.isdisjoint(each.lesion_id for each in pair.mlo.lesions)
    assert pair.flags == ()


@pytest.mark.parametrize("category", ["1", "2", "3", "4", "4a", "4b", "4c", "4A", "5", "6"])
def test_every_category_is_taken(tmp_path, category):
    write(tmp_path, table=(f"L;CC;200801;1;3;{category}", "L;MLO;200801;2;4;1"))
    cc, mlo = find_views(tmp_path)[0]
    assert (cc.assessment, mlo.assessment, mlo.density) == (category.lower(), "1", "4")
    assert cc.flags == (("suspicious_without_region",) if category[0] in "456" else ())


def test_values_outside_the_categories_are_unknown(tmp_path):
    write(tmp_path, table=("L;CC;200801;1; ;4d", "L;MLO;200801;2;5;"))
    assert [(view.density, view.assessment) for view in find_views(tmp_path)[0]] == [("", ""), ("", "")]


def test_calcifications_in_a_cluster_are_part_of_it_and_all_others_one_lesion(tmp_path):
    view = lesions_of(
        tmp_path,
        ("Cluster", SQUARE),
        ("Calcification", [(20, 20)]),
        ("Point 1", [(25, 15)]),
        ("Calcification", shifted(SQUARE, 100)),
        ("Calcification", [(300, 40)]),
        ("Cluster", shifted(SQUARE, 50)),
    )
    assert [(lesion.lesion_id, len(lesion.contours)) for lesion in view.lesions] == [
        ("cc_calcification_1", 1),
        ("cc_calcification_2", 1),
        ("cc_calcification_3", 2),
    ]
    assert view.lesions[2].contours[1] == ((40.0, 300.0),)
    assert view.flags == ()


@pytest.mark.parametrize("name", ["Spiculated Region", "Espiculated Region"])  # as typed there, too
def test_a_spiculated_region_belongs_to_the_mass_inside(tmp_path, name):
    around = [(0, 0), (0, 40), (40, 40), (40, 0)]
    view = lesions_of(tmp_path, (name, around), ("Mass", SQUARE), (name, shifted(around, 200)))
    assert [(lesion.lesion_id, len(lesion.contours)) for lesion in view.lesions] == [
        ("cc_mass_1", 2),
        ("cc_spiculated_region_1", 1),
    ]


def test_names_as_somebody_typed_them(tmp_path):
    outlines = [("Asymmetry", SQUARE), ("Assymetry", SQUARE), (" mass ", SQUARE), ("Distortion", SQUARE)]
    assert [each.lesion_id for each in lesions_of(tmp_path, *outlines).lesions] == [
        *("cc_asymmetry_1", "cc_asymmetry_2", "cc_mass_1", "cc_distortion_1")
    ]
    view = lesions_of(tmp_path, ("Unnamed", SQUARE), ("", SQUARE))
    assert [each.lesion_id for each in view.lesions] == ["cc_other_1", "cc_other_2"]
    assert view.flags == ("region_name_unknown",)


def test_a_muscle_contour_among_the_outlines_leaves_the_lesions_unknown(tmp_path):
    write(tmp_path)
    (tmp_path / "AllXML" / "2.xml").write_bytes(plistlib.dumps({"ROIPoints": ["{1, 2}", "{3, 4}", "{5, 1}"]}))
    _, mlo = find_views(tmp_path)[0]
    assert (mlo.lesions, mlo.flags) == ((), ("regions_unknown",))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("L;FB;200801;1;3;2", "INbreast.csv:2: View is 'FB'; it must be CC or MLO"),
        ("L;MLO;200801;1;3;2", "View is 'MLO', the file's name says CC"),
        ("R;CC;200801;1;3;2", "Laterality is R, the file's name says L"),
        ("X;CC;200801;1;3;2", "Laterality is None, the file's name says L"),
    ],
)
def test_a_row_that_contradicts_the_name_rejects_the_film(tmp_path, row, reason):
    write(tmp_path, table=(row, "L;MLO;200801;2;3;1"))
    (view,), (rejection,) = find_views(tmp_path)
    assert view.view_position is ViewPosition.MLO
    assert (rejection.path, rejection.stage) == (f"AllDICOMs/{CC}", "catalogue")
    assert reason in rejection.reason


def test_rows_and_films_without_each_other(tmp_path):
    rows = ("L;CC;200801;1;3;2", "L;CC;200801;7;3;2", "L;CC;200801;../1;3;2", "L;CC;200801;1;4;2")
    write(tmp_path, table=rows)
    with (tmp_path / "INbreast.csv").open("a") as table:
        table.write(";;;;;;;\n")  # as spreadsheets leave them
    (tmp_path / "AllDICOMs" / "notes.txt").write_text("")
    (tmp_path / "AllDICOMs" / "1_ffff_MG_R_CC_ANON.dcm").write_bytes(b"")
    views, rejections = find_views(tmp_path)
    assert [(view.density, view.flags) for view in views] == [("3", ()), ("", ("no_table_row",))]
    assert sorted((each.path, each.reason.split(";")[0]) for each in rejections) == [
        ("AllDICOMs/1_ffff_MG_R_CC_ANON.dcm", f"repeats image 1 of {CC}, which is kept"),
        ("AllDICOMs/notes.txt", "the name is not <image id>_<patient>_MG_<L|R>_<CC|ML>_ANON.dcm"),
        ("INbreast.csv:3", "no film of image 7 is in AllDICOMs"),
        ("INbreast.csv:4", "File Name is '../1'"),
        ("INbreast.csv:5", "repeats image 1 of INbreast.csv:2, which is kept"),
    ]


def test_damaged_outlines_reject_the_film_because_its_mask_would_miss_a_lesion(tmp_path):
    write(tmp_path)
    (tmp_path / "AllXML" / "1.xml").write_bytes(b"<plist><dict>")
    (view,), (rejection,) = find_views(tmp_path)
    assert view.view_position is ViewPosition.MLO
    assert rejection.path == f"AllDICOMs/{CC}"
    assert "no readable property list" in rejection.reason


def test_too_many_lesions_reject_the_film(tmp_path):
    write(tmp_path, regions={1: [("Mass", SQUARE)] * (MOST_LESIONS + 1), 2: [("Mass", SQUARE)] * MOST_LESIONS})
    (view,), (rejection,) = find_views(tmp_path)
    assert len(view.lesions) == MOST_LESIONS
    assert "holds 65 lesions; at most 64 are possible" in rejection.reason


@pytest.mark.parametrize("target", ["../../outside", "1.xml", "absent.xml"])
def test_links_out_of_the_folder_round_or_to_nothing_are_refused(tmp_path, target):
    source = tmp_path / "source"
    write(source)
    (tmp_path / "outside").write_bytes(plistlib.dumps({"Images": []}))
    os.symlink(target, source / "AllXML" / "1.xml")
    views, (rejection,) = find_views(source)
    assert [view.view_position for view in views] == [ViewPosition.MLO]
    assert any(words in rejection.reason for words in ("leads out", "cannot be followed", "is no file"))


def test_a_folder_in_place_of_a_film_is_refused(tmp_path):
    write(tmp_path, films=(MLO,))
    (tmp_path / "AllDICOMs" / CC).mkdir()
    assert [each.reason for each in find_views(tmp_path)[1]] == ["this is no file"]


@pytest.mark.parametrize("name", ["AllDICOMs", "AllXML", "INbreast.csv"])
def test_without_films_outlines_or_table_nothing_begins(tmp_path, name):
    write(tmp_path)
    (tmp_path / name).rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=name):
        find_views(tmp_path)


def test_a_table_that_was_saved_again_with_commas_gives_the_same_views(tmp_path):
    write(tmp_path)
    expected = find_views(tmp_path)
    table = tmp_path / "INbreast.csv"
    table.write_text(table.read_text().replace(";", ",").replace("Laterality", "laterality"))
    assert expected[0]
    assert find_views(tmp_path) == expected


def test_a_table_without_a_column_names_it(tmp_path):
    write(tmp_path)
    table = tmp_path / "INbreast.csv"
    table.write_text(table.read_text().replace("Laterality;View", "Side;Projection"))
    with pytest.raises(ValueError, match=r"lacks the column\(s\) Laterality, View; .* with semicolons"):
        find_views(tmp_path)


def test_bytes_that_are_not_utf8_cost_their_value_only(tmp_path):
    write(tmp_path)
    table = tmp_path / "INbreast.csv"
    table.write_bytes(table.read_bytes().replace(b"removed;removed;L;CC", b"\xe9;\xff;L;CC"))
    assert len(find_views(tmp_path)[0]) == 2


def test_empty_table_keeps_the_films(tmp_path):
    write(tmp_path, table=())
    with (tmp_path / "INbreast.csv").open(newline="") as stream:
        assert list(csv.DictReader(stream, delimiter=";")) == []
    assert [view.flags for view in find_views(Path(tmp_path))[0]] == [("no_table_row",), ("no_table_row",)]
