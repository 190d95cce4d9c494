"""Report on a prepared collection's radiomics: ``python -m scripts.radiomics --stability --prepared DIR``."""

from __future__ import annotations

import fire

from bundle.collection.stability import measure_stability
from bundle.stopping import ending_with_a_sentence
from bundle.switches import read_switch
from scripts.arguments import path, positive_number, refuse_unexpected, whole_number


def radiomics(
    *unknown_values: object,
    prepared: str,
    stability: bool = False,
    spacing_mm: float | None = None,
    output: str | None = None,
    seed: int = 0,
    workers: int = -1,
    **unknown_options: object,
) -> None:
    """Tell which features survive small changes of the lesion's mask and noise: Lin's concordance, a table and a CSV.

    Args:
        *unknown_values: refused.
        prepared: folder that scripts.prepare wrote.
        stability: must be given; the only report so far.
        spacing_mm: at which the features are extracted; the prepared views' own by default.
        output: CSV file with a row per feature; stability.csv in the prepared folder by default.
        seed: of the noise.
        workers: views worked on at once; -1 for one per core.
        **unknown_options: refused.
    """
    refuse_unexpected(unknown_values, unknown_options, command="python -m scripts.radiomics")
    if not read_switch(stability, name="stability"):
        raise ValueError("give --stability, the only report so far; the features themselves come with scripts.prepare")
    folder = path(prepared, name="prepared")
    table = folder / "stability.csv" if output is None else path(output, name="output")
    if not table.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {table.parent} for {table.name}")
    found = measure_stability(
        folder,
        spacing_mm=None if spacing_mm is None else positive_number(spacing_mm, name="spacing_mm"),
        seed=whole_number(seed, name="seed"),
        workers=whole_number(workers, name="workers"),
    )
    found.write(table)
    print("\n".join([*found.lines(), f"each feature: {table}"]))


def main() -> None:
    """Run the command; a wrong argument or a folder that is no prepared collection ends it with one sentence."""
    with ending_with_a_sentence("radiomics", again="give the same command again, --workers 1 needs least"):
        fire.Fire(radiomics, name="python -m scripts.radiomics")


if __name__ == "__main__":
    main()
