"""A cohort that is not finished: it grows in a hidden folder beside the output, which becomes the output at the end.

A run that was stopped goes on there with the breasts that are not finished. Each breast is made in a folder of its own
and moved in when it is complete, so that no file is ever half there. What a finished breast adds to the tables and to
the truth waits in a file of its own, so that memory does not grow with the cohort.
"""

from __future__ import annotations

import csv
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.atomic import replacing
from bundle.datasets.phantom.layout import Table

TRUTH_FILE = "truth.json"
_AXES = "uncompressed breast, mm: x chest wall to nipple, y to lateral, z to the head; film: (row, column)"


def refuse_another(path: Path, document: Mapping[str, Any], *, what: str) -> None:
    """Refuse a cohort whose settings, which a file tells, are not these.

    Raises:
        FileExistsError: they differ, or cannot be read.
    """
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, FileNotFoundError):
        before = None
    different = [name for name, value in document.items() if not isinstance(before, dict) or before.get(name) != value]
    if different:
        raise FileExistsError(f"{what} of another {', '.join(different)}; name another folder or give --overwrite.")


@dataclass(frozen=True, kw_only=True)
class UnfinishedCohort:
    """The hidden folder in which a cohort grows.

    Args:
        folder: holds ``cohort``, which becomes the output; ``results``, one file per finished breast; ``making``, a
            folder per breast that is being made; and the settings.
    """

    folder: Path

    @classmethod
    @contextmanager
    def opened(cls, output: Path, document: Mapping[str, Any], *, overwrite: bool) -> Iterator[UnfinishedCohort]:
        """Open the folder beside the output, go on in it or begin it, and leave no file of an unfinished breast."""
        output.parent.mkdir(parents=True, exist_ok=True)
        growing = cls(folder=output.parent / f".{output.name}.unfinished")
        growing.folder.mkdir(exist_ok=True)
        with (growing.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BlockingIOError(
                    f"another run is writing {output}; wait for it, or name another folder."
                ) from None
            try:
                growing._begin(document, overwrite=overwrite, output=output)
                yield growing
            finally:
                shutil.rmtree(growing._making, ignore_errors=True)
                if not any(growing._results.glob("*.json")):
                    shutil.rmtree(growing.folder, ignore_errors=True)

    @property
    def _cohort(self) -> Path:
        return self.folder / "cohort"

    @property
    def _results(self) -> Path:
        return self.folder / "results"

    @property
    def _making(self) -> Path:
        return self.folder / "making"

    def _begin(self, document: Mapping[str, Any], *, overwrite: bool, output: Path) -> None:
        settings = self.folder / "settings.json"
        if settings.exists():
            try:
                refuse_another(settings, document, what=f"an unfinished cohort for output {output} is")
            except FileExistsError:
                if not overwrite:
                    raise
                for folder in (self._cohort, self._results):
                    shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self._making, ignore_errors=True)  # of a run that was killed
        for folder in (self._cohort, self._results, self._making):
            folder.mkdir(exist_ok=True)
        with replacing(settings) as temporary:
            temporary.write_text(json.dumps(document), encoding="utf-8")

    def has(self, index: int) -> bool:
        """Whether a breast is finished."""
        return (self._results / f"{index:06d}.json").is_file()

    def result(self, index: int) -> dict[str, Any]:
        """Give what a finished breast adds to tables and truth."""
        return json.loads((self._results / f"{index:06d}.json").read_text(encoding="utf-8"))

    @contextmanager
    def making(self, index: int) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Give a folder for a breast's files and a place for its result; both are kept when the block ends well."""
        folder = self._making / f"{index:06d}"
        folder.mkdir()
        result: dict[str, Any] = {}
        try:
            yield folder, result
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    target = self._cohort / path.relative_to(folder)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(path, target)
            with replacing(self._results / f"{index:06d}.json") as temporary:
                temporary.write_text(json.dumps(result), encoding="utf-8")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def finish(self, document: Mapping[str, Any], *, tables: Mapping[str, Table], breasts: int) -> None:
        """Write the collection's tables and the truth from the breasts' results, one at a time."""
        for name, table in tables.items():
            folder = self._cohort / table.folder
            folder.mkdir(exist_ok=True)
            with replacing(folder / name) as path, path.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream, delimiter=table.delimiter, lineterminator=table.line_end)
                writer.writerow(table.header)
                for index in range(breasts):
                    writer.writerows(self.result(index)["rows"].get(name, []))
        with replacing(self._cohort / TRUTH_FILE) as path, path.open("w", encoding="utf-8") as stream:
            head = json.dumps({**document, "axes": _AXES}, indent=1).removesuffix("\n}")
            stream.write(f'{head},\n "breasts": [\n')
            for index in range(breasts):
                stream.write(json.dumps(self.result(index)["truth"]) + (",\n" if index + 1 < breasts else "\n"))
            stream.write(" ]\n}\n")

    def become(self, output: Path) -> None:
        """Put the complete cohort in its place; an older one goes only then."""
        replaced = self.folder / "replaced"
        if output.exists():
            os.replace(output, replaced)
        try:
            os.replace(self._cohort, output)
        except OSError:
            if replaced.exists():
                os.replace(replaced, output)
            raise
        shutil.rmtree(self.folder, ignore_errors=True)
