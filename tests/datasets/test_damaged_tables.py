"""Damaged tables of each collection: rows become reasons, or the table is refused with one sentence."""

import random
import warnings
from pathlib import Path

import pytest

from bundle.datasets import cbis_ddsm, csv_rows, dicom_folder, image_table, inbreast
from tests.datasets.cbis_ddsm_tree import both_views, write_tree
from tests.datasets.test_dicom_folder import film
from tests.datasets.test_inbreast import write as write_inbreast

TREES = {
    "cbis_ddsm": ("mass_case_description_train_set.csv", cbis_ddsm.find_views),
    "cbis_ddsm metadata": ("metadata.csv", cbis_ddsm.find_views),
    "inbreast": ("INbreast.csv", inbreast.find_views),
    "table": ("table.csv", lambda source: image_table.find_views(source, table=source / "table.csv")),
    "dicom": (
        "masks.csv",
        lambda source: dicom_folder.find_views(
            source, key=source.parent / "key.txt", masks=source / "masks.csv", workers=1
        ),
    ),
}


def make(collection, source):
    if collection.startswith("cbis_ddsm"):
        write_tree(source, [*both_views("P_00001"), *both_views("P_00002", side="RIGHT")], layout="download_tool")
    elif collection == "inbreast":
        write_inbreast(source, regions={1: [("Mass", [(10, 10), (10, 30), (30, 30)])]})
    else:
        for number, view in enumerate(("CC", "MLO")):
            film(source / f"{view}.dcm", f"1.{number}", view=view)
            (source / f"{view}.png").write_bytes(b"not read here")
        (source / "table.csv").write_text(
            "patient,side,view,image,mask,lesion,spacing\nA1,L,CC,CC.dcm,CC.png,a,0.1\nA1,L,MLO,MLO.dcm,MLO.png,a,0.1\n"
        )
        (source / "masks.csv").write_text("image,mask,lesion\nCC.dcm,CC.png,a\n1.1,MLO.png,a\n")


def damage(content, chance):
    """Give the content with one to three of the faults that tables were met with, or may be given on purpose."""
    for _ in range(chance.randint(1, 3)):
        lines = content.split(b"\n")
        place, line = chance.randrange(len(content)), chance.randrange(len(lines))
        separator = b";" if b";" in content else b","
        fault = chance.choice(
            ("flip", "not utf-8", "column", "repeat", "huge", "climb", "quote", "null", "cut", "wide")
        )
        if fault == "flip":
            content = content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
        elif fault == "not utf-8":
            content = content[:place] + b"\xff\xfe\x80" + content[place:]
        elif fault == "column":
            lines[0] = lines[0].replace(chance.choice(lines[0].split(separator)), b"other", 1)
            content = b"\n".join(lines)
        elif fault == "repeat":
            lines.insert(chance.randrange(1, len(lines) + 1), lines[line])
            content = b"\n".join(lines)
        elif fault == "huge":
            content = (
                content[:place] + chance.choice((b"x", b"9", b"/..")) * chance.choice((900, 40_000)) + content[place:]
            )
        elif fault in ("climb", "wide"):
            values = lines[line].split(separator)
            climbing = chance.choice(
                (b"../../../etc/hostname", b"/etc/hostname", b"..", b"out/secret.dcm", b"loop/a.dcm")
            )
            values[chance.randrange(len(values))] = climbing if fault == "climb" else separator * 3000
            lines[line] = separator.join(values)
            content = b"\n".join(lines)
        elif fault == "quote":
            content = content[:place] + b'"' + content[place:]
        elif fault == "null":
            content = content[:place] + b"\0" + content[place:]
        else:
            content = content[:place]
        if not content:
            return content
    return content


@pytest.mark.parametrize("collection", TREES)
def test_damaged_tables_are_reasons_or_one_sentence(tmp_path, collection):
    source = tmp_path / "source"
    source.mkdir()
    make(collection, source)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.dcm").write_bytes(b"DICM")
    (source / "out").symlink_to(tmp_path / "outside")
    (source / "loop").symlink_to(source / "loop")
    name, find_views = TREES[collection]
    whole = (source / name).read_bytes()
    views, _ = find_views(source)
    assert views
    chance = random.Random(0)
    outcomes = {"rejected": 0, "found": 0}
    sentences = []
    for _ in range(200):
        (source / name).write_bytes(damage(whole, chance))
        with warnings.catch_warnings(action="error"):
            try:
                views, rejections = find_views(source)
            except (ValueError, FileNotFoundError) as error:
                sentences.append(str(error))
                continue
        outcomes["rejected"] += bool(rejections)
        outcomes["found"] += bool(views)
        assert all(each.reason and len(each.reason) < 6000 for each in rejections)
        for view in views:
            for path in (view.image_path, *(path for lesion in view.lesions for path in lesion.mask_paths)):
                assert Path(path).resolve().is_relative_to(source)
    assert all(len(sentence) < 3000 for sentence in sentences)
    assert min(len(sentences), *outcomes.values()) > 10


@pytest.mark.parametrize("collection", ["cbis_ddsm", "cbis_ddsm metadata", "inbreast"])
def test_a_table_that_leads_out_of_the_source_is_not_read(tmp_path, collection):
    source = tmp_path / "source"
    source.mkdir()
    make(collection, source)
    name, find_views = TREES[collection]
    (source / name).rename(tmp_path / name)
    (source / name).symlink_to(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} leads out of the source folder"):
        find_views(source)


def test_tables_have_a_largest_size(tmp_path, monkeypatch):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    monkeypatch.setattr(csv_rows, "LARGEST_TABLE_BYTES", 7)
    with pytest.raises(ValueError, match=r"table\.csv has 8 bytes; a table has at most 7"):
        list(csv_rows.read_rows(tmp_path / "table.csv", required=("a",)))
