"""The films that one run of inference is asked for."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bundle.file_kinds import START_BYTES, may_be_dicom
from bundle.vocabulary import Laterality, ViewPosition

logger = logging.getLogger(__name__)

DICOM_SUFFIXES = (".dcm", ".dicom")
MASK_SUFFIXES = (".dcm", ".png", ".nii.gz", ".nii")
Member = TypeVar("Member", ViewPosition, Laterality)
UNSET = ("", "null", "none")  # how "not given" arrives from a command line


@dataclass(frozen=True, kw_only=True)
class FilmRequest:
    """One film to synthesize the complementary view of.

    Args:
        source: the film's DICOM file.
        masks: files with the lesions' masks; none is fine.
        view_position: for a film whose headers do not tell it.
        laterality: for a film whose headers do not tell it.
    """

    source: Path
    masks: tuple[Path, ...] = ()
    view_position: ViewPosition | None = None
    laterality: Laterality | None = None


class FilmRequests:
    """The requests of one run, found when they are first asked for: a config is checked before its films exist.

    Args:
        source: a DICOM file, or a folder that is searched with its subfolders.
        mask: for a file: its mask, or a list of masks. One file stands for one lesion, as in training.
            For a folder: a folder (the same one, too) with masks of the same relative names, or with ``_mask`` behind
            the name (``.dcm``, ``.png``, ``.nii.gz`` or ``.nii``). None = no masks.
        view: CC or MLO, for films whose headers do not tell it.
        laterality: L or R, for films whose headers do not tell it.
    """

    def __init__(
        self,
        *,
        source: str,
        mask: str | Sequence[str] | None = None,
        view: str | None = None,
        laterality: str | None = None,
    ) -> None:
        self.source = source
        self.mask = mask
        self.view = view
        self.laterality = laterality

    def __iter__(self) -> Iterator[FilmRequest]:
        return iter(find_films(source=self.source, mask=self.mask, view=self.view, laterality=self.laterality))


def find_films(
    *,
    source: str | Path,
    mask: str | Path | Sequence[str] | None = None,
    view: str | None = None,
    laterality: str | None = None,
) -> list[FilmRequest]:
    """Find the films, with their masks.

    Args:
        source: see `FilmRequests`, as the other arguments.
        mask: file, files or folder.
        view: CC or MLO.
        laterality: L or R.

    Returns:
        At least one request, in the order of the files' names.

    Raises:
        FileNotFoundError: the source or a mask does not exist, or the folder holds no DICOM file.
        ValueError: an argument has a value that is not allowed.
    """
    root = Path(source)
    masks = _given_paths(mask)
    given_view = _member(ViewPosition, view, argument="view")
    given_laterality = _member(Laterality, laterality, argument="laterality")
    if not root.exists():
        raise FileNotFoundError(f"there is no film at {root}: name a DICOM file, or a folder of them, with --source.")
    for path in masks:
        if not path.exists():
            raise FileNotFoundError(f"there is no mask at {path}: name one with --mask, or leave it away.")
    if root.is_file():
        if any(path.is_dir() for path in masks):
            raise ValueError(f"--source {root} is a file, so --mask must be a file too; got a folder.")
        return [
            FilmRequest(source=root, masks=masks, view_position=given_view, laterality=given_laterality),
        ]
    if len(masks) > 1 or any(path.is_file() for path in masks):
        raise ValueError(
            f"--source {root} is a folder, so --mask must be a folder too, with masks of the films' names; got a file."
        )
    files = sorted(path for path in root.rglob("*") if path.is_file())
    films = [path for path in files if _looks_like_dicom(path)]
    if not films:
        raise FileNotFoundError(f"there is no DICOM file in {root} (searched with its subfolders).")
    if len(films) < len(files):
        logger.info("%d files in %s are no DICOM files and were passed over.", len(files) - len(films), root)
    masks_of = {path: _masks_of(path.relative_to(root), film=path, folder=masks[0]) if masks else () for path in films}
    used_as_mask = {path for found in masks_of.values() for path in found}
    return [
        FilmRequest(source=path, masks=found, view_position=given_view, laterality=given_laterality)
        for path, found in masks_of.items()
        if path not in used_as_mask
    ]


def _given_paths(mask: str | Path | Sequence[str] | None) -> tuple[Path, ...]:
    values = [mask] if mask is None or isinstance(mask, str | Path) else list(mask)
    return tuple(Path(value) for value in values if value is not None and str(value).lower() not in UNSET)


def _member(kind: type[Member], value: str | None, *, argument: str) -> Member | None:
    if value is None or str(value).lower() in UNSET:
        return None
    if str(value).upper() not in tuple(kind):
        raise ValueError(f"--{argument} must be {' or '.join(kind)}; got {value}.")
    return kind(str(value).upper())


def _looks_like_dicom(path: Path) -> bool:
    """By name, or by the file's first bytes: many archives export files without a suffix."""
    if path.suffix.lower() in DICOM_SUFFIXES:
        return True
    with path.open("rb") as file:
        return may_be_dicom(file.read(START_BYTES)) and path.name != "DICOMDIR"


def _masks_of(relative: Path, *, film: Path, folder: Path) -> tuple[Path, ...]:
    stem = relative.with_suffix("") if relative.suffix.lower() in DICOM_SUFFIXES else relative
    for ending in ("_mask", ""):
        for suffix in MASK_SUFFIXES:
            candidate = folder / stem.with_name(stem.name + ending + suffix)
            if candidate.is_file() and candidate != film:
                return (candidate,)
    return ()
