"""The collections that need more than their folder: a key for pseudonyms, a table, what pictures do not tell."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from bundle.datasets import dicom_folder, image_table
from bundle.records import Rejection, View

COLLECTIONS_WITH_FILES = ("dicom", "table")


@dataclass(frozen=True, kw_only=True)
class SideFiles:
    """What the user names beside the collection's folder.

    Args:
        key: of the pseudonyms of a DICOM folder; made at its first use.
        masks: table of the masks of a DICOM folder.
        table: the description of a collection of pictures.
        bits: that the values of pictures use, where the table does not state them.
        inverted: whether brighter means less attenuation in pictures, where the table does not say.
    """

    key: Path | None = None
    masks: Path | None = None
    table: Path | None = None
    bits: int | None = None
    inverted: bool | None = None


def require_fitting(collection: str, files: SideFiles, *, output: Path) -> None:
    """See that a collection is given the files that it needs and no others.

    Raises:
        ValueError: one is missing or surplus, or the key would lie in the output, which is handed on.
    """
    allowed = {"dicom": ("key", "masks"), "table": ("table", "bits", "inverted")}.get(collection, ())
    for field in fields(files):
        if getattr(files, field.name) is not None and field.name not in allowed:
            raise ValueError(f"collection {collection} takes no --{field.name}; leave it away")
    if collection == "dicom":
        if files.key is None:
            raise ValueError("collection dicom needs --key FILE: patients are named by a hash with the key in it")
        if files.key.resolve().is_relative_to(output.resolve()):
            raise ValueError(f"key {files.key} lies in the output; keep it elsewhere, it leads back to the patients")
    if collection == "table" and files.table is None:
        raise ValueError("collection table needs --table FILE: the CSV file that names patient, side, view and image")


def find_views(collection: str, source: Path, *, files: SideFiles, workers: int) -> tuple[list[View], list[Rejection]]:
    """Find the views of one of `COLLECTIONS_WITH_FILES`; raises like its reader.

    Raises:
        ValueError: another collection, or its file was not given.
    """
    if collection == "dicom" and files.key is not None:
        return dicom_folder.find_views(source, key=files.key, masks=files.masks, workers=workers)
    if collection == "table" and files.table is not None:
        return image_table.find_views(source, table=files.table, bits=files.bits, inverted=bool(files.inverted))
    raise ValueError(f"collection {collection} lacks its file, or has no reader here")
