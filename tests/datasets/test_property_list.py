import plistlib
import random

import pytest

from bundle.datasets import property_list
from bundle.datasets.property_list import read_regions


def region(points, *, name="Mass", **changes):
    return {
        "NumberOfPoints": len(points),
        "Name": name,
        "Point_px": [f"({x:.6f}, {y:.6f})" for x, y in points],
        "Point_mm": [f"({x * 0.07:.6f}, {y * 0.07:.6f}, 0.000000)" for x, y in points],
        **changes,
    }


def document(*regions):
    return {"Images": [{"ImageIndex": 0, "NumberOfROIs": len(regions), "ROIs": list(regions)}]}


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else plistlib.dumps(content))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "20586908.xml"


def test_points_are_read_by_key_and_turned_to_row_and_column(path):
    outline = [(100.5, 20.25), (140.0, 21.0), (120.0, 60.0)]
    regions = read_regions(write(path, document(region(outline), region([(7.0, 9.0)], name="Calcification"))))
    assert [each.name for each in regions] == ["Mass", "Calcification"]
    assert regions[0].contour == ((20.25, 100.5), (21.0, 140.0), (60.0, 120.0))
    assert regions[1].contour == ((9.0, 7.0),)


def test_several_images_and_none(path):
    two = {"Images": document(region([(1, 2)]))["Images"] * 2}
    assert len(read_regions(write(path, two))) == 2
    assert read_regions(write(path, document())) == []


def test_the_dialect_of_the_pectoral_muscle_says_nothing_about_lesions(path):
    assert read_regions(write(path, {"ROIPoints": ["{1.5, 2.5}", "{3, 4}", "{0, 9}"]})) is None
    both = {"ROIPoints": ["{1.5, 2.5}"], **document(region([(1, 2)]))}
    assert len(read_regions(write(path, both))) == 1


BOMB = b"""<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<plist version="1.0"><dict><key>Images</key><string>&b;</string></dict></plist>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a SYSTEM "file:///etc/hostname">]>
<plist version="1.0"><dict><key>Images</key><string>&a;</string></dict></plist>"""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BOMB, "entity declarations"),
        (OUTSIDE, "entity declarations"),
        (b"", "no readable property list"),
        (b"no XML at all", "no readable property list"),
        (plistlib.dumps(document(region([(1, 2)])))[:-40], "no readable property list"),
        (plistlib.dumps(document(region([(1, 2)])), fmt=plistlib.FMT_BINARY), "no readable property list"),
        (b'<?xml version="1.0" encoding="klingon"?><plist><dict/></plist>', "no readable property list"),
        (b"<plist><date>yesterday</date></plist>", "no readable property list"),
        (b"<plist><integer>" + b"9" * 10_000 + b"</integer></plist>", "no readable property list"),
        (b"<plist>" + b"<array>" * 50_000 + b"</array>" * 50_000 + b"</plist>", "no dictionary"),
        ([1, 2], "no dictionary"),
        ({"Other": 1}, "neither Images nor ROIPoints"),
        ({"Images": "none"}, "Images is no array of dictionaries"),
        ({"Images": [{"ROIs": ["none"]}]}, "ROIs is no array of dictionaries"),
        ({"ROIPoints": "none"}, "ROIPoints is no array of points"),
        (document({"Name": "Mass"}), "region 1: Point_px is no array of points"),
        (document(region([(1, 2)]), region([])), "region 2: Point_px is no array of points"),
        (document(region([(1, 2)], NumberOfPoints=3)), "NumberOfPoints is 3, Point_px has 1"),
        (document(region([(1, 2)], Point_px=["(1, 2, 3)"])), "a point is written"),
        (document(region([(1, 2)], Point_px=["(one, 2)"])), "a point is written"),
        (document(region([(1, 2)], Point_px=[7])), "a point is written"),
        (document(region([(1, 2)], Point_px=["(nan, 2)"])), "beyond any film"),
        (document(region([(1, 2)], Point_px=["(1e300, 2)"])), "beyond any film"),
        (document(region([(1, 2)], Point_px=["(20001, 2)"])), "beyond any film"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(path, content, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        read_regions(write(path, content))
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_files_and_outlines_have_a_largest_size(path, monkeypatch):
    write(path, document(region([(1, 2)] * 4), region([(1, 2)] * 4)))
    monkeypatch.setattr(property_list, "MOST_POINTS", 7)
    with pytest.raises(ValueError, match="more than 7 points in one file"):
        read_regions(path)
    monkeypatch.setattr(property_list, "LARGEST_FILE_BYTES", 100)
    with pytest.raises(ValueError, match="bytes; outlines of one image are at most 100"):
        read_regions(path)


def test_damaged_files_end_in_a_reason_and_nothing_else(path):
    """400 files with flipped, cut, doubled or exchanged pieces."""
    whole = plistlib.dumps(document(region([(100, 20), (140, 21), (120, 60)]), region([(7, 9)], name="Point 1")))
    chance = random.Random(0)
    refused = 0
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            place, length = chance.randrange(len(content)), chance.randrange(1, 40)
            piece = content[place : place + length]
            change = chance.choice(("flip", "cut", "double", "move"))
            if change == "flip":
                content[place] ^= 1 << chance.randrange(8)
            elif change == "cut":
                del content[place : place + length]
            else:
                target = place if change == "double" else chance.randrange(len(content))
                content[target:target] = piece
        try:
            regions = read_regions(write(path, bytes(content)))
        except ValueError:
            refused += 1
        else:
            assert regions is None or all(each.contour for each in regions)
    assert refused > 100
