import csv
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from bundle.records import PreparedView, ViewGeometry
from bundle.report import contact_sheet
from bundle.report.contact_sheet import (
    BAR_COLUMNS,
    BREAST_COLOUR,
    CHEST_WALL_COLOUR,
    LESION_COLOUR,
    TILE_COLUMNS,
    TILE_ROWS,
    VIEW_COLUMNS,
    VIEW_ROWS,
    draw_view,
    write_contact_sheet,
)


def drawn(breast, lesions):
    shape = breast.shape
    geometry = ViewGeometry(
        film_shape=shape,
        film_spacing_mm=(1.0, 1.0),
        flipped_columns=False,
        flipped_rows=False,
        box=(0, 0, *shape),
        spacing_mm=1.0,
    )
    image = np.where(breast, np.float32(0.5), np.float32(0.0))
    return np.asarray(draw_view(PreparedView(image=image, breast=breast, lesions=lesions, geometry=geometry)))


def is_colour(picture, colour):
    return (picture == colour).all(axis=-1)


def test_outlines_and_the_bar_are_where_the_masks_say():
    breast = np.zeros((VIEW_ROWS, VIEW_COLUMNS), dtype=bool)  # drawn pixel by pixel
    breast[20:200, :100] = True
    lesions = np.zeros(breast.shape, dtype=np.uint8)
    lesions[60:64, 30:36] = 1
    lesions[100, 50] = 2
    picture = drawn(breast, lesions)
    assert picture.shape == (VIEW_ROWS, BAR_COLUMNS + VIEW_COLUMNS, 3)
    view = picture[:, BAR_COLUMNS:]
    expected = np.zeros(breast.shape, dtype=bool)
    expected[20:200, 99] = expected[20, :100] = expected[199, :100] = True  # not at the chest wall, the picture's edge
    assert (is_colour(view, BREAST_COLOUR) == expected).all()
    assert is_colour(view, LESION_COLOUR).sum() == 2 * 6 + 2 * 2 + 1
    bar = is_colour(picture[:, :BAR_COLUMNS], CHEST_WALL_COLOUR)
    assert np.flatnonzero(bar.any(axis=1)).tolist() == list(range(20, 200))
    assert (view[150, 40] == 128).all()


@pytest.mark.parametrize("shape", [(2300, 1500), (3, 2), (10, 400), (400, 1)])
def test_views_of_any_size_fit_and_a_small_lesion_stays_seen(shape):
    lesions = np.zeros(shape, dtype=np.uint8)
    lesions[shape[0] // 2, shape[1] // 2] = 1
    picture = drawn(np.ones(shape, dtype=bool), lesions)
    assert picture.shape == (VIEW_ROWS, BAR_COLUMNS + VIEW_COLUMNS, 3)
    assert is_colour(picture, LESION_COLOUR).any()


def test_a_collection_becomes_pages_and_one_page_that_needs_no_other_file(prepared_collection, tmp_path, monkeypatch):
    monkeypatch.setattr(contact_sheet, "DOWN", 1)
    (tmp_path / "page_0099.png").write_bytes(b"of an older sheet")
    sheet = write_contact_sheet(prepared_collection, tmp_path)
    assert (sheet.pairs, sheet.unreadable) == (12, 0)
    assert [path.name for path in sheet.pictures] == ["page_0001.png", "page_0002.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "page_0001.png", "page_0002.png"]
    with Image.open(sheet.pictures[0]) as picture:
        assert picture.size == (6 * TILE_COLUMNS, TILE_ROWS)
        pixels = np.asarray(picture)
    for colour in (BREAST_COLOUR, LESION_COLOUR, CHEST_WALL_COLOUR):
        assert is_colour(pixels, colour).sum() > 100
    text = sheet.page.read_text()
    assert text.count("<figure") == 12
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "<h2>12 pairs," in text


def changed_copy(prepared, folder, **values):
    """Copy a prepared collection with other values in its first pair."""
    shutil.copytree(prepared, folder)
    with (folder / "pairs.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[0].update(values)
    with (folder / "pairs.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_hostile_and_damaged_content_is_shown_as_text_or_as_unreadable(prepared_collection, tmp_path):
    flags = "<script>alert(1)</script>;cc:x;mlo:x;mlo:y"
    folder = changed_copy(prepared_collection, tmp_path / "prepared", flags=flags, cc_image="../../secret.nii")
    next((folder / "images").glob("*_MLO_breast.nii.gz")).write_bytes(b"\x1f\x8b rubbish")
    sheet = write_contact_sheet(folder, tmp_path / "sheet")
    text = sheet.page.read_text()
    assert (sheet.pairs, sheet.unreadable) == (12, 2)
    assert "<script" not in text
    assert "both:x; &lt;script&gt;alert(1)&lt;/script&gt;; mlo:y" in text


def test_what_was_left_out_is_counted_by_stage_without_paths(prepared_collection, tmp_path):
    folder = changed_copy(prepared_collection, tmp_path / "prepared")
    rows = [("doe/cc.dcm", "read", "damaged"), ("doe/m.dcm", "read", "doe/m.dcm: cut"), ("doe/x.dcm", "<b>", "of doe")]
    with (folder / "rejected.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "stage", "reason"), *rows])
    text = write_contact_sheet(folder, tmp_path / "sheet").page.read_text()
    assert "<h2>3 left out</h2>" in text
    assert "<tr><td>2</td><td>read</td></tr>" in text
    assert "<tr><td>1</td><td>&lt;b&gt;</td></tr>" in text
    assert "doe" not in re.sub(r'"data:[^"]*"', "", text)


def test_a_folder_without_pairs_is_refused_and_leaves_no_page(prepared_collection, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no pairs\.csv"):
        write_contact_sheet(tmp_path, tmp_path / "sheet")
    (tmp_path / "pairs.csv").write_text((prepared_collection / "pairs.csv").read_text().splitlines()[0] + "\n")
    with pytest.raises(ValueError, match="names no pair"):
        write_contact_sheet(tmp_path, tmp_path / "sheet")
    assert not list((tmp_path / "sheet").iterdir())
