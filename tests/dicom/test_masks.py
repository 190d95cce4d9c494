from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from bundle.dicom.masks import choose_mask, fit_to_film, read_mask
from tests.dicom.film_files import write_film

REAL_MASKS = sorted((Path(__file__).parents[3] / "shared" / "real" / "cdd-cesm").glob("*mask.png"))


def blob(rows: int = 60, columns: int = 40) -> np.ndarray:
    mask = np.zeros((rows, columns), dtype=bool)
    mask[10:20, 5:12] = True
    return mask


def crop(rows: int = 20, columns: int = 18) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 65536, (rows, columns)).astype(np.uint16)


def write_nifti(path: Path, array: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)
    return path


@pytest.mark.parametrize("high", [1, 255])
def test_one_mask_from_every_format(tmp_path, high):
    mask = blob()
    stored = (mask * high).astype(np.uint8)
    Image.fromarray(stored).save(tmp_path / "mask.png")
    Image.fromarray(stored).convert("RGB").save(tmp_path / "rgb.png")
    paths = [
        write_film(tmp_path / "mask.dcm", stored, bits_stored=8),
        tmp_path / "mask.png",
        write_nifti(tmp_path / "mask.nii", stored.T),  # the first axis is x
        write_nifti(tmp_path / "mask.nii.gz", stored.T[:, :, None].astype(np.float32)),
    ]
    if high == 255:
        Image.fromarray(mask).save(tmp_path / "one_bit.png")
        paths += [tmp_path / "rgb.png", tmp_path / "one_bit.png"]
    for path in paths:
        read = read_mask(path)
        assert read.dtype == bool
        np.testing.assert_array_equal(read, mask, err_msg=path.name)


def test_the_format_is_told_by_content_and_not_by_name(tmp_path):
    path = write_film(tmp_path / "mask.png", blob().astype(np.uint8), bits_stored=8)
    np.testing.assert_array_equal(read_mask(path), blob())


def test_every_label_of_a_label_map_counts(tmp_path):
    labels = blob().astype(np.uint8)
    labels[40:45, 20:30] = 2
    labels[50:52, 20:30] = 3
    np.testing.assert_array_equal(read_mask(write_nifti(tmp_path / "labels.nii", labels.T)), labels > 0)


def test_soft_edges_are_cut_at_the_middle(tmp_path):
    soft = blob().astype(np.uint8) * 255
    soft[10, 5:8] = (100, 127, 128)
    Image.fromarray(soft).save(tmp_path / "soft.png")
    expected = blob()
    expected[10, 5:7] = False
    np.testing.assert_array_equal(read_mask(tmp_path / "soft.png"), expected)


@pytest.mark.parametrize("value", [0, 255])
def test_an_empty_mask(tmp_path, value):
    Image.fromarray(np.full((60, 40), value, dtype=np.uint8)).save(tmp_path / "empty.png")
    with pytest.raises(ValueError, match=r"empty\.png.*empty"):
        read_mask(tmp_path / "empty.png")


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_the_losses_of_jpeg_do_not_change_a_mask(tmp_path, quality):
    rows, columns = np.mgrid[:180, :150]
    mask = np.hypot(rows - 70.3, columns - 60.8) < 19
    path = tmp_path / "mask.jpg"
    Image.fromarray((mask * 255).astype(np.uint8)).save(path, quality=quality)
    assert len(np.unique(Image.open(path))) > 10
    np.testing.assert_array_equal(read_mask(path), mask)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(ValueError, match=r"mask\.jpg: the picture cannot be decoded"):
        read_mask(path)


def test_a_crop_in_jpeg_is_no_mask(tmp_path):
    path = tmp_path / "crop.jpg"
    rows, columns = np.mgrid[:60, :50]
    Image.fromarray((60 + rows + 2 * columns).astype(np.uint8)).save(path, quality=90)
    with pytest.raises(ValueError, match=r"crop\.jpg.*not a mask"):
        read_mask(path)


def test_a_grey_picture_is_no_mask(tmp_path):
    path = write_film(tmp_path / "crop.dcm", crop())
    with pytest.raises(ValueError, match=r"crop\.dcm.*not a mask"):
        read_mask(path)


def test_damaged_and_foreign_files(tmp_path):
    Image.fromarray(blob()).save(tmp_path / "mask.png")
    whole = (tmp_path / "mask.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    write_nifti(tmp_path / "whole.nii.gz", blob().astype(np.uint8))
    whole = (tmp_path / "whole.nii.gz").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "mask.txt").write_text("a mask")
    for name in ("cut.png", "cut.nii.gz", "mask.txt"):
        with pytest.raises(ValueError, match=name):
            read_mask(tmp_path / name)
    with pytest.raises(OSError, match="absent"):
        read_mask(tmp_path / "absent.png")


def test_volumes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two axes"):
        read_mask(write_nifti(tmp_path / "volume.nii", np.zeros((4, 5, 6), dtype=np.uint8)))
    with pytest.raises(ValueError, match="plain numbers"):
        read_mask(write_nifti(tmp_path / "complex.nii", np.zeros((4, 5), dtype=np.complex64)))


def test_the_mask_is_chosen_by_content_whatever_the_order_and_the_names(tmp_path):
    mask_path = write_film(tmp_path / "000001.dcm", blob().astype(np.uint8) * 255, bits_stored=8)
    crop_path = write_film(tmp_path / "000000.dcm", crop())
    for paths in ([mask_path, crop_path], [crop_path, mask_path]):
        path, mask = choose_mask(paths, (62, 41))
        assert path == mask_path
        np.testing.assert_array_equal(mask, blob())


def test_of_two_masks_the_one_of_the_films_size(tmp_path):
    small = write_film(tmp_path / "a.dcm", blob(40, 30).astype(np.uint8), bits_stored=8)
    large = write_film(tmp_path / "b.dcm", blob(60, 40).astype(np.uint8), bits_stored=8)
    assert choose_mask([small, large], (60, 40))[0] == large
    assert choose_mask([small, large], (38, 30))[0] == small


def test_no_mask_among_the_files_says_why_for_each(tmp_path):
    crop_path = write_film(tmp_path / "crop.dcm", crop())
    tiny = write_film(tmp_path / "tiny.dcm", blob(25, 17).astype(np.uint8), bits_stored=8)
    absent = tmp_path / "absent.dcm"
    with pytest.raises(ValueError, match="no mask among") as caught:
        choose_mask([crop_path, tiny, absent], (60, 40))
    for name in ("crop.dcm", "tiny.dcm", "absent.dcm"):
        assert name in str(caught.value)
    with pytest.raises(ValueError, match="there is no file"):
        choose_mask([], (60, 40))


def test_fitting_is_nearest_neighbour_along_each_side():
    mask = np.array([[True, False], [False, True]])
    np.testing.assert_array_equal(fit_to_film(mask, (4, 6)), np.kron(mask, np.ones((2, 3), dtype=bool)))
    np.testing.assert_array_equal(fit_to_film(fit_to_film(blob(), (180, 80)), (60, 40)), blob())
    np.testing.assert_array_equal(fit_to_film(blob(), (60, 40)), blob())


@pytest.mark.skipif(not REAL_MASKS, reason="the real masks are not here")
def test_real_masks():
    for path in REAL_MASKS:
        assert 0.01 < read_mask(path).mean() < 0.2
        with pytest.raises(ValueError, match="not a mask"):
            read_mask(path.with_name(path.name.replace("mask", "image")))
