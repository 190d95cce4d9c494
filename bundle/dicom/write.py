"""A synthetic view as a DICOM file: Digital Mammography X-Ray Image, For Presentation (PS3.3 A.27), marked synthetic.

The data set is built anew and never starts as a copy of the source: what describes an exposure (KVP, dose, compression
force, detector) cannot slip through, because only the attributes that this module names are ever taken over.
"""

import copy
import io
import logging
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
from pydicom import config, uid
from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VM, dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName, format_number_as_ds, validate_value

from bundle.atomic import replacing
from bundle.dicom.elements import PARSE_ERRORS, silent_parser
from bundle.dicom.mark import burn_mark
from bundle.vocabulary import Laterality, ViewPosition

logger = logging.getLogger(__name__)

BITS_STORED = 12  # as acquisition systems write it; in 16 allocated bits
LARGEST_STORED = 2**BITS_STORED - 1
MANUFACTURER = "mammography_view_synthesis (open source)"
SERIES_NUMBER = 9000  # after every acquired series of a study

# Patient module (PS3.3 C.7.1.1) and General Study module (C.7.2.1).
PATIENT_ATTRIBUTES = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "TypeOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientSex",
    "QualityControlSubject",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "EthnicGroup",
    "PatientComments",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
)
STUDY_ATTRIBUTES = (
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "ReferringPhysicianName",
)
REQUIRED_BUT_MAY_BE_EMPTY = (  # type 2 in those two modules
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)

LONGEST_STRING = 64  # characters of VR LO

VIEW_CODES = {  # PS3.16 CID 4014
    ViewPosition.CC: ("399162004", "cranio-caudal"),
    ViewPosition.MLO: ("399368009", "medio-lateral oblique"),
}

# (row direction, column direction) of Patient Orientation (0020,0020) for an image hung the standard way.
PATIENT_ORIENTATIONS = {
    (Laterality.LEFT, ViewPosition.CC): ["A", "R"],
    (Laterality.LEFT, ViewPosition.MLO): ["A", "FR"],
    (Laterality.RIGHT, ViewPosition.CC): ["P", "L"],
    (Laterality.RIGHT, ViewPosition.MLO): ["P", "FL"],
}

# Transfer syntaxes that are or may be lossy -> Lossy Image Compression Method (0028,2114), PS3.3 C.7.6.1.1.5.1.
LOSSY_METHODS = {
    uid.JPEGBaseline8Bit: "ISO_10918_1",
    uid.JPEGExtended12Bit: "ISO_10918_1",
    uid.JPEGLSNearLossless: "ISO_14495_1",
    uid.JPEG2000: "ISO_15444_1",
    uid.HTJ2K: "ISO_15444_15",
}
PERHAPS_LOSSLESS = (uid.JPEG2000, uid.HTJ2K)


def write_synthetic_view(
    pixels: np.ndarray,
    *,
    source: Dataset,
    target_view: ViewPosition,
    laterality: Laterality,
    spacing_mm: float,
    model_name: str,
    model_version: str,
    weights_sha256: str,
    path: Path,
    mark: bool = False,
    flags: Sequence[str] = (),
    label: str = "",
    description: str = "",
) -> Path:
    """Write one synthetic view, so that it opens and hangs like a mammogram and nobody takes it for an acquired one.

    Intensities are absolute: 0.0 is stored as 0 and 1.0 as 4095 in every file, and the window shows exactly that range.
    The file is complete or not there: it is written under another name and renamed.

    Args:
        pixels: float ``[rows, columns]`` in [0, 1], canonical: chest wall at the left, head up. A right breast is
            mirrored here, so that it hangs the standard way.
        source: header of the film that the view was made from. Nothing in it is trusted.
        target_view: the view that was synthesized; the source is the other one.
        laterality: side of the breast.
        spacing_mm: distance of neighbouring pixels, the same in both directions.
        model_name: name of the model, for the derivation and the equipment.
        model_version: version of the model.
        weights_sha256: SHA-256 of the file of weights, 64 hexadecimal digits.
        path: file to write; its folder exists.
        mark: burn a visible mark into the pixels.
        flags: what was assumed about the source (e.g. ``assumed_spacing``); goes to Image Comments (0020,4000).
        label: which view this is where a model makes several of one source; goes to Series Description (0008,103E).
        description: the same in words; goes to Derivation Description (0008,2111).

    Returns:
        ``path``.

    Raises:
        ValueError: the pixels are not two-dimensional, finite and within [0, 1]; an argument does not fit its DICOM
            attribute; or the source has no SOP Instance UID, or no usable Patient ID (see ``require_traceable``).
        OSError: the file cannot be written.
    """
    _require_arguments(pixels, spacing_mm=spacing_mm, weights_sha256=weights_sha256)
    require_traceable(source)
    hung = pixels[:, ::-1] if laterality is Laterality.RIGHT else pixels
    if mark:
        hung = burn_mark(hung, laterality=laterality)

    dataset = Dataset()
    with silent_parser():  # pydicom's warnings would quote values of the source
        with config.disable_value_validation():  # those are checked one by one, and kept as they are
            _add_patient_and_study(dataset, source)
            source_image = _source_image(source)
        _add_identity(dataset, target_view=target_view, label=label)
        _add_equipment(dataset, model_name=model_name, model_version=model_version)
        _add_derivation(
            dataset,
            source_image=source_image,
            target_view=target_view,
            model_name=model_name,
            model_version=model_version,
            weights_sha256=weights_sha256,
            flags=flags,
            description=description,
        )
        _add_anatomy_and_view(dataset, target_view=target_view, laterality=laterality)
        _add_pixels(dataset, hung, spacing_mm=spacing_mm)
        _add_lossy_history(dataset, source)
        dataset.BurnedInAnnotation = "YES" if mark else "NO"

        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        dataset.file_meta = meta
        # By way of memory: where the disk is full pydicom would put a traceback into the error's text.
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
    with replacing(path) as temporary:
        try:
            temporary.write_bytes(file.getbuffer())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
    return path


def require_traceable(source: Dataset) -> None:
    """Check that a synthetic view can name the film that it was made from, and be filed under the same patient.

    Args:
        source: header of the film.

    Raises:
        ValueError: SOP Class UID or SOP Instance UID is absent or malformed, or Patient ID is not valid text (an empty
            one is allowed: films are anonymized that way).
    """
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        if _source_uid(source, keyword) is None:
            raise ValueError(
                f"The source film has no valid {_name(keyword)}, so a synthetic view could not name what it was made "
                "from: export the film from the archive again, or give another one."
            )
    _, problem = _sound_value(source, "PatientID")
    if problem:
        raise ValueError(
            f"The source film's {_name('PatientID')} {problem}, so a synthetic view could not be filed under the same "
            "patient: correct it in the film's file."
        )


def _require_arguments(pixels: np.ndarray, *, spacing_mm: float, weights_sha256: str) -> None:
    if pixels.ndim != 2 or pixels.size == 0:
        raise ValueError(f"A synthetic view is written from pixels [rows, columns]; got shape {list(pixels.shape)}.")
    if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 1:
        raise ValueError(
            "A synthetic view is written from finite pixels in [0, 1]; got values from "
            f"{pixels.min():g} to {pixels.max():g}."
        )
    if not (np.isfinite(spacing_mm) and spacing_mm > 0):
        raise ValueError(f"The pixel spacing of a synthetic view must be a positive number of mm; got {spacing_mm}.")
    if not re.fullmatch(r"[0-9a-f]{64}", weights_sha256):
        raise ValueError(f"weights_sha256 must be 64 lower-case hexadecimal digits; got {weights_sha256!r}.")


def _name(keyword: str) -> str:
    """Tag and keyword, for a message: never the value, which may identify the patient."""
    tag = pydicom.tag.Tag(tag_for_keyword(keyword))
    return f"{keyword} ({tag.group:04X},{tag.element:04X})"


def _sound_value(source: Dataset, keyword: str) -> tuple[object, str]:
    """Take one attribute of an untrusted header: (value, "") or (None, what is wrong with it); (None, "") if absent."""
    tag = tag_for_keyword(keyword)
    if tag is None or tag not in source:
        return None, ""
    vr = dictionary_VR(tag)
    if source.get_item(tag).VR not in (None, "UN", vr):  # not converted yet: bytes under a wrong VR can mean anything
        return None, f"is encoded as {source.get_item(tag).VR} where the standard has {vr}"
    try:
        with config.disable_value_validation():  # pydicom's own messages would quote the value
            value = source[tag].value
        if vr == "SQ":
            value = [_without_private(item) for item in value]
            for item in value:
                item.to_json_dict()  # walks and converts every nested element
        parts = list(value) if isinstance(value, MultiValue) else [value]
        if vr != "SQ" and len(parts) > 1 and dictionary_VM(tag) == "1":
            return None, "has several values where the standard allows one"
        for part in parts:
            if isinstance(part, str | PersonName) and vr != "UI":  # UIDs: see `_source_uid`
                validate_value(vr, str(part), config.RAISE)
    except (*PARSE_ERRORS, OSError):
        return None, f"is not a valid {vr}"
    return value, ""


def _without_private(item: Dataset) -> Dataset:
    item = copy.deepcopy(item)
    item.remove_private_tags()
    return item


def _source_uid(source: Dataset, keyword: str) -> str | None:
    """Take a UID as the source has it, where it can be one: archives hold many with leading zeros in a component."""
    value, _ = _sound_value(source, keyword)
    if not value:  # the file meta information repeats SOP class and instance (PS3.10 7.1)
        meta = getattr(source, "file_meta", None) or Dataset()
        value = meta.get(f"MediaStorage{keyword}")
    text = str(value or "")
    return text if re.fullmatch(r"[0-9]+(\.[0-9]+)+", text) and len(text) <= 64 else None


def _add_patient_and_study(dataset: Dataset, source: Dataset) -> None:
    # The text keeps its encoding, so that the archive compares equal bytes.
    character_set, problem = _sound_value(source, "SpecificCharacterSet")
    names = character_set if isinstance(character_set, MultiValue) else [character_set or ""]
    if not all(str(name) in python_encoding for name in names):
        problem = "is no term of the standard"
    if problem:
        logger.warning("The source film's %s %s; the view goes without it.", _name("SpecificCharacterSet"), problem)
    elif character_set:
        dataset.SpecificCharacterSet = character_set
    for keyword in REQUIRED_BUT_MAY_BE_EMPTY:
        setattr(dataset, keyword, None)
    for keyword in PATIENT_ATTRIBUTES + STUDY_ATTRIBUTES:
        value, problem = _sound_value(source, keyword)
        if keyword == "PatientSex" and value not in (None, "", "M", "F", "O"):
            problem = "is none of M, F, O"
        if problem:
            logger.warning("The source film's %s %s; the synthetic view goes without it.", _name(keyword), problem)
        elif value is not None:
            setattr(dataset, keyword, value)
    study = _source_uid(source, "StudyInstanceUID")
    if study is None:
        study = uid.generate_uid(prefix=None)
        logger.warning(
            "The source film has no valid %s; the synthetic view gets a study of its own.", _name("StudyInstanceUID")
        )
    dataset.StudyInstanceUID = study


def _add_identity(dataset: Dataset, *, target_view: ViewPosition, label: str) -> None:
    now = datetime.now()
    date, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S.%f")
    dataset.SOPClassUID = uid.DigitalMammographyXRayImageStorageForPresentation
    dataset.SOPInstanceUID = uid.generate_uid(prefix=None)
    dataset.SeriesInstanceUID = uid.generate_uid(prefix=None)
    dataset.InstanceCreationDate = dataset.SeriesDate = dataset.ContentDate = date
    dataset.InstanceCreationTime = dataset.SeriesTime = dataset.ContentTime = time
    dataset.Modality = "MG"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.SeriesNumber = SERIES_NUMBER
    dataset.InstanceNumber = 1
    dataset.ImageType = ["DERIVED", "SECONDARY", ""]
    dataset.SyntheticData = "YES"
    which = f": {label}" if label else ""
    text = f"SYNTHETIC {target_view} made from {target_view.complement}, not for diagnosis{which}"
    dataset.SeriesDescription = text[:LONGEST_STRING]


def _add_equipment(dataset: Dataset, *, model_name: str, model_version: str) -> None:
    for argument, value in {"model_name": model_name, "model_version": model_version}.items():
        if not re.fullmatch(r"[ -\[\]-~]{1,64}", value):
            raise ValueError(
                f"{argument} must be 1 to 64 printable ASCII characters without a backslash (DICOM VR LO); "
                f"got {value!r}."
            )
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = model_name
    dataset.SoftwareVersions = model_version
    # Type 2 in the DX Detector module; there was no detector.
    dataset.DetectorType = None
    dataset.DetectorID = None
    dataset.PositionerType = "NONE"


def _source_image(source: Dataset) -> Dataset:
    """Refer to the film that the view was made from."""
    reference = Dataset()
    reference.ReferencedSOPClassUID = _source_uid(source, "SOPClassUID")
    reference.ReferencedSOPInstanceUID = _source_uid(source, "SOPInstanceUID")
    reference.SpatialLocationsPreserved = "NO"
    reference.PurposeOfReferenceCodeSequence = [_code("121322", "DCM", "Source image for image processing operation")]
    return reference


def _add_derivation(
    dataset: Dataset,
    *,
    source_image: Dataset,
    target_view: ViewPosition,
    model_name: str,
    model_version: str,
    weights_sha256: str,
    flags: Sequence[str],
    description: str,
) -> None:
    shown = f" It is {description}." if description else ""
    dataset.DerivationDescription = (
        f"{target_view} view synthesized from the {target_view.complement} view of the same breast by {model_name} "
        f"{model_version}, weights SHA-256 {weights_sha256}.{shown} Not acquired; not for diagnosis."
    )
    dataset.SourceImageSequence = [source_image]

    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = [_code("109100", "DCM", "Synthesizing Equipment")]
    equipment.Manufacturer = MANUFACTURER
    equipment.ManufacturerModelName = model_name
    equipment.SoftwareVersions = model_version
    equipment.ContributionDateTime = f"{dataset.ContentDate}{dataset.ContentTime}"
    equipment.ContributionDescription = f"Synthesized the {target_view} view"
    dataset.ContributingEquipmentSequence = [equipment]
    if flags:
        dataset.ImageComments = f"About the source film: {', '.join(flags)}"


def _add_anatomy_and_view(dataset: Dataset, *, target_view: ViewPosition, laterality: Laterality) -> None:
    dataset.BodyPartExamined = "BREAST"
    dataset.OrganExposed = "BREAST"
    dataset.AnatomicRegionSequence = [_code("76752008", "SCT", "Breast")]
    dataset.ViewPosition = target_view.value
    code, meaning = VIEW_CODES[target_view]
    view = _code(code, "SCT", meaning)
    view.ViewModifierCodeSequence = []
    dataset.ViewCodeSequence = [view]
    dataset.ImageLaterality = laterality.value
    dataset.PatientOrientation = PATIENT_ORIENTATIONS[laterality, target_view]
    dataset.AcquisitionContextSequence = []


def _add_pixels(dataset: Dataset, hung: np.ndarray, *, spacing_mm: float) -> None:
    stored = np.round(hung.astype(np.float64) * LARGEST_STORED).astype("<u2")
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.BitsStored = BITS_STORED
    dataset.HighBit = BITS_STORED - 1
    dataset.PixelRepresentation = 0
    # Brighter is more attenuating, as in any film for presentation.
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = -1
    dataset.RescaleIntercept = 0
    dataset.RescaleSlope = 1
    dataset.RescaleType = "US"
    dataset.PresentationLUTShape = "IDENTITY"
    # PS3.3 C.11.2.1.2.1, LINEAR: this window maps stored 0 to black and 4095 to white, and nothing is clipped.
    dataset.WindowCenter = 2 ** (BITS_STORED - 1)
    dataset.WindowWidth = 2**BITS_STORED
    dataset.VOILUTFunction = "LINEAR"
    # Pixel Spacing would claim a correction for magnification or a calibration (PS3.3 10.7.1.1); there was none.
    spacing = format_number_as_ds(float(spacing_mm))
    dataset.ImagerPixelSpacing = [spacing, spacing]
    dataset.PixelData = stored.tobytes()


def _add_lossy_history(dataset: Dataset, source: Dataset) -> None:
    """Carry on what lossy compression the source's pixels went through (PS3.3 C.7.6.1.1.5); in doubt, that they did."""
    syntax = getattr(getattr(source, "file_meta", None), "TransferSyntaxUID", None)
    lossy, _ = _sound_value(source, "LossyImageCompression")
    if lossy != "01" and (syntax not in LOSSY_METHODS or (lossy == "00" and syntax in PERHAPS_LOSSLESS)):
        dataset.LossyImageCompression = "00"
        return
    dataset.LossyImageCompression = "01"
    method, _ = _sound_value(source, "LossyImageCompressionMethod")
    ratio, _ = _sound_value(source, "LossyImageCompressionRatio")
    method = method or LOSSY_METHODS.get(syntax)
    ratio = ratio or _compression_ratio(source)
    if method:
        dataset.LossyImageCompressionMethod = method
    if ratio:
        dataset.LossyImageCompressionRatio = ratio
    if not (method and ratio):
        logger.warning("The source film was compressed with loss and does not tell method and ratio in full.")


def _compression_ratio(source: Dataset) -> str | None:
    """Approximate ratio of a compressed source from the size of its file; None where that cannot be told."""
    file = getattr(source, "filename", None)
    syntax = getattr(getattr(source, "file_meta", None), "TransferSyntaxUID", None)
    rows, _ = _sound_value(source, "Rows")
    columns, _ = _sound_value(source, "Columns")
    bits, _ = _sound_value(source, "BitsStored")
    if not (syntax in LOSSY_METHODS and rows and columns and bits and file and os.path.isfile(file)):
        return None
    return f"{int(rows) * int(columns) * int(bits) / 8 / os.path.getsize(file):.2f}"  # type: ignore[call-overload]


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item
