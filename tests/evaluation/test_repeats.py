"""A phantom cohort's breasts exposed again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.datasets.phantom.case import CasePlan, make_case
from bundle.datasets.phantom.cohort import write_cohort
from bundle.datasets.phantom.layout import Layout
from bundle.evaluation.repeats import Repeats, write_repeats
from bundle.preparation import PreparationSettings, load_prepared_image, orient, resample_view, save_prepared
from bundle.records import Canvas, Film
from bundle.vocabulary import Direction, Laterality, ViewPosition

SPACING_MM = 2.0
SETTINGS = PreparationSettings(spacing_mm=SPACING_MM)
CANVAS = Canvas(rows=128, columns=96, spacing_mm=2.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of two breasts, a prepared collection whose test split is the first one, and its repeats."""
    root = tmp_path_factory.mktemp("repeats")
    write_cohort(
        layout=Layout.CBIS_DDSM,
        breasts=2,
        seed=0,
        output=root / "dicom",
        film_spacing_mm=SPACING_MM,
        workers=1,
        overwrite=False,
        show_progress=False,
    )
    (root / "prepared").mkdir()
    (root / "prepared" / "preparation.json").write_text(json.dumps({"preparation": asdict(SETTINGS)}))
    pair = {"pair_id": "P_00001_L", "patient_id": "P_00001"}
    (root / "prepared" / "datalist.json").write_text(json.dumps({"test": [pair]}))
    breasts = write_repeats(
        cohort=root / "dicom", dataset_dir=root / "prepared", output=root / "again", repeats=2, workers=1
    )
    assert breasts == 1
    return root


def first_views(folder: Path) -> dict[ViewPosition, Path]:
    """The first breast's own films, prepared in the same way."""
    plan = CasePlan(cohort_seed=0, woman=1, laterality=Laterality.LEFT)
    case = make_case(plan, film_spacing_mm=SPACING_MM, digital=False)
    paths = {}
    for position, film in case.films.items():
        view = resample_view(
            orient(Film(pixels=film.brightness, spacing_mm=(SPACING_MM, SPACING_MM)), [], SETTINGS), SETTINGS
        )
        paths[position] = save_prepared(view, folder / "own", position.value).image
    return paths


def test_each_view_is_there_as_often_as_asked_and_never_the_same(folder: Path) -> None:
    views = json.loads((folder / "again" / "repeats.json").read_text())["views"]
    assert set(views) == {"P_00001_L"}
    for files in views["P_00001_L"].values():
        assert len(files) == 2
        one, other = (load_prepared_image(folder / "again" / name) for name in files)
        assert one.shape != other.shape or not np.array_equal(one, other)


def test_the_mean_on_the_canvas_is_nearer_to_the_breast_than_to_its_other_view(folder: Path) -> None:
    own = first_views(folder)
    items = [
        {"pair_id": "P_00001_L", "target_view": d.target.class_index, "image": str(own[d.source])} for d in Direction
    ]
    repeats = Repeats(folder / "again", dataset_dir=folder / "prepared", test_items=items, canvas=CANVAS)
    assert repeats.number == 2
    means = {d: repeats.mean_view("P_00001_L", d)[0].numpy() for d in Direction}
    for direction, mean in means.items():
        assert mean.shape == (128, 96)
        assert 0 <= mean.min() <= mean.max() <= 1
        wanted, other = (load_prepared_image(own[position]) for position in (direction.target, direction.source))
        areas = [float((view > 0.05).sum()) for view in (mean, wanted, other)]
        assert abs(areas[0] - areas[1]) < abs(areas[0] - areas[2])


def test_a_case_without_repeats_and_a_folder_without_any_are_sentences(folder: Path) -> None:
    item = {"pair_id": "P_00002_R", "target_view": 1, "image": "any"}
    with pytest.raises(ValueError, match=r"lack 1 test breasts, the first P_00002_R: run python -m scripts\.repeat"):
        Repeats(folder / "again", dataset_dir=folder / "prepared", test_items=[item], canvas=CANVAS)
    with pytest.raises(FileNotFoundError, match=r"no repeats at .*scripts\.repeat"):
        Repeats(folder / "prepared", dataset_dir=folder / "prepared", test_items=[item], canvas=CANVAS)


def other_datalist(folder: Path, tmp_path: Path, pairs: list[str]) -> Path:
    (tmp_path / "preparation.json").write_text((folder / "prepared" / "preparation.json").read_text())
    (tmp_path / "datalist.json").write_text(
        json.dumps({"test": [{"pair_id": pair, "patient_id": pair} for pair in pairs]})
    )
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"pairs": ["P_00001_L", "P_00002_R"]}, "are of another list of pairs"),
        ({"spacing_mm": 1.0}, r"were prepared at 2\.0 mm, .* at 1\.0 mm"),
    ],
)
def test_repeats_of_another_preparation_are_a_sentence(
    folder: Path, tmp_path: Path, changed: dict[str, Any], reason: str
) -> None:
    dataset_dir = other_datalist(folder, tmp_path, changed.get("pairs", ["P_00001_L"]))
    settings = asdict(SETTINGS) | {name: value for name, value in changed.items() if name == "spacing_mm"}
    (dataset_dir / "preparation.json").write_text(json.dumps({"preparation": settings}))
    with pytest.raises(ValueError, match=rf"repeats at .*again {reason}.*scripts\.repeat"):
        Repeats(folder / "again", dataset_dir=dataset_dir, test_items=[], canvas=CANVAS)


def test_repeats_that_do_not_tell_their_preparation_are_a_sentence(folder: Path, tmp_path: Path) -> None:
    document = json.loads((folder / "again" / "repeats.json").read_text())
    del document["datalist_hash"]
    (tmp_path / "repeats.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"are of another list of pairs .*scripts\.repeat"):
        Repeats(tmp_path, dataset_dir=folder / "prepared", test_items=[], canvas=CANVAS)


@pytest.mark.parametrize(
    ("pairs", "reason"), [(["P_09999_L"], "has no breast P_09999_L"), ([], "test split of .* is empty")]
)
def test_another_collection_is_a_sentence(folder: Path, tmp_path: Path, pairs: list[str], reason: str) -> None:
    dataset_dir = other_datalist(folder, tmp_path, pairs)
    with pytest.raises(ValueError, match=reason):
        write_repeats(cohort=folder / "dicom", dataset_dir=dataset_dir, output=tmp_path / "again", repeats=1, workers=1)


def test_a_cohort_that_this_version_would_not_make_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    truth = json.loads((folder / "dicom" / "truth.json").read_text())
    truth["breasts"][0]["glandular_fraction"] += 0.01
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / "truth.json").write_text(json.dumps(truth))
    with pytest.raises(ValueError, match=r"P_00001_L is not the one that truth\.json describes"):
        write_repeats(
            cohort=tmp_path / "cohort",
            dataset_dir=folder / "prepared",
            output=tmp_path / "again",
            repeats=1,
            workers=1,
        )


def test_absent_folders_are_sentences(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no phantom cohort"):
        write_repeats(cohort=tmp_path, dataset_dir=folder / "prepared", output=tmp_path / "a", repeats=1, workers=1)
    with pytest.raises(FileNotFoundError, match="no prepared collection"):
        write_repeats(cohort=folder / "dicom", dataset_dir=tmp_path, output=tmp_path / "a", repeats=1, workers=1)
    with pytest.raises(ValueError, match="at least 1"):
        write_repeats(
            cohort=folder / "dicom", dataset_dir=folder / "prepared", output=tmp_path / "a", repeats=0, workers=1
        )
