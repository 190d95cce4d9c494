"""One phantom film in a hundred-odd headers and pictures, each with the pixels, flags or reason that are right.

Each variant is what somebody's archive, converter or spreadsheet has made of the same film.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK
import tifffile
from PIL import Image
from pydicom.sequence import Sequence
from pydicom.uid import (
    BreastTomosynthesisImageStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from bundle.collection.film_file import read_view_film
from bundle.dicom.exposure import read_exposure
from bundle.dicom.parsing import read_header
from bundle.preparation import PreparationSettings, orient
from bundle.records import View
from bundle.vocabulary import Laterality, ViewPosition
from tests.dicom.film_files import film_dataset, lut_item

SETTINGS = PreparationSettings(assumed_spacing_mm=1.0)
COMPARED_FLAGS = {"dark", "white_background", "few_grey_levels", "window_ignored", "assumed_spacing"}


def _phantom() -> np.ndarray:
    """Give a half disk with a skin line and texture at the left edge: 12 bits, ``[240, 180]``."""
    row, column = np.mgrid[:240, :180]
    depth = np.clip((90 - np.hypot(row - 110, column)) / 12, 0, 1)
    texture = np.random.default_rng(0).normal(0, 60, depth.shape)
    return (60 + depth * (1900 + 8 * (90 - column) + texture) + texture / 20).clip(0, 4095).astype(np.uint16)


STORED = _phantom()
TRUTH = STORED / 4095
EIGHT = np.round(TRUTH * 255).astype(np.uint8)
SIXTEEN = np.round(TRUTH * 65535).astype(np.uint16)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A file and what is right for it.

    Args:
        write: writes the file.
        pixels: of the film; None where it is refused.
        flags: of `COMPARED_FLAGS`.
        reason: pattern of the sentence, where it is refused.
        tolerance: of the pixels.
        suffix: of the file's name.
        view: what the table states.
    """

    write: Callable[[Path], object]
    pixels: np.ndarray | None = field(default_factory=lambda: TRUTH)
    flags: tuple[str, ...] = ()
    reason: str = ""
    tolerance: float = 1e-6
    suffix: str = ".dcm"
    view: dict[str, Any] = field(default_factory=dict)


def code(value: str) -> Sequence:
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", "view"
    return Sequence([item])


def dataset_of(stored: np.ndarray = STORED, *, bits_stored: int = 12, **attributes: Any) -> pydicom.Dataset:
    """Make a film's dataset; a tuple is (value representation, value), for values that pydicom would refuse."""
    plain = {
        "Modality": "MG",
        "StudyInstanceUID": "1.5",
        "ViewPosition": "CC",
        "ImageLaterality": "L",
        "ImagerPixelSpacing": [1.0, 1.0],
    }
    given = {key: value for key, value in {**plain, **attributes}.items() if not isinstance(value, tuple)}
    absent = [key for key, value in given.items() if value is None]
    dataset = film_dataset(stored, bits_stored=bits_stored, **{k: v for k, v in given.items() if v is not None})
    for keyword in absent:
        if keyword in dataset:
            delattr(dataset, keyword)
    for keyword, value in attributes.items():
        if isinstance(value, tuple):
            dataset.add_new(keyword, *value)
    return dataset


def header(
    stored: np.ndarray = STORED,
    *,
    bits_stored: int = 12,
    attributes: dict[str, Any] | None = None,
    expected: dict[str, Any] | None = None,
) -> Variant:
    """Give a variant with other attributes."""

    def write(path: Path) -> None:
        dataset_of(stored, bits_stored=bits_stored, **(attributes or {})).save_as(path, enforce_file_format=True)

    return Variant(write=write, **(expected or {}))


def changed(**attributes: Any) -> Variant:
    return header(attributes=attributes)


def ignored(**attributes: Any) -> Variant:
    return header(attributes=attributes, expected={"flags": ("window_ignored",)})


def assumed(**attributes: Any) -> Variant:
    return header(attributes={"ImagerPixelSpacing": None, **attributes}, expected={"flags": ("assumed_spacing",)})


def refused(reason: str, **attributes: Any) -> Variant:
    return header(attributes=attributes, expected={"pixels": None, "reason": reason})


def linear_window(center: float, width: float) -> np.ndarray:
    """Apply PS3.3 section C.11.2.1.2.1 to the stored values."""
    if width == 1:
        return (center - 0.5 < STORED).astype(float)
    return ((STORED - (center - 0.5)) / (width - 1) + 0.5).clip(0, 1)


def rewritten(change: Callable[[bytes], bytes], *, syntax: str | None = None, **expected: Any) -> Variant:
    """Give a variant whose file is changed after it was written."""

    def write(path: Path) -> None:
        dataset = dataset_of(STORED.astype(">u2") if syntax == ExplicitVRBigEndian else STORED)
        dataset.PixelRepresentation = 0
        if syntax == RLELossless:
            dataset.compress(RLELossless, generate_instance_uid=False)
        elif syntax:
            dataset.file_meta.TransferSyntaxUID = syntax
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        path.write_bytes(change(file.getvalue()))

    return Variant(write=write, **expected)


def without_preamble(content: bytes) -> bytes:
    return content[132:]


def without_meta(content: bytes) -> bytes:
    # The group length (0002,0000) tells where the meta information ends (PS3.10 section 7.1).
    return content[144 + int.from_bytes(content[140:144], "little") :]


def without_syntax(content: bytes) -> bytes:
    return content[:132] + without_meta(content)


def only_in_meta(keyword: str) -> Variant:
    def write(path: Path) -> None:
        dataset = dataset_of()
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        again = pydicom.dcmread(io.BytesIO(file.getvalue()))
        delattr(again, keyword)
        again.save_as(path, enforce_file_format=False)

    return Variant(write=write)


SIGNED = (STORED.astype(int) - 2048).astype(np.int16)
IDENTITY = list(range(4096))
DARKER = ("dark",)
WHITE = ("white_background",)

HEADERS = {
    "plain": changed(),
    "monochrome1": header(4095 - STORED, attributes={"PhotometricInterpretation": "MONOCHROME1"}),
    "rescale of one": changed(RescaleSlope="1", RescaleIntercept="0"),
    "rescale": changed(RescaleSlope="2.5", RescaleIntercept="-100"),
    "negative rescale": header(4095 - STORED, attributes={"RescaleSlope": "-1", "RescaleIntercept": "4095"}),
    "full window": changed(WindowCenter="2048", WindowWidth="4096"),
    "exact window": changed(WindowCenter="2047.5", WindowWidth="4095", VOILUTFunction="LINEAR_EXACT"),
    "several windows": changed(WindowCenter=["2048", "10"], WindowWidth=["4096", "5"]),
    "empty window": changed(WindowCenter="", WindowWidth=""),
    "voi lut": changed(VOILUTSequence=Sequence([lut_item(IDENTITY, first_mapped=0, bits=12)])),
    "voi lut said to have 16 bits": changed(VOILUTSequence=Sequence([lut_item(IDENTITY, first_mapped=0, bits=16)])),
    "voi lut beside a forbidden window": changed(
        VOILUTSequence=Sequence([lut_item(IDENTITY, first_mapped=0, bits=12)]), WindowCenter="5", WindowWidth="0"
    ),
    "modality lut": changed(ModalityLUTSequence=Sequence([lut_item(IDENTITY, first_mapped=0, bits=12)])),
    "signed": header(SIGNED),
    "rubbish above the bits": header(STORED | 0x5000),
    "padding that no pixel has": changed(PixelPaddingValue=4095),
    "a window": header(
        attributes={"WindowCenter": "1800", "WindowWidth": "2000"},
        expected={"pixels": linear_window(1800, 2000)},
    ),
    "width 1": header(
        attributes={"WindowCenter": "1000", "WindowWidth": "1"},
        expected={"pixels": linear_window(1000, 1), "flags": ("few_grey_levels",)},
    ),
    "width 2": header(
        attributes={"WindowCenter": "1000", "WindowWidth": "2"},
        expected={"pixels": linear_window(1000, 2), "flags": ("few_grey_levels",)},
    ),
    "width 0": ignored(WindowCenter="2048", WindowWidth="0"),
    "negative width": ignored(WindowCenter="2048", WindowWidth="-5"),
    "linear width below 1": ignored(WindowCenter="2048", WindowWidth="0.5"),
    "exact width 0": ignored(WindowCenter="2048", WindowWidth="0", VOILUTFunction="LINEAR_EXACT"),
    "sigmoid width 0": ignored(WindowCenter="2048", WindowWidth="0", VOILUTFunction="SIGMOID"),
    "center alone": ignored(WindowCenter="2048"),
    "width alone": ignored(WindowWidth="4096"),
    "center that is no number": ignored(WindowCenter=("LO", "SECRET"), WindowWidth="4096"),
    "width that is no number": ignored(WindowCenter="2048", WindowWidth=("LO", "nan")),
    "unknown function": ignored(WindowCenter="2048", WindowWidth="4096", VOILUTFunction=("CS", "LOG")),
    "12 bits that are said to be 16": header(bits_stored=16, expected={"pixels": STORED / 65535, "flags": DARKER}),
    "monochrome1 said to be 2": header(4095 - STORED, expected={"pixels": 1 - TRUTH, "flags": WHITE}),
    "rescale slope 0": refused(r"Rescale Slope \(0028,1053\) is 0", RescaleSlope="0", RescaleIntercept="5"),
    "rescale that is no number": refused(
        r"Rescale Slope \(0028,1053\) is not one number", RescaleSlope=("LO", "SECRET"), RescaleIntercept="5"
    ),
    "voi lut of zeros": refused(
        r"VOI LUT Sequence \(0028,3010\): LUT Data \(0028,3006\) holds only zeros",
        VOILUTSequence=Sequence([lut_item([0] * 9, first_mapped=0, bits=8)]),
    ),
    "modality lut without data": refused(
        r"Modality LUT Sequence \(0028,3000\): LUT Descriptor or LUT Data cannot be read",
        ModalityLUTSequence=Sequence([pydicom.Dataset()]),
    ),
    # files
    "implicit": rewritten(bytes, syntax=ImplicitVRLittleEndian),
    "big endian": rewritten(bytes, syntax=ExplicitVRBigEndian),
    "deflated": rewritten(bytes, syntax=DeflatedExplicitVRLittleEndian),
    "rle": rewritten(bytes, syntax=RLELossless),
    "name without suffix": rewritten(bytes, suffix=""),
    "no preamble": rewritten(without_preamble),
    "no preamble, no suffix": rewritten(without_preamble, suffix=""),
    "no meta information": rewritten(without_meta),
    "no meta information, implicit": rewritten(without_meta, syntax=ImplicitVRLittleEndian, suffix=""),
    "no meta information, big endian": rewritten(without_meta, syntax=ExplicitVRBigEndian),
    "mark without meta information": rewritten(without_syntax),
    "no meta information, rle": rewritten(
        without_meta, syntax=RLELossless, pixels=None, reason=r"no Transfer Syntax UID \(0002,0010\)"
    ),
    "cut without preamble": rewritten(
        lambda content: without_meta(content)[:200], pixels=None, reason="this is no DICOM file"
    ),
    "text": rewritten(lambda _: b"no film" * 100, pixels=None, reason="this is no DICOM file .no DICM mark"),
    "bytes that begin as a data set": rewritten(
        lambda _: b"\x08\x00" + bytes(range(256)) * 4, pixels=None, reason="DICOM"
    ),
    "a zip archive": rewritten(
        lambda _: b"PK\x03\x04" + bytes(400), pixels=None, reason="it is a zip archive or an Excel workbook"
    ),
    "a download that failed": rewritten(
        lambda _: b"<!DOCTYPE html>" + b" " * 400, pixels=None, reason="it is a web page"
    ),
    "cut": rewritten(lambda content: content[:3000], pixels=None, reason="bytes|cut"),
    # what and which view
    "class in the meta information only": only_in_meta("SOPClassUID"),
    "instance in the meta information only": only_in_meta("SOPInstanceUID"),
    "tomosynthesis": refused("tomosynthesis", SOPClassUID=BreastTomosynthesisImageStorage),
    "ct": refused("CT Image Storage is no mammogram", SOPClassUID=CTImageStorage),
    "frames": refused("several frames", NumberOfFrames=2),
    "colour": refused("Photometric Interpretation", PhotometricInterpretation="RGB"),
    "high bit": refused("High Bit", HighBit=15),
    "no pixels": refused("Pixel Data", PixelData=None),
    "view in lower case": changed(ViewPosition=("LO", "cc")),
    "view with blanks": changed(ViewPosition=("LO", " CC ")),
    **{f"view {text!r}": changed(ViewPosition=("LO", text)) for text in ("LCC", "L CC", "L-CC", "l_cc", "LEFT CC")},
    "view with the side and no other side": changed(ViewPosition="LCC", ImageLaterality=None),
    "view with another side": refused(
        r"View Position \(0018,5101\) is RCC, but the laterality is L", ViewPosition="RCC"
    ),
    "view of another projection and side": refused("is RMLO, but the laterality is L", ViewPosition="RMLO"),
    "exaggerated": refused(r"neither CC nor MLO \(XCCL\)", ViewPosition="XCCL"),
    "medio-lateral": refused(r"neither CC nor MLO \(ML\)", ViewPosition="ML"),
    "view by code": changed(ViewPosition=None, ViewCodeSequence=code("399162004")),
    "view by code beside an empty one": changed(ViewPosition="", ViewCodeSequence=code("R-10242")),
    "view against its code": refused("a medio-lateral view", ViewCodeSequence=code("399260004")),
    "laterality of the series": changed(ImageLaterality=None, Laterality="L"),
    "laterality in lower case": changed(ImageLaterality=("LO", "l")),
    "no laterality": refused("tell neither L nor R", ImageLaterality=None),
    "no patient": refused("PatientID is absent", PatientID=None),
    # spacing
    "spacing of the object": changed(ImagerPixelSpacing=None, PixelSpacing=["1", "1"]),
    "spacing of the digitiser": changed(ImagerPixelSpacing=None, NominalScannedPixelSpacing=["1", "1"]),
    "spacing absent": assumed(),
    "spacing 0": assumed(PixelSpacing=["0", "0"]),
    "spacing of one value": assumed(PixelSpacing=["1"]),
    "spacing of 50 mm": assumed(PixelSpacing=["50", "50"]),
    "spacing that is no number": assumed(PixelSpacing=("LO", "x")),
}


def picture(
    shown: np.ndarray | Image.Image,
    suffix: str,
    *,
    truth: np.ndarray | None = None,
    save: dict[str, Any] | None = None,
    **expected: Any,
) -> Variant:
    """Give a picture that Pillow writes."""
    image = shown if isinstance(shown, Image.Image) else Image.fromarray(shown)
    if truth is None:
        truth = (SIXTEEN / 65535) if image.mode.startswith("I") else (EIGHT / 255)
    return Variant(write=lambda path: image.save(path, **(save or {})), suffix=suffix, **{"pixels": truth, **expected})


def raw(content: bytes, suffix: str, **expected: Any) -> Variant:
    return Variant(write=lambda path: path.write_bytes(content), suffix=suffix, **expected)


def refused_picture(image: Image.Image, suffix: str, reason: str, **save: Any) -> Variant:
    return picture(image, suffix, save=save, pixels=None, reason=reason)


def turned_back(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Give what is stored where ``pixels`` shall be seen (EXIF 2.32, tag 274)."""
    return {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.T,
        6: np.rot90(pixels),
        7: pixels[::-1, ::-1].T,
        8: np.rot90(pixels, -1),
    }[orientation]


def oriented(suffix: str, orientation: int) -> Variant:
    exif = Image.Exif()
    exif[274] = orientation
    stored = np.ascontiguousarray(turned_back(EIGHT if suffix == ".jpg" else SIXTEEN, orientation))
    options = {"quality": 100} if suffix == ".jpg" else {}
    return picture(stored, suffix, save={"exif": exif, **options}, tolerance=0.02 if suffix == ".jpg" else 1e-6)


def deep_png(channels: np.ndarray, colour_type: int) -> bytes:
    """Write a PNG file of 16 bits a channel (ISO/IEC 15948), which Pillow cannot."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows, columns = channels.shape[:2]
    lines = b"".join(b"\0" + line.tobytes() for line in channels.astype(">u2"))
    size = struct.pack(">IIBBBBB", columns, rows, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def deep_tiff(path: Path) -> None:
    tifffile.imwrite(path, np.stack([SIXTEEN] * 3, axis=-1), photometric="rgb")


def pgm(values: np.ndarray, top: int) -> bytes:
    size = f"P5\n# a comment\n{values.shape[1]} {values.shape[0]}\n{top}\n".encode()
    return size + values.astype("u1" if top < 256 else ">u2").tobytes()


def plain_pgm(values: np.ndarray) -> bytes:
    rows = "\n".join(" ".join(map(str, row)) for row in values.tolist())
    return f"P2 {values.shape[1]} {values.shape[0]} 255\n{rows}\n".encode()


GREY = Image.fromarray(EIGHT)
SEEN = SIXTEEN / 65535
OPAQUE = np.full_like(SIXTEEN, 65535)
HOLED = OPAQUE.copy()
HOLED[0, 0] = 0
COLOURED = Image.fromarray(np.stack([EIGHT, EIGHT, EIGHT // 2], axis=-1))
PALETTE = GREY.convert("P")
COLOUR_PALETTE = GREY.convert("P")
COLOUR_PALETTE.putpalette([value for k in range(256) for value in (k, k, 255 - k)])
PARTLY = GREY.convert("LA")
PARTLY.putpixel((3, 3), (7, 254))
TEN_BITS = STORED // 4

PICTURES = {
    **{f"8 bits {suffix}": picture(EIGHT, suffix) for suffix in (".png", ".tif", ".bmp", ".pgm")},
    **{f"16 bits {suffix}": picture(SIXTEEN, suffix) for suffix in (".png", ".tif")},
    "jpeg": picture(EIGHT, ".jpg", save={"quality": 100}, tolerance=0.01),
    "big tiff": picture(SIXTEEN, ".tif", save={"big_tiff": True}),
    "deflated tiff": picture(SIXTEEN, ".tif", save={"compression": "tiff_adobe_deflate"}),
    "lzw tiff": picture(SIXTEEN, ".tif", save={"compression": "tiff_lzw"}),
    "big endian tiff": Variant(
        write=lambda path: tifffile.imwrite(path, SIXTEEN, byteorder=">"), pixels=SEEN, suffix=".tif"
    ),
    "tiff with zero white": Variant(
        write=lambda path: tifffile.imwrite(path, 65535 - SIXTEEN, photometric="miniswhite"),
        pixels=SEEN,
        suffix=".tif",
    ),
    "pgm of 16 bits": raw(pgm(SIXTEEN, 65535), ".pgm", pixels=SEEN),
    "pgm of 12 bits": raw(pgm(STORED, 4095), ".pgm", tolerance=1e-5),
    "pgm of 12 bits, stated": raw(pgm(STORED, 4095), ".pgm", tolerance=1e-5, view={"bits": 12}),
    "plain pgm": raw(plain_pgm(EIGHT), ".pgm", pixels=EIGHT / 255),
    # colour channels that agree
    **{f"grey RGB {suffix}": picture(GREY.convert("RGB"), suffix) for suffix in (".png", ".tif", ".bmp")},
    **{f"grey RGBA {suffix}": picture(GREY.convert("RGBA"), suffix) for suffix in (".png", ".tif")},
    **{f"grey LA {suffix}": picture(GREY.convert("LA"), suffix) for suffix in (".png", ".tif")},
    **{f"grey palette {suffix}": picture(PALETTE, suffix) for suffix in (".png", ".tif", ".bmp")},
    "grey RGB jpeg": picture(GREY.convert("RGB"), ".jpg", save={"quality": 100}, tolerance=0.01),
    "deep grey with alpha": raw(deep_png(np.stack([SIXTEEN, OPAQUE], -1), 4), ".png", pixels=SEEN),
    "deep grey RGB png": raw(deep_png(np.stack([SIXTEEN] * 3, -1), 2), ".png", pixels=SEEN),
    "deep grey RGBA png": raw(deep_png(np.stack([SIXTEEN] * 3 + [OPAQUE], -1), 6), ".png", pixels=SEEN),
    "deep grey RGB tiff": Variant(write=deep_tiff, pixels=SEEN, suffix=".tif"),
    "deep colour": raw(
        deep_png(np.stack([SIXTEEN, SIXTEEN, SIXTEEN + 1], -1), 2), ".png", pixels=None, reason="is in colour"
    ),
    "deep and transparent": raw(
        deep_png(np.stack([SIXTEEN, HOLED], -1), 4), ".png", pixels=None, reason="are transparent"
    ),
    **{f"colour {suffix}": refused_picture(COLOURED, suffix, "mode RGB is in colour") for suffix in (".png", ".bmp")},
    "colour palette": refused_picture(COLOUR_PALETTE, ".png", "palette.* is in colour"),
    "partly transparent": refused_picture(PARTLY, ".png", "parts of this picture are transparent"),
    "a transparent grey": refused_picture(
        GREY, ".png", "parts of this picture are transparent", transparency=int(EIGHT[5, 5])
    ),
    "cmyk": refused_picture(GREY.convert("CMYK"), ".jpg", "mode CMYK"),
    "two levels": refused_picture(GREY.convert("1"), ".png", "mode 1"),
    "float": refused_picture(Image.fromarray(TRUTH.astype(np.float32)), ".tif", "mode F"),
    # how it is turned
    **{f"orientation {k} {suffix}": oriented(suffix, k) for k in range(1, 9) for suffix in (".png", ".tif", ".jpg")},
    # bits and polarity
    "12 bits in 16": picture(STORED, ".png", truth=STORED / 65535, flags=DARKER),
    "12 bits in 16, stated": picture(STORED, ".png", truth=TRUTH, view={"bits": 12}),
    "12 bits in 16, stated, tiff": picture(STORED, ".tif", truth=TRUTH, view={"bits": 12}),
    "10 bits in 16": picture(TEN_BITS, ".png", truth=TEN_BITS / 65535, flags=DARKER),
    "10 bits in 16, stated": picture(TEN_BITS, ".png", truth=TEN_BITS / 1023, view={"bits": 10}),
    "16 bits, stated": picture(SIXTEEN, ".png", view={"bits": 16}),
    "8 bits, stated": picture(EIGHT, ".bmp", view={"bits": 8}),
    "more than the stated bits": picture(
        STORED, ".png", pixels=None, view={"bits": 8}, reason=rf"a value of {STORED.max()} needs more than the 8 bits"
    ),
    **{
        f"white background {suffix}": picture(255 - EIGHT, suffix, truth=1 - EIGHT / 255, flags=WHITE)
        for suffix in (".png", ".tif", ".bmp")
    },
    "white background, stated": picture(255 - EIGHT, ".png", truth=EIGHT / 255, view={"inverted": True}),
    "white background of 12 bits": picture(4095 - STORED, ".png", truth=TRUTH, view={"inverted": True, "bits": 12}),
    "white background of 12 bits, unstated": picture(
        4095 - STORED, ".png", truth=(4095 - STORED) / 65535, flags=(*DARKER, *WHITE)
    ),
    "wrongly inverted": picture(EIGHT, ".png", truth=1 - EIGHT / 255, flags=WHITE, view={"inverted": True}),
    "stated for a DICOM file": Variant(
        write=lambda path: dataset_of().save_as(path, enforce_file_format=True),
        pixels=None,
        view={"bits": 12},
        reason="a DICOM file states its own grey scale",
    ),
    # names and other formats
    "jpeg named png": picture(EIGHT, ".png", save={"format": "JPEG", "quality": 100}, tolerance=0.01),
    "png named dcm": picture(SIXTEEN, ".dcm", save={"format": "PNG"}),
    "gif": refused_picture(GREY, ".gif", "it is a GIF picture"),
    "webp": refused_picture(GREY.convert("RGB"), ".webp", "it is a WebP picture"),
    "jpeg 2000": refused_picture(GREY, ".jp2", "it is a JPEG 2000 picture"),
    "numpy": Variant(
        write=lambda path: np.save(path, SIXTEEN), pixels=None, suffix=".npy", reason="it is a NumPy array"
    ),
    "nifti": Variant(
        write=lambda path: SimpleITK.WriteImage(SimpleITK.GetImageFromArray(SIXTEEN), str(path)),
        pixels=None,
        suffix=".nii",
        reason="it is a NIfTI image",
    ),
    "empty": raw(b"", ".png", pixels=None, reason="this is no DICOM file"),
}


def films(path: Path, variant: Variant, *, is_exposure: bool) -> tuple[np.ndarray, set[str]]:
    """Read a film as `scripts.prepare` does; give its pixels and flags."""
    if is_exposure:
        exposure = read_exposure(read_header(path))
        assert (exposure.view_position, exposure.laterality) == (ViewPosition.CC, Laterality.LEFT)
    view = View(
        patient_id="A",
        laterality=Laterality.LEFT,
        view_position=ViewPosition.CC,
        image_path=path,
        **({} if is_exposure else {"spacing_mm": (1.0, 1.0)}),
        **variant.view,
    )
    film = read_view_film(view)
    if is_exposure:
        assert (film.view_position, film.laterality) == (ViewPosition.CC, Laterality.LEFT)
        assert film.spacing_mm == (None if "assumed_spacing" in variant.flags else (1.0, 1.0))
    return film.pixels, set(orient(film, [], SETTINGS).flags) & COMPARED_FLAGS


@pytest.mark.parametrize("name", [*HEADERS, *PICTURES])
def test_a_variant_gives_the_right_pixels_and_flags_or_the_right_reason(tmp_path, name, caplog):
    is_exposure = name in HEADERS
    variant = HEADERS[name] if is_exposure else PICTURES[name]
    path = tmp_path / f"film{variant.suffix}"
    variant.write(path)
    if variant.pixels is None:
        with pytest.raises(ValueError, match=variant.reason) as caught:
            films(path, variant, is_exposure=is_exposure)
        assert "SECRET" not in str(caught.value)
        return
    pixels, flags = films(path, variant, is_exposure=is_exposure)
    assert pixels.shape == variant.pixels.shape
    assert np.abs(pixels - variant.pixels).max() < variant.tolerance
    assert flags == set(variant.flags)
    assert "SECRET" not in caplog.text
    assert ("the full range of the bits is shown" in caplog.text) == ("window_ignored" in flags)


def test_there_are_a_hundred_odd_variants():
    assert len(HEADERS) + len(PICTURES) > 100
    assert not HEADERS.keys() & PICTURES.keys()
