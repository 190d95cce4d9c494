import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle.collection import prepare_collection
from bundle.collection.film_file import read_view_film
from bundle.collection.side_files import SideFiles
from bundle.datasets.image_table import find_views
from bundle.dicom.masks import read_mask
from bundle.preparation import PreparationSettings
from bundle.radiomics.settings import read_settings
from bundle.vocabulary import Laterality, Split, ViewPosition

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "real"
FILMS = (("P_00041", "LEFT"), ("P_00127", "RIGHT"), ("P_00202", "RIGHT"))


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    for name in ("cc.png", "mlo.png", "mask.png", "sub/other.png"):
        Image.fromarray(np.full((40, 30), 7, dtype=np.uint8)).save(folder / name)
    return folder


def found(source, text):
    table = source.parent / "table.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    views, rejections = find_views(source, table=table)
    return views, {each.path: each.reason for each in rejections}


def test_rows_become_views_with_their_lesions_and_spacing(source):
    views, reasons = found(
        source,
        "patient,side,view,image,mask,lesion,spacing\n"
        "A1,l,cc,cc.png,mask.png,mass,0.07\nA1,LEFT,CC,cc.png,sub\\other.png,,0.07\nA1,L,MLO,mlo.png,,,\n",
    )
    assert not reasons
    cc, mlo = views
    assert (cc.patient_id, cc.laterality, cc.view_position) == ("A1", Laterality.LEFT, ViewPosition.CC)
    assert [(each.lesion_id, each.mask_paths[0].name) for each in cc.lesions] == [
        ("mass", "mask.png"),
        ("cc_lesion_2", "other.png"),
    ]
    assert (cc.spacing_mm, mlo.spacing_mm, mlo.lesions) == ((0.07, 0.07), None, ())


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("A1,L,CC,../secret.png,,", "must be a path below the source folder"),
        ("A1,L,CC,/etc/hostname,,", "must be a path below the source folder"),
        ("A1,L,CC,sub,,", "is no file"),
        ("A1,L,CC,link.png,,", "leads out of the source folder"),
        ("A1,L,CC,loop.png,,", "cannot be followed"),
        ("A1,L,CC,a\0b.png,,", "cannot be followed"),
        ("A1,L,CC," + 300 * "x" + ",,", "is no file"),
        ("A1,L,CC,cc.png,../m.png,", "must be a path below the source folder"),
        ("A1,L,CC,cc.png,none.png,", "mask 'none.png' is no file"),
        ("../A1,L,CC,cc.png,,", "patient must be of letters"),
        ("A1,B,CC,cc.png,,", "side is 'B'"),
        ("A1,L,ML,cc.png,,", "view is 'ML'"),
        ("A1,L,CC,cc.png,,nan", "spacing is 'nan'"),
        ("A1,L,CC,cc.png,,70", "spacing is '70'"),
        ("A1,L", "image is ''"),
    ],
)
def test_a_bad_row_is_a_reason_and_leaves_its_image_out(source, tmp_path, row, reason):
    (tmp_path / "secret.png").write_bytes(b"")
    (source / "link.png").symlink_to(tmp_path / "secret.png")
    (source / "loop.png").symlink_to(source / "loop.png")
    good = "A1,L,CC,cc.png,,\nA1,L,MLO,mlo.png,,\n"
    views, reasons = found(source, f"patient,side,view,image,mask,spacing\n{row}\n{good}")
    assert reason in reasons["table.csv:2"]
    expected = ["mlo.png"] if "cc.png" in row else ["cc.png", "mlo.png"]
    assert [view.image_path.name for view in views] == expected


@pytest.mark.parametrize(
    ("text", "bits", "inverted"), [("12,true", 12, True), ("16,No", 16, False), (",1", None, True), (",", None, False)]
)
def test_bits_and_polarity_of_pictures_may_be_stated(source, text, bits, inverted):
    views, reasons = found(source, f"patient,side,view,image,bits,inverted\nA1,L,CC,cc.png,{text}\n")
    assert not reasons
    assert (views[0].bits, views[0].inverted) == (bits, inverted)


@pytest.mark.parametrize(
    ("text", "reason"), [("0,", "bits is '0'"), ("17,", "bits is '17'"), (",maybe", "inverted is")]
)
def test_bits_and_polarity_that_cannot_be_are_reasons(source, text, reason):
    views, reasons = found(source, f"patient,side,view,image,bits,inverted\nA1,L,CC,cc.png,{text}\n")
    assert not views
    assert reason in reasons["table.csv:2"]


def test_what_the_table_leaves_open_comes_from_the_arguments(source):
    table = source.parent / "table.csv"
    table.write_text("patient,side,view,image,bits,inverted\nA1,L,CC,cc.png,,\nA1,L,MLO,mlo.png,8,false\n")
    views, _ = find_views(source, table=table, bits=12, inverted=True)
    assert [(view.bits, view.inverted) for view in views] == [(12, True), (8, False)]
    with pytest.raises(ValueError, match="bits is 17; it must be 1 to 16"):
        find_views(source, table=table, bits=17)


def test_a_table_as_a_spreadsheet_of_another_language_saves_it(source):
    text = "Patient; Side;VIEW;Image;Spacing\r\nA1;L;CC;cc.png;0,07\r\n"
    for encoding in ("utf-16", "utf-8-sig", "windows-1252"):
        views, reasons = found(source, text.encode(encoding))
        assert not reasons
        assert [(view.image_path.name, view.spacing_mm) for view in views] == [("cc.png", (0.07, 0.07))]


def test_rows_of_one_image_that_disagree_leave_it_out(source):
    views, reasons = found(source, "patient,side,view,image\nA1,L,CC,cc.png\nA2,L,CC,cc.png\n")
    assert not views
    assert "differ from an earlier row" in reasons["table.csv:3"]
    assert "cannot be used" in reasons["cc.png"]


def test_bytes_that_are_no_text_fail_by_row(source):
    views, reasons = found(source, b"patient,side,view,image\nA\xff,L,CC,cc.png\nA1,L,CC,sub/other.png\n")
    assert [view.image_path.name for view in views] == ["other.png"]
    assert "patient must be" in reasons["table.csv:2"]


def test_a_missing_column_ends_the_reading(source):
    with pytest.raises(ValueError, match=r"lacks the column\(s\) view, image"):
        found(source, "patient,side\nA1,L\n")


def prepare_table(tmp_path, source, rows, *, overwrite=False, **stated):
    table = tmp_path / "table.csv"
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows([("patient", "side", "view", "image", "mask", "spacing"), *rows])
    return prepare_collection(
        collection="table",
        source=source,
        output=tmp_path / "prepared",
        preparation=PreparationSettings(),
        radiomics=read_settings(ROOT / "configs" / "radiomics.yaml"),
        fractions={Split.TRAINING: 0.5, Split.VALIDATION: 0.25, Split.TEST: 0.25},
        seed=0,
        workers=1,
        overwrite=overwrite,
        side_files=SideFiles(table=table, **stated),
    )


def test_overwriting_keeps_the_views_of_patients_with_a_point_in_their_name(source, tmp_path):
    row, column = np.mgrid[:150, :110]
    breast = Image.fromarray(np.clip(60 - np.hypot(row - 75, column), 0, 50).astype(np.uint8))
    rows = [
        (patient, "L", view, f"{patient}{view}.png", "", "1")
        for patient in ("A.1", "B.1", "C.1")
        for view in ViewPosition
    ]
    for _, _, _, name, _, _ in rows:
        breast.save(source / name)
    for overwrite in (False, True):
        summary = prepare_table(tmp_path, source, rows, overwrite=overwrite)
        assert sum(summary.pairs.values()) == 3


def test_a_wrong_grey_scale_is_named_at_the_end_and_right_once_it_is_stated(source, tmp_path):
    row, column = np.mgrid[:150, :110]
    breast = np.clip(4095 - 40 * np.hypot(row - 75, column), 0, 3000) + (7 * row + 13 * column) % 50
    rows = []
    for patient in "ABC":
        for view in ViewPosition:
            rows.append((patient, "L", view, f"{patient}{view}.png", "", "1"))
            Image.fromarray((4095 - breast).astype(np.uint16)).save(source / rows[-1][3])
    summary = prepare_table(tmp_path, source, rows)
    assert summary.grey_scale_flags == {"dark": 6, "white_background": 6}
    warnings = [line for line in summary.lines() if line.startswith("warning: 6 view(s)")]
    assert [("--bits" in line, "--inverted" in line) for line in warnings] == [(True, False), (False, True)]
    summary = prepare_table(tmp_path, source, rows, bits=12, inverted=True)
    assert (summary.grey_scale_flags, summary.reused_views) == ({}, 0)
    with (tmp_path / "prepared" / "pairs.csv").open(newline="") as stream:
        assert not {"dark", "white_background"} & {
            flag.split(":")[-1] for row in csv.DictReader(stream) for flag in row["flags"].split(";")
        }


def test_file_names_that_a_spreadsheet_would_run_are_text_in_the_tables(source, tmp_path):
    row, column = np.mgrid[:150, :110]
    breast = Image.fromarray(np.clip(60 - np.hypot(row - 75, column), 0, 50).astype(np.uint8))
    rows = [(patient, "L", view, f"{patient}{view}.png", "", "1") for patient in "ABC" for view in ViewPosition]
    for _, _, _, name, _, _ in rows:
        breast.save(source / name)
    (source / "=1+1.png").write_bytes(b"no picture")
    rows.append(("D", "L", "CC", "=1+1.png", "", "1"))
    rows.append(("D", "L", "MLO", "CMLO.png", "", "1"))
    prepare_table(tmp_path, source, [row for row in rows if row[:3] != ("C", "L", "MLO")])
    with (tmp_path / "prepared" / "rejected.csv").open(newline="") as stream:
        cells = [cell for row in csv.reader(stream) for cell in row]
    assert "'=1+1.png" in cells
    assert not [cell for cell in cells if cell.startswith("=")]


@pytest.mark.skipif(not (REAL / "cbis-ddsm").is_dir(), reason="the real films are not here (../shared/real)")
def test_the_real_films_are_prepared_from_a_table(tmp_path):
    rows = [
        (patient, side, view, f"Calc-Test_{patient}_{side}_{view}.png", "", "0.2")
        for patient, side in FILMS
        for view in ViewPosition
    ]
    summary = prepare_table(tmp_path, REAL / "cbis-ddsm", rows)
    assert (summary.prepared_views, sum(summary.pairs.values()), summary.rejections) == (6, 3, {})
    with (tmp_path / "prepared" / "pairs.csv").open(newline="") as stream:
        assert [row["flags"] for row in csv.DictReader(stream)] == ["", "", ""]


@pytest.mark.skipif(not (REAL / "cdd-cesm").is_dir(), reason="the real films are not here (../shared/real)")
def test_the_real_contrast_enhanced_pair_and_its_masks_are_read(tmp_path):
    table = tmp_path / "table.csv"
    names = {view: f"P212_L_CM_{view}" for view in ViewPosition}
    rows = [f"P212,L,{view},{name}_image.png,{name}_mask.png,0.4" for view, name in names.items()]
    table.write_text("\n".join(["patient,side,view,image,mask,spacing", *rows]))
    views, rejections = find_views(REAL / "cdd-cesm", table=table)
    assert (len(views), rejections) == (2, [])
    for view in views:
        film = read_view_film(view)
        stored = np.asarray(Image.open(view.image_path))
        assert np.array_equal(np.round(film.pixels * 255).astype(np.uint8), stored)
        assert film.spacing_mm == (0.4, 0.4)
        assert read_mask(view.lesions[0].mask_paths[0]).shape == film.pixels.shape
