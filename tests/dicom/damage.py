"""Damaged DICOM files, each from a seed; run as a program, it reads many of them in a process of limited memory.

``python -m tests.dicom.damage FOLDER FIRST LAST`` prints the number of files by outcome as JSON. It stops at the first
error that is not the project's own, or when a file takes long, and leaves that file in the folder.
"""

from __future__ import annotations

import faulthandler
import io
import json
import random
import resource
import signal
import struct
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import pydicom
from pydicom.sequence import Sequence
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from bundle.datasets.dicom_folder import _scan_file
from bundle.dicom.masks import read_mask
from bundle.dicom.read import read_film
from bundle.dicom.segmentation import read_frames
from tests.dicom.encoders import encoded
from tests.dicom.film_files import film_dataset, lut_item, ramp
from tests.dicom.segmentation_files import item, write_segmentation

MEMORY_BYTES = 4 * 2**30  # of addresses: the libraries alone take more than 1 GiB
SECONDS_PER_FILE = 30

_NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
_ENCODED = (
    *(("pylibjpeg", JPEG2000Lossless), ("pylibjpeg", JPEG2000), ("pyjpegls", JPEGLSLossless)),
    *(("pydicom", RLELossless), ("gdcm", JPEGLossless), ("gdcm", JPEGLosslessSV1), ("gdcm", JPEGBaseline8Bit)),
)
KINDS = len(_NATIVE) + len(_ENCODED) + 1
_NUMBERS = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel")
_VRS = b"AE AS AT CS DA DS DT FL FD IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST TM UC UI UL UN UR US UT UV ZZ".split()


@cache
def _undamaged(kind: int, folder: Path) -> bytes:
    """Give a sound film in one of the transfer syntaxes, or a segmentation; full of what the reader looks at."""
    if kind == KINDS - 1:
        mask = np.zeros((48, 64), dtype=bool)
        mask[10:30, 20:40] = True
        path = folder / "sound.dcm"
        write_segmentation(path, [mask, mask.T.reshape(48, 64)], images=["1.1", "1.1"], numbers=[1, 1])
        return path.read_bytes()
    encoder, syntax = _ENCODED[kind] if kind < len(_ENCODED) else ("", _NATIVE[kind - len(_ENCODED)])
    bits = 8 if syntax == JPEGBaseline8Bit else 12
    stored = ramp(bits=bits, shape=(48, 64))
    dataset = film_dataset(
        stored.astype(np.uint8) if bits == 8 else stored,
        bits_stored=bits,
        Modality="MG",
        StudyInstanceUID="1.5",
        ImageLaterality="L",
        AcquisitionDate="20200102",
        PatientOrientation=["A", "FR"],
        WindowCenter=["1800", "100"],
        WindowWidth=["2000", "5"],
        VOILUTFunction="SIGMOID",
        RescaleSlope="2",
        RescaleIntercept="-5",
        PixelPaddingValue=0,
        ImagerPixelSpacing=["0.1", "0.1"],
        ViewCodeSequence=Sequence([item(CodeValue="R-10242", ViewModifierCodeSequence=[item(CodeValue="R-40AB3")])]),
        VOILUTSequence=Sequence([lut_item([value // 16 for value in range(4096)], first_mapped=0, bits=8)]),
    )
    if encoder:
        dataset = encoded(dataset, encoder, syntax, folder=folder)
    else:
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = stored.astype(">u2").tobytes()
    return _file_of(dataset)


def _file_of(dataset: pydicom.Dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def _flip(content: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3, 10, 100))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _overwrite_headers(content: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randrange(1, 20)):
        content[chance.randrange(132, min(len(content), 1500))] = chance.choice((0, 1, 127, 128, 255, 32))


def _lengthen(content: bytearray, chance: random.Random) -> None:
    place = chance.randrange(132, len(content) - 4)
    content[place : place + 4] = struct.pack("<I", chance.choice((2**32 - 1, 2**32 - 2, 2**31, 2**24, 65535, 0)))


def _wrong_vr(content: bytearray, chance: random.Random) -> None:
    places = [k for k in range(132, min(len(content), 1500)) if bytes(content[k : k + 2]) in _VRS]
    for place in chance.sample(places, min(len(places), chance.randrange(1, 4))):
        content[place : place + 2] = chance.choice(_VRS)


def _double(content: bytearray, chance: random.Random) -> None:
    place, length = chance.randrange(132, len(content)), chance.randrange(1, 400)
    target = chance.randrange(132, len(content))
    content[target:target] = content[place : place + length]


def _nest(content: bytearray, chance: random.Random) -> None:
    """Put a sequence in a sequence, and so on, before the pixels, which may be missing their ends."""
    depth = chance.choice((3, 50, 300, 1000, 30_000))
    tag = chance.choice((b"\x54\x00\x20\x02", b"\x28\x00\x10\x30", b"\x09\x00\x10\x10"))
    begin = (tag + b"SQ\0\0" + b"\xff" * 4 + b"\xfe\xff\x00\xe0" + b"\xff" * 4) * depth
    end = (b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0") * (depth if chance.random() < 0.5 else 0)
    place = content.find(b"\xe0\x7f\x10\x00")
    place = place if place > 0 else len(content)
    content[place:place] = begin + end


def _absurd(content: bytearray, chance: random.Random) -> None:
    """Change values of the layout, leave elements out, or give them values of another kind."""
    dataset = pydicom.dcmread(io.BytesIO(content))
    for _ in range(chance.randrange(1, 4)):
        change = chance.choice(("number", "frames", "missing", "text", "lut"))
        if change == "number":
            value = chance.choice((0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 47, 49, 64, 255, 16384, 32768, 65535))
            setattr(dataset, chance.choice(_NUMBERS), value)
        elif change == "frames":
            dataset.NumberOfFrames = chance.choice(("0", "2", "1000000", "-1"))
        elif change == "missing" and (tags := list(dataset.keys())):
            del dataset[chance.choice(tags)]
        elif change == "text":
            keyword = chance.choice(("WindowCenter", "WindowWidth", "RescaleSlope", "ImagerPixelSpacing"))
            dataset.add_new(keyword, "LO", chance.choice(("nan", "inf", "-1e308", "1e999", "0", "x", "", "1\\2\\3")))
        else:
            table = lut_item([7] * chance.choice((1, 3, 300)), first_mapped=chance.choice((0, 65535)), bits=16)
            table.LUTDescriptor = chance.choice(([0, 0, 8], [65535, 0, 16], [3, 65535, 0], [1, 1, 255]))
            dataset.VOILUTSequence = Sequence([table])
    content[:] = _file_of(dataset)


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(_cut, _flip, _overwrite_headers, _lengthen, _wrong_vr, _double, _nest, _absurd),
)


def damaged_file(seed: int, folder: Path) -> bytes:
    """Give the file of a seed: each kind of film with each kind of damage in turn."""
    content = bytearray(_undamaged(seed % KINDS, folder))
    DAMAGES[seed // KINDS % len(DAMAGES)](content, random.Random(seed))
    return bytes(content)


def _outcome(read: Callable[[], object], path: Path) -> str:
    try:
        read()
    except ValueError as error:
        sentence = str(error)
        assert str(path) in sentence, sentence
        assert "SECRET" not in sentence, sentence
        assert "\n" not in sentence, sentence
        assert len(sentence) < 500, sentence
        return "refused"
    return "read"


def main(folder: Path, first: int, last: int) -> None:
    faulthandler.enable()
    for seed in range(KINDS):
        _undamaged(seed, folder)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    counts: Counter[str] = Counter()
    for seed in range(first, last):
        path = folder / f"damaged_{seed}.dcm"
        path.write_bytes(damaged_file(seed, folder))
        signal.alarm(SECONDS_PER_FILE)
        with warnings.catch_warnings(action="error"):  # the parser's warnings quote values
            counts[f"film {_outcome(lambda path=path: read_film(path), path)}"] += 1
            counts[f"mask {_outcome(lambda path=path: read_mask(path), path)}"] += 1
            counts[f"frames {_outcome(lambda path=path: read_frames(path, [0, 1]), path)}"] += 1
            scanned = _scan_file(folder, PurePosixPath(path.name))
        assert str(folder) not in scanned.reason
        assert "SECRET" not in scanned.reason
        counts["header refused" if scanned.reason else "header read"] += 1
        signal.alarm(0)
        path.unlink()
    # Not getrusage: its peak is that of the process that started this one, where that was larger.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    counts["peak MiB"] = int(status["VmHWM"].split()[0]) // 1024
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
