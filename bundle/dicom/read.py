"""Read a mammogram from a DICOM file: the stored pixels as a reader would see them, and what the headers tell of it."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.datadict import dictionary_description
from pydicom.pixels import apply_modality_lut, apply_windowing

from bundle.dicom.decoding import stored_pixels
from bundle.dicom.elements import PARSE_ERRORS, element_items, element_numbers, element_texts, silent_parser
from bundle.dicom.parsing import read_dataset
from bundle.records import Film
from bundle.vocabulary import Laterality, ViewPosition

logger = logging.getLogger(__name__)

WINDOW_IGNORED = "window_ignored"
"""Flag of a film whose window the standard forbids."""

_ROWS_AT_A_TIME = 64
# How far the rounding of a line's black end to float32 may move the pixels, which lie in [0, 1].
_GREATEST_SHIFT = 1e-7
# A detector element or a digitiser's sampling step; outside of it the value is a slip (metres, zero, negative).
PLAUSIBLE_SPACING_MM = (0.005, 10.0)

# View Code Sequence (0054,0220): CID 4014, in the SNOMED RT codes of older files and the SNOMED CT codes of newer ones.
VIEW_CODES = {
    "R-10242": ViewPosition.CC,
    "399162004": ViewPosition.CC,
    "R-10226": ViewPosition.MLO,
    "399368009": ViewPosition.MLO,
}

# CBIS-DDSM tells side and view in the subject's name only: ``Calc-Test_P_00041_LEFT_CC``, ``..._1`` for a lesion.
_SIDE_AND_VIEW = re.compile(r"(L|R|LEFT|RIGHT)[ _-]*(CC|MLO)")
CBIS_DDSM_SUBJECT = re.compile(r"_(LEFT|RIGHT)_(CC|MLO)(?:_\d+)?$")


def read_film(path: Path) -> Film:
    """Read a mammogram: stored pixels, modality LUT, VOI LUT or first window, MONOCHROME1 inversion, [0, 1].

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is no DICOM file, is damaged, or holds no single grey image; the sentence names the file.
    """
    dataset = read_dataset(path)
    try:
        film = film_from_dataset(dataset)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if WINDOW_IGNORED in film.flags:
        logger.warning("%s: %s; the full range of the bits is shown.", path, _window(dataset).problem)
    return film


def read_stored_pixels(path: Path) -> np.ndarray:
    """Read the stored values of a grey DICOM image, ``[rows, columns]``, without any look-up table: for masks.

    Raises:
        OSError: the file cannot be opened.
        ValueError: as for `read_film`.
    """
    dataset = read_dataset(path)
    try:
        return stored_pixels(dataset)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def film_from_dataset(dataset: pydicom.Dataset) -> Film:
    """Turn a dataset with pixels into a film, by the same steps as `read_film`; the dataset stays as it is.

    Raises:
        ValueError: the dataset is damaged or holds no single grey image.
    """
    stored = stored_pixels(dataset)
    with silent_parser():
        _require_rescale(dataset)
        _require_luts(dataset)
        try:
            pixels = presentation_pixels(stored, dataset)
            padding = _padding(stored, dataset)
        except _GreyScaleError:
            raise
        except PARSE_ERRORS as error:
            raise ValueError(
                f"the grey scale attributes cannot be applied ({type(error).__name__}); export the file again"
            ) from None
    if padding is not None:
        pixels[padding] = 0.0
    return Film(
        pixels=pixels,
        padding=padding,
        spacing_mm=pixel_spacing_mm(dataset),
        view_position=view_position(dataset),
        laterality=laterality(dataset),
        patient_orientation=tuple(element_texts(dataset, "PatientOrientation")),
        flags=(WINDOW_IGNORED,) if _is_window_ignored(dataset) else (),
    )


def presentation_pixels(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Map stored values to [0, 1], brighter for more attenuation, by the grey scale pipeline of PS3.4 section N.2.

    Without window and VOI LUT, or with a window that the standard forbids, the full range of Bits Stored is mapped,
    never the range that one image happens to have.
    The pipeline acts on each value alone. Where it is a straight line, clipped to [0, 1], as without LUT and with a
    linear window, it is computed in float32. Any other one is worked out for every value that Bits Stored allows and
    looked up, which takes longer.

    Args:
        stored: integers ``[rows, columns]`` from `stored_pixels`.
        dataset: only read.

    Returns:
        float32 ``[rows, columns]`` in [0, 1].
    """
    levels = 1 << int(dataset.BitsStored)
    lowest = -(levels >> 1) if dataset.PixelRepresentation == 1 else 0
    highest = lowest + levels - 1
    pixels = np.empty(stored.shape, dtype=np.float32)
    # Some rows at a time, which stay in the processor's cache from one step to the next.
    blocks = [slice(first, first + _ROWS_AT_A_TIME) for first in range(0, len(stored), _ROWS_AT_A_TIME)]
    ends = _line_ends(dataset, lowest=lowest, highest=highest)
    if ends is None:
        table = _presentation_table(np.arange(lowest, highest + 1), dataset).astype(np.float32)
        for rows in blocks:
            # All values are in the table; the mode only spares numpy a copy, and "wrap" is the fastest.
            np.take(table, stored[rows] - lowest if lowest else stored[rows], out=pixels[rows], mode="wrap")
        return pixels
    black, white = ends
    is_clipped = {black, white} != {lowest, highest}
    for rows in blocks:
        shown = pixels[rows]
        shown[...] = stored[rows]
        if black:
            shown -= np.float32(black)
        shown *= np.float32(1.0 / (white - black))
        if is_clipped:
            np.clip(shown, np.float32(0.0), np.float32(1.0), out=shown)
    return pixels


def pixel_spacing_mm(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    """Give the (row, column) spacing at the detector or on the film; None where the file does not tell.

    Imager Pixel Spacing comes first: it is what the standard requires of mammograms, and it means the detector in every
    file. Pixel Spacing is optional there and may have been divided by a magnification that the file need not state, so
    it is used only alone. Nominal Scanned Pixel Spacing is a digitiser's setting, the weakest statement of the three.
    """
    for keyword in ("ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing"):
        values = element_numbers(dataset, keyword)
        low, high = PLAUSIBLE_SPACING_MM
        if len(values) == 2 and all(low <= value <= high for value in values):
            return values[0], values[1]
    return None


def view_position(dataset: pydicom.Dataset) -> ViewPosition | None:
    """Give the projection, from View Position, else View Code Sequence, else a CBIS-DDSM subject name.

    A View Position with the side before it, for instance ``LCC``, counts where no other element tells another side.
    """
    stated = element_texts(dataset, "ViewPosition")
    if stated:
        if (found := side_and_view(stated[0])) is not None:
            return found[1] if laterality(dataset) is found[0] else None
        return next((view for view in ViewPosition if view == stated[0].upper()), None)
    for item in element_items(dataset, "ViewCodeSequence"):
        for code in element_texts(item, "CodeValue"):
            if code in VIEW_CODES:
                return VIEW_CODES[code]
    subject = _cbis_ddsm_subject(dataset)
    return ViewPosition(subject.group(2)) if subject else None


def laterality(dataset: pydicom.Dataset) -> Laterality | None:
    """Give the side, from Image Laterality, else Laterality, a View Position such as ``LCC``, a CBIS-DDSM subject."""
    for keyword in ("ImageLaterality", "Laterality"):
        for text in element_texts(dataset, keyword)[:1]:
            if text.upper() in tuple(Laterality):
                return Laterality(text.upper())
    for text in element_texts(dataset, "ViewPosition")[:1]:
        if (found := side_and_view(text)) is not None:
            return found[0]
    subject = _cbis_ddsm_subject(dataset)
    return Laterality(subject.group(1)[0]) if subject else None


def side_and_view(view_position: str) -> tuple[Laterality, ViewPosition] | None:
    """Take apart a View Position that names the side as well, for instance ``RMLO`` or ``L CC``; None for others."""
    match = _SIDE_AND_VIEW.fullmatch(view_position.upper())
    return (Laterality(match[1][0]), ViewPosition(match[2])) if match else None


@dataclass(frozen=True, kw_only=True)
class _Window:
    """The first window of a dataset, where it can be applied; else what is wrong with it, or nothing where none is."""

    center: float = 0.0
    width: float = 0.0
    function: str = ""
    problem: str = ""

    @property
    def is_usable(self) -> bool:
        return self.width > 0 and not self.problem


def _window(dataset: pydicom.Dataset) -> _Window:
    """Read Window Center, Window Width and VOI LUT Function (PS3.3 section C.11.2.1.2-3)."""
    texts = {keyword: element_texts(dataset, keyword) for keyword in ("WindowCenter", "WindowWidth")}
    if not any(texts.values()):
        return _Window(problem=_unreadable(dataset, "WindowCenter") or _unreadable(dataset, "WindowWidth"))
    for keyword in texts:
        if not element_numbers(dataset, keyword):
            return _Window(problem=_unreadable(dataset, keyword) or f"{_name(keyword)} is absent")
    center, width = element_numbers(dataset, "WindowCenter")[0], element_numbers(dataset, "WindowWidth")[0]
    function = (element_texts(dataset, "VOILUTFunction") or ["LINEAR"])[0].upper()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        return _Window(problem=f"{_name('VOILUTFunction')} is none of LINEAR, LINEAR_EXACT and SIGMOID")
    if width < 1.0 if function == "LINEAR" else width <= 0.0:
        least = "at least 1" if function == "LINEAR" else "above 0"
        return _Window(problem=f"{_name('WindowWidth')} is {width:g}; with the function {function} it must be {least}")
    return _Window(center=center, width=width, function=function)


def _is_window_ignored(dataset: pydicom.Dataset) -> bool:
    return not element_items(dataset, "VOILUTSequence") and bool(_window(dataset).problem)


def _name(keyword: str) -> str:
    """Name an element with its tag, for a message."""
    tag = pydicom.tag.Tag(keyword)
    return f"{dictionary_description(tag)} ({tag.group:04X},{tag.element:04X})"


def _unreadable(dataset: pydicom.Dataset, keyword: str) -> str:
    """Say that an element is there and holds no number, without its value: a damaged file may hold anything there."""
    with silent_parser():
        try:
            is_empty = dataset.get(keyword) in (None, "")
        except PARSE_ERRORS:
            is_empty = False
    return "" if is_empty or element_numbers(dataset, keyword) else f"{_name(keyword)} is no number"


def _require_rescale(dataset: pydicom.Dataset) -> None:
    """See that Rescale Slope and Intercept, where both are there, can be applied (PS3.3 section C.11.1)."""
    if element_items(dataset, "ModalityLUTSequence"):
        return
    if not all(keyword in dataset for keyword in ("RescaleSlope", "RescaleIntercept")):
        return
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        if len(element_numbers(dataset, keyword)) != 1:
            raise ValueError(f"{_name(keyword)} is not one number; correct it, or export the file again")
    is_windowed = element_items(dataset, "VOILUTSequence") or _window(dataset).is_usable
    if element_numbers(dataset, "RescaleSlope")[0] == 0.0 and not is_windowed:
        raise ValueError(f"{_name('RescaleSlope')} is 0, so that all values become one; export the file again")


def _require_luts(dataset: pydicom.Dataset) -> None:
    """See that the look-up tables that will be applied are tables (PS3.3 sections C.11.1.1 and C.11.2.1.1)."""
    for keyword in ("ModalityLUTSequence", "VOILUTSequence"):
        for item in element_items(dataset, keyword)[:1]:
            try:
                _lut(item)
            except PARSE_ERRORS as error:
                reason = str(error) if type(error) is _GreyScaleError else "LUT Descriptor or LUT Data cannot be read"
                raise ValueError(f"{_name(keyword)}: {reason}; export the file again") from None


class _GreyScaleError(ValueError):
    """A reason of our own, told from what the parser raises."""


def _line_ends(dataset: pydicom.Dataset, *, lowest: int, highest: int) -> tuple[float, float] | None:
    """Give the stored values, perhaps between or beyond the possible ones, that the grey scale maps to 0 and to 1.

    Returns:
        (black, white), with a straight line between them; None where it is no line, or is one that is too steep or too
        far away for float32.
    """
    if element_items(dataset, "ModalityLUTSequence") or element_items(dataset, "VOILUTSequence"):
        return None
    low, high = (float(apply_modality_lut(np.array(value), dataset)) for value in (lowest, highest))
    dark, bright = min(low, high), max(low, high)
    window = _window(dataset)
    if window.is_usable:
        # PS3.3 sections C.11.2.1.2.1 and C.11.2.1.3.2.
        center, width = window.center, window.width
        if window.function == "LINEAR":
            center, width = center - 0.5, width - 1.0
        elif window.function != "LINEAR_EXACT":
            return None
        dark, bright = center - width / 2.0, center + width / 2.0
    if low == high or dark > bright:
        return None
    black, white = (lowest + (highest - lowest) * ((end - low) / (high - low)) for end in (dark, bright))
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        black, white = white, black
    span = abs(white - black)
    is_held = span >= 1.0 and abs(float(np.float32(black)) - black) <= _GREATEST_SHIFT * span
    return (black, white) if is_held else None


def _presentation_table(values: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Map each possible stored value to [0, 1]."""
    if modality_luts := element_items(dataset, "ModalityLUTSequence"):
        modality, _ = _looked_up(values, modality_luts[0])
    else:
        modality = apply_modality_lut(values, dataset)  # returns a new array, or the values where there is no rescale

    window = _window(dataset)
    if voi_luts := element_items(dataset, "VOILUTSequence"):
        shown, top = _looked_up(modality, voi_luts[0])
        table = shown / top
    elif window.is_usable:
        table = _windowed(modality, window)
    else:
        low, high = float(modality.min()), float(modality.max())
        if high <= low:
            raise _GreyScaleError(f"{_name('ModalityLUTSequence')} maps all values to one; export the file again")
        table = (modality - low) / (high - low)
    table = np.clip(table, 0.0, 1.0)
    return 1.0 - table if dataset.PhotometricInterpretation == "MONOCHROME1" else table


def _windowed(values: np.ndarray, window: _Window) -> np.ndarray:
    """Apply one window (PS3.3 section C.11.2.1.2-3) and give [0, 1].

    pydicom scales the result to the range of the dataset's own bits and rescale, and writes to the dataset while it
    does: a small dataset of our own makes that range 0 to 65535 for every film and leaves the caller's alone.
    """
    dataset = pydicom.Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsStored = 16
    dataset.PixelRepresentation = 0
    dataset.WindowCenter = window.center
    dataset.WindowWidth = window.width
    dataset.VOILUTFunction = window.function
    return apply_windowing(values, dataset) / 65535.0


def _looked_up(values: np.ndarray, item: pydicom.Dataset) -> tuple[np.ndarray, int]:
    """Look values up in a Modality or VOI LUT (PS3.3 sections C.11.1.1 and C.11.2.1.1); give them and the LUT's top.

    Done here, since pydicom indexes an 8-bit LUT with 8 bits, however many entries it has. The top is that of the bits
    which the entries use: some devices write 16 in the descriptor of a 12-bit LUT, and the film would come out black.
    """
    entries, first_mapped = _lut(item)
    index = np.clip(np.floor(values) - first_mapped, 0, entries.size - 1)
    return entries[index.astype(int)], (1 << int(entries.max()).bit_length()) - 1


def _lut(item: pydicom.Dataset) -> tuple[np.ndarray, int]:
    """Give the entries of a Modality or VOI LUT and the first value that is mapped.

    Raises:
        _GreyScaleError: the entries are not what the descriptor says.
    """
    entries_count, first_mapped, _ = (int(value) for value in item.LUTDescriptor)
    entries_count = entries_count or 1 << 16
    data = item.LUTData
    entries = (
        np.frombuffer(data, "<u2").astype(int) if isinstance(data, bytes) else np.atleast_1d(np.asarray(data, int))
    )
    if entries.size < entries_count:
        raise _GreyScaleError(
            f"LUT Data (0028,3006) has {entries.size} entries, LUT Descriptor (0028,3002) {entries_count}"
        )
    if entries[:entries_count].max() <= 0:
        raise _GreyScaleError("LUT Data (0028,3006) holds only zeros")
    return entries[:entries_count], first_mapped


def _padding(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray | None:
    """Tell which pixels are padding (PS3.3 section C.7.5.1.1.2); None when the file declares none."""
    value = element_numbers(dataset, "PixelPaddingValue")
    if not value:
        return None
    limit = element_numbers(dataset, "PixelPaddingRangeLimit") or value
    low, high = sorted((value[0], limit[0]))
    return (stored >= low) & (stored <= high)


def _cbis_ddsm_subject(dataset: pydicom.Dataset) -> re.Match[str] | None:
    return next(
        (match for text in element_texts(dataset, "PatientID") if (match := CBIS_DDSM_SUBJECT.search(text))), None
    )
