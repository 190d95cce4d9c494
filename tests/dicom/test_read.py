from __future__ import annotations

import copy

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence

import bundle.dicom.decoding as decoding
from bundle.dicom.parsing import read_header
from bundle.dicom.read import film_from_dataset, read_film, read_stored_pixels
from bundle.vocabulary import Laterality, ViewPosition
from tests.dicom.film_files import film_dataset, lut_item, ramp, write_film


def pipeline_of_pydicom(stored: np.ndarray, dataset: pydicom.Dataset, *, low: float, high: float) -> np.ndarray:
    dataset = copy.deepcopy(dataset)
    shown = apply_voi_lut(apply_modality_lut(stored, dataset), dataset)
    return (np.asarray(shown, dtype=float) - low) / (high - low)


# --- grey scale ---


def test_without_a_window_the_bits_stored_are_the_range_and_not_the_image():
    stored = np.full((32, 32), 1000, dtype=np.uint16)
    stored[0, 0] = 1500
    film = film_from_dataset(film_dataset(stored, bits_stored=12))
    assert film.pixels.dtype == np.float32
    np.testing.assert_allclose(film.pixels[1, 1], 1000 / 4095, rtol=1e-6)
    np.testing.assert_allclose(film.pixels[0, 0], 1500 / 4095, rtol=1e-6)


def every_value(*, bits: int, signed: bool = False) -> np.ndarray:
    """Give all stored values in ascending order, each once."""
    lowest = -(1 << (bits - 1)) if signed else 0
    stored = np.arange(lowest, lowest + (1 << bits)).reshape(16, -1)
    return stored.astype(f"{'i' if signed else 'u'}{1 if bits == 8 else 2}")


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", range(8, 17))
def test_the_whole_range_becomes_0_to_1_with_both_ends_exact(photometric, signed, bits):
    stored = every_value(bits=bits, signed=signed)
    dataset = film_dataset(stored, bits_stored=bits, PhotometricInterpretation=photometric)
    pixels = film_from_dataset(dataset).pixels.ravel()
    if photometric == "MONOCHROME1":
        pixels = pixels[::-1]
    assert (pixels[0], pixels[-1]) == (0.0, 1.0)
    assert (np.diff(pixels) > 0.0).all()
    np.testing.assert_allclose(pixels, np.linspace(0.0, 1.0, 1 << bits), rtol=0, atol=1e-7)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("rescale", [("1", "0"), ("-1", "300.5"), ("0.3", "7")])
@pytest.mark.parametrize(
    ("function", "center", "width"),
    [
        ("LINEAR", "2000", "2000"),
        ("LINEAR", "333.3", "777.7"),
        ("LINEAR", "15000", "3"),
        ("LINEAR", "2000", "2"),
        ("LINEAR", "2000", "1"),
        ("LINEAR", "30000", "65536"),
        ("LINEAR", "-90000", "100"),
        ("LINEAR", "90000", "100"),
        ("LINEAR", "0", "1e9"),
        ("LINEAR", "1e12", "100"),
        ("LINEAR_EXACT", "2000", "2000"),
        ("LINEAR_EXACT", "2000", "1"),
        ("LINEAR_EXACT", "2000", "0.25"),
        ("LINEAR_EXACT", "0", "1e-40"),
        ("SIGMOID", "2000", "2000"),
    ],
)
def test_a_window_gives_what_pydicom_gives_for_every_stored_value(
    function, center, width, rescale, signed, photometric
):
    stored = every_value(bits=16, signed=signed)
    dataset = film_dataset(
        stored,
        WindowCenter=center,
        WindowWidth=width,
        VOILUTFunction=function,
        RescaleSlope=rescale[0],
        RescaleIntercept=rescale[1],
        PhotometricInterpretation=photometric,
    )
    ends = [int(value) * float(rescale[0]) + float(rescale[1]) for value in (stored.min(), stored.max())]
    expected = pipeline_of_pydicom(stored, dataset, low=ends[0], high=ends[1])
    if photometric == "MONOCHROME1":
        expected = 1.0 - expected
    pixels = film_from_dataset(dataset).pixels
    np.testing.assert_allclose(pixels, expected, rtol=0, atol=1e-6)
    assert (pixels.min() >= 0.0) & (pixels.max() <= 1.0)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", None])
@pytest.mark.parametrize(("slope", "intercept"), [(None, None), ("2", "-100")])
def test_a_window_gives_what_pydicom_gives(function, slope, intercept):
    dataset = film_dataset(
        ramp(bits=12),
        bits_stored=12,
        WindowCenter=["1800", "100"],
        WindowWidth=["2000", "5"],
    )
    if function:
        dataset.VOILUTFunction = function
    low, high = 0.0, 4095.0
    if slope:
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        low, high = low * 2 - 100, high * 2 - 100
    expected = pipeline_of_pydicom(ramp(bits=12), dataset, low=low, high=high)
    np.testing.assert_allclose(film_from_dataset(dataset).pixels, expected, atol=1e-6)


def test_a_rescale_slope_of_zero_with_a_window_is_one_grey():
    dataset = film_dataset(ramp(bits=12), RescaleSlope="0", RescaleIntercept="5", WindowCenter="3", WindowWidth="9")
    np.testing.assert_allclose(film_from_dataset(dataset).pixels, (5 - 2.5) / 8 + 0.5, atol=1e-6)


def test_linear_window_by_hand():
    # PS3.3 C.11.2.1.2.1 with center 100, width 51: 0 at or below 74.5, 1 above 124.5, (99.5 - 99.5) / 50 + 0.5 between.
    stored = np.full((16, 16), 74, dtype=np.uint16)
    stored[0, :4] = (125, 100, 87, 75)
    film = film_from_dataset(film_dataset(stored, bits_stored=12, WindowCenter="100", WindowWidth="51"))
    np.testing.assert_allclose(film.pixels[0, :5], [1.0, 0.51, 0.25, 0.01, 0.0], atol=1e-6)


def test_monochrome1_is_inverted_after_the_window():
    attributes = {"WindowCenter": "1000", "WindowWidth": "500"}
    plain = film_from_dataset(film_dataset(ramp(bits=12), bits_stored=12, **attributes))
    inverted = film_from_dataset(
        film_dataset(ramp(bits=12), bits_stored=12, PhotometricInterpretation="MONOCHROME1", **attributes)
    )
    np.testing.assert_allclose(inverted.pixels, 1.0 - plain.pixels, atol=1e-6)


def test_voi_lut_goes_before_the_window_and_gives_what_pydicom_gives():
    entries = [int(1023 * (value / 4095) ** 2) for value in range(4096)]
    dataset = film_dataset(ramp(bits=12), bits_stored=12, WindowCenter="10", WindowWidth="2")
    dataset.VOILUTSequence = Sequence([lut_item(entries, first_mapped=0, bits=10)])
    expected = pipeline_of_pydicom(ramp(bits=12), dataset, low=0, high=1023)
    np.testing.assert_allclose(film_from_dataset(dataset).pixels, expected, atol=1e-6)


def test_a_voi_lut_starts_at_its_first_mapped_value_and_holds_its_ends():
    dataset = film_dataset(np.tile(np.arange(16, dtype=np.uint16), (16, 1)), bits_stored=12)
    dataset.VOILUTSequence = Sequence([lut_item([0, 100, 200, 255], first_mapped=5, bits=8)])
    expected = np.array([0] * 6 + [100, 200] + [255] * 8) / 255
    np.testing.assert_allclose(film_from_dataset(dataset).pixels[0], expected, atol=1e-6)


def test_an_8_bit_voi_lut_of_4096_entries_is_not_indexed_with_8_bits():
    dataset = film_dataset(ramp(bits=12), bits_stored=12)
    dataset.VOILUTSequence = Sequence([lut_item([value // 16 for value in range(4096)], first_mapped=0, bits=8)])
    np.testing.assert_allclose(film_from_dataset(dataset).pixels, ramp(bits=12) // 16 / 255, atol=1e-6)


def test_a_12_bit_lut_whose_descriptor_says_16_is_not_shown_black():
    dataset = film_dataset(ramp(bits=12), bits_stored=12)
    dataset.VOILUTSequence = Sequence([lut_item(list(range(4096)), first_mapped=0, bits=16)])
    np.testing.assert_allclose(film_from_dataset(dataset).pixels, ramp(bits=12) / 4095, atol=1e-6)


def test_modality_lut_sequence_is_applied():
    dataset = film_dataset(np.tile(np.arange(16, dtype=np.uint8), (16, 1)), bits_stored=4)
    dataset.ModalityLUTSequence = Sequence([lut_item([value**2 for value in range(16)], first_mapped=0, bits=8)])
    np.testing.assert_allclose(film_from_dataset(dataset).pixels[0], np.arange(16) ** 2 / 225, atol=1e-6)


def test_a_negative_rescale_slope_darkens_what_is_stored_high():
    dataset = film_dataset(ramp(bits=12), bits_stored=12, RescaleSlope="-1", RescaleIntercept="4095")
    np.testing.assert_allclose(film_from_dataset(dataset).pixels, 1 - ramp(bits=12) / 4095, atol=1e-6)


def test_signed_values_and_rubbish_above_the_bits_stored():
    stored = np.array([-2048, -1, 0, 2047] * 64, dtype=np.int16).reshape(16, 16)
    film = film_from_dataset(film_dataset(stored, bits_stored=12))
    np.testing.assert_allclose(film.pixels[0, :4], [0, 2047 / 4095, 2048 / 4095, 1], atol=1e-6)
    dirty = (stored.view(np.uint16) & 0x0FFF) | 0x5000
    np.testing.assert_array_equal(
        film_from_dataset(film_dataset(dirty.view(np.int16), bits_stored=12)).pixels, film.pixels
    )


def test_padding_is_marked_and_dark_even_where_monochrome1_would_make_it_white():
    stored = np.full((16, 16), 3000, dtype=np.uint16)
    stored[:, :3] = (0, 5, 11)
    film = film_from_dataset(
        film_dataset(
            stored,
            bits_stored=12,
            PhotometricInterpretation="MONOCHROME1",
            PixelPaddingValue=0,
            PixelPaddingRangeLimit=10,
        )
    )
    np.testing.assert_array_equal(film.padding[0, :4], [True, True, False, False])
    np.testing.assert_array_equal(film.pixels[0, :2], [0, 0])
    assert film.pixels[0, 2] > 0.99
    assert film_from_dataset(film_dataset(stored, bits_stored=12)).padding is None


def test_the_callers_dataset_stays_as_it_is():
    dataset = film_dataset(
        ramp(bits=12),
        bits_stored=12,
        WindowCenter="1800",
        WindowWidth="2000",
        RescaleSlope="2",
        RescaleIntercept="1",
        PhotometricInterpretation="MONOCHROME1",
    )
    before = copy.deepcopy(dataset)
    film_from_dataset(dataset)
    assert dataset == before
    assert dataset.PixelData == before.PixelData


# --- decoders ---


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_the_same_pixels_whichever_decoder(photometric, dtype, monkeypatch):
    dataset = film_dataset(
        (ramp(bits=12).astype(int) - (2048 if dtype is np.int16 else 0)).astype(dtype),
        bits_stored=12,
        RescaleSlope="3",
        RescaleIntercept="-7",
        PhotometricInterpretation=photometric,
    )
    dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    by_pydicom = film_from_dataset(dataset)

    def no_decoder(dataset, **options):
        raise RuntimeError("all plugins are missing dependencies")

    monkeypatch.setattr(decoding, "pixel_array", no_decoder)
    by_itk = film_from_dataset(dataset)
    np.testing.assert_array_equal(by_itk.pixels, by_pydicom.pixels)


def test_jpeg_ls_is_decoded_to_the_uncompressed_image():
    # The two files hold one image.
    compressed = read_stored_pixels(get_testdata_file("MR_small_jpeg_ls_lossless.dcm"))
    np.testing.assert_array_equal(compressed, pydicom.dcmread(get_testdata_file("MR_small.dcm")).pixel_array)


def test_big_endian_gives_the_values_of_little_endian():
    big = read_stored_pixels(get_testdata_file("MR_small_bigendian.dcm"))
    np.testing.assert_array_equal(big, read_stored_pixels(get_testdata_file("MR_small.dcm")))


@pytest.mark.parametrize(
    ("compressor", "syntax"), [("JPEG", pydicom.uid.JPEGLosslessSV1), ("JPEG2000", pydicom.uid.JPEG2000Lossless)]
)
def test_lossless_syntaxes_of_clinical_films(tmp_path, compressor, syntax):
    writer = SimpleITK.ImageFileWriter()
    writer.SetFileName(str(tmp_path / "film.dcm"))
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    writer.Execute(SimpleITK.GetImageFromArray(ramp(bits=16)))
    assert pydicom.dcmread(tmp_path / "film.dcm").file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(read_stored_pixels(tmp_path / "film.dcm"), ramp(bits=16))


def test_12_bit_jpeg_extended_is_decoded():
    # The two values that pydicom's catalogue of reference pixels lists for this file, as pylibjpeg and GDCM decode it.
    pixels = read_stored_pixels(get_testdata_file("JPGExtended.dcm"))
    assert pixels.shape == (1024, 256)
    assert (pixels[420, 140], pixels[230, 120]) == (244, 95)


# --- what the headers tell ---


def test_spacing_comes_from_the_detector_first():
    dataset = film_dataset(
        ramp(bits=12),
        ImagerPixelSpacing=["0.07", "0.08"],
        PixelSpacing=["0.05", "0.05"],
        NominalScannedPixelSpacing=["0.04", "0.04"],
    )
    assert film_from_dataset(dataset).spacing_mm == (0.07, 0.08)
    del dataset.ImagerPixelSpacing
    assert film_from_dataset(dataset).spacing_mm == (0.05, 0.05)
    del dataset.PixelSpacing
    assert film_from_dataset(dataset).spacing_mm == (0.04, 0.04)
    del dataset.NominalScannedPixelSpacing
    assert film_from_dataset(dataset).spacing_mm is None


@pytest.mark.parametrize("absurd", [["0", "0"], ["-0.1", "0.1"], ["100", "100"], ["0.1"]])
def test_an_impossible_spacing_is_no_spacing(absurd):
    dataset = film_dataset(ramp(bits=12), ImagerPixelSpacing=absurd, PixelSpacing=["0.1", "0.1"])
    assert film_from_dataset(dataset).spacing_mm == (0.1, 0.1)


def view_code(value: str, scheme: str) -> Sequence:
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "view"
    return Sequence([item])


@pytest.mark.parametrize(
    ("attributes", "view", "side"),
    [
        ({"ViewPosition": "MLO", "ImageLaterality": "R"}, ViewPosition.MLO, Laterality.RIGHT),
        ({"ViewPosition": "CC", "Laterality": "L"}, ViewPosition.CC, Laterality.LEFT),
        ({"ViewPosition": "", "ViewCodeSequence": view_code("R-10242", "SRT")}, ViewPosition.CC, None),
        ({"ViewCodeSequence": view_code("399162004", "SCT")}, ViewPosition.CC, None),
        ({"ViewCodeSequence": view_code("R-10226", "SRT")}, ViewPosition.MLO, None),
        ({"ViewCodeSequence": view_code("399368009", "SCT")}, ViewPosition.MLO, None),
        ({"ViewPosition": "ML", "ViewCodeSequence": view_code("399162004", "SCT")}, None, None),
        ({"PatientID": "Mass-Training_P_00001_LEFT_CC"}, ViewPosition.CC, Laterality.LEFT),
        ({"PatientID": "Calc-Test_P_00038_RIGHT_MLO_2"}, ViewPosition.MLO, Laterality.RIGHT),
        ({"PatientID": "SOMEONE"}, None, None),
        ({"ImageLaterality": "R", "PatientID": "Mass-Training_P_00001_LEFT_CC"}, ViewPosition.CC, Laterality.RIGHT),
    ],
)
def test_view_and_side(attributes, view, side):
    film = film_from_dataset(film_dataset(ramp(bits=12), **attributes))
    assert film.view_position is view
    assert film.laterality is side


def test_patient_orientation():
    film = film_from_dataset(film_dataset(ramp(bits=12), PatientOrientation=["A", "FR"]))
    assert film.patient_orientation == ("A", "FR")
    assert film_from_dataset(film_dataset(ramp(bits=12))).patient_orientation == ()


# --- files that are wrong ---


@pytest.mark.parametrize(
    ("attributes", "word"),
    [
        ({"Rows": 0}, "Rows"),
        ({"Rows": 65535, "Columns": 65535}, "Rows"),
        ({"Rows": None}, "Rows"),
        ({"BitsStored": 17}, "Bits Stored"),
        ({"BitsStored": 0}, "Bits Stored"),
        ({"BitsAllocated": 32}, "Bits Allocated"),
        ({"HighBit": 3}, "High Bit"),
        ({"PixelRepresentation": 2}, "Pixel Representation"),
        ({"NumberOfFrames": 5}, "Number of Frames"),
        ({"SamplesPerPixel": 3}, "Samples per Pixel"),
        ({"PhotometricInterpretation": "RGB"}, "Photometric"),
        ({"PixelData": None}, "Pixel Data"),
        ({"Rows": 33}, "cut short"),
        ({"Rows": 31}, "has 3072 bytes, but Rows, Columns and bits make 2976"),
        ({"Rows": 16384, "Columns": 16384}, "at most 67108864 pixels"),
        ({"RescaleSlope": "0", "RescaleIntercept": "5"}, r"Rescale Slope \(0028,1053\) is 0"),
    ],
)
def test_a_wrong_file_is_named_with_its_reason_and_without_the_patient(tmp_path, attributes, word):
    path = write_film(tmp_path / "film.dcm", ramp(bits=12), bits_stored=12, **{"HighBit": 11} | attributes)
    with pytest.raises(ValueError, match=word) as caught:
        read_film(path)
    assert str(path) in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_dicom_file_and_no_file(tmp_path):
    path = tmp_path / "film.dcm"
    with pytest.raises(OSError, match=r"film\.dcm"):
        read_film(path)
    path.write_bytes(b"not a film" * 100)
    with pytest.raises(ValueError, match=r"film\.dcm.*no DICOM file"):
        read_header(path)


@pytest.mark.parametrize("length", [0, 100, 140, 300, 600, 2000])
def test_a_file_cut_short(tmp_path, length):
    path = write_film(tmp_path / "film.dcm", ramp(bits=12))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"film\.dcm"):
        read_film(path)


def test_damaged_bytes_give_a_film_or_a_reason(tmp_path):
    path = write_film(
        tmp_path / "film.dcm",
        ramp(bits=12, shape=(16, 16)),
        bits_stored=12,
        WindowCenter="1800",
        WindowWidth="2000",
        ViewPosition="CC",
        ImagerPixelSpacing=["0.1", "0.1"],
    )
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    outcomes = set()
    for _ in range(150):
        damaged = bytearray(whole)
        for position in generator.integers(132, len(whole) - 512, size=3):
            damaged[position] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            outcomes.add(read_film(path).pixels.shape)
        except (ValueError, OSError) as error:
            outcomes.add("refused with the file's name" if str(path) in str(error) else str(error))
    assert {(16, 16), "refused with the file's name"} <= outcomes
    assert all(isinstance(outcome, tuple) or outcome.startswith("refused") for outcome in outcomes)


def test_header_has_no_pixels(tmp_path):
    header = read_header(write_film(tmp_path / "film.dcm", ramp(bits=12), ViewPosition="CC"))
    assert header.ViewPosition == "CC"
    assert "PixelData" not in header
