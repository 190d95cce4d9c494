"""Encoders of films for the tests: pydicom's plugins, GDCM, and DCMTK where it is installed (Debian's package dcmtk).

Without DCMTK all transfer syntaxes that mammograms are met in can be encoded, except 12 bits in JPEG Extended: for it
there is pydicom's own test file (`test_read.py`). High-throughput JPEG 2000 is encoded by nothing here, and not met.
"""

from __future__ import annotations

import copy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

HAS_DCMTK = shutil.which("dcmcjpeg") is not None

ENCODERS: dict[tuple[str, UID], dict[str, Any]] = {
    ("pydicom", RLELossless): {"encoding_plugin": "pydicom"},
    ("pylibjpeg", RLELossless): {"encoding_plugin": "pylibjpeg"},
    ("pylibjpeg", JPEG2000Lossless): {},
    ("pylibjpeg", JPEG2000): {"j2k_cr": [8]},
    ("pyjpegls", JPEGLSLossless): {},
    ("pyjpegls", JPEGLSNearLossless): {"jls_error": 3},
    **{
        ("gdcm", syntax): {}
        for syntax in (
            *(RLELossless, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1),
            *(JPEGLSLossless, JPEG2000Lossless),
        )
    },
    ("dcmcrle", RLELossless): {"arguments": []},
    ("dcmcjpls", JPEGLSLossless): {"arguments": ["+el"]},
    ("dcmcjpls", JPEGLSNearLossless): {"arguments": ["+en"]},
    ("dcmcjpeg", JPEGBaseline8Bit): {"arguments": ["+eb"]},
    ("dcmcjpeg", JPEGExtended12Bit): {"arguments": ["+ee"]},
    ("dcmcjpeg", JPEGLossless): {"arguments": ["+el", "+sv", "4"]},
    ("dcmcjpeg", JPEGLosslessSV1): {"arguments": ["+e1"]},
}
"""By name and transfer syntax, the encoder's options."""

LOSSY = {JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless}
MOST_BITS = {
    ("gdcm", JPEGBaseline8Bit): 8,
    ("gdcm", JPEGExtended12Bit): 8,  # of 12 bits GDCM makes a picture that says it had 16, which no standard knows
    ("dcmcjpeg", JPEGBaseline8Bit): 8,
    ("dcmcjpeg", JPEGExtended12Bit): 12,
}
DCMTK_DECODERS = {"dcmcrle": "dcmdrle", "dcmcjpls": "dcmdjpls", "dcmcjpeg": "dcmdjpeg"}


def encoded(dataset: pydicom.Dataset, encoder: str, syntax: UID, *, folder: Path) -> pydicom.Dataset:
    """Give a copy of an uncompressed dataset with encoded pixels."""
    options = ENCODERS[encoder, syntax]
    if encoder == "gdcm":
        return _by_gdcm(dataset, syntax)
    if encoder in DCMTK_DECODERS:
        return _by_dcmtk(dataset, [encoder, *options["arguments"]], folder=folder)
    result = copy.deepcopy(dataset)
    result.compress(syntax, generate_instance_uid=False, **options)
    return result


def decoded_by_dcmtk(dataset: pydicom.Dataset, *, folder: Path) -> np.ndarray | None:
    """Decode by DCMTK; None where it is not installed or does not know the transfer syntax."""
    syntax = dataset.file_meta.TransferSyntaxUID
    program = next((DCMTK_DECODERS[name] for name, known in ENCODERS if name in DCMTK_DECODERS and known == syntax), "")
    if not HAS_DCMTK or not program:
        return None
    return _by_dcmtk(dataset, [program], folder=folder).pixel_array


def _by_dcmtk(dataset: pydicom.Dataset, command: list[str], *, folder: Path) -> pydicom.Dataset:
    before, after = folder / "before.dcm", folder / "after.dcm"
    dataset.save_as(before, enforce_file_format=True)
    subprocess.run([*command, str(before), str(after)], check=True, capture_output=True)
    return pydicom.dcmread(after)


def _by_gdcm(dataset: pydicom.Dataset, syntax: UID) -> pydicom.Dataset:
    writer = gdcm.ImageWriter()  # owns the image
    image = writer.GetImage()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((dataset.Columns, dataset.Rows, 1))
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.GetPIType(str(dataset.PhotometricInterpretation)))
    )
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(ExplicitVRLittleEndian)))
    image.SetPixelFormat(
        gdcm.PixelFormat(1, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation)
    )
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(dataset.PixelData)
    image.SetDataElement(element)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    change.SetInput(image)
    assert change.Change()
    fragments = change.GetOutput().GetDataElement().GetSequenceOfFragments()
    content = b"".join(
        # GDCM gives char* as text.
        fragments.GetFragment(k).GetByteValue().GetBuffer().encode("utf-8", "surrogateescape")
        for k in range(fragments.GetNumberOfFragments())
    )
    result = copy.deepcopy(dataset)
    result.PixelData = encapsulate([content])
    result["PixelData"].is_undefined_length = True
    result.file_meta.TransferSyntaxUID = syntax
    return result
