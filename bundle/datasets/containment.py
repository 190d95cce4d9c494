"""Files of a collection must lie inside its folder, wherever its tables and links point."""

from __future__ import annotations

from pathlib import Path, PurePosixPath


def inside(path: Path, *, root: Path, shown: PurePosixPath) -> Path:
    """Follow a path's links and see that it stays inside a folder.

    Args:
        path: what a table or a folder names.
        root: the collection's folder, resolved.
        shown: the path for messages.

    Returns:
        The resolved path.

    Raises:
        ValueError: it leads out of the folder, or cannot be followed.
    """
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name too long, a null byte
        raise ValueError(f"{shown} cannot be followed: {type(error).__name__}") from error
    if not resolved.is_relative_to(root):
        raise ValueError(f"{shown} leads out of the source folder")
    return resolved
