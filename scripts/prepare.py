"""Prepare a collection: ``python -m scripts.prepare cbis_ddsm --source DIR --output DIR``."""

from __future__ import annotations

import sys
from concurrent.futures import BrokenExecutor
from pathlib import Path

import fire

from bundle.collection import prepare_collection
from bundle.preparation import PreparationSettings
from bundle.radiomics.settings import read_settings
from bundle.vocabulary import Split

RADIOMICS_CONFIG = Path(__file__).resolve().parent.parent / "configs" / "radiomics.yaml"


def prepare(
    collection: str,
    *unknown_values: object,
    source: str,
    output: str,
    spacing_mm: float = PreparationSettings.spacing_mm,
    assumed_spacing_mm: float = PreparationSettings.assumed_spacing_mm,
    fractions: tuple[float, float, float] = (0.70, 0.15, 0.15),
    seed: int = 0,
    workers: int = -1,
    radiomics_config: str = str(RADIOMICS_CONFIG),
    overwrite: bool = False,
    **unknown_options: object,
) -> None:
    """Find the views, pair them, split by patient, make each view ready, extract the radiomics, write tables.

    A run that was stopped goes on where it stopped when the same command is given again.

    Args:
        collection: cbis_ddsm.
        *unknown_values: refused.
        source: the collection's folder.
        output: folder for the prepared collection: absent, empty, or holding one.
        spacing_mm: pixel spacing of the prepared views.
        assumed_spacing_mm: of films whose files do not tell theirs; such pairs are flagged.
        fractions: part of the patients in training, validation and test.
        seed: of the split and of the random regions.
        workers: views worked on at once; -1 for one per core.
        radiomics_config: settings of the radiomic features.
        overwrite: remove a preparation that the output holds.
        **unknown_options: refused.
    """
    # fire would call this function first and complain about what it could not use afterwards.
    if unknown_values or unknown_options:
        names = ", ".join([*(f"--{name}" for name in unknown_options), *map(repr, unknown_values)])
        raise ValueError(f"unknown argument(s) {names}; see python -m scripts.prepare --help")
    for name, value in (("seed", seed), ("workers", workers)):
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"--{name} is {value!r}; it must be a whole number")
    for name, number in (("spacing_mm", spacing_mm), ("assumed_spacing_mm", assumed_spacing_mm)):
        if not isinstance(number, int | float) or isinstance(number, bool) or not number > 0:
            raise ValueError(f"--{name} is {number!r}; it must be a positive number")
    if not isinstance(overwrite, bool):
        raise ValueError(f"--overwrite is {overwrite!r}; it takes no value")
    if not isinstance(fractions, tuple | list) or len(fractions) != len(Split):
        raise ValueError(f"--fractions is {fractions!r}; it must be three numbers, e.g. [0.7,0.15,0.15]")
    if not all(isinstance(fraction, int | float) for fraction in fractions):
        raise ValueError(f"--fractions is {fractions!r}; it must be three numbers, e.g. [0.7,0.15,0.15]")
    radiomics = read_settings(Path(str(radiomics_config)))
    summary = prepare_collection(
        collection=str(collection),
        source=Path(str(source)),
        output=Path(str(output)),
        preparation=PreparationSettings(
            spacing_mm=float(spacing_mm),
            fine_spacing_mm=radiomics.fine_spacing_mm,
            assumed_spacing_mm=float(assumed_spacing_mm),
        ),
        radiomics=radiomics,
        fractions=dict(zip(Split, map(float, fractions), strict=True)),
        seed=seed,
        workers=workers,
        overwrite=overwrite,
    )
    print("\n".join(summary.lines()))


def main() -> None:
    """Run the command; a wrong argument or a source that holds nothing ends it with one sentence."""
    try:
        fire.Fire(prepare, name="python -m scripts.prepare")
    except (ValueError, OSError) as error:
        sys.exit(f"prepare: {error}")
    except BrokenExecutor:
        sys.exit("prepare: a worker was stopped, perhaps for memory; the same command goes on, --workers 1 needs least")


if __name__ == "__main__":
    main()
