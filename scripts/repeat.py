"""Phantom test breasts exposed again: ``python -m scripts.repeat --cohort … --dataset_dir … --output …``."""

from __future__ import annotations

import fire

from bundle.evaluation.repeats import write_repeats
from bundle.stopping import ending_with_a_sentence
from scripts.arguments import path, refuse_unexpected, whole_number


def repeat(
    *unknown_values: object,
    cohort: str = "",
    dataset_dir: str = "",
    output: str = "",
    repeats: int = 6,
    workers: int = 2,
    **unknown_options: object,
) -> None:
    """Simulate the test split's breasts again, laid and exposed anew, and prepare the films as the collection's were.

    The evaluation takes them as the ceiling of what can be predicted (--repeats_dir).

    Args:
        *unknown_values: refused.
        cohort: folder of the phantom cohort, with its truth.json.
        dataset_dir: the collection that was prepared from it.
        output: folder to write to.
        repeats: of each view.
        workers: processes.
        **unknown_options: refused.
    """
    refuse_unexpected(unknown_values, unknown_options, command="python -m scripts.repeat")
    folder = path(output, name="output")
    count = whole_number(repeats, name="repeats")
    breasts = write_repeats(
        cohort=path(cohort, name="cohort"),
        dataset_dir=path(dataset_dir, name="dataset_dir"),
        output=folder,
        repeats=count,
        workers=whole_number(workers, name="workers"),
    )
    print(f"Wrote both views of {breasts} test breasts {count} times to {folder}. Evaluate with --repeats_dir {folder}")


def main() -> None:
    """Run the command; whatever stops it ends it with one sentence."""
    with ending_with_a_sentence("repeat"):
        fire.Fire(repeat, name="python -m scripts.repeat")


if __name__ == "__main__":
    main()
