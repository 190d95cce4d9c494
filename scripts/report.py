"""Write an evaluation's report again: ``python -m scripts.report RUN``."""

from __future__ import annotations

import fire

from bundle.report.evaluation.folder import evaluation_folder
from bundle.report.evaluation.page import write_report
from bundle.stopping import ending_with_a_sentence
from scripts.arguments import path, refuse_unexpected


def report(
    evaluation: str, *unknown_values: object, results: str = "", checkpoints: object = (), **unknown_options: object
) -> None:
    """Write report.html and report.md from the files of an evaluation.

    Args:
        evaluation: its folder, or that of the training run whose evaluation it is.
        *unknown_values: refused.
        results: results.csv of the training run, for its curves.
        checkpoints: the same of further checkpoints, separated by commas, in their order; they join the plot of breast
            shape against sharpness.
        **unknown_options: refused.
    """
    refuse_unexpected(unknown_values, unknown_options, command="python -m scripts.report")
    named = checkpoints if isinstance(checkpoints, list | tuple) else str(checkpoints).split(",")
    written = write_report(
        evaluation_folder(path(evaluation, name="evaluation")),
        results=None if results == "" else path(results, name="results"),
        checkpoints=[evaluation_folder(path(name, name="checkpoints")) for name in named],
    )
    print(written.text)
    print(f"{written.table}\n{written.page}")


def main() -> None:
    """Run the command; whatever stops it ends it with one sentence."""
    with ending_with_a_sentence("report"):
        fire.Fire(report, name="python -m scripts.report")


if __name__ == "__main__":
    main()
