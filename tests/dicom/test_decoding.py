"""Every decoder gives the same stored values, for each transfer syntax that mammograms are met in."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pydicom.encaps import get_frame
from pydicom.pixels import get_decoder
from pydicom.uid import JPEG2000, JPEG2000Lossless, JPEGExtended12Bit

import bundle.dicom.decoding as decoding
from bundle.dicom.decoding import stored_pixels
from tests.dicom.encoders import DCMTK_DECODERS, ENCODERS, HAS_DCMTK, LOSSY, MOST_BITS, decoded_by_dcmtk, encoded
from tests.dicom.film_files import film_dataset

needs_dcmtk = pytest.mark.skipif(not HAS_DCMTK, reason="DCMTK is not installed (Debian: apt-get install dcmtk)")
CASES = [
    pytest.param(encoder, syntax, bits, id=f"{encoder}-{syntax.keyword}-{bits}", marks=[needs_dcmtk] * is_dcmtk)
    for (encoder, syntax), bits in itertools.product(ENCODERS, (8, 12, 14, 16))
    for is_dcmtk in (encoder in DCMTK_DECODERS,)
    if bits <= MOST_BITS.get((encoder, syntax), 16)
]


def picture(bits, *, shape=(96, 80)):
    """Give smooth grey values with a little noise that reach from the least to the greatest value."""
    rows, columns = np.indices(shape)
    smooth = (np.sin(rows / 17) + np.cos(columns / 11)) / 4 + 0.5
    noise = np.random.default_rng(0).normal(scale=0.003, size=shape)
    stored = np.round(np.clip(smooth + noise, 0, 1) * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    stored[0, 0], stored[-1, -1] = 0, 2**bits - 1
    return stored


def by_every_decoder(dataset, folder):
    """Give the stored values by each of pydicom's plugins that knows the syntax, by ITK, and by DCMTK if there."""
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    pixels = {}
    for plugin in decoder.available_plugins:
        if dataset.file_meta.TransferSyntaxUID == JPEGExtended12Bit and dataset.BitsStored > 8:
            continue  # pydicom lets neither GDCM nor Pillow try
        pixels[plugin] = decoder.as_array(dataset, raw=True, decoding_plugin=plugin)[0]
    pixels["itk"] = decoding._decode_with_itk(get_frame(dataset.PixelData, 0, number_of_frames=1), dataset)
    if (by_dcmtk := decoded_by_dcmtk(dataset, folder=folder)) is not None:
        pixels["dcmtk"] = by_dcmtk
    return pixels


@pytest.mark.parametrize(("encoder", "syntax", "bits"), CASES)
def test_every_decoder_gives_the_same_pixels(encoder, syntax, bits, tmp_path):
    stored = picture(bits)
    # MONOCHROME1 and a rescale: ITK would apply both by itself.
    film = film_dataset(
        stored,
        bits_stored=bits,
        PhotometricInterpretation="MONOCHROME1",
        RescaleSlope="2",
        RescaleIntercept="-5",
        Modality="MG",
    )
    dataset = encoded(film, encoder, syntax, folder=tmp_path)
    assert dataset.file_meta.TransferSyntaxUID == syntax
    ours = stored_pixels(dataset)
    pixels = by_every_decoder(dataset, tmp_path)
    assert "itk" in pixels
    if syntax not in LOSSY:
        np.testing.assert_array_equal(ours, stored)
        for values in pixels.values():
            np.testing.assert_array_equal(values, stored)
        return
    assert np.abs(ours.astype(int) - stored).max() < 2**bits / 20
    for values in pixels.values():
        assert np.abs(values.astype(int) - ours).max() <= 1


@pytest.mark.parametrize(
    ("encoder", "syntax"),
    [
        pytest.param(encoder, syntax, marks=[needs_dcmtk] * (encoder in DCMTK_DECODERS))
        for encoder, syntax in ENCODERS
        if syntax not in LOSSY
    ],
)
def test_signed_values(encoder, syntax, tmp_path):
    stored = picture(12).astype(np.int16) - 2048
    dataset = encoded(film_dataset(stored, bits_stored=12, Modality="MG"), encoder, syntax, folder=tmp_path)
    np.testing.assert_array_equal(stored_pixels(dataset), stored)


def test_itk_steps_in_where_a_plugin_fails(tmp_path, monkeypatch):
    stored = picture(12)
    dataset = encoded(film_dataset(stored, bits_stored=12), "pylibjpeg", JPEG2000Lossless, folder=tmp_path)

    def fail(dataset, **options):
        assert options["decoding_plugin"] == "pylibjpeg"
        raise RuntimeError("the plugin cannot")

    monkeypatch.setattr(decoding, "pixel_array", fail)
    np.testing.assert_array_equal(stored_pixels(dataset), stored)


@pytest.mark.parametrize("shape", [(95, 80), (96, 81), (192, 80)])
def test_a_picture_of_another_size_than_stated_is_refused_before_a_decoder_sees_it(shape, tmp_path, monkeypatch):
    dataset = encoded(film_dataset(picture(12), bits_stored=12), "pylibjpeg", JPEG2000, folder=tmp_path)
    dataset.Rows, dataset.Columns = shape

    def decode(*arguments, **options):
        raise AssertionError("a decoder was called")

    monkeypatch.setattr(decoding, "pixel_array", decode)
    monkeypatch.setattr(decoding, "_decode_with_itk", decode)
    with pytest.raises(ValueError, match=r"states \(rows, columns, samples\) \(96, 80, 1\)"):
        stored_pixels(dataset)


def test_what_surrounds_the_codestream_in_a_jp2_file_is_passed_over(tmp_path):
    dataset = encoded(film_dataset(picture(12), bits_stored=12), "pylibjpeg", JPEG2000Lossless, folder=tmp_path)
    codestream = get_frame(dataset.PixelData, 0, number_of_frames=1)
    boxes = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x14ftypjp2 \0\0\0\0jp2 " + b"\0\0\0\0jp2c"
    assert decoding.codestream_shape(boxes + codestream) == (96, 80, 1)
