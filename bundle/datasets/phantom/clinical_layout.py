"""The clinical layout: Digital Mammography X-Ray Images as a vendor's system sends them.

Per view a For Processing image, the detector's counts (linear, MONOCHROME1 so that air shows dark), and the For
Presentation image that was derived from it; beside them a mask for each view that shows a lesion.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
)

from bundle.datasets.phantom.case import Case
from bundle.datasets.phantom.dicom_file import STUDY_DATE, TransferSyntax, uid, write_dicom
from bundle.datasets.phantom.film import COUNT_BITS
from bundle.datasets.phantom.layout import WrittenCase
from bundle.vocabulary import Laterality, ViewPosition

_BITS_STORED = 12
# DICOM PS3.16, context group 4014 (View for Mammography).
_VIEW_CODES = {
    ViewPosition.CC: ("399162004", "cranio-caudal"),
    ViewPosition.MLO: ("399368009", "medio-lateral oblique"),
}
_SOURCE_MM = 650.0
_LOSSY_METHODS = {TransferSyntax.JPEG_2000: "ISO_15444_1", TransferSyntax.JPEG_BASELINE_8_BIT: "ISO_10918_1"}


def write_case(case: Case, folder: Path, *, syntax: TransferSyntax) -> WrittenCase:
    """Write the two views of a breast, each For Presentation and For Processing, and their masks."""
    written = WrittenCase()
    patient = PurePosixPath(case.plan.patient_id)
    (folder / patient).mkdir(parents=True, exist_ok=True)
    for position in ViewPosition:
        film = case.films[position]
        name = f"{case.plan.laterality.value}_{position.value}"
        written.files[position] = {
            "film": [patient / f"{name}.dcm"],
            "for_processing": [patient / f"{name}_for_processing.dcm"],
            "mask": [],
        }
        bits = min(_BITS_STORED, syntax.most_bits)
        write_dicom(
            folder / patient / f"{name}.dcm",
            _for_presentation(case, position, bits_stored=bits, syntax=syntax),
            pixels=_in_bits(np.round(film.brightness * (2**bits - 1)), bits),
            bits_stored=bits,
            syntax=syntax,
        )
        bits = min(COUNT_BITS, syntax.most_bits)
        write_dicom(
            folder / patient / f"{name}_for_processing.dcm",
            _for_processing(case, position, syntax=syntax),
            pixels=_in_bits(_counts(case, position) >> (COUNT_BITS - bits), bits),
            bits_stored=bits,
            photometric="MONOCHROME1",
            syntax=syntax,
        )
        shown = [mask for k, mask in enumerate(film.masks) if case.shows(position, k)]
        if shown:
            written.files[position]["mask"].append(patient / f"{name}_mask.png")
            mask = np.where(np.any(shown, axis=0), 255, 0).astype(np.uint8)
            Image.fromarray(mask).save(folder / patient / f"{name}_mask.png")
    return written


def patient_orientation(position: ViewPosition, laterality: Laterality, *, chest_wall_at_left: bool) -> list[str]:
    """Where the rows and the columns of a film point to (DICOM PS3.3, C.7.6.1.1.1).

    Along a row it goes to anterior when the chest wall is at the left. Down a column it goes to medial in a CC (to the
    right of the patient in a left breast), and to the feet and medial in an MLO.
    """
    along_row = "A" if chest_wall_at_left else "P"
    medial = "R" if laterality is Laterality.LEFT else "L"
    return [along_row, medial if position is ViewPosition.CC else f"F{medial}"]


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Make an item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def mammogram(case: Case, position: ViewPosition) -> Dataset:
    """Make what every digital mammogram of a breast has in its headers: patient, study, anatomy, view, exposure."""
    film, view, laterality = case.films[position], case.views[position], case.plan.laterality
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = STUDY_DATE
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "120000"
    ds.AccessionNumber = ""
    ds.Modality = "MG"
    ds.Manufacturer = "Phantom"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "Mammography, phantom"
    ds.PatientName = f"PHANTOM^{case.plan.patient_id}"
    ds.PatientID = case.plan.patient_id
    ds.PatientBirthDate = ""
    ds.PatientSex = "F"
    ds.BodyPartExamined = "BREAST"
    ds.KVP = 28
    ds.BodyPartThickness = f"{view.thickness_mm:.1f}"
    ds.PositionerType = "MAMMOGRAPHIC"
    ds.PositionerPrimaryAngle = f"{view.angle_deg:.1f}"
    ds.ImagerPixelSpacing = [film.spacing_mm, film.spacing_mm]
    height, width = (size * film.spacing_mm for size in film.brightness.shape)
    ds.FieldOfViewShape = "RECTANGLE"
    ds.FieldOfViewDimensions = [round(height), round(width)]
    ds.FieldOfViewOrigin = ["0", "0"]
    ds.FieldOfViewRotation = "0"
    ds.FieldOfViewHorizontalFlip = "NO"
    ds.ViewPosition = position.value
    ds.StudyInstanceUID = uid("clinical", *case.identity, case.plan.patient_id, "study")
    ds.StudyID = "1"
    ds.SeriesNumber = 1
    ds.InstanceNumber = 1 + 2 * list(Laterality).index(laterality) + position.class_index
    ds.PatientOrientation = patient_orientation(position, laterality, chest_wall_at_left=film.chest_wall_at_left)
    ds.ImageLaterality = laterality.value
    ds.OrganExposed = "BREAST"
    ds.AnatomicRegionSequence = [code("76752008", "SCT", "Breast")]
    value, meaning = _VIEW_CODES[position]
    view_code = code(value, "SCT", meaning)
    view_code.ViewModifierCodeSequence = []
    ds.ViewCodeSequence = [view_code]
    ds.AcquisitionContextSequence = []
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.BreastImplantPresent = "NO"
    ds.PartialView = "NO"
    return ds


def show_full_range(ds: Dataset, *, bits_stored: int) -> None:
    """Add the attributes of an image for presentation whose first window shows all values; the second one is harder."""
    levels = 2**bits_stored
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", -1
    ds.PresentationLUTShape = "IDENTITY"
    ds.WindowCenter, ds.WindowWidth = [levels // 2, levels * 5 // 8], [levels, levels // 2]
    ds.WindowCenterWidthExplanation = ["NORMAL", "HARDER"]
    ds.VOILUTFunction = "LINEAR"


def _counts(case: Case, position: ViewPosition) -> np.ndarray:
    counts = case.films[position].counts
    if counts is None:
        raise ValueError(f"the {position} view of {case.plan.patient_id} was made as a scanned film; it has no counts.")
    return counts


def _in_bits(pixels: np.ndarray, bits: int) -> np.ndarray:
    return pixels.astype(np.uint8 if bits <= 8 else np.uint16)


def _as_a_vendor(case: Case, position: ViewPosition, *, intent: str, syntax: TransferSyntax) -> Dataset:
    """Add equipment, technique and dose, and the identity of one of a view's two images."""
    film, view = case.films[position], case.views[position]
    height, width = (size * film.spacing_mm for size in film.brightness.shape)
    ds = mammogram(case, position)
    identity = ("clinical", *case.identity, *([syntax] if syntax.is_lossy else []))
    place = (case.plan.patient_id, case.plan.laterality.value, position.value)
    ds.SOPInstanceUID = uid(*identity, *place, *([] if intent == "FOR PRESENTATION" else [intent]))
    ds.SeriesInstanceUID = uid(*identity, case.plan.patient_id, "series", *place[1:], intent)
    ds.SeriesDescription = f"{place[1]} {place[2]}" + ("" if intent == "FOR PRESENTATION" else " raw")
    ds.PresentationIntentType = intent
    ds.ManufacturerModelName = "Phantom cohort"
    ds.DeviceSerialNumber = "0"
    ds.SoftwareVersions = "1"
    ds.InstitutionName = "Phantom"
    ds.StationName = "PHANTOM"
    ds.AcquisitionDeviceProcessingDescription = intent
    # Thicker breasts are exposed at a higher voltage and for longer; the dose follows.
    ds.KVP = 25 + round(view.thickness_mm / 10)
    charge_mas = 20 + 1.4 * view.thickness_mm
    ds.ExposureTime = round(1000 * charge_mas / 100)
    ds.XRayTubeCurrent = 100
    ds.Exposure = round(charge_mas)
    ds.ExposureInuAs = round(1000 * charge_mas)
    ds.ExposureControlMode = "AUTOMATIC"
    ds.ExposureControlModeDescription = "AUTO_FILTER"
    ds.AnodeTargetMaterial = "TUNGSTEN"
    ds.FilterType = "FLAT"
    ds.FilterMaterial = "RHODIUM"
    ds.FocalSpots = "0.3"
    ds.Grid = ["RECIPROCATING", "FOCUSED"]
    # The phantom's beam is parallel: nothing is magnified.
    ds.DistanceSourceToDetector = ds.DistanceSourceToPatient = f"{_SOURCE_MM:.0f}"
    ds.EstimatedRadiographicMagnificationFactor = "1"
    ds.CompressionForce = "100"
    ds.BodyPartThickness = f"{view.thickness_mm:.1f}"
    ds.OrganDose = f"{0.00002 * view.thickness_mm:.5f}"
    ds.EntranceDoseInmGy = f"{0.1 * view.thickness_mm:.2f}"
    ds.HalfValueLayer = "0.52"
    ds.DetectorType = "DIRECT"
    ds.DetectorID = "PHANTOM"
    ds.DetectorConditionsNominalFlag = "YES"
    ds.DetectorBinning = [1, 1]
    ds.DetectorElementSpacing = [film.spacing_mm, film.spacing_mm]
    ds.DetectorActiveShape = "RECTANGLE"
    ds.DetectorActiveDimensions = [f"{height:.1f}", f"{width:.1f}"]
    ds.QualityControlImage = "NO"
    if syntax.is_lossy:
        ds.LossyImageCompression = "01"
        ds.LossyImageCompressionMethod = _LOSSY_METHODS[syntax]
        ds.LossyImageCompressionRatio = "12"
    return ds


def _for_processing(case: Case, position: ViewPosition, *, syntax: TransferSyntax) -> Dataset:
    ds = _as_a_vendor(case, position, intent="FOR PROCESSING", syntax=syntax)
    ds.SOPClassUID = DigitalMammographyXRayImageStorageForProcessing
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LIN", 1
    ds.PresentationLUTShape = "INVERSE"  # as MONOCHROME1 demands (PS3.3, C.8.11.3)
    return ds


def _for_presentation(case: Case, position: ViewPosition, *, bits_stored: int, syntax: TransferSyntax) -> Dataset:
    ds = _as_a_vendor(case, position, intent="FOR PRESENTATION", syntax=syntax)
    ds.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    ds.ImageType = ["DERIVED", "PRIMARY"]
    spacing_mm = case.films[position].spacing_mm
    ds.PixelSpacing = [spacing_mm, spacing_mm]
    ds.PixelSpacingCalibrationType = "GEOMETRY"
    ds.PixelSpacingCalibrationDescription = "In the plane of the detector"
    source = Dataset()
    source.ReferencedSOPClassUID = DigitalMammographyXRayImageStorageForProcessing
    source.ReferencedSOPInstanceUID = _as_a_vendor(
        case, position, intent="FOR PROCESSING", syntax=syntax
    ).SOPInstanceUID
    source.SpatialLocationsPreserved = "YES"
    source.PurposeOfReferenceCodeSequence = [code("121322", "DCM", "Source image for image processing operation")]
    ds.SourceImageSequence = [source]
    show_full_range(ds, bits_stored=bits_stored)
    return ds
