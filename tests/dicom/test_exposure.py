import pytest
from pydicom.uid import (
    BreastTomosynthesisImageStorage,
    CTImageStorage,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalXRayImageStorageForPresentation,
    SecondaryCaptureImageStorage,
)

from bundle.dicom.exposure import read_exposure
from bundle.vocabulary import Laterality, ViewPosition
from tests.dicom.film_files import film_dataset, ramp
from tests.dicom.segmentation_files import item


def dataset(**attributes):
    defaults = {
        "Modality": "MG",
        "StudyInstanceUID": "1.5",
        "ViewPosition": "CC",
        "ImageLaterality": "L",
        "AcquisitionDate": "20200102",
        "AcquisitionTime": "101112",
    }
    return film_dataset(ramp(bits=12), **{**defaults, **attributes})


def view_code(code, *, modifiers=()):
    return [item(CodeValue=code, ViewModifierCodeSequence=[item(CodeValue=each) for each in modifiers])]


def test_a_standard_view_is_described():
    exposure = read_exposure(dataset())
    assert (exposure.laterality, exposure.view_position) == (Laterality.LEFT, ViewPosition.CC)
    assert (exposure.rank, exposure.time, exposure.flags) == (0, "20200102101112", ())


@pytest.mark.parametrize(("code", "position"), [("R-10226", "MLO"), ("399162004", "CC")])
def test_the_view_comes_by_code_and_the_side_from_laterality(code, position):
    exposure = read_exposure(
        dataset(ViewPosition="", ViewCodeSequence=view_code(code), ImageLaterality="", Laterality="R")
    )
    assert (exposure.view_position, exposure.laterality) == (position, "R")


@pytest.mark.parametrize(
    ("attributes", "rank", "flags"),
    [
        ({"SOPClassUID": DigitalMammographyXRayImageStorageForProcessing}, 2, ("for_processing",)),
        ({"PresentationIntentType": "FOR PROCESSING"}, 2, ("for_processing",)),
        ({"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "RG"}, 1, ()),
        (
            {"SOPClassUID": DigitalXRayImageStorageForPresentation, "Modality": "DX", "BodyPartExamined": "BREAST"},
            0,
            (),
        ),
        ({"BreastImplantPresent": "YES"}, 0, ("breast_implant",)),
        ({"ViewCodeSequence": view_code("399162004", modifiers=["442581004"])}, 0, ()),
        ({"EstimatedRadiographicMagnificationFactor": "1.07"}, 0, ()),
        ({"ViewCodeSequence": view_code("SECRET")}, 0, ()),
        ({"ViewCodeSequence": [*view_code("R-1024A"), *view_code("R-10242")]}, 0, ()),
    ],
)
def test_classes_are_ranked_and_peculiarities_flagged(attributes, rank, flags):
    exposure = read_exposure(dataset(**attributes))
    assert (exposure.rank, exposure.flags) == (rank, flags)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"ViewCodeSequence": view_code("399162004", modifiers=["399163009"])}, "a magnification"),
        ({"ViewCodeSequence": view_code("R-10242", modifiers=["R-102D6"])}, "a magnification"),
        ({"ViewCodeSequence": view_code("399162004", modifiers=["399055006"])}, "a spot compression"),
        ({"ViewCodeSequence": view_code("399162004", modifiers=["399209000"])}, "an implant-displaced view"),
        ({"ViewCodeSequence": view_code("399162004", modifiers=["442581004", "399226006"])}, "a rolled view"),
        ({"ViewCodeSequence": view_code("399162004", modifiers=["SECRET"])}, "not a standard view"),
        ({"ViewModifierCodeSequence": [item(CodeValue="399163009")]}, "a magnification"),
        ({"ViewCodeSequence": view_code("R-1024A")}, r"an exaggerated cranio-caudal view, .* View Position .* says CC"),
        ({"ViewCodeSequence": view_code("399101009")}, "an exaggerated cranio-caudal view"),
        ({"ViewCodeSequence": view_code("399368009")}, "the view MLO, by View Code Sequence"),
        ({"ViewCodeSequence": view_code("R-10224"), "ViewPosition": "MLO"}, "a medio-lateral view"),
        ({"EstimatedRadiographicMagnificationFactor": "1.8"}, r"a magnification: .* is 1\.8"),
        ({"PartialView": "YES"}, "a part of the breast"),
        ({"SOPClassUID": BreastTomosynthesisImageStorage}, "tomosynthesis, not a projection"),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMO_2D", "SECRET"]}, "made from tomosynthesis"),
        ({"ImageType": ["DERIVED", "SECONDARY", ""]}, "made after the examination"),
        ({"SOPClassUID": CTImageStorage}, "SOP Class CT Image Storage is no mammogram"),
        ({"SOPClassUID": "1.2.99.99"}, "SOP Class unknown is no mammogram"),
        ({"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "US"}, "Modality"),
        ({"SOPClassUID": DigitalXRayImageStorageForPresentation, "Modality": "DX"}, "Body Part Examined"),
        ({"NumberOfFrames": 60}, "several frames"),
        ({"QualityControlImage": "YES"}, "quality control"),
        ({"ViewPosition": "ML"}, r"neither CC nor MLO \(ML\)"),
        ({"ViewPosition": "SECRET 1"}, "neither CC nor MLO$"),
        ({"ViewPosition": None}, "neither CC nor MLO"),
        ({"ImageLaterality": "B"}, "neither L nor R"),
        ({"PatientID": ""}, "PatientID is absent or empty"),
        ({"StudyInstanceUID": None}, "StudyInstanceUID is absent"),
    ],
)
def test_what_is_no_standard_view_is_left_out_with_its_reason(attributes, reason):
    made = dataset(**{key: value for key, value in attributes.items() if value is not None})
    for keyword in (key for key, value in attributes.items() if value is None):
        delattr(made, keyword)
    with pytest.raises(ValueError, match=reason) as caught:
        read_exposure(made)
    assert "SECRET" not in str(caught.value)
