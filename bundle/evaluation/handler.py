"""The evaluation of a test split, driven by a MONAI evaluator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import Events
from joblib import Parallel, delayed
from monai.engines import SupervisedEvaluator
from monai.networks.utils import eval_mode
from torch import nn
from tqdm import tqdm

from bundle.collection.datalist import split_hash
from bundle.evaluation.agreement import lesion_concordance, region_distances
from bundle.evaluation.baselines import Baseline, fit_baselines
from bundle.evaluation.cases import Case, plain
from bundle.evaluation.checkpoints import last_epoch
from bundle.evaluation.conditioning import SwappedCase, changes, choose_donors, judge_conditioning
from bundle.evaluation.features import drawn_regions, embeddings
from bundle.evaluation.files import write_metrics, write_summary
from bundle.evaluation.gallery import Gallery
from bundle.evaluation.methods import (
    CEILING,
    CEILING_ONCE,
    LAST_EPOCH,
    MODEL,
    POSTERIOR_MEAN,
    SAMPLE,
    TARGET,
    TARGET_BLURRED,
    Kind,
    blurred,
)
from bundle.evaluation.pictures import write_pictures
from bundle.evaluation.posterior import SAMPLES, PosteriorCase, judge_posterior, measure_posterior
from bundle.evaluation.protocol import protocol
from bundle.evaluation.real_views import RealViews, learn_real_views
from bundle.evaluation.repeats import Repeats
from bundle.evaluation.scoring import ImageScore, ScoringSettings, lesion_vectors, score_case
from bundle.evaluation.spread import judge_spread
from bundle.evaluation.summary import summarize
from bundle.metrics.items import items_of
from bundle.networks.feature_network import FeatureNetwork
from bundle.networks.flow import FlowGenerator, view_of
from bundle.radiomics.settings import RadiomicsSettings
from bundle.records import Canvas
from bundle.vocabulary import Direction, Split


class EvaluationHandler:
    """Scores the model and the methods beside it on every test case, and writes the results at the end.

    To the output folder go ``metrics.csv``, ``summary.json``, ``best_case.png``, ``median_case.png``,
    ``worst_case.png``, and every case in ``cases``; the list of these files is printed. Until the end nothing of an
    earlier evaluation in that folder is touched.

    Args:
        dataset_dir: the prepared collection.
        training: its training data, without any random transform: for the baselines and for what real views are like
            (see `fit_baselines`, `learn_real_views`).
        test_items: the test split's items before any transform, whose radiomic vectors are exchanged.
        output_dir: folder for the results; made where it does not exist.
        canvas: the frame of all views.
        data_range: width of the intensity range of the views; 1.0 for prepared views.
        radiomics: how radiomic features are extracted.
        feature_network: the trained network of mammogram features.
        checkpoint: the training run's checkpoint, whose last epoch is scored beside the best one; None, or a file that
            does not exist: only the model is scored.
        repeats_dir: folder of `bundle.evaluation.repeats`, the ceiling on phantom data; None: no ceiling.
        resamples: bootstrap draws.
        seed: of the bootstrap and of the exchange.
        workers: processes that score.
    """

    def __init__(
        self,
        *,
        dataset_dir: str | Path,
        training: Sequence[Mapping[str, Any]],
        test_items: Sequence[Mapping[str, Any]],
        output_dir: str | Path,
        canvas: Canvas,
        data_range: float,
        radiomics: RadiomicsSettings,
        feature_network: FeatureNetwork,
        checkpoint: str | Path | None,
        repeats_dir: str | Path | None,
        resamples: int,
        seed: int,
        workers: int,
    ) -> None:
        self.dataset_dir = Path(dataset_dir)
        self.training = training
        self.test_items = test_items
        self.output_dir = Path(output_dir)
        self.canvas = canvas
        self.spacing_mm = canvas.spacing_mm
        self.data_range = data_range
        self.radiomics = radiomics
        self.feature_network = feature_network.cpu().eval()
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.repeats_dir = None if repeats_dir is None else Path(repeats_dir)
        self.resamples = resamples
        self.seed = seed
        self.workers = workers
        self._baselines: tuple[Baseline, ...] = ()
        self._last_epoch: nn.Module | None = None
        self._repeats: Repeats | None = None
        self._donors: dict[tuple[str, int], np.ndarray] = {}
        self._scores: list[ImageScore] = []
        self._embeddings: dict[tuple[str, Direction, str], np.ndarray] = {}
        self._swapped: list[SwappedCase] = []
        self._posterior: list[PosteriorCase] = []
        self._pending: Iterable[Any] = ()  # of the batch that the workers score: per case what `_keep_scores` takes

    def attach(self, engine: SupervisedEvaluator) -> None:
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
        for event, work in (
            (Events.STARTED, self.start),
            (Events.ITERATION_COMPLETED, self.score_batch),
            (Events.COMPLETED, self.finish),
        ):
            engine.add_event_handler(event, work)

    def start(self, engine: SupervisedEvaluator) -> None:
        """Learn what is learned from the training pairs, and begin with no score."""
        if self.repeats_dir is not None:
            self._repeats = Repeats(
                self.repeats_dir, dataset_dir=self.dataset_dir, test_items=self.test_items, canvas=self.canvas
            )
        self._training_split = split_hash(self.dataset_dir, Split.TRAINING)
        self.output_dir.mkdir(parents=True, exist_ok=True)
        self._baselines = fit_baselines(self.training)
        self._real_views: RealViews = learn_real_views(
            self.training,
            spacing_mm=self.spacing_mm,
            settings=self.radiomics,
            network=self.feature_network,
            workers=self.workers,
        )
        self._settings = ScoringSettings(
            data_range=self.data_range,
            spacing_mm=self.spacing_mm,
            radiomics=self.radiomics,
            blob_levels=self._real_views.blob_levels,
            standardizer=self._real_views.standardizer,
        )
        self._last_epoch = last_epoch(engine.network, self.checkpoint)
        self._donors = choose_donors(self.test_items, seed=self.seed)
        self._scores, self._embeddings, self._swapped, self._posterior, self._pending = [], {}, [], [], ()
        self._gallery = Gallery(self.output_dir, spacing_mm=self.spacing_mm)
        self._progress = tqdm(total=engine.state.epoch_length, desc="scoring", unit="batch")

    def score_batch(self, engine: SupervisedEvaluator) -> None:
        """Have all methods scored on the cases of one batch, and keep the scores of the batch before.

        Raises:
            ValueError: a case of the batch before cannot be scored; the message names pair, direction and method.
        """
        items = items_of(engine)
        cases = [Case.from_item(item) for item in items]
        views = [self._views_of(case) for case in cases]
        if self._last_epoch is not None:
            for of_case, view in zip(views, self._again(engine, self._last_epoch, items), strict=True):
                of_case[LAST_EPOCH] = view
        if isinstance(engine.network, FlowGenerator):
            for case, of_case, (mean, samples) in zip(cases, views, _possible_states(engine, items), strict=True):
                of_case[POSTERIOR_MEAN] = view_of(mean[None], 0.0)[0]
                of_case[SAMPLE] = view_of(samples[:1])[0]
                self._posterior.append(measure_posterior(case, mean, samples, spacing_mm=self.spacing_mm))
        swapped = self._with_other_vectors(engine, items, cases)
        drawn = [
            drawn_regions(
                case.breast[0].numpy() > 0.5,
                name=f"{case.pair_id}/{case.direction.target}",
                spacing_mm=self.spacing_mm,
                settings=self.radiomics,
            )
            for case in cases
        ]
        scores = Parallel(self.workers, return_as="generator")(
            delayed(_score)(case, of_case, self._settings, regions, others)
            for case, of_case, regions, others in zip(cases, views, drawn, swapped, strict=True)
        )
        self._keep_scores()
        self._pending = zip(cases, views, drawn, items, swapped, scores, strict=True)
        self._progress.update()

    def _keep_scores(self) -> None:
        """Take the scores of the batch before, which the workers computed while this one's views were synthesized."""
        for case, of_case, regions, item, others, (scores, vectors) in self._pending:
            self._scores += scores
            self._embed(case, of_case, regions)
            if others:
                self._keep_swapped(case, item, scores, others, vectors)
            self._gallery.keep(case)
        self._pending = ()

    def finish(self, engine: SupervisedEvaluator) -> None:
        """Keep the last batch's scores, which can fail as in `score_batch`; write all results and name the files."""
        self._keep_scores()
        self._progress.close()
        summary = summarize(
            self._scores,
            kinds=self._kinds(),
            samples=_samples_among_the_methods(engine.network),
            resamples=self.resamples,
            seed=self.seed,
        )
        paths = [
            write_metrics(self._scores, path=self.output_dir / "metrics.csv"),
            write_summary(
                summary,
                protocol=protocol(
                    canvas=self.canvas,
                    data_range=self.data_range,
                    resamples=self.resamples,
                    seed=self.seed,
                    baselines=self._baselines,
                    real_views=self._real_views,
                    repeats=0 if self._repeats is None else self._repeats.number,
                    training_pairs=len(self.training),
                    training_split=self._training_split,
                    patients=summary.patients,
                ),
                concordance=lesion_concordance(self._scores, resamples=self.resamples, seed=self.seed),
                distances=region_distances(self._scores, self._embeddings, self._real_views),
                conditioning=judge_conditioning(
                    self._swapped,
                    conditions=self._real_views.conditions,
                    lesions=self._real_views.standardizer,
                    resamples=self.resamples,
                    seed=self.seed,
                ),
                spread=judge_spread(self._scores, resamples=self.resamples, seed=self.seed),
                posterior=judge_posterior(self._posterior, resamples=self.resamples, seed=self.seed),
                path=self.output_dir / "summary.json",
            ),
            *write_pictures(self._scores, gallery=self._gallery, folder=self.output_dir),
            self._gallery.publish(),
        ]
        print("Files to look at:")
        for path in paths:
            print(f"  {path}")

    def _kinds(self) -> dict[str, Kind]:
        return {
            MODEL: Kind.MODEL,
            **{baseline.name: Kind.BASELINE for baseline in self._baselines},
            TARGET_BLURRED: Kind.WARNING,
            TARGET: Kind.REFERENCE,
            CEILING: Kind.CEILING,
            CEILING_ONCE: Kind.CEILING,
            POSTERIOR_MEAN: Kind.VARIANT,
            SAMPLE: Kind.VARIANT,
            LAST_EPOCH: Kind.CHECKPOINT,
        }

    def _views_of(self, case: Case) -> dict[str, torch.Tensor]:
        """Each method's target view ``[1, H, W]``."""
        ceiling = {}
        if self._repeats is not None:
            ceiling = {
                CEILING: self._repeats.mean_view(case.pair_id, case.direction),
                CEILING_ONCE: self._repeats.one_view(case.pair_id, case.direction),
            }
        return {
            MODEL: case.synthetic,
            **{each.name: each.synthesize(case.source, case.direction) for each in self._baselines},
            TARGET_BLURRED: blurred(case.target, spacing_mm=self.spacing_mm),
            TARGET: case.target,
            **ceiling,
        }

    def _again(
        self,
        engine: SupervisedEvaluator,
        network: nn.Module,
        items: Sequence[Mapping[str, Any]],
        vectors: torch.Tensor | None = None,
    ) -> list[torch.Tensor]:
        """Synthesize the batch again, by another network or with other radiomic vectors ``[B, F]``."""
        batch = {"image": torch.stack([plain(item["image"]) for item in items])}
        batch["radiomics"] = vectors if vectors is not None else _radiomics(items)
        batch["target_view"] = torch.tensor([int(item["target_view"]) for item in items])
        batch["label"] = batch["image"][:, :1]  # which the evaluator's function for batches asks for
        device = engine.state.device
        inputs, _, arguments, options = engine.prepare_batch(batch, device, engine.non_blocking)
        with torch.no_grad(), eval_mode(network), torch.autocast(torch.device(device).type, enabled=engine.amp):
            made = engine.inferer(inputs, network, *arguments, **options)
        return [plain(view) for view in made]

    def _with_other_vectors(
        self, engine: SupervisedEvaluator, items: Sequence[Mapping[str, Any]], cases: Sequence[Case]
    ) -> list[list[torch.Tensor]]:
        """The model's views with other cases' vectors, for the cases that have a vector and a lesion in the target."""
        result: list[list[torch.Tensor]] = [[] for _ in cases]
        chosen = [
            index
            for index, case in enumerate(cases)
            if self._donors_of(case) is not None and bool(case.target_lesion.any())
        ]
        if not chosen:
            return result
        donors = [self._donors_of(cases[index]) for index in chosen]
        for number in range(max(len(vectors) for vectors in donors if vectors is not None)):
            having = [
                (index, vectors)
                for index, vectors in zip(chosen, donors, strict=True)
                if vectors is not None and len(vectors) > number
            ]
            vectors = torch.from_numpy(np.stack([vectors[number] for _, vectors in having]))
            made = self._again(engine, engine.network, [items[index] for index, _ in having], vectors)
            for (index, _), view in zip(having, made, strict=True):
                result[index].append(view)
        return result

    def _donors_of(self, case: Case) -> np.ndarray | None:
        return self._donors.get((case.pair_id, case.direction.target.class_index))

    def _keep_swapped(
        self,
        case: Case,
        item: Mapping[str, Any],
        scores: Sequence[ImageScore],
        others: Sequence[torch.Tensor],
        vectors: np.ndarray,
    ) -> None:
        by_method = {score.method: score.lesion_radiomics for score in scores}
        known = np.isfinite(vectors).all(axis=1)
        donors = self._donors_of(case)
        if donors is None or not known.any() or not np.isfinite([by_method[MODEL], by_method[TARGET]]).all():
            return
        in_lesion, elsewhere = changes(case, others, spacing_mm=self.spacing_mm)
        self._swapped.append(
            SwappedCase(
                patient_id=case.patient_id,
                pair_id=case.pair_id,
                direction=case.direction,
                own=_radiomics([item])[0].numpy(),
                donors=donors[known],
                lesion=by_method[MODEL],
                swapped=vectors[known],
                real=by_method[TARGET],
                change_in_lesion=in_lesion,
                change_elsewhere=elsewhere,
            )
        )

    def _embed(self, case: Case, views: Mapping[str, torch.Tensor], regions: Sequence[np.ndarray]) -> None:
        stacked = torch.stack(list(views.values()))
        found = [embeddings(self.feature_network, stacked, r, spacing_mm=self.spacing_mm) for r in regions]
        for index, method in enumerate(views):
            rows = [of_region[index] for of_region in found]
            self._embeddings[method, case.direction, case.pair_id] = np.array(rows).reshape(len(rows), -1)


def _score(
    case: Case,
    views: Mapping[str, torch.Tensor],
    settings: ScoringSettings,
    regions: Sequence[np.ndarray],
    swapped: Sequence[torch.Tensor],
) -> tuple[list[ImageScore], np.ndarray]:
    """One job of a worker: all methods' scores, and the lesion's features with other vectors."""
    return score_case(case, views, settings, drawn=regions), lesion_vectors(case, swapped, settings)


def _possible_states(
    engine: SupervisedEvaluator, items: Sequence[Mapping[str, Any]]
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Have the flow generator say what is possible, in the precision of the model's views.

    Returns:
        Per item the states of the posterior mean ``[3, H, W]`` and of `SAMPLES` samples ``[K, 3, H, W]``.
    """
    device, network = engine.state.device, engine.network
    image = torch.stack([plain(item["image"]) for item in items]).to(device)
    radiomics = _radiomics(items).to(device)
    target_view = torch.tensor([int(item["target_view"]) for item in items], device=device)

    def state(sample: int, realism: float) -> torch.Tensor:
        return plain(engine.inferer(image, network.synthesize, radiomics, target_view, sample=sample, realism=realism))

    with torch.no_grad(), eval_mode(network):
        mean = state(0, 0.0)
        samples = torch.stack([state(sample, 1.0) for sample in range(SAMPLES)], dim=1)
    return list(zip(mean, samples, strict=True))


def _samples_among_the_methods(network: nn.Module) -> set[str]:
    """Name the methods that show one possible view, not a mean of them."""
    if isinstance(network, FlowGenerator) and network.realism == 1:
        return {SAMPLE, MODEL, LAST_EPOCH}
    return {SAMPLE}


def _radiomics(items: Sequence[Mapping[str, Any]]) -> torch.Tensor:
    return torch.stack([torch.as_tensor(item["radiomics"]).float() for item in items])
