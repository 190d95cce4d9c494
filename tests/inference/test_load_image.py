import logging
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from monai.bundle import ConfigParser

from bundle.dicom.masks import fit_to_film, read_mask
from bundle.dicom.read import read_film
from bundle.inference.films import FilmRequest
from bundle.inference.load_image import LoadImageMammogramd
from bundle.preparation import PreparationSettings, fine_view, orient, resample_view, save_prepared
from bundle.radiomics.extraction import extract_features
from bundle.radiomics.settings import read_settings
from bundle.records import Canvas
from bundle.vocabulary import Laterality, ViewPosition
from tests.inference.films import breast_pixels, lesion_mask, write_dicom, write_film

PREPARATION = PreparationSettings(spacing_mm=2.0)


@pytest.fixture
def load(canvas, radiomics_settings, radiomics_hash):
    return LoadImageMammogramd(
        canvas=canvas,
        preparation=PREPARATION,
        radiomics_settings=radiomics_settings,
        radiomics_settings_hash=radiomics_hash,
    )


def item(load, source, **options):
    return load({"image": FilmRequest(source=source, **options)})


class TestForTheGenerator:
    def test_shapes_types_and_ranges(self, load, film, mask):
        loaded = item(load, film, masks=(mask,))
        assert loaded["image"].shape == (2, 128, 96)
        assert loaded["image"].dtype == loaded["radiomics"].dtype == torch.float32
        assert loaded["image"][0].min() == 0
        assert 0.3 < loaded["image"][0].max() <= 1
        assert set(loaded["image"][1].unique().tolist()) == {0.0, 1.0}
        assert loaded["radiomics"].shape == (102,)
        assert loaded["radiomics"].isfinite().all()
        assert loaded["spacing_mm"] == 2.0

    def test_as_the_training_data_are(self, load, film, mask, canvas, tmp_path, repository):
        """The same film through the files and the transforms of training."""
        read = read_film(film)
        prepared = resample_view(orient(read, [read_mask(mask)], PREPARATION), PREPARATION)
        files = save_prepared(prepared, tmp_path, "view")
        parser = ConfigParser()
        parser.read_config(str(repository / "configs" / "train.json"))
        parser.update({"canvas#rows": canvas.rows, "canvas#columns": canvas.columns, "canvas#spacing_mm": 2.0})
        trained = parser.get_parsed_content("validate#preprocessing")(
            {
                "image": files.image,
                "image_mask": files.mask,
                "label": files.image,
                "label_mask": files.mask,
                "label_breast": files.breast,
                "target_view": 1,
                "spacing_mm": 2.0,
                "label_radiomics": np.zeros(102),
            }
        )
        loaded = item(load, film, masks=(mask,))
        assert torch.allclose(loaded["image"], torch.as_tensor(trained["image"]).float(), atol=1 / 65535)

    def test_a_right_breast_is_turned_to_the_same_picture(self, load, film, mask, tmp_path):
        right = write_dicom(tmp_path / "right.dcm", breast_pixels(chest_wall_right=True), ImageLaterality="R")
        right_mask = write_dicom(tmp_path / "mask.dcm", lesion_mask(chest_wall_right=True).astype(np.uint16))
        mirrored = item(load, right, masks=(right_mask,))
        assert torch.equal(mirrored["image"], item(load, film, masks=(mask,))["image"])
        assert mirrored["laterality"] == "R"

    @pytest.mark.parametrize(("view", "target"), [("CC", 1), ("MLO", 0)])
    def test_the_target_is_the_complement(self, load, tmp_path, view, target):
        loaded = item(load, write_film(tmp_path / "film.dcm", ViewPosition=view))
        assert loaded["target_view"].item() == target
        assert loaded["target_view"].dtype == torch.int64

    def test_the_vector_is_that_of_the_fine_view(self, load, film, mask, radiomics_settings):
        oriented = orient(read_film(film), [read_mask(mask)], PREPARATION)
        image, region, spacing_mm = fine_view(oriented, PREPARATION, 0)
        expected = extract_features(image, region, spacing_mm=spacing_mm, settings=read_settings(radiomics_settings))
        assert np.allclose(item(load, film, masks=(mask,))["radiomics"].numpy(), expected, rtol=1e-6)

    def test_without_a_mask_the_lesion_is_unknown(self, load, film):
        loaded = item(load, film)
        assert loaded["radiomics"].isnan().all()
        assert not loaded["image"][1].any()

    def test_a_breast_larger_than_the_canvas(self, film, radiomics_settings, radiomics_hash):
        load = LoadImageMammogramd(
            canvas=Canvas(rows=32, columns=24, spacing_mm=2.0),
            preparation=PREPARATION,
            radiomics_settings=radiomics_settings,
            radiomics_settings_hash=radiomics_hash,
        )
        loaded = item(load, film)
        rows, _ = np.nonzero(loaded["image"][0].numpy())
        assert loaded["spacing_mm"] == pytest.approx(2.0 * 99 / 32, rel=0.05)  # the breast is 99 pixels high
        assert rows.max() - rows.min() >= 29
        assert "shrunk_to_canvas" in loaded["flags"]


class TestSentences:
    @pytest.mark.parametrize(
        ("keyword", "argument", "option"),
        [
            ("ViewPosition", "--view CC or MLO", {"view_position": ViewPosition.MLO}),
            ("ImageLaterality", "--laterality L or R", {"laterality": Laterality.RIGHT}),
        ],
    )
    def test_what_the_headers_do_not_tell(self, load, tmp_path, keyword, argument, option):
        film = write_film(tmp_path / "film.dcm", **{keyword: None})
        with pytest.raises(ValueError, match=f"film.dcm.*do not tell.*{argument}"):
            item(load, film)
        loaded = item(load, film, **option)
        assert loaded["target_view"].item() == (0 if "view_position" in option else 1)
        assert loaded["laterality"] == ("R" if "laterality" in option else "L")

    def test_headers_and_arguments_differ(self, load, film):
        with pytest.raises(ValueError, match=r"film.dcm.*headers say CC.*arguments MLO"):
            item(load, film, view_position=ViewPosition.MLO)

    def test_other_radiomics_than_the_weights_know(self, film, mask, canvas, radiomics_settings):
        load = LoadImageMammogramd(
            canvas=canvas,
            preparation=PREPARATION,
            radiomics_settings=radiomics_settings,
            radiomics_settings_hash="0123456789ab",
        )
        with pytest.raises(ValueError, match=r"hash 0123456789ab.*network.json"):
            item(load, film, masks=(mask,))
        assert item(load, film)["radiomics"].isnan().all()  # without a mask nothing is extracted

    def test_a_lesion_too_small_for_features_keeps_its_mask(self, load, film, tmp_path, caplog):
        tiny = np.zeros((128, 96), np.uint16)
        tiny[60:63, 30:33] = 1
        path = write_dicom(tmp_path / "tiny.dcm", tiny)
        loaded = item(load, film, masks=(path,))
        assert loaded["radiomics"].isnan().all()
        assert loaded["image"][1].sum() == 9
        assert "lesion 1 goes without radiomic features: region has 9 pixels" in caplog.text

    def test_an_empty_mask(self, load, film, tmp_path):
        path = write_dicom(tmp_path / "empty.dcm", np.zeros((128, 96), np.uint16))
        with pytest.raises(ValueError, match=r"film.dcm.*empty.dcm.*empty"):
            item(load, film, masks=(path,))

    def test_a_mask_of_another_size_is_fitted_and_flagged(self, load, film, tmp_path):
        large = fit_to_film(lesion_mask(), (160, 120)).astype(np.uint16)
        loaded = item(load, film, masks=(write_dicom(tmp_path / "large.dcm", large),))
        assert "mask_resized" in loaded["flags"]
        assert loaded["image"][1].sum() == pytest.approx(lesion_mask().sum(), rel=0.1)

    def test_a_synthetic_view_is_no_source(self, load, tmp_path):
        film = write_film(tmp_path / "film.dcm", SyntheticData="YES")
        with pytest.raises(ValueError, match=r"synthetic view itself.*\(0008,001C\)"):
            item(load, film)

    @pytest.mark.parametrize("representation", [b"ZZ", b"FD"])
    def test_a_damaged_mark_of_synthetic_views_is_none(self, load, tmp_path, representation):
        film = write_film(tmp_path / "film.dcm", SyntheticData="NO")
        content = film.read_bytes()
        assert content.count(b"\x08\x00\x1c\x00CS") == 1
        film.write_bytes(content.replace(b"\x08\x00\x1c\x00CS", b"\x08\x00\x1c\x00" + representation))
        assert item(load, film)["image"].shape[0] == 2

    def test_a_film_that_cannot_be_named_as_source(self, load, tmp_path):
        film = write_film(tmp_path / "film.dcm")
        content = film.read_bytes()
        instance = read_instance_uid(film)
        film.write_bytes(content.replace(instance, b"x" * len(instance)))
        with pytest.raises(ValueError, match=r"film.dcm.*SOPInstanceUID \(0008,0018\)"):
            item(load, film)

    def test_a_cut_film(self, load, film):
        film.write_bytes(film.read_bytes()[:3000])
        with pytest.raises(ValueError, match=r"film.dcm.*cut"):
            item(load, film)

    def test_a_breast_of_an_impossible_size(self, load, tmp_path):
        """100 of the film's 128 rows: the same sentence as in `scripts.prepare`."""
        film = write_film(tmp_path / "film.dcm", ImagerPixelSpacing=None)
        with pytest.raises(ValueError, match=r"film.dcm: with the assumed spacing of 0.05 x 0.05 mm .* would be 5\D"):
            item(load, film)
        film = write_film(tmp_path / "film.dcm", ImagerPixelSpacing=[4.0, 4.0])
        with pytest.raises(ValueError, match=r"film.dcm: with the stated spacing of 4 x 4 mm .* would be 4\d\d mm"):
            item(load, film)

    def test_no_identity_in_the_log(self, load, tmp_path, caplog):
        load.preparation = PreparationSettings(spacing_mm=2.0, assumed_spacing_mm=2.0)
        with caplog.at_level(logging.DEBUG):
            item(load, write_film(tmp_path / "film.dcm", ImagerPixelSpacing=None, PatientBirthDate="19610203"))
        assert "assumed_spacing" in caplog.text
        for secret in ("Secret", "SECRET", "19610203"):
            assert secret not in caplog.text


def read_instance_uid(film: Path) -> bytes:
    return str(pydicom.dcmread(film).SOPInstanceUID).encode()
