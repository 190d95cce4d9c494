"""A contact sheet of a prepared collection: every pair with its outlines, so that a person sees what went wrong.

Each view is shown as prepared, on the fixed range [0, 1]: the breast's outline, the lesions' outlines, and a bar along
the chest wall, on the rows where the breast reaches the edge. A view that was turned the wrong way has a short bar and
a round outline beside it.
"""

from __future__ import annotations

import base64
import html
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bundle.atomic import replacing
from bundle.collection.prepared_table import files_of_view, read_pairs
from bundle.datasets.csv_rows import read_rows
from bundle.preparation import load_prepared
from bundle.records import PreparedView
from bundle.vocabulary import ViewPosition

VIEW_ROWS, VIEW_COLUMNS = 230, 150  # a view is magnified or reduced to fit into this
BAR_COLUMNS = 4
GAP = 6
TEXT_SIZE = 12
LINE_ROWS = 15
TEXT_LINES = 4  # title, film, flags in two lines
ACROSS, DOWN = 6, 4  # pairs on a page: one screen
BACKGROUND = (40, 40, 40)
TEXT_COLOUR = (235, 235, 235)
FLAG_COLOUR = (255, 150, 90)
BREAST_COLOUR = (0, 210, 130)
LESION_COLOUR = (255, 210, 0)
CHEST_WALL_COLOUR = (240, 60, 60)
JPEG_QUALITY = 85

TILE_ROWS = TEXT_LINES * LINE_ROWS + VIEW_ROWS + GAP
TILE_COLUMNS = 2 * (BAR_COLUMNS + VIEW_COLUMNS + GAP) + GAP

_STYLE = """
body { background: #282828; color: #ebebeb; font: 14px sans-serif; margin: 12px }
figure { display: inline-block; margin: 4px; vertical-align: top; width: 326px }
figcaption { font-size: 12px; overflow-wrap: anywhere } .flags { color: #ff965a }
#only:checked ~ main figure.plain { display: none }
td, th { text-align: left; padding: 1px 10px 1px 0; font-weight: normal }
"""


@dataclass(frozen=True, kw_only=True)
class ContactSheet:
    """What was written.

    Args:
        page: the HTML page, which holds all pictures in itself.
        pictures: PNG pages of the same tiles.
        pairs: number of pairs that are shown.
        flagged: number of those that have a flag.
        unreadable: number of views whose files cannot be read; their tiles say so.
    """

    page: Path
    pictures: tuple[Path, ...]
    pairs: int
    flagged: int
    unreadable: int


@dataclass(frozen=True, kw_only=True)
class _Tile:
    title: str
    split: str
    flags: tuple[str, ...]
    picture: Image.Image
    unreadable: int


def write_contact_sheet(prepared: Path, output: Path) -> ContactSheet:
    """Write the contact sheet of a prepared collection: ``index.html`` and ``page_0001.png`` and so on.

    Memory stays flat: tiles are written as they are made.

    Args:
        prepared: folder that ``scripts.prepare`` wrote.
        output: folder to write to, made where it is absent; an older contact sheet in it is replaced.

    Raises:
        FileNotFoundError: the folder holds no ``pairs.csv``.
        ValueError: ``pairs.csv`` is no table of pairs, or names no pair.
    """
    rows = read_pairs(prepared, required=("pair_id", "split", "flags"))
    output.mkdir(parents=True, exist_ok=True)
    pictures: list[Path] = []
    flag_counts: Counter[str] = Counter()
    pairs = flagged = unreadable = 0
    page = output / "index.html"
    waiting: list[Image.Image] = []

    def finish_picture() -> None:
        path = output / f"page_{len(pictures) + 1:04d}.png"
        with replacing(path) as temporary:
            _picture(waiting).save(temporary, format="PNG")
        pictures.append(path)
        waiting.clear()

    with replacing(page) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write(_head(prepared))
        for tile in _tiles(prepared, rows):
            pairs += 1
            flagged += bool(tile.flags)
            unreadable += tile.unreadable
            # The same flag of another lesion is counted with it.
            flag_counts.update({flag.rsplit(":", 1)[0] if flag.count(":") > 1 else flag for flag in tile.flags})
            stream.write(_figure(tile))
            waiting.append(tile.picture)
            if len(waiting) == ACROSS * DOWN:
                finish_picture()
        if not pairs:
            raise ValueError(f"{prepared / 'pairs.csv'} names no pair; prepare the collection again")
        if waiting:
            finish_picture()
        stream.write(_foot(prepared, flag_counts, pairs=pairs, flagged=flagged, unreadable=unreadable))
    for old in output.glob("page_*.png"):
        if old not in pictures:
            old.unlink()
    return ContactSheet(page=page, pictures=tuple(pictures), pairs=pairs, flagged=flagged, unreadable=unreadable)


def draw_view(view: PreparedView) -> Image.Image:
    """Draw a view with the outlines of breast and lesions, and a bar where the breast reaches the chest wall's edge.

    Returns:
        RGB, `VIEW_ROWS` x (`BAR_COLUMNS` + `VIEW_COLUMNS`) pixels, the view in the top left corner.
    """
    rows, columns = view.image.shape
    factor = min(VIEW_ROWS / rows, VIEW_COLUMNS / columns)
    size = max(1, round(columns * factor)), max(1, round(rows * factor))
    grey = Image.fromarray(np.round(255 * np.clip(view.image, 0, 1)).astype(np.uint8))
    shown = np.repeat(np.asarray(grey.resize(size, Image.Resampling.BOX))[:, :, None], 3, axis=2).copy()
    breast = _resized(view.breast, size)
    shown[_outline(breast)] = BREAST_COLOUR
    for number in range(1, int(view.lesions.max(initial=0)) + 1):
        shown[_outline(_resized(view.lesions == number, size))] = LESION_COLOUR
    drawn = Image.new("RGB", (BAR_COLUMNS + VIEW_COLUMNS, VIEW_ROWS), BACKGROUND)
    drawn.paste(Image.fromarray(shown), (BAR_COLUMNS, 0))
    bar = np.full((size[1], BAR_COLUMNS, 3), BACKGROUND, dtype=np.uint8)
    bar[breast[:, 0], : BAR_COLUMNS - 1] = CHEST_WALL_COLOUR
    drawn.paste(Image.fromarray(bar), (0, 0))
    return drawn


def _tiles(prepared: Path, rows: Iterable[Mapping[str, str]]) -> Iterator[_Tile]:
    for row in rows:
        flags = tuple(flag for flag in row["flags"].split(";") if flag)
        views: dict[ViewPosition, PreparedView | str] = {}
        for position in ViewPosition:
            try:
                views[position] = load_prepared(files_of_view(row, position, prepared=prepared))
            except (OSError, ValueError, KeyError, TypeError) as error:  # damaged, or a header of another program
                views[position] = f"cannot be read ({type(error).__name__})"
        title = f"{row['pair_id']}  {row['split']}"
        yield _Tile(
            title=title,
            split=row["split"],
            flags=flags,
            picture=_tile_picture(views, title=title, flags=flags),
            unreadable=sum(isinstance(view, str) for view in views.values()),
        )


def _tile_picture(views: Mapping[ViewPosition, PreparedView | str], *, title: str, flags: Sequence[str]) -> Image.Image:
    """Draw title, where the chest wall was on each film, the flags, and the two views."""
    font = ImageFont.load_default(TEXT_SIZE)
    tile = Image.new("RGB", (TILE_COLUMNS, TILE_ROWS), BACKGROUND)
    drawing = ImageDraw.Draw(tile)
    drawing.text((GAP, 0), title, fill=TEXT_COLOUR, font=font)
    for line, text in enumerate(_lines(", ".join(_joined(flags)), columns=TILE_COLUMNS - 2 * GAP, font=font)[:2]):
        drawing.text((GAP, (2 + line) * LINE_ROWS), text, fill=FLAG_COLOUR, font=font)
    for index, (position, view) in enumerate(views.items()):
        left = GAP + index * (BAR_COLUMNS + VIEW_COLUMNS + GAP)
        if isinstance(view, str):
            drawing.text((left, TEXT_LINES * LINE_ROWS), view, fill=FLAG_COLOUR, font=font)
            continue
        geometry = view.geometry
        wall = "right" if geometry.flipped_columns else "left"
        turned = ", head down" if geometry.flipped_rows else ""
        drawing.text((left, LINE_ROWS), f"{position} film: wall {wall}{turned}", fill=TEXT_COLOUR, font=font)
        tile.paste(draw_view(view), (left, TEXT_LINES * LINE_ROWS))
    return tile


def _joined(flags: Sequence[str]) -> list[str]:
    """Say once what is flagged in both views: ``cc:x`` and ``mlo:x`` become ``both:x``."""
    cc, mlo = (
        {flag.removeprefix(f"{view}:") for flag in flags if flag.startswith(f"{view}:")} for view in ("cc", "mlo")
    )
    both = cc & mlo
    joined = [flag for flag in flags if flag.partition(":")[2] not in both or not flag.startswith(("cc:", "mlo:"))]
    return [*(f"both:{flag}" for flag in sorted(both)), *joined]


def _lines(text: str, *, columns: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """Break a text at its blanks into lines of at most so many pixels."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= columns:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a mask to (columns, rows); a lesion of one pixel does not vanish where the view is reduced."""
    grey = Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0)))
    if size[0] >= mask.shape[1]:
        return np.asarray(grey.resize(size, Image.Resampling.NEAREST)) > 0
    return np.asarray(grey.resize(size, Image.Resampling.BOX)) > 0


def _outline(mask: np.ndarray) -> np.ndarray:
    """Give the pixels of a mask that have a neighbour outside of it; the picture's edge is no outside."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _picture(tiles: Sequence[Image.Image]) -> Image.Image:
    down = -(-len(tiles) // ACROSS)
    across = min(len(tiles), ACROSS)
    sheet = Image.new("RGB", (across * TILE_COLUMNS, down * TILE_ROWS), BACKGROUND)
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (index % ACROSS * TILE_COLUMNS, index // ACROSS * TILE_ROWS))
    return sheet


def _head(prepared: Path) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(prepared.name)}</title>\n'
        f"<style>{_STYLE}</style>\n<h1>Contact sheet of {html.escape(prepared.name)}</h1>\n"
        "<p>Green: breast. Yellow: lesions. Red bar: where the breast reaches the chest wall's edge, which must be the "
        "straight left side.</p>\n"
        '<input type="checkbox" id="only"><label for="only"> only pairs with flags</label>\n<main>\n'
    )


def _figure(tile: _Tile) -> str:
    buffer = io.BytesIO()
    tile.picture.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    picture = base64.b64encode(buffer.getvalue()).decode("ascii")
    kind = "flagged" if tile.flags or tile.unreadable else "plain"
    flags = html.escape("; ".join(_joined(tile.flags)))
    return (
        f'<figure class="{kind}"><img alt="{html.escape(tile.title)}" src="data:image/jpeg;base64,{picture}">'
        f'<figcaption>{html.escape(tile.title)}<br><span class="flags">{flags}</span>'
        "</figcaption></figure>\n"
    )


def _foot(prepared: Path, flag_counts: Counter[str], *, pairs: int, flagged: int, unreadable: int) -> str:
    """Give the counts, and what was left out."""
    rows = "".join(
        f"<tr><td>{count}</td><td>{html.escape(flag)}</td></tr>\n" for flag, count in sorted(flag_counts.items())
    )
    text = (
        f"</main>\n<h2>{pairs} pairs, {flagged} with flags</h2>\n<table>\n{rows}</table>\n"
        f"<p>{unreadable} views cannot be read.</p>\n"
    )
    rejected = prepared / "rejected.csv"
    if rejected.is_file():
        # Counts alone: paths, which reasons quote, too, may name patients.
        stages = Counter(row["stage"] for _, row in read_rows(rejected, required=("stage",)))
        rows = "".join(
            f"<tr><td>{count}</td><td>{html.escape(stage)}</td></tr>\n" for stage, count in sorted(stages.items())
        )
        text += f"<h2>{stages.total()} left out</h2>\n<table>\n{rows}</table>\n"
        text += "<p>By stage; files and reasons are in rejected.csv.</p>\n"
    return text + "</html>\n"
