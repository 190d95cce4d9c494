"""Put evaluations side by side: ``python -m scripts.compare RUN_A RUN_B ...``."""

from __future__ import annotations

import fire

from bundle.evaluation.compare import compare, comparison_markdown, write_comparison
from bundle.report.evaluation.folder import evaluation_folder, read_evaluation
from bundle.stopping import ending_with_a_sentence
from scripts.arguments import path, refuse_unexpected, whole_number


def compare_runs(*runs: str, output: str = "", resamples: int = 2000, seed: int = 0, **unknown_options: object) -> None:
    """Compare the models of several evaluations with that of the first, on the test images that all have.

    Args:
        *runs: folders of training runs that were evaluated, or of their evaluations; at least two.
        output: folder for compare.csv and compare.md; without it the table is only printed.
        resamples: bootstrap draws.
        seed: of the draws.
        **unknown_options: refused.
    """
    refuse_unexpected((), unknown_options, command="python -m scripts.compare")
    folders = [path(run, name="runs") for run in runs]
    evaluations = [evaluation_folder(folder) for folder in folders]
    if len(set(evaluations)) < len(evaluations):
        raise ValueError("an evaluation is named twice")
    comparison = compare(
        {str(name): read_evaluation(folder) for name, folder in zip(folders, evaluations, strict=True)},
        resamples=whole_number(resamples, name="resamples"),
        seed=whole_number(seed, name="seed"),
    )
    print(comparison_markdown(comparison))
    if output != "":
        for written in write_comparison(comparison, folder=path(output, name="output")):
            print(written)


def main() -> None:
    """Run the command; whatever stops it ends it with one sentence."""
    with ending_with_a_sentence("compare"):
        fire.Fire(compare_runs, name="python -m scripts.compare")


if __name__ == "__main__":
    main()
