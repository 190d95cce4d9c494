from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data import NibabelReader
from monai.transforms import LoadImaged

from bundle.dicom.read import read_film
from bundle.preparation import (
    PreparationSettings,
    PreparedFiles,
    film_affine,
    fine_view,
    load_prepared,
    load_prepared_image,
    load_prepared_mask,
    orient,
    resample_view,
    save_prepared,
    to_film,
)
from bundle.records import Film, ViewGeometry
from bundle.vocabulary import Laterality, ViewPosition
from tests.dicom.film_files import write_film

SETTINGS = PreparationSettings()
ROWS, COLUMNS = 400, 300


def made_film(*, spacing_mm: tuple[float, float] | None = (0.5, 0.5), **attributes) -> tuple[Film, np.ndarray]:
    """A breast at the left edge with a slope of grey values and an off-centre bright lesion, and the lesion's mask."""
    row, column = np.mgrid[:ROWS, :COLUMNS]
    depth = 120 - np.hypot(row - 180, column)
    pixels = np.clip(depth / 10, 0, 1) * (0.3 + 0.0005 * row + 0.0005 * column)
    lesion = np.hypot(row - 140, column - 50) < 8
    pixels[lesion] = 0.9
    pixels[10:30, 250:280] = 1.0  # a label
    return Film(pixels=pixels.astype(np.float32), spacing_mm=spacing_mm, **attributes), lesion


def mirrored(film: Film, *, columns: bool, rows: bool) -> Film:
    step = (-1 if rows else 1, -1 if columns else 1)
    return dataclasses.replace(film, pixels=film.pixels[:: step[0], :: step[1]])


def test_oriented_view():
    film, lesion = made_film()
    oriented = orient(film, [lesion], SETTINGS)
    first_row, first_column, rows, columns = oriented.box
    assert oriented.image.shape == oriented.breast.shape == (rows, columns)
    assert (first_column, oriented.flipped_columns, oriented.flipped_rows) == (0, False, False)
    assert 58 <= first_row <= 64
    assert rows == pytest.approx(240, abs=6)
    assert columns == pytest.approx(120, abs=4)
    assert not oriented.image[~oriented.breast].any()
    inside = oriented.breast
    np.testing.assert_array_equal(oriented.image[inside], film.pixels[first_row : first_row + rows, :columns][inside])
    np.testing.assert_array_equal(oriented.lesions[0], lesion[first_row : first_row + rows, :columns])
    assert oriented.flags == ("coarser_than_fine_spacing",)


def test_chest_wall_goes_left_by_content_whatever_the_side_says():
    film, lesion = made_film(laterality=Laterality.RIGHT, view_position=ViewPosition.MLO)
    straight = orient(film, [lesion], SETTINGS)
    turned = orient(mirrored(film, columns=True, rows=False), [lesion[:, ::-1]], SETTINGS)
    assert not straight.flipped_columns
    assert turned.flipped_columns
    np.testing.assert_array_equal(turned.image, straight.image)
    np.testing.assert_array_equal(turned.lesions[0], straight.lesions[0])


@pytest.mark.parametrize(
    ("view", "side", "orientation"),
    [
        (ViewPosition.MLO, Laterality.LEFT, ("A", "HL")),
        (ViewPosition.CC, Laterality.LEFT, ("A", "L")),
    ],
)
def test_upside_down_films_are_turned(view, side, orientation):
    film, lesion = made_film(view_position=view, laterality=side)
    upright = orient(film, [lesion], SETTINGS)
    turned = dataclasses.replace(mirrored(film, columns=False, rows=True), patient_orientation=orientation)
    oriented = orient(turned, [lesion[::-1]], SETTINGS)
    assert oriented.flipped_rows
    assert np.count_nonzero(oriented.lesions[0] & upright.lesions[0]) > 0.9 * np.count_nonzero(lesion)


def test_a_header_that_contradicts_the_outline_is_flagged():
    film, _ = made_film(patient_orientation=("P", "FL"), view_position=ViewPosition.MLO)
    assert "orientation_contradicted" in orient(film, [], SETTINGS).flags


def test_unknown_spacing_is_assumed_and_flagged():
    film, _ = made_film(spacing_mm=None)
    oriented = orient(film, [], PreparationSettings(assumed_spacing_mm=0.25, fine_spacing_mm=0.25))
    assert oriented.spacing_mm == (0.25, 0.25)
    assert oriented.flags == ("assumed_spacing",)


@pytest.mark.parametrize(
    ("spacing_mm", "height_mm", "area_cm2"),
    [
        # Half a disc with a radius of 119 pixels: 222 cm2 at 1 mm.
        (0.1, 24, 2.2),
        (0.2, 48, 8.9),  # the area alone is too small
        (1.5, 357, 500),  # the height alone is too large
        (50.0, 11900, 556000),
    ],
)
@pytest.mark.parametrize("kind", ["stated", "assumed"])
def test_a_breast_of_an_impossible_size_is_refused_with_its_spacing(kind, spacing_mm, height_mm, area_cm2):
    film, _ = made_film(spacing_mm=(spacing_mm, spacing_mm) if kind == "stated" else None)
    with pytest.raises(ValueError, match=f"{kind} spacing of {spacing_mm:g} x {spacing_mm:g} mm") as raised:
        orient(film, [], PreparationSettings(assumed_spacing_mm=spacing_mm))
    sentence = str(raised.value)
    found = re.search(r"would be (\d+) mm high and ([\d.]+) cm2 large; breasts have 40 to 350 mm", sentence)
    assert [float(number) for number in found.groups()] == pytest.approx([height_mm, area_cm2], rel=0.03)
    assert ("--assumed_spacing_mm" in sentence) == (kind == "assumed")


@pytest.mark.parametrize("spacing_mm", [(0.22, 0.22), (1.4, 1.4), (0.22, 1.4)])
def test_small_and_large_breasts_are_taken(spacing_mm):
    film, _ = made_film(spacing_mm=spacing_mm)
    assert orient(film, [], SETTINGS).spacing_mm == spacing_mm


def test_lesions_outside_the_breast_are_flagged():
    film, lesion = made_film()
    label = np.zeros_like(lesion)
    label[10:30, 250:280] = True
    flags = orient(film, [lesion, label], SETTINGS).flags
    assert "lesion_2_outside_breast" in flags
    assert "lesion_1_outside_breast" not in flags
    with pytest.raises(ValueError, match="lesion 2 lies outside"):
        fine_view(orient(film, [lesion, label], SETTINGS), SETTINGS, 1)


def test_a_mask_of_another_size_is_refused():
    film, lesion = made_film()
    with pytest.raises(ValueError, match=r"lesion mask 1 has \(399, 300\)"):
        orient(film, [lesion[1:]], SETTINGS)


def test_resampled_view():
    film, lesion = made_film()
    oriented = orient(film, [lesion], SETTINGS)
    view = resample_view(oriented, SETTINGS)
    assert view.image.shape == view.breast.shape == view.lesions.shape
    assert view.image.shape == pytest.approx((oriented.box[2] / 2, oriented.box[3] / 2), abs=0.5)
    assert (view.image.dtype, view.breast.dtype, view.lesions.dtype) == (np.float32, bool, np.uint8)
    assert not view.image[~view.breast].any()
    # Means over four pixels each, deep in the breast.
    blocks = oriented.image[20:200, :60].reshape(90, 2, 30, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(view.image[10:100, :30], blocks, rtol=1e-5)
    assert np.count_nonzero(view.lesions) == pytest.approx(np.count_nonzero(lesion) / 4, rel=0.1)
    assert view.geometry.spacing_mm == 1.0
    assert view.flags == ("coarser_than_fine_spacing",)


def test_pixels_that_are_not_square_become_square():
    film, lesion = made_film()
    tall = dataclasses.replace(film, pixels=np.repeat(film.pixels, 2, axis=0), spacing_mm=(0.25, 0.5))
    view = resample_view(orient(film, [lesion], SETTINGS), SETTINGS)
    from_tall = resample_view(orient(tall, [np.repeat(lesion, 2, axis=0)], SETTINGS), SETTINGS)
    assert from_tall.image.shape == pytest.approx(view.image.shape, abs=1)
    assert np.count_nonzero(from_tall.lesions) == pytest.approx(np.count_nonzero(view.lesions), rel=0.1)


def test_a_lesion_that_vanishes_is_flagged_and_a_small_one_shows_on_a_large_one():
    film, lesion = made_film()
    speck = np.zeros_like(lesion)
    speck[120, 51] = True
    inner = np.zeros_like(lesion)
    inner[138:142, 48:52] = True
    view = resample_view(orient(film, [speck, inner, lesion], SETTINGS), PreparationSettings(spacing_mm=2.0))
    assert "lesion_1_vanished" in view.flags
    assert "lesion_2_vanished" not in view.flags
    assert set(np.unique(view.lesions)) == {0, 2, 3}


def test_fine_view_of_a_fine_film_and_of_a_coarse_one():
    film, lesion = made_film(spacing_mm=(0.25, 0.25))
    fine = PreparationSettings(fine_spacing_mm=0.5, lesion_margin_mm=12.5)
    image, mask, spacing_mm = fine_view(orient(film, [lesion], fine), fine, 0)
    assert spacing_mm == 0.5
    # The lesion's box of 15 pixels and a margin of 50 pixels around it, halved; the breast's box cuts the left.
    assert image.shape == mask.shape == (57, 54)
    assert np.count_nonzero(mask) == pytest.approx(np.count_nonzero(lesion) / 4, rel=0.1)
    assert image[mask].mean() > 0.85

    coarse, lesion = made_film(spacing_mm=(0.5, 0.5))
    oriented = orient(coarse, [lesion], SETTINGS)
    image, mask, spacing_mm = fine_view(oriented, SETTINGS, 0)
    assert spacing_mm == 0.5
    assert np.count_nonzero(mask) == np.count_nonzero(lesion)
    np.testing.assert_array_equal(np.unique(image[mask]), np.unique(oriented.image[oriented.lesions[0]]))


def test_fine_view_never_goes_finer_than_the_coarser_side_of_a_pixel():
    film, lesion = made_film(spacing_mm=(0.25, 1.0))
    _, mask, spacing_mm = fine_view(orient(film, [lesion], SETTINGS), SETTINGS, 0)
    assert spacing_mm == 1.0
    assert np.count_nonzero(mask) == pytest.approx(np.count_nonzero(lesion) / 4, rel=0.15)


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("rows", [False, True])
def test_everything_can_be_undone(columns, rows):
    film, lesion = made_film(view_position=ViewPosition.MLO)
    turned = dataclasses.replace(
        mirrored(film, columns=columns, rows=rows), patient_orientation=("P" if columns else "A", "H" if rows else "F")
    )
    lesion = lesion[:: -1 if rows else 1, :: -1 if columns else 1]
    oriented = orient(turned, [lesion], SETTINGS)
    assert (oriented.flipped_columns, oriented.flipped_rows) == (columns, rows)
    fine = PreparationSettings(spacing_mm=0.5)
    same = resample_view(oriented, fine)
    on_film = to_film(same.image, same.geometry, is_mask=False)
    breast = to_film(same.breast, same.geometry, is_mask=True)
    np.testing.assert_array_equal(on_film[breast], turned.pixels[breast])
    np.testing.assert_array_equal(to_film(same.lesions, same.geometry, is_mask=True) == 1, lesion)

    coarse = resample_view(oriented, SETTINGS)
    back = to_film(coarse.image, coarse.geometry, is_mask=False)
    assert back.shape == turned.pixels.shape
    deep = np.hypot(np.arange(ROWS)[:, None] - 180, np.arange(COLUMNS)) < 80
    smooth = np.hypot(np.arange(ROWS)[:, None] - 140, np.arange(COLUMNS) - 50) > 14
    region = (deep & smooth)[:: -1 if rows else 1, :: -1 if columns else 1]
    np.testing.assert_allclose(back[region], turned.pixels[region], atol=0.005)
    lesion_back = to_film(coarse.lesions, coarse.geometry, is_mask=True) == 1
    assert np.count_nonzero(lesion_back ^ lesion) < 0.2 * np.count_nonzero(lesion)


@given(
    film_shape=st.tuples(st.integers(20, 60), st.integers(20, 60)),
    film_spacing_mm=st.tuples(st.floats(0.05, 1), st.floats(0.05, 1)),
    flips=st.tuples(st.booleans(), st.booleans()),
    spacing_mm=st.floats(0.2, 2),
    corner=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
@settings(max_examples=50, deadline=None)
def test_the_affine_leads_to_the_film_that_to_film_makes(film_shape, film_spacing_mm, flips, spacing_mm, corner):
    box = (*corner, film_shape[0] - 10, film_shape[1] - 10)
    geometry = ViewGeometry(
        film_shape=film_shape,
        film_spacing_mm=film_spacing_mm,
        flipped_columns=flips[0],
        flipped_rows=flips[1],
        box=box,
        spacing_mm=spacing_mm,
    )
    rows = max(1, round(box[2] * film_spacing_mm[0] / spacing_mm))
    columns = max(1, round(box[3] * film_spacing_mm[1] / spacing_mm))
    labels = np.arange(rows * columns).reshape(rows, columns) + 1
    on_film = to_film(labels, geometry, is_mask=True)
    for row, column in np.argwhere(on_film)[:: max(1, np.count_nonzero(on_film) // 20)]:
        prepared_row, prepared_column = np.argwhere(labels == on_film[row, column])[0]
        x, y, _, _ = film_affine(geometry) @ (prepared_column, prepared_row, 0, 1)
        film_x, film_y = (column + 0.5) * film_spacing_mm[1], (row + 0.5) * film_spacing_mm[0]
        # The last prepared pixel may serve film pixels beyond its edge by half of its size.
        assert abs(film_x - x) <= spacing_mm * 1.001 + film_spacing_mm[1]
        assert abs(film_y - y) <= spacing_mm * 1.001 + film_spacing_mm[0]


def test_prepared_views_survive_their_files(tmp_path):
    film, lesion = made_film(spacing_mm=None)
    settings = PreparationSettings(spacing_mm=0.5, assumed_spacing_mm=0.5)
    view = resample_view(orient(mirrored(film, columns=True, rows=False), [lesion], settings), settings)
    assert "assumed_spacing" in view.flags
    files = save_prepared(view, tmp_path / "images", "P1_L_CC")
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == [
        "P1_L_CC_breast.nii.gz",
        "P1_L_CC_image.nii",
        "P1_L_CC_mask.nii.gz",
    ]
    loaded = load_prepared(files)
    assert loaded.geometry == view.geometry
    assert loaded.flags == view.flags
    np.testing.assert_allclose(loaded.image, view.image, atol=0.51 / 65535)
    np.testing.assert_array_equal(loaded.breast, view.breast)
    np.testing.assert_array_equal(loaded.lesions, view.lesions)
    np.testing.assert_array_equal(load_prepared_image(files.image), loaded.image)
    np.testing.assert_array_equal(load_prepared_mask(files.mask), loaded.lesions)


def test_monai_reads_the_same_pixels_with_the_first_axis_as_columns(tmp_path):
    film, lesion = made_film()
    view = resample_view(orient(film, [lesion], SETTINGS), SETTINGS)
    files = save_prepared(view, tmp_path, "view")
    load = LoadImaged(keys=["image", "mask"], reader=NibabelReader(), image_only=True)
    item = load({"image": files.image, "mask": files.mask})
    np.testing.assert_allclose(np.asarray(item["image"]).T, view.image, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(item["mask"]).T, view.lesions)
    np.testing.assert_allclose(np.asarray(item["image"].affine), film_affine(view.geometry))
    np.testing.assert_allclose(item["image"].pixdim[:2], 1.0)


def test_equal_views_give_equal_files(tmp_path):
    film, lesion = made_film()
    view = resample_view(orient(film, [lesion], SETTINGS), SETTINGS)
    first, second = (save_prepared(view, tmp_path / name, "view") for name in ("a", "b"))
    for name in ("image", "mask", "breast"):
        assert getattr(first, name).read_bytes() == getattr(second, name).read_bytes()


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    film, _ = made_film()
    view = resample_view(orient(film, [], SETTINGS), SETTINGS)

    def full_disk(image, path):
        Path(path).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("nibabel.save", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_prepared(view, tmp_path, "view")
    assert list(tmp_path.iterdir()) == []


def test_damaged_or_foreign_prepared_files(tmp_path):
    film, lesion = made_film()
    files = save_prepared(resample_view(orient(film, [lesion], SETTINGS), SETTINGS), tmp_path, "view")
    whole = files.image.read_bytes()
    for damaged in (whole[:100], whole[: len(whole) // 2], b"", whole.replace(b"mammography", b"mammoths___")):
        files.image.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"view_image\.nii"):
            load_prepared(files)
    with pytest.raises(OSError, match=r"absent\.nii"):
        load_prepared(PreparedFiles(image=tmp_path / "absent.nii", mask=files.mask, breast=files.breast))


def test_settings_survive_json_and_refuse_nonsense():
    changed = PreparationSettings(spacing_mm=0.5)
    assert PreparationSettings(**json.loads(json.dumps(dataclasses.asdict(changed)))) == changed
    with pytest.raises(ValueError, match="spacing_mm is 0"):
        PreparationSettings(spacing_mm=0)


def test_from_a_dicom_file_to_a_prepared_view(tmp_path):
    film, lesion = made_film()
    path = write_film(
        tmp_path / "film.dcm",
        np.round((1 - film.pixels[:, ::-1]) * 4095).astype(np.uint16),
        bits_stored=12,
        PhotometricInterpretation="MONOCHROME1",
        ImagerPixelSpacing=["0.5", "0.5"],
        ViewPosition="CC",
        ImageLaterality="R",
    )
    view = resample_view(orient(read_film(path), [lesion[:, ::-1]], SETTINGS), SETTINGS)
    direct = resample_view(orient(film, [lesion], SETTINGS), SETTINGS)
    np.testing.assert_allclose(view.image, direct.image, atol=2 / 4095)
    np.testing.assert_array_equal(view.lesions, direct.lesions)
    assert view.geometry.flipped_columns
