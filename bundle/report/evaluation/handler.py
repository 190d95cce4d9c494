"""The report as the last step of an evaluation."""

from __future__ import annotations

from pathlib import Path

from ignite.engine import Engine, Events

from bundle.report.evaluation.page import COPIED_NAME, RESULTS_NAME, write_report


class EvaluationReport:
    """Writes ``report.html`` and ``report.md`` when an evaluation has ended, and prints the latter.

    Attach it behind the handler that writes the evaluation's files.

    Args:
        evaluation_dir: the folder that the evaluation writes.
        weights: of the model. The training run's curves are those of ``results.csv`` beside them; without such a file
            the page has none.
    """

    def __init__(self, *, evaluation_dir: str | Path, weights: str | Path) -> None:
        self.evaluation_dir = Path(evaluation_dir)
        self.results = Path(weights).with_name(RESULTS_NAME)

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.COMPLETED, self.write)

    def write(self, engine: Engine) -> None:
        """Write the report.

        Raises:
            OSError: a file is absent or cannot be written.
            ValueError: a file of the evaluation is damaged.
        """
        results = self.results if self.results.is_file() else None
        if results is None:  # the folder may hold those of another run
            (self.evaluation_dir / COPIED_NAME).unlink(missing_ok=True)
        report = write_report(self.evaluation_dir, results=results)
        print(f"\n{report.text}\n  {report.table}\n  {report.page}")
