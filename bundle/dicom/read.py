"""Read a mammogram from a DICOM file: the stored pixels as a reader would see them, and what the headers tell of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut, apply_windowing

from bundle.dicom.decoding import stored_pixels
from bundle.dicom.elements import PARSE_ERRORS, element_items, element_numbers, element_texts, silent_parser
from bundle.dicom.parsing import read_dataset
from bundle.records import Film
from bundle.vocabulary import Laterality, ViewPosition

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
CBIS_DDSM_SUBJECT = re.compile(r"_(LEFT|RIGHT)_(CC|MLO)(?:_\d+)?$")


def read_film(path: Path) -> Film:
    """Read a mammogram: stored pixels, modality LUT, VOI LUT or first window, MONOCHROME1 inversion, [0, 1].

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is no DICOM file, is damaged, or holds no single grey image; the sentence names the file.
    """
    dataset = read_dataset(path)
    try:
        return film_from_dataset(dataset)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


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
        try:
            pixels = presentation_pixels(stored, dataset)
            padding = _padding(stored, dataset)
        except PARSE_ERRORS as error:
            raise ValueError(
                f"the grey scale attributes cannot be applied ({type(error).__name__}); re-export the file"
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
    )


def presentation_pixels(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Map stored values to [0, 1], brighter for more attenuation, by the grey scale pipeline of PS3.4 section N.2.

    Without window and VOI LUT the full range of Bits Stored is mapped, never the range that one image happens to have.
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
    """Give the projection, from View Position, else View Code Sequence, else a CBIS-DDSM subject name."""
    stated = element_texts(dataset, "ViewPosition")
    if stated:
        return next((view for view in ViewPosition if view == stated[0].upper()), None)
    for item in element_items(dataset, "ViewCodeSequence"):
        for code in element_texts(item, "CodeValue"):
            if code in VIEW_CODES:
                return VIEW_CODES[code]
    subject = _cbis_ddsm_subject(dataset)
    return ViewPosition(subject.group(2)) if subject else None


def laterality(dataset: pydicom.Dataset) -> Laterality | None:
    """Give the side, from Image Laterality, else Laterality, else a CBIS-DDSM subject name."""
    for keyword in ("ImageLaterality", "Laterality"):
        for text in element_texts(dataset, keyword)[:1]:
            if text.upper() in tuple(Laterality):
                return Laterality(text.upper())
    subject = _cbis_ddsm_subject(dataset)
    return Laterality(subject.group(1)[0]) if subject else None


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
    centers, widths = element_numbers(dataset, "WindowCenter"), element_numbers(dataset, "WindowWidth")
    if centers and widths:
        # PS3.3 sections C.11.2.1.2.1 and C.11.2.1.3.2.
        center, width, function = centers[0], widths[0], _voi_lut_function(dataset)
        if function == "LINEAR":
            center, width = center - 0.5, width - 1.0
        elif function != "LINEAR_EXACT":
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

    centers, widths = element_numbers(dataset, "WindowCenter"), element_numbers(dataset, "WindowWidth")
    if voi_luts := element_items(dataset, "VOILUTSequence"):
        shown, top = _looked_up(modality, voi_luts[0])
        table = shown / top
    elif centers and widths:
        table = _windowed(modality, dataset, center=centers[0], width=widths[0])
    else:
        low, high = float(modality.min()), float(modality.max())
        if high <= low:
            raise ValueError("the modality LUT maps all values to one")
        table = (modality - low) / (high - low)
    table = np.clip(table, 0.0, 1.0)
    return 1.0 - table if dataset.PhotometricInterpretation == "MONOCHROME1" else table


def _windowed(values: np.ndarray, dataset: pydicom.Dataset, *, center: float, width: float) -> np.ndarray:
    """Apply one window (PS3.3 section C.11.2.1.2-3) and give [0, 1].

    pydicom scales the result to the range of the dataset's own bits and rescale, and writes to the dataset while it
    does: a small dataset of our own makes that range 0 to 65535 for every film and leaves the caller's alone.
    """
    window = pydicom.Dataset()
    window.PhotometricInterpretation = "MONOCHROME2"
    window.BitsStored = 16
    window.PixelRepresentation = 0
    window.WindowCenter = center
    window.WindowWidth = width
    window.VOILUTFunction = _voi_lut_function(dataset)
    return apply_windowing(values, window) / 65535.0


def _voi_lut_function(dataset: pydicom.Dataset) -> str:
    return (element_texts(dataset, "VOILUTFunction") or ["LINEAR"])[0].upper()


def _looked_up(values: np.ndarray, item: pydicom.Dataset) -> tuple[np.ndarray, int]:
    """Look values up in a Modality or VOI LUT (PS3.3 sections C.11.1.1 and C.11.2.1.1); give them and the LUT's top.

    Done here, since pydicom indexes an 8-bit LUT with 8 bits, however many entries it has. The top is that of the bits
    which the entries use: some devices write 16 in the descriptor of a 12-bit LUT, and the film would come out black.
    """
    entries_count, first_mapped, _ = (int(value) for value in item.LUTDescriptor)
    entries_count = entries_count or 1 << 16
    data = item.LUTData
    entries = (
        np.frombuffer(data, "<u2").astype(int) if isinstance(data, bytes) else np.atleast_1d(np.asarray(data, int))
    )
    if entries.size < entries_count or entries.max() <= 0:
        raise ValueError("a LUT has fewer entries than its descriptor says, or only zeros")
    index = np.clip(np.floor(values) - first_mapped, 0, entries_count - 1)
    return entries[index.astype(int)], (1 << int(entries.max()).bit_length()) - 1


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
