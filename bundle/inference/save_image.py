"""The synthetic view written out: a DICOM file and a picture."""

import hashlib
import re
from collections.abc import Hashable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms import Transform

from bundle.dicom.parsing import read_header
from bundle.dicom.write import write_synthetic_view
from bundle.report.panels import view_panel
from bundle.switches import read_switch
from bundle.vocabulary import Direction, Laterality


class SaveImageSyntheticMammogramd(Transform):
    """Write ``pred`` as DICOM and, beside its source, as PNG; add their paths as ``written``.

    Files are called after the direction and a number that is free in the folder (``cc_to_mlo_001.dcm``): no name tells
    anything of the patient, and no earlier file is replaced.

    Args:
        output_dir: folder, made where absent.
        weights: file of the weights that made ``pred``; its hash goes into the DICOM file.
        model_name: see `write_synthetic_view`.
        model_version: see `write_synthetic_view`.
        mark: burn a visible mark into the DICOM file's pixels; the words true and false are understood.
        generator: the network that made ``pred``. One that can make several views of a source tells which one this is
            by its ``label``, which the files' names hold, and its ``description``.
    """

    def __init__(
        self,
        *,
        output_dir: str | Path,
        weights: str | Path,
        model_name: str,
        model_version: str,
        mark: bool | str = False,
        generator: object = None,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.weights = Path(weights)
        self.model_name = model_name
        self.model_version = str(model_version)
        self.mark = mark
        self.label = str(getattr(generator, "label", ""))
        self.description = str(getattr(generator, "description", ""))

    @cached_property
    def weights_sha256(self) -> str:
        """SHA-256 of the file of weights, in hexadecimal."""
        with self.weights.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write one synthetic view.

        Raises:
            OSError: the folder cannot be made, or a file not be written.
            ValueError: ``mark`` is neither true nor false.
        """
        direction = Direction.to_class(int(data["target_view"]))
        laterality = Laterality(data["laterality"])
        source, lesions = data["image"].float().cpu().numpy()
        synthetic = data["pred"][0].float().cpu().numpy()
        path = _free_path(self.output_dir, prefix="_".join([direction.value, *self.label.split()]))
        write_synthetic_view(
            synthetic,
            source=read_header(Path(data["source_path"])),
            target_view=direction.target,
            laterality=laterality,
            spacing_mm=float(data["spacing_mm"]),
            model_name=self.model_name,
            model_version=self.model_version,
            weights_sha256=self.weights_sha256,
            path=path,
            mark=read_switch(self.mark, name="mark"),
            flags=[flag for flag in data["flags"].split(",") if flag],
            label=self.label,
            description=self.description,
        )

        which = f" ({self.label})" if self.label else ""

        def hung(array: np.ndarray) -> np.ndarray:
            return array[:, ::-1] if laterality is Laterality.RIGHT else array

        panel = view_panel(
            [[hung(source), hung(synthetic)]],
            titles=[f"source {direction.source}", f"SYNTHETIC {direction.target}{which}, not for diagnosis"],
            outlines=[[hung(lesions) > 0, None]],
            path=path.with_suffix(".png"),
        )
        return {**data, "written": [str(path), str(panel)]}


def _free_path(folder: Path, *, prefix: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"the output folder {folder} cannot be made ({error.strerror}): name another one with --output_dir"
        ) from error
    taken = [re.fullmatch(rf"{re.escape(prefix)}_(\d+)\.(dcm|png)", path.name) for path in folder.iterdir()]
    number = max((int(match.group(1)) for match in taken if match), default=0) + 1
    return folder / f"{prefix}_{number:03d}.dcm"
