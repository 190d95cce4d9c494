import csv
import re
from collections import defaultdict
from pathlib import Path

import pytest

from bundle.datasets.catalogue import (
    COLUMNS,
    Catalogue,
    catalogue_rows,
    choose_pairs,
    count_groups,
    manifest_lines,
)
from bundle.datasets.cbis_ddsm import list_views, series_uids
from bundle.records import Lesion, View
from bundle.vocabulary import Laterality, Split, ViewPosition
from tests.datasets.cbis_ddsm_tree import Row, both_views, write_tables

REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "cbis-ddsm"
TABLES = sorted(REAL.glob("*_case_description_*_set.csv"))
needs_real_tables = pytest.mark.skipif(len(TABLES) != 4, reason="the real CBIS-DDSM tables are not beside the clone")


def view(patient, position, *lesions, **changes):
    return View(
        patient_id=patient,
        laterality=Laterality.LEFT,
        view_position=ViewPosition(position),
        image_path=Path(f"{patient}_{position}.dcm"),
        lesions=lesions,
        **changes,
    )


def mass(number=1, **changes):
    return Lesion(lesion_id=f"mass_{number}", abnormality="mass", **changes)


def line(catalogue, criterion, group=""):
    """Give views, breasts, pairs, lesions, lesions in both views of one group."""
    (count,) = [each for each in count_groups(catalogue) if (each.criterion, each.group) == (criterion, group)]
    return (count.views, count.breasts, count.pairs, count.lesions, count.lesions_in_both_views)


def test_counts_by_hand():
    catalogue = Catalogue.of(
        [
            view("A", "CC", mass(1, assessment="4", pathology="BENIGN"), mass(2), density="2"),
            view("A", "MLO", mass(1, assessment="5", pathology="BENIGN"), density="2"),
            view("B", "CC", density="3", assessment="1"),
            view("B", "MLO", density="3", official_splits=(Split.TRAINING, Split.TEST)),
            view("C", "CC", mass(1, pathology="MALIGNANT"), official_splits=(Split.TEST,)),
        ]
    )
    assert line(catalogue, "all") == (5, 3, 2, 3, 1)
    assert line(catalogue, "abnormality", "mass") == (3, 2, 1, 3, 1)
    assert line(catalogue, "abnormality", "none") == (2, 1, 1, 0, 0)
    assert line(catalogue, "density", "2") == (2, 1, 1, 2, 1)
    assert line(catalogue, "density", "none") == (1, 1, 0, 1, 0)
    assert line(catalogue, "official split", "test") == (2, 2, 1, 1, 0)
    assert line(catalogue, "BI-RADS", "4") == (1, 1, 1, 1, 1)
    assert line(catalogue, "BI-RADS", "5") == (1, 1, 1, 1, 1)
    assert line(catalogue, "BI-RADS", "1") == (1, 1, 1, 0, 0)
    assert line(catalogue, "pathology", "MALIGNANT") == (1, 1, 0, 1, 0)


def test_views_of_different_examinations_are_different_breasts():
    catalogue = Catalogue.of([view("A", "CC", study_id="1"), view("A", "MLO", study_id="2")])
    assert line(catalogue, "all") == (2, 2, 0, 0, 0)


def test_a_row_per_view():
    catalogue = Catalogue.of(
        [
            view(
                "A", "CC", mass(1, assessment="4", pathology="BENIGN"), mass(2, assessment="4"), flags=("two_series",)
            ),
            view("A", "MLO", mass(1, assessment="5", pathology="BENIGN"), official_splits=(Split.TEST,)),
            view("B", "CC", assessment="4a", density="1"),
        ]
    )
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in catalogue_rows(catalogue, source=Path("source"))]
    assert [(row["view"], row["pair_id"], row["assessment"]) for row in rows] == [
        *(("CC", "A_L", "4"), ("MLO", "A_L", "5"), ("CC", "", "4a"))
    ]
    assert [(row["lesion_ids"], row["lesion_ids_in_both_views"]) for row in rows] == [
        *(("mass_1;mass_2", "mass_1"), ("mass_1", "mass_1"), ("", ""))
    ]
    assert rows[0]["flags"] == "two_series;lesion_counts_differ;assessment_differs:mass_1"
    assert (rows[1]["official_split"], rows[2]["official_split"], rows[2]["density"]) == ("test", "", "1")


def pairs_of(count):
    views = [view(f"P_{i:02d}", position, mass()) for i in range(count) for position in ("CC", "MLO")]
    return Catalogue.of(views).pairs


def test_more_pairs_keep_those_that_fewer_had_whatever_the_order():
    pairs = pairs_of(30)
    few = choose_pairs(pairs, number=5, abnormality=None, seed=1)
    more = choose_pairs(pairs[::-1], number=12, abnormality="mass", seed=1)
    assert len(few) == 5
    assert {pair.pair_id for pair in few} < {pair.pair_id for pair in more}
    assert few != choose_pairs(pairs, number=5, abnormality=None, seed=2)
    assert len(choose_pairs(pairs, number=None, abnormality=None, seed=0)) == 30


@pytest.mark.parametrize("number", [0, -1, 31])
def test_pairs_that_are_not_there_cannot_be_chosen(number):
    with pytest.raises(ValueError, match=f"{number} pairs are wanted; it must be 1 to 30"):
        choose_pairs(pairs_of(30), number=number, abnormality=None, seed=0)


def test_a_type_must_be_seen_in_both_views():
    calcification = Lesion(lesion_id="calcification_1", abnormality="calcification")
    pairs = Catalogue.of([view("A", "CC", mass(), calcification), view("A", "MLO", mass())]).pairs
    assert len(choose_pairs(pairs, number=None, abnormality="mass", seed=0)) == 1
    with pytest.raises(ValueError, match="type 'calcification' in both views; the types are mass"):
        choose_pairs(pairs, number=None, abnormality="calcification", seed=0)


def test_the_manifest_names_each_series_once():
    lines = manifest_lines(["1.2.3", "1.2.4", "1.2.3"], name="first.tcia")
    assert lines[0].startswith("downloadServerUrl=https://")
    assert lines[lines.index("ListOfSeriesToDownload=") + 1 :] == ["1.2.3", "1.2.4"]
    assert "databasketId=first.tcia" in lines


def test_views_are_listed_without_any_file(tmp_path):
    rows = [*both_views("P_00001"), Row("P_00001", kind="calcification", official="Test"), Row("P_00002", view="MLO")]
    write_tables(tmp_path, rows)
    views, rejections = list_views(tmp_path)
    assert rejections == []
    cc, mlo, alone = views
    assert cc.official_splits == (Split.TRAINING, Split.TEST)
    assert mlo.official_splits == alone.official_splits == (Split.TRAINING,)
    assert [lesion.assessment for lesion in cc.lesions] == ["4", "4"]
    assert "two_series" in cc.flags
    assert len(series_uids(mlo)) == 2  # the film; crop and mask in one series
    assert len(series_uids(cc)) == 3  # of the film's two series one is enough
    film, masks = (Path(rows[1].image_path).parent.name, Path(rows[1].roi_path("")).name)
    assert series_uids(mlo) == (film, masks)


# The real tables, counted in another way: sets over the rows as the csv module gives them, or over the subjects' names.


def raw_rows():
    rows = []
    for table in TABLES:
        with table.open(newline="", encoding="utf-8") as stream:
            rows.extend({**row, "table": table.name} for row in csv.DictReader(stream))
    return rows


def breast_of(row):
    return row["patient_id"], row["left or right breast"]


@pytest.fixture(scope="module")
def real():
    views, rejections = list_views(REAL)
    assert rejections == []
    return Catalogue.of(views)


def view_of(row):
    return *breast_of(row), row["image view"]


def split_of(row):
    return "training" if "train" in row["table"] else "test"


def groups_of_rows(criterion, rows):
    """Give each group's rows. Split and density are a view's: all rows of its views belong to the group."""
    if criterion == "official split":
        views = {group: {view_of(row) for row in rows if split_of(row) == group} for group in ("training", "test")}
        return {group: [row for row in rows if view_of(row) in of_group] for group, of_group in views.items()}
    if criterion == "density":  # of a view with two densities the mass tables' counts, which come later by name
        density = {view_of(row): row.get("breast_density") or row.get("breast density") for row in rows}
        return {group: [row for row in rows if density[view_of(row)] == group] for group in set(density.values())}
    column = {"abnormality": "abnormality type", "BI-RADS": "assessment", "pathology": "pathology"}[criterion]
    return {group: [row for row in rows if row[column] == group] for group in {row[column] for row in rows}}


@needs_real_tables
@pytest.mark.parametrize("criterion", ["abnormality", "official split", "density", "BI-RADS", "pathology"])
def test_the_real_counts_agree_with_sets_over_the_raw_rows(real, criterion):
    rows = raw_rows()
    by_position = defaultdict(set)
    for row in rows:
        by_position[row["image view"]].add((breast_of(row), row["abnormality type"], row["abnormality id"]))
    complete = {breast for breast, *_ in by_position["CC"]} & {breast for breast, *_ in by_position["MLO"]}
    groups = groups_of_rows(criterion, rows)
    assert {each.group for each in count_groups(real) if each.criterion == criterion} == set(groups)
    for group, members in groups.items():
        breasts = {breast_of(row) for row in members}
        lesions = {(breast_of(row), row["abnormality type"], row["abnormality id"]) for row in members}
        assert line(real, criterion, group) == (
            len({view_of(row) for row in members}),
            len(breasts),
            len(breasts & complete),
            len(lesions),
            len(lesions & by_position["CC"] & by_position["MLO"]),
        )


@needs_real_tables
def test_the_real_collection_has_1324_complete_pairs(real):
    """By the subjects' names in the text of the tables alone: no column and no quoted line break is needed."""
    text = "".join(table.read_text(encoding="utf-8") for table in TABLES)
    films = set(re.findall(r"(?:Mass|Calc)-(?:Training|Test)_(P_\d+)_(LEFT|RIGHT)_(CC|MLO)/", text))
    breasts = [film[:2] for film in films]
    assert len(real.pairs) == sum(breasts.count(breast) == 2 for breast in set(breasts)) == 1324
    assert line(real, "all") == (len(films), 1708, 1324, 2050, 1518)


@needs_real_tables
def test_the_real_manifest_of_all_pairs_lists_series_that_the_archive_has(real):
    with (REAL / "metadata.csv").open(newline="", encoding="utf-8") as stream:
        archive = {row["Series UID"]: row["Series Description"] for row in csv.DictReader(stream)}
    listed = {uid for pair in real.pairs for view in (pair.cc, pair.mlo) for uid in series_uids(view)}
    assert listed <= set(archive)
    assert sum(archive[uid] == "full mammogram images" for uid in listed) == 2 * 1324


@needs_real_tables
def test_the_real_tables_without_metadata_give_the_same(real, tmp_path):
    for table in TABLES:
        (tmp_path / table.name).write_bytes(table.read_bytes())
    assert Catalogue.of(list_views(tmp_path)[0]) == real
