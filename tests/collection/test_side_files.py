import csv
from pathlib import Path

import numpy as np
import pytest

from bundle.collection import prepare_collection
from bundle.collection.side_files import SideFiles, require_fitting
from bundle.datasets.phantom.cohort import Layout, write_cohort
from bundle.dicom.masks import read_mask
from bundle.dicom.parsing import read_header
from bundle.preparation import PreparationSettings, load_prepared_mask
from bundle.radiomics.settings import read_settings
from bundle.vocabulary import Split
from tests.dicom.segmentation_files import write_segmentation

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("collection", "names", "reason"),
    [
        ("cbis_ddsm", {"key": "k"}, "cbis_ddsm takes no --key"),
        ("dicom", {"table": "t", "key": "k"}, "dicom takes no --table"),
        ("table", {"masks": "m", "table": "t"}, "table takes no --masks"),
        ("dicom", {"masks": "m"}, "dicom needs --key"),
        ("table", {}, "table needs --table"),
        ("dicom", {"key": "out/deep/../key.txt"}, "lies in the output"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, collection, names, reason):
    files = SideFiles(**{name: tmp_path / value for name, value in names.items()})
    with pytest.raises(ValueError, match=reason):
        require_fitting(collection, files, output=tmp_path / "out")


def test_files_that_fit_are_accepted(tmp_path):
    require_fitting("dicom", SideFiles(key=tmp_path / "key"), output=tmp_path / "out")
    require_fitting("table", SideFiles(table=tmp_path / "table"), output=tmp_path / "out")
    require_fitting("cbis_ddsm", SideFiles(), output=tmp_path / "out")


def test_a_clinical_folder_prepares_to_the_lesions_of_its_mask_table(tmp_path):
    source = tmp_path / "dicom"
    write_cohort(
        layout=Layout.CLINICAL, breasts=6, seed=2, output=source, film_spacing_mm=1.0, workers=1, overwrite=False
    )
    masks = sorted(path.relative_to(source) for path in source.rglob("*_mask.png"))
    # The first mask comes as a Segmentation, the second of two segments.
    image_uid = read_header(source / str(masks[0]).replace("_mask.png", ".dcm")).SOPInstanceUID
    first_mask = read_mask(source / masks[0])
    other_mask = np.roll(first_mask, 9, axis=0)
    write_segmentation(source / "seg.dcm", [other_mask, first_mask], images=["1.9", image_uid], numbers=[1, 2])
    table = tmp_path / "masks.csv"
    with table.open("w", newline="") as stream:
        rows = [(str(path).replace("_mask.png", ".dcm"), path) for path in masks[1:]]
        csv.writer(stream).writerows([("image", "mask"), *rows])
    output = tmp_path / "prepared"
    summary = prepare_collection(
        collection="dicom",
        source=source,
        output=output,
        preparation=PreparationSettings(),
        radiomics=read_settings(ROOT / "configs" / "radiomics.yaml"),
        fractions={Split.TRAINING: 0.4, Split.VALIDATION: 0.3, Split.TEST: 0.3},
        seed=0,
        workers=1,
        side_files=SideFiles(key=tmp_path / "key.txt", masks=table),
    )
    assert sum(summary.pairs.values()) == 6
    assert summary.prepared_views == 12
    with (output / "pairs.csv").open(newline="") as stream:
        pairs = list(csv.DictReader(stream))
    with_lesion = sum(load_prepared_mask(output / row[f"{view}_mask"]).any() for row in pairs for view in ("cc", "mlo"))
    assert with_lesion == len(masks) > 0
    with (output / "rejected.csv").open(newline="") as stream:
        reasons = {row["path"]: row["reason"] for row in csv.DictReader(stream)}
    # A For Processing image beside each view, the segment of no image, and the files that are no DICOM files.
    assert len(reasons) == 14
    assert str(tmp_path) not in str(reasons)
    patients = {path.name for path in source.iterdir() if path.is_dir()}
    tables = [path for path in output.rglob("*") if path.is_file() and path.suffix in (".csv", ".json")]
    written = "".join(path.read_text() for path in tables if path.name != "rejected.csv")
    assert len(tables) > 12
    assert not any(patient in written or patient in str(path) for patient in patients for path in output.rglob("*"))
    assert np.unique([row["patient_id"] for row in pairs]).size == len(patients)
