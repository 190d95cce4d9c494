import pytest
from monai.transforms import Compose
from torch.utils.data import DataLoader

from bundle.inference.dataset import FilmDataset


def usable_or_not(item):
    if isinstance(item["image"], Exception):
        raise item["image"]
    return item


@pytest.fixture(params=["bare", "composed"])
def transform(request):
    return usable_or_not if request.param == "bare" else Compose([usable_or_not])


def test_a_bad_film_is_left_out_with_its_reason(transform, caplog):
    data = ["first", ValueError("b.dcm is cut"), OSError("c.dcm cannot be opened"), "last"]
    assert [item["image"] for item in FilmDataset(data=data, transform=transform)] == ["first", "last"]
    assert "Left out: b.dcm is cut" in caplog.text
    assert "Left out: c.dcm cannot be opened" in caplog.text
    assert "2 of 4 films were left out" in caplog.text


def test_the_only_film_is_bad(transform):
    with pytest.raises(ValueError, match=r"b.dcm is cut"):
        list(FilmDataset(data=[ValueError("b.dcm is cut")], transform=transform))


def test_all_films_are_bad(transform):
    with pytest.raises(ValueError, match=r"none of the 2 films"):
        list(FilmDataset(data=[ValueError("a"), ValueError("b")], transform=transform))


def test_a_fault_of_the_program_is_not_hidden(transform):
    with pytest.raises((AssertionError, RuntimeError)) as caught:
        list(FilmDataset(data=["first", AssertionError("fault")], transform=transform))
    assert "fault" in str([caught.value, caught.value.__cause__])


def test_workers_are_refused():
    with pytest.raises(ValueError, match=r"num_workers"):
        list(DataLoader(FilmDataset(data=["first"], transform=usable_or_not), num_workers=1))
