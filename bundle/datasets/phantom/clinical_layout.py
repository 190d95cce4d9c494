"""The clinical layout: one Digital Mammography X-Ray Image per view, For Presentation, as a vendor writes it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation

from bundle.datasets.phantom.case import Case
from bundle.datasets.phantom.secondary_capture import STUDY_DATE, set_pixels, uid, with_file_meta
from bundle.vocabulary import Laterality, ViewPosition

_BITS_STORED = 12
# DICOM PS3.16, context group 4014 (View for Mammography).
_VIEW_CODES = {
    ViewPosition.CC: ("399162004", "cranio-caudal"),
    ViewPosition.MLO: ("399368009", "medio-lateral oblique"),
}


def write_case(case: Case, folder: Path) -> dict[ViewPosition, dict[str, list[PurePosixPath]]]:
    """Write the two views of a breast, and a mask for each view that shows a lesion.

    Returns:
        Per view the paths by role, relative to the folder.
    """
    files: dict[ViewPosition, dict[str, list[PurePosixPath]]] = {}
    patient = PurePosixPath(case.plan.patient_id)
    (folder / patient).mkdir(parents=True, exist_ok=True)
    for position in ViewPosition:
        name = f"{case.plan.laterality.value}_{position.value}"
        files[position] = {"film": [patient / f"{name}.dcm"], "mask": []}
        _dataset(case, position).save_as(folder / patient / f"{name}.dcm", enforce_file_format=True)
        shown = [mask for k, mask in enumerate(case.films[position].masks) if case.shows(position, k)]
        if shown:
            files[position]["mask"].append(patient / f"{name}_mask.png")
            mask = np.where(np.any(shown, axis=0), 255, 0).astype(np.uint8)
            Image.fromarray(mask).save(folder / patient / f"{name}_mask.png")
    return files


def patient_orientation(position: ViewPosition, laterality: Laterality, *, chest_wall_at_left: bool) -> list[str]:
    """Where the rows and the columns of a film point to (DICOM PS3.3, C.7.6.1.1.1).

    Along a row it goes to anterior when the chest wall is at the left. Down a column it goes to medial in a CC (to the
    right of the patient in a left breast), and to the feet and medial in an MLO.
    """
    along_row = "A" if chest_wall_at_left else "P"
    medial = "R" if laterality is Laterality.LEFT else "L"
    return [along_row, medial if position is ViewPosition.CC else f"F{medial}"]


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _dataset(case: Case, position: ViewPosition) -> Dataset:
    film, view, laterality = case.films[position], case.views[position], case.plan.laterality
    highest = 2**_BITS_STORED - 1
    identity = (case.plan.cohort_seed, film.spacing_mm, case.plan.patient_id)
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    ds.SOPInstanceUID = uid("clinical", *identity, laterality.value, position.value)
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = STUDY_DATE
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "120000"
    ds.AccessionNumber = ""
    ds.Modality = "MG"
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.Manufacturer = "Phantom"
    ds.ManufacturerModelName = "Phantom cohort"
    ds.DeviceSerialNumber = "0"
    ds.SoftwareVersions = "1"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "Mammography, phantom"
    ds.SeriesDescription = f"{laterality.value} {position.value}"
    ds.PatientName = f"PHANTOM^{case.plan.patient_id}"
    ds.PatientID = case.plan.patient_id
    ds.PatientBirthDate = ""
    ds.PatientSex = "F"
    ds.BodyPartExamined = "BREAST"
    ds.KVP = 28
    ds.BodyPartThickness = f"{view.thickness_mm:.1f}"
    ds.DetectorType = "DIRECT"
    ds.PositionerType = "MAMMOGRAPHIC"
    ds.PositionerPrimaryAngle = f"{view.angle_deg:.1f}"
    ds.ImagerPixelSpacing = [film.spacing_mm, film.spacing_mm]
    ds.PixelSpacing = [film.spacing_mm, film.spacing_mm]
    ds.PixelSpacingCalibrationType = "GEOMETRY"
    ds.FieldOfViewRotation = 0
    ds.FieldOfViewHorizontalFlip = "NO"
    ds.ViewPosition = position.value
    ds.StudyInstanceUID = uid("clinical", *identity, "study")
    ds.SeriesInstanceUID = uid("clinical", *identity, "series", laterality.value, position.value)
    ds.StudyID = "1"
    ds.SeriesNumber = 1
    ds.InstanceNumber = 1 + 2 * list(Laterality).index(laterality) + position.class_index
    ds.PatientOrientation = patient_orientation(position, laterality, chest_wall_at_left=film.chest_wall_at_left)
    ds.ImageLaterality = laterality.value
    ds.OrganExposed = "BREAST"
    ds.AnatomicRegionSequence = Sequence([_code("76752008", "SCT", "Breast")])
    value, meaning = _VIEW_CODES[position]
    view_code = _code(value, "SCT", meaning)
    view_code.ViewModifierCodeSequence = Sequence([])
    ds.ViewCodeSequence = Sequence([view_code])
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = -1
    ds.PresentationLUTShape = "IDENTITY"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.WindowCenter, ds.WindowWidth = (highest + 1) // 2, highest + 1
    ds.WindowCenterWidthExplanation = "NORMAL"
    ds.VOILUTFunction = "LINEAR"
    ds.BreastImplantPresent = "NO"
    ds.PartialView = "NO"
    set_pixels(ds, np.round(film.brightness * highest).astype(np.uint16), bits_stored=_BITS_STORED)
    return with_file_meta(ds)
