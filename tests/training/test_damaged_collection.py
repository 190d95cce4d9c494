"""A prepared collection whose files were cut, edited or mixed up: training takes them or says what is wrong."""

import copy
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.records import Canvas
from bundle.training.data import RadiomicVectors, directed_pairs, feature_rows, read_preparation
from bundle.training.feature_training import region_examples
from bundle.vocabulary import Split

CANVAS = Canvas(rows=128, columns=96, spacing_mm=2.0)
MUTANTS = 60
JUNK = (None, True, -1, 0, 1e400, "", "x", "../../etc/passwd", [], {}, [[]], {"x": 1})


@pytest.fixture
def collection(prepared_collection: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared_collection, tmp_path / "prepared"))


def _damaged_bytes(content: bytes, generator: random.Random) -> bytes:
    """Flip, delete, insert, double or cut, as disks, editors and merges do."""
    start = generator.randrange(len(content))
    end = min(len(content), start + generator.choice((1, 1, 3, 40)))
    noise = bytes(generator.randrange(256) for _ in range(end - start))
    return generator.choice(
        (
            content[:start] + noise + content[end:],
            content[:start] + content[end:],
            content[:start] + noise + content[start:],
            content[:end] + content[start:],
            content[:start],
        )
    )


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Name every place in a JSON document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inside:
        yield (*path, key)
        yield from _places(child, (*path, key))


def _damaged_document(document: Any, generator: random.Random) -> Any:
    """Remove one value, or put something else in its place."""
    changed = copy.deepcopy(document)
    *path, last = generator.choice(list(_places(document)))
    parent = changed
    for key in path:
        parent = parent[key]
    if generator.random() < 0.3:
        del parent[last]
    else:
        parent[last] = generator.choice(JUNK)
    return changed


def _mutants(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    generator = random.Random(path.name)
    for number in range(MUTANTS):
        if path.suffix == ".json" and number % 2:
            yield json.dumps(_damaged_document(json.loads(content), generator)).encode()
        else:
            yield _damaged_bytes(content, generator)


def _refusal(collection: Path) -> str:
    """Read all splits as training does; give the sentence that ends it, empty where everything is taken."""
    try:
        items = [item for split in Split for item in directed_pairs(dataset_dir=collection, split=split, canvas=CANVAS)]
        rows = feature_rows(
            collection / "regions.csv",
            words=("pair_id", "view"),
            numbers=("spacing_mm", "centre_row_mm"),
            settings_hash=read_preparation(collection)["radiomics"]["settings_hash"],
        )
        vectors = [vector for _, _, vector in rows]
    except (ValueError, OSError) as error:
        return str(error)
    for item in items:
        for name in ("image", "image_mask", "label", "label_mask", "label_breast"):
            assert Path(item[name]).resolve().is_relative_to(collection.resolve() / "images")
            assert Path(item[name]).is_file()
        vectors.extend((item["radiomics"], item["label_radiomics"]))
    assert all(np.isfinite(vector).all() or np.isnan(vector).all() for vector in vectors)
    return ""


@pytest.mark.parametrize("name", ["preparation.json", "datalist.json", "radiomics.csv", "regions.csv"])
def test_mutated_files_are_taken_or_refused_in_one_sentence(collection: Path, name: str) -> None:
    path = collection / name
    assert _refusal(collection) == ""
    refused = 0
    for mutant in list(_mutants(path)):
        path.write_bytes(mutant)
        sentence = _refusal(collection)
        if sentence:
            assert "\n" not in sentence
            assert str(collection) in sentence
            refused += 1
    assert refused > MUTANTS / 4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image": "../outside.nii"}, r"the image of P_\d+_\w's CC view, \.\./outside\.nii, does not lie in .*images"),
        ({"mask": "/etc/passwd"}, r"the mask of .*, /etc/passwd, does not lie in .*images"),
        ({"breast": "images/link.nii"}, r"the breast of .*, images/link\.nii, does not lie in .*images"),
        ({"image": "images/absent.nii"}, r"images/absent\.nii, is not there: run the same python -m scripts\.prepare"),
        ({"image": 3}, r"is 3 instead of a file's name"),
    ],
)
def test_a_list_of_pairs_that_points_elsewhere(collection: Path, change: dict[str, Any], sentence: str) -> None:
    outside = collection.parent / "outside.nii"
    datalist = json.loads((collection / "datalist.json").read_text())
    shutil.copyfile(collection / datalist["training"][0]["cc"]["image"], outside)
    (collection / "images" / "link.nii").symlink_to(outside)
    datalist["training"][0]["cc"] |= change
    (collection / "datalist.json").write_text(json.dumps(datalist))
    with pytest.raises((ValueError, OSError), match=sentence):
        directed_pairs(dataset_dir=collection, split="training", canvas=CANVAS)
    with pytest.raises((ValueError, OSError), match=sentence):
        region_examples(dataset_dir=collection, split=Split.TRAINING, canvas=CANVAS)


def test_images_may_lie_on_another_disk(collection: Path) -> None:
    (collection / "images").rename(collection.parent / "elsewhere")
    (collection / "images").symlink_to(collection.parent / "elsewhere")
    assert directed_pairs(dataset_dir=collection, split="training", canvas=CANVAS)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (",fine,", ",finest,", r"radiomics\.csv has the scale 'finest' of the view 'CC'"),
        ("shape2D_", "shape3D_", r"radiomics\.csv is damaged near line 1 \(no column shape2D_"),
        (",fine,", ",fine,\n", r"radiomics\.csv is damaged near line 2 "),
    ],
)
def test_a_damaged_table_names_file_and_line(collection: Path, old: str, new: str, sentence: str) -> None:
    path = collection / "radiomics.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=sentence):
        RadiomicVectors(collection, canvas_spacing_mm=2.0)
