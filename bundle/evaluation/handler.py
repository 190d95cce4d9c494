"""The evaluation of a test split, driven by a MONAI evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events
from tqdm import tqdm

from bundle.evaluation.baselines import Baseline, fit_baselines
from bundle.evaluation.cases import Case
from bundle.evaluation.files import write_metrics, write_summary
from bundle.evaluation.gallery import Gallery
from bundle.evaluation.methods import MODEL, TARGET, TARGET_BLURRED, Kind, blurred
from bundle.evaluation.pictures import write_pictures
from bundle.evaluation.protocol import protocol
from bundle.evaluation.real_views import learn_blob_levels
from bundle.evaluation.scoring import ImageScore, ScoringSettings, score_case
from bundle.evaluation.summary import summarize
from bundle.metrics.items import items_of


class EvaluationHandler:
    """Scores the model and the baselines on every test case, and writes the results at the end.

    To the output folder go ``metrics.csv``, ``summary.json``, ``best_case.png``, ``median_case.png``,
    ``worst_case.png``, and every case in ``cases``; the list of these files is printed. Until the end nothing of an
    earlier evaluation in that folder is touched.

    Args:
        training: the training data for the baselines, without any random transform (see `fit_baselines`).
        output_dir: folder for the results; made where it does not exist.
        spacing_mm: pixel spacing of the canvas.
        data_range: width of the intensity range of the views; 1.0 for prepared views.
        resamples: bootstrap draws.
        seed: of the bootstrap.
    """

    def __init__(
        self,
        *,
        training: Sequence[Mapping[str, Any]],
        output_dir: str | Path,
        spacing_mm: float,
        data_range: float,
        resamples: int,
        seed: int,
    ) -> None:
        self.training = training
        self.output_dir = Path(output_dir)
        self.spacing_mm = spacing_mm
        self.data_range = data_range
        self.resamples = resamples
        self.seed = seed
        self._baselines: tuple[Baseline, ...] = ()
        self._scores: list[ImageScore] = []
        self._frame = (0, 0)

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator, whose output or batch must hold what `Case.from_item` reads.

        Raises:
            ValueError: the evaluator has no test case, or there are several processes.
        """
        if engine.state.epoch_length == 0:
            raise ValueError("The test split is empty, there is nothing to score: prepare more patients.")
        if idist.get_world_size() > 1:
            raise ValueError(
                f"The evaluation runs in one process, got {idist.get_world_size()}: start it without torchrun."
            )
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.score_batch)
        engine.add_event_handler(Events.COMPLETED, self.finish)

    def start(self, engine: Engine) -> None:
        """Learn what is learned from the training pairs, and begin with no score."""
        self.output_dir.mkdir(parents=True, exist_ok=True)
        self._baselines = fit_baselines(self.training)
        self._settings = ScoringSettings(
            data_range=self.data_range,
            spacing_mm=self.spacing_mm,
            blob_levels=learn_blob_levels(self.training, spacing_mm=self.spacing_mm),
        )
        self._scores = []
        self._gallery = Gallery(self.output_dir, spacing_mm=self.spacing_mm)
        self._progress = tqdm(total=engine.state.epoch_length, desc="scoring", unit="batch")

    def score_batch(self, engine: Engine) -> None:
        """Score the model and the baselines on the cases of one batch.

        Raises:
            ValueError: a case cannot be scored; the message names pair, direction and method.
        """
        for item in items_of(engine):
            case = Case.from_item(item)
            synthetic = {MODEL: case.synthetic}
            for baseline in self._baselines:
                synthetic[baseline.name] = baseline.synthesize(case.source, case.direction)
            synthetic[TARGET_BLURRED] = blurred(case.target, spacing_mm=self.spacing_mm)
            synthetic[TARGET] = case.target
            self._scores += score_case(case, synthetic, self._settings)
            self._frame = (case.target.shape[-2], case.target.shape[-1])
            self._gallery.keep(case)
        self._progress.update()

    def finish(self, engine: Engine) -> None:
        """Write all results and name the files."""
        self._progress.close()
        kinds = {
            MODEL: Kind.MODEL,
            **{baseline.name: Kind.BASELINE for baseline in self._baselines},
            TARGET_BLURRED: Kind.WARNING,
            TARGET: Kind.REFERENCE,
        }
        summary = summarize(self._scores, kinds=kinds, resamples=self.resamples, seed=self.seed)
        paths = [
            write_metrics(self._scores, path=self.output_dir / "metrics.csv"),
            write_summary(
                summary,
                protocol=protocol(
                    frame=self._frame,
                    spacing_mm=self.spacing_mm,
                    data_range=self.data_range,
                    resamples=self.resamples,
                    seed=self.seed,
                    baselines=self._baselines,
                    blob_levels=self._settings.blob_levels,
                    training_pairs=len(self.training),
                    patients=summary.patients,
                ),
                path=self.output_dir / "summary.json",
            ),
            *write_pictures(self._scores, gallery=self._gallery, folder=self.output_dir),
            self._gallery.publish(),
        ]
        print("Files to look at:")
        for path in paths:
            print(f"  {path}")
