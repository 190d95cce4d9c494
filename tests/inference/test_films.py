import pytest

from bundle.inference.films import FilmRequests, find_films
from bundle.vocabulary import Laterality, ViewPosition
from tests.inference.films import write_film, write_mask


class TestOneFile:
    def test_without_a_mask(self, film):
        (request,) = find_films(source=film)
        assert request.source == film
        assert request.masks == ()
        assert request.view_position is None

    @pytest.mark.parametrize("word", [None, "null", "None", ""])
    def test_a_mask_that_is_not_given(self, film, word):
        assert find_films(source=film, mask=word)[0].masks == ()

    def test_a_mask_per_lesion(self, film, mask):
        assert find_films(source=film, mask=[str(mask), str(mask)])[0].masks == (mask, mask)

    def test_view_and_side_from_the_command_line(self, film):
        (request,) = find_films(source=film, view="mlo", laterality="R")
        assert request.view_position is ViewPosition.MLO
        assert request.laterality is Laterality.RIGHT

    @pytest.mark.parametrize(("argument", "value"), [("view", "ML"), ("laterality", "left")])
    def test_a_value_that_is_not_allowed(self, film, argument, value):
        with pytest.raises(ValueError, match=f"--{argument} must be .* got {value}"):
            find_films(source=film, **{argument: value})

    def test_missing_film(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no film at .*absent.dcm.*--source"):
            find_films(source=tmp_path / "absent.dcm")

    def test_missing_mask(self, film, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no mask at .*absent.dcm.*--mask"):
            find_films(source=film, mask=tmp_path / "absent.dcm")

    def test_a_folder_of_masks_for_one_film(self, film, mask):
        with pytest.raises(ValueError, match=r"must be a file too"):
            find_films(source=film, mask=mask.parent)


class TestFolder:
    def test_dicom_files_by_name_or_by_content_in_order(self, tmp_path):
        for name in ("b/2.dcm", "a/IM0001", "c.DCM"):
            write_film(tmp_path / "in" / name)
        (tmp_path / "in" / "notes.txt").write_text("no film")
        found = [
            request.source.relative_to(tmp_path / "in").as_posix() for request in find_films(source=tmp_path / "in")
        ]
        assert found == ["a/IM0001", "b/2.dcm", "c.DCM"]

    def test_a_cut_file_is_found_so_that_it_can_be_reported(self, tmp_path):
        (tmp_path / "empty.dcm").touch()
        assert len(find_films(source=tmp_path)) == 1

    def test_masks_of_the_films_names(self, tmp_path):
        for name in ("x/1.dcm", "x/2.dcm", "3.dcm"):
            write_film(tmp_path / "in" / name)
        write_mask(tmp_path / "masks" / "x" / "1.dcm")
        (tmp_path / "masks" / "3.nii.gz").touch()
        masks = [request.masks for request in find_films(source=tmp_path / "in", mask=tmp_path / "masks")]
        assert masks == [(tmp_path / "masks" / "3.nii.gz",), (tmp_path / "masks" / "x" / "1.dcm",), ()]

    def test_masks_beside_the_films_are_no_films(self, tmp_path):
        for name in ("1.dcm", "2.dcm"):
            write_film(tmp_path / name)
        write_mask(tmp_path / "1_mask.dcm")
        requests = find_films(source=tmp_path, mask=tmp_path)
        assert [request.source.name for request in requests] == ["1.dcm", "2.dcm"]
        assert [request.masks for request in requests] == [(tmp_path / "1_mask.dcm",), ()]

    def test_one_mask_for_many_films(self, film, mask):
        with pytest.raises(ValueError, match=r"must be a folder too"):
            find_films(source=film.parent, mask=mask)

    def test_no_film(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no DICOM file in"):
            find_films(source=tmp_path)


def test_requests_look_only_when_they_are_asked(tmp_path):
    requests = FilmRequests(source=str(tmp_path / "later.dcm"))
    write_film(tmp_path / "later.dcm")
    assert [request.source for request in requests] == [tmp_path / "later.dcm"]
