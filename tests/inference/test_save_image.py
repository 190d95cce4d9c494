import hashlib

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image

from bundle.inference.save_image import SaveImageSyntheticMammogramd
from tests.inference.films import write_film


@pytest.fixture
def data(film):
    canonical = torch.zeros(1, 128, 96)
    canonical[:, :, :20] = 0.5
    return {
        "image": torch.cat([canonical, torch.zeros(1, 128, 96)]),
        "pred": canonical,
        "target_view": torch.tensor(1),
        "spacing_mm": 2.5,
        "laterality": "L",
        "source_path": str(film),
        "flags": "assumed_spacing,shrunk_to_canvas",
    }


@pytest.fixture
def save(tmp_path, trained):
    return SaveImageSyntheticMammogramd(
        output_dir=tmp_path / "out", weights=trained / "model.pt", model_name="model", model_version="1.2.3"
    )


def test_writes_a_dicom_file_and_a_picture(save, data, trained, film):
    dicom, picture = save(data)["written"]
    written = pydicom.dcmread(dicom)
    assert written.ViewPosition == "MLO"
    assert list(written.ImagerPixelSpacing) == [2.5, 2.5]
    assert written.SourceImageSequence[0].ReferencedSOPInstanceUID == pydicom.dcmread(film).SOPInstanceUID
    assert hashlib.sha256((trained / "model.pt").read_bytes()).hexdigest() in written.DerivationDescription
    assert "model 1.2.3" in written.DerivationDescription
    assert "assumed_spacing, shrunk_to_canvas" in written.ImageComments
    assert written.pixel_array[5, 5] == round(0.5 * 4095)
    assert Image.open(picture).width > 2 * 96


def test_names_tell_the_direction_and_nothing_of_the_patient(save, data, tmp_path):
    save(data)
    save(data)
    save({**data, "target_view": torch.tensor(0)})
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [
        f"{stem}.{suffix}" for stem in ("cc_to_mlo_001", "cc_to_mlo_002", "mlo_to_cc_001") for suffix in ("dcm", "png")
    ]


def test_a_right_breast_hangs_with_its_chest_wall_at_the_right(save, data, tmp_path):
    film = write_film(tmp_path / "right.dcm", ImageLaterality="R")
    dicom, picture = save({**data, "laterality": "R", "source_path": str(film)})["written"]
    pixels = pydicom.dcmread(dicom).pixel_array
    assert pixels[5, -1] > 0
    assert pixels[5, 0] == 0
    last_row_of_views = np.asarray(Image.open(picture).convert("L"))[-20]
    assert last_row_of_views[10] == 0  # the first view starts black, away from the chest wall


def test_the_mark_as_a_word(tmp_path, trained, data):
    def save(mark):
        return SaveImageSyntheticMammogramd(
            output_dir=tmp_path / "out", weights=trained / "model.pt", model_name="m", model_version="1", mark=mark
        )(data)

    for mark, annotation in ((True, "YES"), ("true", "YES"), (False, "NO"), ("False", "NO")):
        assert pydicom.dcmread(save(mark)["written"][0]).BurnedInAnnotation == annotation
    with pytest.raises(ValueError, match=r"--mark is 'perhaps'; it must be true or false"):
        save("perhaps")


def test_a_folder_that_cannot_be_made(tmp_path, trained, data):
    (tmp_path / "file").touch()
    save = SaveImageSyntheticMammogramd(
        output_dir=tmp_path / "file", weights=trained / "model.pt", model_name="m", model_version="1"
    )
    with pytest.raises(OSError, match=r"output folder .*file cannot be made.*--output_dir"):
        save(data)
