"""Files that are complete or absent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write; the file there replaces ``path`` when the block ends well.

    When the block fails, the temporary file vanishes and an older file at ``path`` stays as it was. What was written is
    on the disk before it replaces anything, so that a machine that loses power leaves no empty file. The temporary file
    lies in the same folder, because only within one file system is replacing a single step. Its name begins with a dot
    and the process number, which keeps two writers apart, and ends as ``path`` does: libraries read the format from it.

    Args:
        path: file to write; its folder exists.

    Raises:
        OSError: the block wrote no file, or ``path`` cannot be replaced.
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
