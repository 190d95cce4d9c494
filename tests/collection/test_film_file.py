import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from bundle.collection.film_file import read_picture, read_view_film
from bundle.dicom.masks import read_mask
from bundle.records import View
from bundle.vocabulary import Laterality, ViewPosition
from tests.dicom.film_files import ramp, write_film


def view(path, **attributes):
    return View(
        patient_id="A", laterality=Laterality.LEFT, view_position=ViewPosition.CC, image_path=path, **attributes
    )


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_the_range_of_the_type_becomes_zero_to_one(tmp_path, suffix, dtype, top):
    stored = (ramp(bits=8).astype(np.float64) / 255 * top / 2).astype(dtype)  # a dark film stays dark
    Image.fromarray(stored).save(tmp_path / f"film{suffix}")
    pixels = read_picture(tmp_path / f"film{suffix}").pixels
    assert pixels.dtype == np.float32
    assert np.abs(pixels - stored / top).max() < 1e-6
    assert pixels.max() == pytest.approx(0.5, abs=0.005)


def test_a_grey_jpeg_is_a_film_but_no_mask(tmp_path):
    stored = ramp(bits=8).astype(np.uint8)
    Image.fromarray(stored).save(tmp_path / "film.jpg", quality=95)
    film = read_view_film(view(tmp_path / "film.jpg"))
    assert film.spacing_mm is None
    assert np.abs(film.pixels - stored / 255).max() < 0.02
    Image.fromarray(stored).convert("RGB").save(tmp_path / "grey.jpg", quality=95)
    assert np.abs(read_view_film(view(tmp_path / "grey.jpg")).pixels - stored / 255).max() < 0.02
    with pytest.raises(ValueError, match=r"film\.jpg: this is a grey picture"):
        read_mask(tmp_path / "film.jpg")


def test_a_big_endian_tiff_gives_the_same_values(tmp_path):
    stored = ramp(bits=16)
    Image.frombytes("I;16B", stored.shape[::-1], stored.astype(">u2").tobytes()).save(tmp_path / "film.tif")
    assert (tmp_path / "film.tif").read_bytes()[:2] == b"MM"
    assert np.abs(read_picture(tmp_path / "film.tif").pixels - stored / 65535).max() < 1e-6


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero_is_turned_round(tmp_path, dtype):
    top = np.iinfo(dtype).max
    stored = np.linspace(0, top, num=32 * 48).astype(dtype).reshape(32, 48)
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    Image.fromarray(stored).save(tmp_path / "film.tif", tiffinfo=directory)
    content = bytearray((tmp_path / "film.tif").read_bytes())
    # The entry of tag 262 (PhotometricInterpretation, SHORT, one value): 1 becomes 0, whoever wrote the pixels.
    place = content.index(b"\x06\x01\x03\x00\x01\x00\x00\x00\x01\x00")
    content[place + 8] = 0
    (tmp_path / "film.tif").write_bytes(content)
    assert np.abs(read_picture(tmp_path / "film.tif").pixels - (1 - stored / top)).max() < 1e-6


def test_a_stated_spacing_comes_before_the_files(tmp_path):
    path = write_film(tmp_path / "film.dcm", ramp(bits=12), bits_stored=12, ImagerPixelSpacing=[0.1, 0.1])
    assert read_view_film(view(path)).spacing_mm == (0.1, 0.1)
    assert read_view_film(view(path, spacing_mm=(0.2, 0.2))).spacing_mm == (0.2, 0.2)


def test_colour_is_taken_where_it_is_grey(tmp_path):
    grey = ramp(bits=8).astype(np.uint8)
    Image.fromarray(np.stack([grey] * 3, axis=-1)).save(tmp_path / "grey.png")
    assert np.allclose(read_picture(tmp_path / "grey.png").pixels, grey / 255)
    Image.fromarray(np.stack([grey, grey, grey.T.reshape(grey.shape)], axis=-1)).save(tmp_path / "colour.png")
    with pytest.raises(ValueError, match="mode RGB"):
        read_picture(tmp_path / "colour.png")


def test_other_pictures_are_refused_with_a_reason(tmp_path):
    grey = Image.fromarray(ramp(bits=8).astype(np.uint8))
    grey.save(tmp_path / "two.tif", save_all=True, append_images=[grey])
    Image.fromarray(np.zeros((20, 20), np.float32)).save(tmp_path / "float.tif")
    Image.new("L", (20000, 20)).save(tmp_path / "wide.png")
    for name, reason in {"two.tif": "2 picture", "float.tif": "mode F", "wide.png": "20 x 20000"}.items():
        with pytest.raises(ValueError, match=reason):
            read_picture(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "none.png")


def outcome(path):
    """Give the reason why a picture is refused; empty where it is taken, with values in range."""
    try:
        film = read_picture(path)
    except ValueError as error:
        return str(error)
    return "" if 0 <= film.pixels.min() <= film.pixels.max() <= 1 else "out of range"


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells of tags that it skips
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_damaged_pictures_are_reasons(tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    Image.fromarray(ramp(bits=8).astype(np.uint8) if suffix == ".jpg" else ramp(bits=16)).save(path)
    whole = path.read_bytes()
    generator = np.random.default_rng(3)
    outcomes = []
    for _ in range(80):
        content = bytearray(whole)
        for place in generator.integers(4, min(len(whole), 4000), size=12):
            content[place] = generator.integers(256)
        path.write_bytes(content[: generator.integers(8, len(whole))])
        outcomes.append(outcome(path))
    reasons = [each for each in outcomes if each]
    assert len(reasons) > 40
    assert all(str(path) in each for each in reasons)


def test_a_mask_may_be_a_tiff(tmp_path):
    mask = ramp(bits=8) > 200
    Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(tmp_path / "mask.tif")
    assert (read_mask(tmp_path / "mask.tif") == mask).all()
