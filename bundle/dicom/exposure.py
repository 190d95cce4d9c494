"""What a clinical file's headers tell of an exposure: which view, whether it is a standard one, which to prefer."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pydicom
from pydicom.uid import (
    UID,
    BreastTomosynthesisImageStorage,
    ComputedRadiographyImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)

from bundle.dicom.elements import element_items, element_numbers, element_texts, sop_uid
from bundle.dicom.read import VIEW_CODES, laterality, side_and_view, view_position
from bundle.vocabulary import Laterality, ViewPosition

_FOR_PRESENTATION = (DigitalMammographyXRayImageStorageForPresentation, DigitalXRayImageStorageForPresentation)
_FOR_PROCESSING = (DigitalMammographyXRayImageStorageForProcessing, DigitalXRayImageStorageForProcessing)
# Digitised film and older systems: a mammogram where Modality says so.
_OTHER_CLASSES = (SecondaryCaptureImageStorage, ComputedRadiographyImageStorage)
_MODALITIES = ("MG", "RG", "CR", "DX")

# View Modifier Code Sequence (0054,0222), CID 4015, in SNOMED CT and SNOMED RT codes. The three that only name
# what a standard view happens to show are kept.
_KEPT_MODIFIERS = {"442581004", "R-40AB3", "442580003", "R-40AB2", "442593008", "R-40ABE"}
_MODIFIERS = {
    **dict.fromkeys(("399163009", "R-102D6"), "a magnification"),
    **dict.fromkeys(("399055006", "R-102D7"), "a spot compression"),
    **dict.fromkeys(("399209000", "R-102D5"), "an implant-displaced view"),
    **dict.fromkeys(("399226006", "R-102D4", "399197002", "R-102D3"), "a rolled view"),
    **dict.fromkeys(("415670009", "R-102C9", "414493004", "R-102CA"), "a rolled view"),
    **dict.fromkeys(("399110001", "R-102C2"), "a tangential view"),
    **dict.fromkeys(("399161006", "R-102D2"), "a cleavage view"),
    **dict.fromkeys(("399011000", "R-102D1"), "an axillary tail view"),
    **dict.fromkeys(("441752004", "P2-00161"), "an anterior compression"),
}
# The other views of View Code Sequence (0054,0220), CID 4014, in the same codes.
_OTHER_VIEWS = {
    **dict.fromkeys(("399192008", "R-1024A", "399101009", "R-1024B"), "an exaggerated cranio-caudal view"),
    **dict.fromkeys(("399196006", "R-10244"), "a caudo-cranial view"),
    **dict.fromkeys(("399260004", "R-10224"), "a medio-lateral view"),
    **dict.fromkeys(("399352003", "R-10228"), "a latero-medial view"),
    **dict.fromkeys(("399099002", "R-10230"), "a latero-medial oblique view"),
    **dict.fromkeys(("399188001", "R-102D0"), "a superolateral to inferomedial oblique view"),
    **dict.fromkeys(("441555000", "R-40AAA"), "an inferomedial to superolateral oblique view"),
    **dict.fromkeys(("127457009", "G-8310"), "a specimen"),
    **{code: f"the view {position}" for code, position in VIEW_CODES.items()},
}
# Contact views have a factor of 1.0 to 1.1 by the breast's thickness; magnification stands give 1.4 to 2.
_GREATEST_CONTACT_FACTOR = 1.3
_VIEW_TERM = re.compile(r"[A-Z]{1,5}")


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """One image of a standard view.

    Args:
        patient_id: Patient ID (0010,0020), which names a person: never shown.
        study_uid: Study Instance UID (0020,000D).
        image_uid: SOP Instance UID (0008,0018).
        laterality: side of the breast.
        view_position: projection.
        rank: 0 = For Presentation, 1 = of another class, 2 = For Processing.
        time: date and time of the acquisition as ``YYYYMMDDHHMMSS.F``, for comparing; empty when absent.
        flags: ``for_processing``, ``breast_implant``.
    """

    patient_id: str
    study_uid: str
    image_uid: str
    laterality: Laterality
    view_position: ViewPosition
    rank: int
    time: str
    flags: tuple[str, ...] = ()


def read_exposure(dataset: pydicom.Dataset) -> Exposure:
    """Read what the headers tell, and see whether this is a standard CC or MLO mammogram.

    Raises:
        ValueError: it is not, or the headers lack something; one clause says why, without any value of the patient's.
    """
    rank = _rank(dataset)
    _require_acquired(dataset)
    _require_standard(dataset)
    stated_position, stated_side = view_position(dataset), laterality(dataset)
    if stated_position is None:
        term = "".join(element_texts(dataset, "ViewPosition")[:1]).upper()
        shown = f" ({term})" if _VIEW_TERM.fullmatch(term) else ""
        if side_and_view(term) and stated_side is not None:
            raise ValueError(f"View Position (0018,5101) is {term}, but the laterality is {stated_side}; correct one")
        raise ValueError(f"View Position (0018,5101) and View Code Sequence (0054,0220) tell neither CC nor MLO{shown}")
    _require_agreement(dataset, stated_position)
    if stated_side is None:
        raise ValueError("Image Laterality (0020,0062) and Laterality (0020,0060) tell neither L nor R")
    identifiers = {
        **{key: "".join(element_texts(dataset, key)[:1]) for key in ("PatientID", "StudyInstanceUID")},
        "SOPInstanceUID": sop_uid(dataset, "SOPInstanceUID"),
    }
    for keyword, value in identifiers.items():
        if not value:
            raise ValueError(f"{keyword} is absent or empty; without it patients, examinations or images are mixed up")
    flags = []
    if rank == 2:
        flags.append("for_processing")
    if element_texts(dataset, "BreastImplantPresent")[:1] == ["YES"]:
        flags.append("breast_implant")
    return Exposure(
        patient_id=identifiers["PatientID"],
        study_uid=identifiers["StudyInstanceUID"],
        image_uid=identifiers["SOPInstanceUID"],
        laterality=stated_side,
        view_position=stated_position,
        rank=rank,
        time=_time(dataset),
        flags=tuple(flags),
    )


def _rank(dataset: pydicom.Dataset) -> int:
    """Give the preference by SOP class."""
    # Not validated: a warning would quote a value that a damaged file may have filled with anything.
    sop_class = UID(sop_uid(dataset, "SOPClassUID"), validation_mode=pydicom.config.IGNORE)
    if sop_class == BreastTomosynthesisImageStorage:
        raise ValueError("tomosynthesis, not a projection")
    modality = "".join(element_texts(dataset, "Modality")[:1])
    if sop_class not in (*_FOR_PRESENTATION, *_FOR_PROCESSING, *_OTHER_CLASSES):
        # UID.name is the standard's word, or the UID itself, which a damaged file may have filled with anything.
        name = sop_class.name if sop_class.name != sop_class else "unknown"
        if not sop_class:
            raise ValueError("SOP Class UID (0008,0016) is absent, in the file meta information (0002,0002), too")
        raise ValueError(f"SOP Class {name} is no mammogram")
    if sop_class not in (
        DigitalMammographyXRayImageStorageForPresentation,
        DigitalMammographyXRayImageStorageForProcessing,
    ):
        if modality not in _MODALITIES:
            raise ValueError(
                f"SOP Class {sop_class.name}, and Modality (0008,0060) is none of {', '.join(_MODALITIES)}"
            )
        if modality == "DX" and "BREAST" not in (text.upper() for text in element_texts(dataset, "BodyPartExamined")):
            raise ValueError("Modality (0008,0060) is DX and Body Part Examined (0018,0015) is not BREAST")
    if sop_class in _FOR_PROCESSING or "FOR PROCESSING" in element_texts(dataset, "PresentationIntentType"):
        return 2
    return 0 if sop_class in _FOR_PRESENTATION else 1


def _require_acquired(dataset: pydicom.Dataset) -> None:
    image_type = [text.upper() for text in element_texts(dataset, "ImageType")]
    if any("TOMO" in text or "GENERATED_2D" in text for text in image_type):
        raise ValueError("made from tomosynthesis, by Image Type (0008,0008)")
    is_capture = sop_uid(dataset, "SOPClassUID") == SecondaryCaptureImageStorage
    if image_type[1:2] == ["SECONDARY"] and not is_capture:
        raise ValueError("made after the examination, by Image Type (0008,0008): SECONDARY")
    if (element_numbers(dataset, "NumberOfFrames") or [1.0])[0] != 1.0:
        raise ValueError("several frames; a single image is needed")
    if element_texts(dataset, "QualityControlImage")[:1] == ["YES"]:
        raise ValueError("a quality control image")


def _require_standard(dataset: pydicom.Dataset) -> None:
    """See that the view is neither magnified nor a part of the breast."""
    for item in (dataset, *element_items(dataset, "ViewCodeSequence")):
        for modifier in element_items(item, "ViewModifierCodeSequence"):
            codes = element_texts(modifier, "CodeValue")
            if not codes or codes[0] in _KEPT_MODIFIERS:
                continue
            raise ValueError(
                f"{_MODIFIERS.get(codes[0], 'not a standard view')}, by View Modifier Code Sequence (0054,0222)"
            )
    factor = (element_numbers(dataset, "EstimatedRadiographicMagnificationFactor") or [1.0])[0]
    if factor > _GREATEST_CONTACT_FACTOR:
        raise ValueError(f"a magnification: the Estimated Radiographic Magnification Factor (0018,1114) is {factor:g}")
    if element_texts(dataset, "PartialView")[:1] == ["YES"]:
        raise ValueError("a part of the breast, by Partial View (0028,1350)")


def _require_agreement(dataset: pydicom.Dataset, position: ViewPosition) -> None:
    """See that the View Code Sequence does not tell another view than View Position, which alone may be a rough word.

    Codes that are in no table here contradict nothing.
    """
    codes = [
        code for item in element_items(dataset, "ViewCodeSequence") for code in element_texts(item, "CodeValue")[:1]
    ]
    others = [_OTHER_VIEWS[code] for code in codes if code in _OTHER_VIEWS]
    if others and position not in (VIEW_CODES.get(code) for code in codes):
        raise ValueError(f"{others[0]}, by View Code Sequence (0054,0220); View Position (0018,5101) says {position}")


def _time(dataset: pydicom.Dataset) -> str:
    for moment in ("Acquisition", "Content"):
        date = "".join(element_texts(dataset, f"{moment}Date")[:1])
        if date:
            return date + "".join(element_texts(dataset, f"{moment}Time")[:1])
    return "".join(element_texts(dataset, "AcquisitionDateTime")[:1])
