from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bundle.datasets.pairing import pair_views
from bundle.records import Lesion, View
from bundle.vocabulary import Laterality, Split, ViewPosition


def view(patient, position, side=Laterality.LEFT, lesions=(), name=""):
    return View(
        patient_id=patient,
        laterality=side,
        view_position=position,
        image_path=Path(f"{patient}_{side}_{position}{name}.dcm"),
        lesions=tuple(Lesion(lesion_id=lesion_id, pathology=pathology) for lesion_id, pathology in lesions),
    )


def test_both_views_of_a_breast_make_a_pair():
    cc, mlo = view("P_00012", ViewPosition.CC), view("P_00012", ViewPosition.MLO)
    (pair,), rejections = pair_views([mlo, cc])
    assert (pair.pair_id, pair.patient_id, pair.cc, pair.mlo, pair.flags) == ("P_00012_L", "P_00012", cc, mlo, ())
    assert rejections == []
    assert pair.in_split(Split.TEST).split is Split.TEST


def test_sides_and_patients_are_not_mixed():
    views = [view("P_00001", ViewPosition.CC), view("P_00001", ViewPosition.MLO, side=Laterality.RIGHT)]
    views.append(view("P_00002", ViewPosition.MLO))
    pairs, rejections = pair_views(views)
    assert pairs == []
    assert [rejection.path for rejection in rejections] == [
        "P_00001_L_CC.dcm",
        "P_00001_R_MLO.dcm",
        "P_00002_L_MLO.dcm",
    ]
    assert {rejection.stage for rejection in rejections} == {"pairing"}
    assert "no MLO view" in rejections[0].reason


def test_a_repeated_view_is_rejected_and_the_pair_kept():
    views = [
        view("P_1", ViewPosition.CC, name="b"),
        view("P_1", ViewPosition.CC, name="a"),
        view("P_1", ViewPosition.MLO),
    ]
    (pair,), (rejection,) = pair_views(views)
    assert pair.cc.image_path == Path("P_1_L_CCa.dcm")
    assert rejection.path == "P_1_L_CCb.dcm"


def test_lesions_are_matched_by_identifier_and_disagreement_is_flagged():
    cc = view("P_1", ViewPosition.CC, lesions=[("mass_1", "BENIGN"), ("mass_2", "MALIGNANT")])
    agreeing = view("P_1", ViewPosition.MLO, lesions=[("mass_2", "MALIGNANT"), ("mass_1", "BENIGN")])
    assert pair_views([cc, agreeing])[0][0].flags == ()
    disagreeing = view("P_1", ViewPosition.MLO, lesions=[("mass_1", "MALIGNANT")])
    assert pair_views([cc, disagreeing])[0][0].flags == ("lesion_counts_differ", "pathology_differs:mass_1")


VIEWS = [
    view(patient, position, side, name=name)
    for patient in ("P_1", "P_2", "P_3")
    for position in ViewPosition
    for side in Laterality
    for name in ("a", "b")
]


@given(
    st.lists(st.sampled_from(VIEWS), unique=True).flatmap(
        lambda views: st.tuples(st.just(views), st.permutations(views))
    )
)
def test_the_result_does_not_depend_on_the_order(orders):
    first, second = orders
    assert pair_views(first) == pair_views(second)


def test_what_the_views_say_differently_of_the_same_lesion_is_flagged():
    def one(position, **changes):
        lesion = Lesion(lesion_id="mass_1", assessment="4", descriptors=("OVAL", "SPICULATED"))
        return replace(view("P_1", position), lesions=(replace(lesion, **changes),))

    cc = one(ViewPosition.CC)
    assert pair_views([cc, one(ViewPosition.MLO)])[0][0].flags == ()
    other = one(ViewPosition.MLO, assessment="5", descriptors=("ROUND", "SPICULATED"))
    assert pair_views([cc, other])[0][0].flags == ("assessment_differs:mass_1", "descriptors_differ:mass_1")
