"""Read a mammogram from a DICOM file: the stored pixels as a reader would see them, and what the headers tell of it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut, apply_windowing, pixel_array
from pydicom.uid import RLELossless, SecondaryCaptureImageStorage

from bundle.dicom.codestream import codestream_size
from bundle.dicom.elements import (
    PARSE_ERRORS,
    element_items,
    element_numbers,
    element_texts,
    silent_parser,
)
from bundle.records import Film
from bundle.vocabulary import Laterality, ViewPosition

# Larger than any mammogram (the largest detectors have 4,800 x 6,000 pixels): beyond it a header is not believed.
LARGEST_SIDE = 16384
SMALLEST_SIDE = 16
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


def read_header(path: Path) -> pydicom.Dataset:
    """Read a DICOM file's dataset up to, not including, the pixels.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is no DICOM file, or damaged.
    """
    return _read_dataset(path, stop_before_pixels=True)


def read_dataset(path: Path) -> pydicom.Dataset:
    """Read a DICOM file's dataset with its encoded pixels.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is no DICOM file, or damaged.
    """
    return _read_dataset(path, stop_before_pixels=False)


def read_film(path: Path) -> Film:
    """Read a mammogram: stored pixels, modality LUT, VOI LUT or first window, MONOCHROME1 inversion, [0, 1].

    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is no DICOM file, is damaged, or holds no single grey image; the sentence names the file.
    """
    dataset = _read_dataset(path, stop_before_pixels=False)
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
    dataset = _read_dataset(path, stop_before_pixels=False)
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
    try:
        pixels = presentation_pixels(stored, dataset)
        padding = _padding(stored, dataset)
    except PARSE_ERRORS as error:
        raise ValueError(
            f"the grey scale attributes cannot be applied ({_reason(error)}); re-export the file"
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


def stored_pixels(dataset: pydicom.Dataset) -> np.ndarray:
    """Decode the stored values: integers ``[rows, columns]`` before any look-up table.

    pydicom decodes; where it has no decoder (JPEG Lossless, JPEG-LS, 12-bit JPEG Extended) ITK's reader does. ITK would
    invert MONOCHROME1 and apply the rescale by itself: it is handed a file that has neither, so that one film gives the
    same pixels whichever decoder was used.

    Raises:
        ValueError: the pixels are absent, cut short, in colour, of several frames, or of an impossible size or depth.
    """
    rows, columns, bits_stored, signed = _checked_layout(dataset)
    if "PixelData" not in dataset:
        raise ValueError("there is no Pixel Data (7FE0,0010); a mammogram is needed")
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    if syntax is None:
        raise ValueError("there is no Transfer Syntax UID (0002,0010), so the pixels cannot be decoded")
    with silent_parser():
        try:
            pixels = pixel_array(dataset)
        except (RuntimeError, NotImplementedError):
            if not syntax.is_compressed:
                raise ValueError("the pixels cannot be decoded; the file is damaged") from None
            pixels = _decode_with_itk(dataset)
        except PARSE_ERRORS as error:
            raise ValueError(
                f"the pixels cannot be decoded ({_reason(error)}); the file is cut short or damaged"
            ) from None
    if pixels.shape != (rows, columns):
        raise ValueError(f"the pixels decode to {pixels.shape}, but Rows and Columns say {(rows, columns)}")
    if 8 * pixels.itemsize < bits_stored:
        raise ValueError(
            f"the pixels decode to {8 * pixels.itemsize} bits, but Bits Stored (0028,0101) is {bits_stored}"
        )
    # Bits above Bits Stored may hold overlays or rubbish (PS3.5 section 8.1.1).
    levels = 1 << bits_stored
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)  # big endian files decode to big endian arrays
    values = native.view(f"u{pixels.itemsize}") & (levels - 1)
    if signed:
        half = levels >> 1
        return (values.astype(np.int32) ^ half) - half
    return values


def presentation_pixels(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Map stored values to [0, 1], brighter for more attenuation, by the grey scale pipeline of PS3.4 section N.2.

    Without window and VOI LUT the full range of Bits Stored is mapped, never the range that one image happens to have.
    The pipeline acts on each value alone: it is worked out once for every value that Bits Stored allows.

    Args:
        stored: integers ``[rows, columns]`` from `stored_pixels`.
        dataset: only read.

    Returns:
        float32 ``[rows, columns]`` in [0, 1].
    """
    levels = 1 << int(dataset.BitsStored)
    lowest = -(levels >> 1) if dataset.PixelRepresentation == 1 else 0
    table = _presentation_table(np.arange(lowest, lowest + levels), dataset).astype(np.float32)
    return table[stored - lowest] if lowest else table[stored]


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


def _read_dataset(path: Path, *, stop_before_pixels: bool) -> FileDataset:
    with silent_parser():
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=stop_before_pixels)
        except InvalidDicomError:
            raise ValueError(f"{path}: this is no DICOM file (no DICM mark after 128 bytes)") from None
        except (OSError, *PARSE_ERRORS) as error:
            if isinstance(error, OSError) and error.filename is not None:
                raise  # the file cannot be opened; an OSError of the parser's own names no file
            raise ValueError(f"{path}: the DICOM headers cannot be read ({_reason(error)}); damaged or cut?") from None
    return dataset


def _reason(error: BaseException) -> str:
    """Name an error of the parser; its text is left out, for it may quote a value of the patient's."""
    return type(error).__name__


def _checked_layout(dataset: pydicom.Dataset) -> tuple[int, int, int, bool]:
    """Give rows, columns, Bits Stored and whether values are signed, once they are known to be possible."""
    photometric = " ".join(element_texts(dataset, "PhotometricInterpretation"))
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise ValueError(f"Photometric Interpretation (0028,0004) is {photometric!r}; a grey image is needed")
    samples = _integer(dataset, "SamplesPerPixel", default=1)
    if samples != 1:
        raise ValueError(f"Samples per Pixel (0028,0002) is {samples}; a grey image with 1 is needed")
    frames = _integer(dataset, "NumberOfFrames", default=1)
    if frames != 1:
        raise ValueError(f"Number of Frames (0028,0008) is {frames}; a single image is needed, not a series of slices")
    rows, columns = _integer(dataset, "Rows"), _integer(dataset, "Columns")
    if not (SMALLEST_SIDE <= rows <= LARGEST_SIDE and SMALLEST_SIDE <= columns <= LARGEST_SIDE):
        raise ValueError(
            f"Rows x Columns (0028,0010-0011) are {rows} x {columns}; {SMALLEST_SIDE} to {LARGEST_SIDE} are possible"
        )
    allocated, stored = _integer(dataset, "BitsAllocated"), _integer(dataset, "BitsStored")
    if allocated not in (8, 16) or not 1 <= stored <= allocated:
        raise ValueError(
            f"Bits Allocated (0028,0100) is {allocated} and Bits Stored (0028,0101) {stored}; "
            "8 or 16 with at most as many are possible"
        )
    high_bit = _integer(dataset, "HighBit", default=stored - 1)
    if high_bit != stored - 1:
        raise ValueError(f"High Bit (0028,0102) is {high_bit}; with {stored} Bits Stored it must be {stored - 1}")
    representation = _integer(dataset, "PixelRepresentation")
    if representation not in (0, 1):
        raise ValueError(f"Pixel Representation (0028,0103) is {representation}; it must be 0 or 1")
    return rows, columns, stored, representation == 1


def _decode_with_itk(dataset: pydicom.Dataset) -> np.ndarray:
    """Decode by ITK's reader, from a file that holds the encoded pixels and their layout and nothing else."""
    # SimpleITK holds ITK's reader and loads in a tenth of the time of the package itk; most films need neither.
    import SimpleITK

    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    except (*PARSE_ERRORS, StopIteration) as error:
        raise ValueError(f"the encoded pixels are cut short or damaged ({_reason(error)})") from None
    size = codestream_size(frame)
    if size != (dataset.Rows, dataset.Columns) and syntax != RLELossless:  # RLE states no size of its own
        raise ValueError(f"the encoded picture states a size of {size}, but Rows and Columns differ; damaged?")
    bare = pydicom.Dataset()
    for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation"):
        setattr(bare, keyword, dataset[keyword].value)
    bare.HighBit = bare.BitsStored - 1
    bare.SamplesPerPixel = 1
    bare.PhotometricInterpretation = "MONOCHROME2"
    bare.SOPClassUID = SecondaryCaptureImageStorage
    bare.SOPInstanceUID = pydicom.uid.generate_uid()
    bare.PixelData = encapsulate([frame])
    bare["PixelData"].is_undefined_length = True
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = syntax
    bare.file_meta.MediaStorageSOPClassUID = bare.SOPClassUID
    bare.file_meta.MediaStorageSOPInstanceUID = bare.SOPInstanceUID
    with tempfile.TemporaryDirectory() as folder:
        encoded = Path(folder) / "encoded.dcm"
        try:
            bare.save_as(encoded, enforce_file_format=True)
            image = SimpleITK.ReadImage(encoded, imageIO="GDCMImageIO")
        except (RuntimeError, ValueError, TypeError) as error:
            raise ValueError(
                f"neither pydicom nor ITK can decode the pixels ({syntax.name}, {_reason(error)})"
            ) from None
    pixels = SimpleITK.GetArrayFromImage(image)
    return pixels.reshape(pixels.shape[-2:]) if pixels.ndim == 3 and pixels.shape[0] == 1 else pixels


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
    window.VOILUTFunction = (element_texts(dataset, "VOILUTFunction") or ["LINEAR"])[0].upper()
    return apply_windowing(values, window) / 65535.0


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
    index = np.clip(np.floor(values).astype(int) - first_mapped, 0, entries_count - 1)
    return entries[index], (1 << int(entries.max()).bit_length()) - 1


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


def _integer(dataset: pydicom.Dataset, keyword: str, *, default: int | None = None) -> int:
    numbers = element_numbers(dataset, keyword)
    if not numbers and default is not None:
        return default
    if len(numbers) != 1 or not numbers[0].is_integer():
        raise ValueError(f"{keyword} is absent or no whole number")
    return int(numbers[0])
