"""Prepare a collection: ``python -m scripts.prepare cbis_ddsm --source DIR --output DIR``."""

from __future__ import annotations

from pathlib import Path

import fire

from bundle.collection import prepare_collection
from bundle.collection.side_files import SideFiles
from bundle.datasets.splitting import SplitRule
from bundle.preparation import PreparationSettings
from bundle.radiomics.settings import read_settings
from bundle.stopping import ending_with_a_sentence
from bundle.switches import read_switch
from bundle.vocabulary import Split
from scripts.arguments import numbers, path, positive_number, refuse_unexpected, whole_number

RADIOMICS_CONFIG = Path(__file__).resolve().parent.parent / "configs" / "radiomics.yaml"


def prepare(
    collection: str,
    *unknown_values: object,
    source: str,
    output: str,
    spacing_mm: float = PreparationSettings.spacing_mm,
    assumed_spacing_mm: float = PreparationSettings.assumed_spacing_mm,
    fractions: tuple[float, float, float] = (0.70, 0.15, 0.15),
    split: str = SplitRule.RANDOM.value,
    seed: int = 0,
    workers: int = -1,
    scheduler: str = "",
    radiomics_config: str = str(RADIOMICS_CONFIG),
    overwrite: bool = False,
    key: str | None = None,
    masks: str | None = None,
    table: str | None = None,
    bits: int | None = None,
    inverted: bool | None = None,
    **unknown_options: object,
) -> None:
    """Find the views, pair them, split by patient, make each view ready, extract the radiomics, write tables.

    A run that was stopped goes on where it stopped when the same command is given again.

    Args:
        collection: cbis_ddsm, inbreast, dicom (any folder of DICOM files) or table (pictures that a table names).
        *unknown_values: refused.
        source: the collection's folder.
        output: folder for the prepared collection: absent, empty, or holding one.
        spacing_mm: pixel spacing of the prepared views.
        assumed_spacing_mm: of films whose files do not tell theirs; such pairs are flagged.
        fractions: part of the patients in training, validation and test.
        split: random, or official: the collection's own, of whose training patients the validation takes its part.
        seed: of the split and of the random regions.
        workers: views worked on at once; -1 for one per core.
        scheduler: address of a Dask scheduler, as tcp://10.0.0.1:8786, whose workers then do the work.
        radiomics_config: settings of the radiomic features.
        overwrite: where the output holds a preparation with other settings, redo what depends on them.
        key: for dicom: file with the key of the patients' pseudonyms, outside the output; made at first use.
        masks: for dicom: CSV file with the columns image, mask and lesion.
        table: for table: CSV file with the columns patient, side, view, image and, if wanted, mask, lesion, spacing,
            bits and inverted.
        bits: for table: the bits that the pictures' values use, for instance 12, where the table does not state them.
        inverted: for table: whether the pictures have a white background, where the table does not say.
        **unknown_options: refused.
    """
    refuse_unexpected(unknown_values, unknown_options, command="python -m scripts.prepare")
    radiomics = read_settings(path(radiomics_config, name="radiomics_config"))
    parts = numbers(fractions, name="fractions", count=len(Split), example="[0.7,0.15,0.15]")
    summary = prepare_collection(
        collection=str(collection),
        source=path(source, name="source"),
        output=path(output, name="output"),
        preparation=PreparationSettings(
            spacing_mm=positive_number(spacing_mm, name="spacing_mm"),
            fine_spacing_mm=radiomics.fine_spacing_mm,
            assumed_spacing_mm=positive_number(assumed_spacing_mm, name="assumed_spacing_mm"),
        ),
        radiomics=radiomics,
        fractions=dict(zip(Split, parts, strict=True)),
        seed=whole_number(seed, name="seed"),
        workers=whole_number(workers, name="workers"),
        scheduler=str(scheduler),
        overwrite=read_switch(overwrite, name="overwrite"),
        split_rule=_split_rule(split),
        side_files=SideFiles(
            key=None if key is None else path(key, name="key"),
            masks=None if masks is None else path(masks, name="masks"),
            table=None if table is None else path(table, name="table"),
            bits=None if bits is None else whole_number(bits, name="bits"),
            inverted=None if inverted is None else read_switch(inverted, name="inverted"),
        ),
    )
    print("\n".join(summary.lines()))


def _split_rule(value: object) -> SplitRule:
    if value not in set(SplitRule):
        raise ValueError(f"--split is {value!r}; it must be one of {', '.join(SplitRule)}")
    return SplitRule(str(value))


def main() -> None:
    """Run the command; a wrong argument or a source that holds nothing ends it with one sentence."""
    with ending_with_a_sentence("prepare", again="the same command goes on, --workers 1 needs least"):
        fire.Fire(prepare, name="python -m scripts.prepare")


if __name__ == "__main__":
    main()
