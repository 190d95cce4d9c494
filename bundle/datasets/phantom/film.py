"""From an exposure to the film as it is stored: side, label marker, border, and where everything ended up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bundle.datasets.phantom.acquisition import Exposure, detected, presentation
from bundle.datasets.phantom.parameters import ViewParameters
from bundle.vocabulary import Laterality, ViewPosition

# Letters of five by seven dots.
_LETTERS = {
    "L": ("X....", "X....", "X....", "X....", "X....", "X....", "XXXXX"),
    "R": ("XXXX.", "X...X", "X...X", "XXXX.", "X.X..", "X..X.", "X...X"),
    "C": (".XXX.", "X...X", "X....", "X....", "X....", "X...X", ".XXX."),
    "M": ("X...X", "XX.XX", "X.X.X", "X.X.X", "X...X", "X...X", "X...X"),
    "O": (".XXX.", "X...X", "X...X", "X...X", "X...X", "X...X", ".XXX."),
    " ": (".....",) * 7,
}
# A detector's full scale, and its counts where the exposure makes up for all attenuation.
COUNT_BITS = 14
_CONTROLLED_COUNTS = 2000.0
_MARKER_BRIGHTNESS = 0.9
_BORDER_BRIGHTNESS = 0.97


@dataclass(frozen=True, kw_only=True)
class StoredFilm:
    """A film as the collection stores it.

    Args:
        brightness: float32 ``[rows, columns]`` in [0, 1], For Presentation.
        counts: uint16 ``[rows, columns]`` below 2 ** `COUNT_BITS`, For Processing: what a detector counted, linear in
            the exposure; None for a scanned film.
        masks: per lesion of the breast, bool ``[rows, columns]``; all False where the view does not show it.
        centres_px: per lesion (row, column) of its projected 3-D centre; it may lie outside the film.
        nipple_px: (row, column).
        chest_wall_at_left: at which edge the chest wall lies.
        spacing_mm: of the pixels.
    """

    brightness: np.ndarray
    counts: np.ndarray | None
    masks: tuple[np.ndarray, ...]
    centres_px: tuple[tuple[float, float], ...]
    nipple_px: tuple[float, float]
    chest_wall_at_left: bool
    spacing_mm: float


def develop(*, exposure: Exposure, view: ViewParameters, laterality: Laterality, digital: bool) -> StoredFilm:
    """Make the stored film of an exposure.

    Args:
        exposure: chest wall at the left edge.
        view: the view's parameters.
        laterality: left breasts are stored with the chest wall at the left edge, right ones at the right.
        digital: no label marker, no border and no mirroring, as from a full-field detector.
    """
    brightness = presentation(exposure, view)
    counts = detector_counts(exposure, view) if digital else None
    free = exposure.thickness_mm <= 0
    flipped = laterality is Laterality.RIGHT
    if flipped:
        brightness, free = brightness[:, ::-1], free[:, ::-1]
        counts = None if counts is None else counts[:, ::-1]
    brightness = brightness.copy()
    if not digital:
        _add_marker(brightness, free, view, laterality, exposure.spacing_mm)
        _add_border(brightness, view, laterality, exposure.spacing_mm)
        if view.mirrored:
            brightness, flipped = brightness[:, ::-1].copy(), not flipped
    last = brightness.shape[1] - 1

    def stored(position: tuple[float, float]) -> tuple[float, float]:
        row, column = position
        return float(row), float(last - column if flipped else column)

    return StoredFilm(
        brightness=brightness,
        counts=counts,
        masks=tuple(lesion.mask[:, ::-1] if flipped else lesion.mask for lesion in exposure.lesions),
        centres_px=tuple(stored(lesion.centre_px) for lesion in exposure.lesions),
        nipple_px=stored(exposure.nipple_px),
        chest_wall_at_left=not flipped,
        spacing_mm=exposure.spacing_mm,
    )


def detector_counts(exposure: Exposure, view: ViewParameters) -> np.ndarray:
    """Give what a flat-panel detector counts, uint16 ``[rows, columns]``: linear in the exposure.

    The noise is that of the presentation, which is made from the same exposure. Automatic exposure control holds the
    counts behind the breast near `_CONTROLLED_COUNTS`; the free detector beside a thick breast saturates.
    """
    beyond = detected(exposure, view, np.random.default_rng(view.noise_seed))
    return np.clip(np.round(_CONTROLLED_COUNTS * np.exp(-beyond)), 0, 2**COUNT_BITS - 1).astype(np.uint16)


def _marker(text: str, dot_px: float) -> np.ndarray:
    """Draw a text of lead letters, bool ``[rows, columns]``."""
    dots = np.concatenate(
        [np.asarray([[dot == "X" for dot in line] + [False] for line in _LETTERS[letter]]) for letter in text], axis=1
    )
    rows, columns = (max(1, round(size * dot_px)) for size in dots.shape)
    down = np.minimum((np.arange(rows) / dot_px).astype(int), dots.shape[0] - 1)
    right = np.minimum((np.arange(columns) / dot_px).astype(int), dots.shape[1] - 1)
    return dots[np.ix_(down, right)]


def _add_marker(
    brightness: np.ndarray, free: np.ndarray, view: ViewParameters, laterality: Laterality, spacing_mm: float
) -> None:
    """Lay the marker into an upper or else a lower corner away from the chest wall, where no breast is under it."""
    if view.label_dot_mm == 0:
        return
    text = f"{laterality.value} {'CC' if view.view_position is ViewPosition.CC else 'MLO'}"
    letters = np.rot90(_marker(text, view.label_dot_mm / spacing_mm), view.label_quarter_turns)
    rows, columns = letters.shape
    margin = round(view.label_margin_mm / spacing_mm)
    left = brightness.shape[1] - margin - columns if laterality is Laterality.LEFT else margin
    for top in (margin, brightness.shape[0] - margin - rows):
        if left < 0 or top < 0:
            continue
        window = (slice(top, top + rows), slice(left, left + columns))
        if free[window].all():
            brightness[window][letters] = _MARKER_BRIGHTNESS
            return


def _add_border(brightness: np.ndarray, view: ViewParameters, laterality: Laterality, spacing_mm: float) -> None:
    """Brighten the film's edges, except the chest wall's."""
    width = round(view.border_mm / spacing_mm)
    if width == 0:
        return
    brightness[:width] = brightness[-width:] = _BORDER_BRIGHTNESS
    if laterality is Laterality.LEFT:
        brightness[:, -width:] = _BORDER_BRIGHTNESS
    else:
        brightness[:, :width] = _BORDER_BRIGHTNESS
