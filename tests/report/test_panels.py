import numpy as np
import pytest
from PIL import Image

from bundle.report.panels import BACKGROUND, OUTLINE_COLOUR, compose_panel, view_panel


def cells(panel: np.ndarray) -> np.ndarray:
    """The panel without what is frame."""
    return (panel != BACKGROUND).any(axis=2)


def test_the_display_range_is_fixed():
    dark = compose_panel([[np.full((128, 96), 0.25)]], titles=["source"])
    bright = compose_panel([[np.full((128, 96), 0.5)]], titles=["source"])
    assert dark[-50, 50].tolist() == [64, 64, 64]  # round(0.25 * 255)
    assert bright[-50, 50].tolist() == [128, 128, 128]


def test_values_out_of_range_are_shown_as_black_and_white():
    image = np.full((128, 96), 1.7)
    image[:64] = -0.3
    panel = compose_panel([[image]], titles=["source"])
    assert panel[-50, 50].tolist() == [255, 255, 255]
    assert panel[60, 50].tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(128, 96), (256, 192), (60, 100)])
def test_every_pixel_is_a_square(shape):
    image = np.random.default_rng(0).choice([0.0, 1.0], shape)
    panel = compose_panel([[image]], titles=["t"])
    rows, columns = (np.flatnonzero(cells(panel[28:]).any(axis=axis)) for axis in (1, 0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    factor = height // shape[0]
    assert (height, width) == (factor * shape[0], factor * shape[1])
    assert factor == max(1, round(384 / shape[0]))
    shown = panel[28:][rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, 0]
    assert np.array_equal(shown[::factor, ::factor] > 128, image > 0.5)
    assert np.array_equal(shown[factor - 1 :: factor, factor - 1 :: factor] > 128, image > 0.5)


def test_cases_are_rows_and_titles_columns():
    grey = {value: np.full((128, 96), value) for value in (0.2, 0.4, 0.6, 0.8)}
    panel = compose_panel([[grey[0.2], grey[0.4]], [grey[0.6], grey[0.8]]], titles=["a", "b"])
    height, width, _ = panel.shape
    assert [
        int(panel[row, column, 0]) for row in (height // 4, 3 * height // 4) for column in (width // 4, 3 * width // 4)
    ] == [
        51,
        102,
        153,
        204,
    ]


def test_titles_are_drawn_and_fit():
    short = compose_panel([[np.zeros((64, 20))]], titles=["CC"])
    long = compose_panel([[np.zeros((64, 20))]], titles=["synthetic MLO, not for diagnosis, of the left breast"])
    for panel in (short, long):
        ink = (panel[:28] > 150).all(axis=2)
        assert ink.sum() > 50
        assert not ink[:, -3:].any()
    assert long.shape[1] > short.shape[1]


def test_row_titles_take_a_line_each():
    images = [[np.zeros((128, 96))]] * 2
    plain = compose_panel(images, titles=["a"])
    titled = compose_panel(images, titles=["a"], row_titles=["best", "worst"])
    assert titled.shape[0] - plain.shape[0] == 2 * 28


def test_the_outline_surrounds_the_lesion_and_covers_none_of_it():
    mask = np.zeros((128, 96), bool)
    mask[60, 40] = True
    panel = compose_panel([[np.zeros((128, 96))]], titles=["a"], outlines=[[mask]])
    outline = (panel == OUTLINE_COLOUR).all(axis=2)
    assert outline.sum() == 4 * 3  # one pixel magnified three times, a ring without corners
    rows, columns = np.nonzero(outline)
    assert (rows.min(), columns.min()) == (28 + 3 * 60 - 1, 6 + 3 * 40 - 1)
    assert panel[28 + 3 * 60 + 1, 6 + 3 * 40 + 1].tolist() == [0, 0, 0]


def test_the_file_is_written_whole(tmp_path):
    images = [[np.random.default_rng(0).random((64, 48))]]
    path = view_panel(images, titles=["a"], path=tmp_path / "panel.png")
    assert np.array_equal(np.asarray(Image.open(path)), compose_panel(images, titles=["a"]))
    assert [each.name for each in tmp_path.iterdir()] == ["panel.png"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = view_panel([[np.zeros((64, 48))]], titles=["a"], path=tmp_path / "panel.png")
    before = path.read_bytes()

    def full(self, target, **_options):
        target.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space"):
        view_panel([[np.ones((64, 48))]], titles=["a"], path=path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["panel.png"]


@pytest.mark.parametrize(
    ("images", "options", "sentence"),
    [
        ([], {}, "at least one title and one row"),
        ([[np.zeros((4, 4)), np.zeros((4, 4))]], {}, "Row 0 of a panel with 1 titles has 2 images"),
        ([[np.zeros((1, 4, 4))]], {}, r"shape \[1, 4, 4\]"),
        ([[np.full((4, 4), np.nan)]], {}, "finite"),
        ([[np.zeros((4, 4))]], {"row_titles": ["a", "b"]}, "1 rows needs as many row_titles"),
        ([[np.zeros((4, 4))]], {"outlines": [[np.zeros((3, 4), bool)]]}, r"got \[3, 4\]"),
    ],
)
def test_what_does_not_fit_together(images, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        compose_panel(images, titles=["a"], **options)
