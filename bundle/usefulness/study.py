"""The study: the same small classifier on four kinds of input, by cross-validation over patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor, nn
from tqdm import tqdm

from bundle.evaluation.bootstrap import Interval
from bundle.networks.lesion_classifier import LesionClassifier
from bundle.usefulness.auc import FoldwiseAuc
from bundle.usefulness.breasts import Breasts
from bundle.vocabulary import Direction

# Of the shift of both views that each training step draws, in pixels.
_LARGEST_SHIFT_PX = 4
_WEIGHT_DECAY = 1e-3


class Views(StrEnum):
    """What the classifier sees of a breast."""

    ONE = "one_view"
    TWICE = "one_view_twice"
    SYNTHETIC = "with_synthetic"
    REAL = "with_real"


TITLES: Mapping[Views, str] = {
    Views.ONE: "one view alone",
    Views.TWICE: "one view, twice",
    Views.SYNTHETIC: "view and synthetic view",
    Views.REAL: "real pair",
}
COMPARISONS = (
    (Views.SYNTHETIC, Views.ONE),
    (Views.SYNTHETIC, Views.TWICE),
    (Views.REAL, Views.ONE),
    (Views.REAL, Views.TWICE),
    (Views.REAL, Views.SYNTHETIC),
)


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """How the classifiers are trained and compared.

    Args:
        folds: of the cross-validation.
        networks: classifiers per fold and kind of input, whose scores are averaged.
        epochs: of each classifier.
        batch_size: breasts per step.
        learning_rate: of Adam.
        resamples: draws of the bootstrap.
        seed: of folds, classifiers and draws.
    """

    folds: int = 5
    networks: int = 1
    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 2e-3
    resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("folds", 2), ("networks", 1), ("epochs", 1), ("batch_size", 2), ("resamples", 100)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; it must not be negative")


@dataclass(frozen=True, kw_only=True)
class DirectionResult:
    """What came out in one direction.

    Args:
        breasts, with_lesion, patients: counts.
        auc: per kind of input.
        differences: of the AUC, per pair of `COMPARISONS`, of the same breasts under the same draws.
        scores: per kind of input ``[N]``, mean logit of the fold's classifiers.
        folds: in which each breast was tested ``[N]``.
    """

    breasts: int
    with_lesion: int
    patients: int
    auc: Mapping[Views, Interval]
    differences: Mapping[tuple[Views, Views], Interval]
    scores: Mapping[Views, np.ndarray]
    folds: np.ndarray


def patient_folds(has_lesion: Sequence[bool], patient_ids: Sequence[str], *, settings: StudySettings) -> np.ndarray:
    """Give each breast its test fold ``[N]``, all breasts of a patient the same, lesions spread evenly.

    Raises:
        ValueError: there are too few patients with, or without, a lesion-bearing breast for the folds.
    """
    for kind, words in ((True, "with a lesion"), (False, "without a lesion")):
        patients = {patient for patient, label in zip(patient_ids, has_lesion, strict=True) if label == kind}
        if len(patients) < settings.folds:
            raise ValueError(
                f"{len(patients)} patients have a breast {words}, {settings.folds} folds need as many at least: take a "
                "collection with more of them, or fewer --folds"
            )
    splitter = StratifiedGroupKFold(settings.folds, shuffle=True, random_state=settings.seed)
    folds = np.empty(len(has_lesion), dtype=np.int64)
    labels = np.asarray(has_lesion, dtype=np.int64)
    for number, (_, test) in enumerate(splitter.split(np.zeros(len(labels)), labels, groups=np.asarray(patient_ids))):
        folds[test] = number
    for number in range(settings.folds):
        if len(np.unique(labels[folds == number])) < 2 or len(np.unique(labels[folds != number])) < 2:
            raise ValueError(
                f"fold {number + 1} of {settings.folds} has no breasts of both kinds: take more breasts, fewer "
                "--folds, or another --seed"
            )
    return folds


def views_of(breasts: Breasts, views: Views) -> Tensor:
    """Give what the classifier sees, ``[N, V, H, W]``."""
    second = {Views.TWICE: breasts.source, Views.SYNTHETIC: breasts.synthetic, Views.REAL: breasts.real}
    return breasts.source if views is Views.ONE else torch.cat([breasts.source, second[views]], dim=1)


def compare_views(
    breasts: Breasts,
    *,
    settings: StudySettings,
    device: torch.device,
    advance: Callable[[], object] = lambda: None,
) -> DirectionResult:
    """Cross-validate the classifier on each kind of input.

    Args:
        breasts: of one direction.
        settings: of the study.
        device: where the classifiers are trained.
        advance: called after each trained classifier.

    Raises:
        ValueError: too few patients for the folds, or a classifier that has broken down.
    """
    folds = patient_folds(breasts.has_lesion, breasts.patient_ids, settings=settings)
    scores = {
        views: out_of_fold_scores(
            views_of(breasts, views),
            breasts.has_lesion,
            folds,
            settings=settings,
            device=device,
            advance=advance,
        )
        for views in Views
    }
    auc = FoldwiseAuc(
        has_lesion=breasts.has_lesion,
        patient_ids=breasts.patient_ids,
        folds=folds.tolist(),
        resamples=settings.resamples,
        seed=settings.seed,
    )
    return DirectionResult(
        breasts=len(folds),
        with_lesion=sum(breasts.has_lesion),
        patients=auc.patients,
        auc={views: auc.interval(scores[views].tolist()) for views in Views},
        differences={
            (one, other): auc.difference(scores[one].tolist(), scores[other].tolist()) for one, other in COMPARISONS
        },
        scores=scores,
        folds=folds,
    )


def out_of_fold_scores(
    images: Tensor,
    has_lesion: Sequence[bool],
    folds: np.ndarray,
    *,
    settings: StudySettings,
    device: torch.device,
    advance: Callable[[], object] = lambda: None,
) -> np.ndarray:
    """Score each breast by classifiers that were trained on the other folds: mean logit ``[N]``.

    Args:
        images: ``[N, V, H, W]``.
        has_lesion: ``[N]``.
        folds: ``[N]``, from `patient_folds`.
        settings: of the study.
        device: where the classifiers are trained.
        advance: called after each trained classifier.
    """
    labels = torch.tensor(has_lesion, dtype=torch.float32)
    scores = np.zeros(len(labels))
    for fold in np.unique(folds):
        training, test = (torch.from_numpy(np.flatnonzero(chosen)) for chosen in (folds != fold, folds == fold))
        for number in range(settings.networks):
            network = train_classifier(
                images[training], labels[training], settings=settings, seed=settings.seed + number, device=device
            )
            scores[test.numpy()] += _logits(network, images[test], device=device) / settings.networks
            advance()
    return scores


def train_classifier(
    images: Tensor, labels: Tensor, *, settings: StudySettings, seed: int, device: torch.device
) -> LesionClassifier:
    """Train one classifier on breasts ``[N, V, H, W]`` with labels ``[N]`` in {0, 1}; same seed, same network."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = LesionClassifier(views=images.shape[1]).to(device)
    positive = float(labels.sum())
    # Both kinds weigh the same, however rare one is.
    loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor((len(labels) - positive) / positive, device=device))
    steps = settings.epochs * max(1, len(labels) // settings.batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=settings.learning_rate, total_steps=steps)
    network.train()
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < min(settings.batch_size, len(labels)):
            order = torch.randperm(len(labels), generator=generator)
        chosen, order = order[: settings.batch_size], order[settings.batch_size :]
        batch = _shifted(images[chosen], generator)
        optimizer.zero_grad(set_to_none=True)
        loss(network(batch.to(device)), labels[chosen].to(device)).backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift all views of a batch ``[B, V, H, W]`` alike by a drawn number of pixels, zeros coming in."""
    height, width = images.shape[2:]
    down, right = torch.randint(0, 2 * _LARGEST_SHIFT_PX + 1, (2,), generator=generator).tolist()
    return nn.functional.pad(images, [_LARGEST_SHIFT_PX] * 4)[:, :, down : down + height, right : right + width]


@torch.inference_mode()
def _logits(network: LesionClassifier, images: Tensor, *, device: torch.device) -> np.ndarray:
    return torch.cat([network(some.to(device)).cpu() for some in images.split(32)]).double().numpy()


def run_study(
    load: Callable[[Direction], Breasts],
    *,
    settings: StudySettings,
    device: torch.device,
    show_progress: bool = True,
) -> dict[Direction, DirectionResult]:
    """Do the study in both directions, with a bar of the trained classifiers.

    Args:
        load: gives the breasts of a direction; one direction is in memory at a time.
        settings: of the study.
        device: where the classifiers are trained.
        show_progress: with a bar.
    """
    total = len(Direction) * len(Views) * settings.folds * settings.networks
    results = {}
    with tqdm(total=total, desc="classifiers", unit="classifier", disable=not show_progress) as bar:
        for direction in Direction:
            results[direction] = compare_views(load(direction), settings=settings, device=device, advance=bar.update)
    return results


def study_table(results: Mapping[Direction, DirectionResult]) -> str:
    """Lay out the results as Markdown: a row per kind of input or difference, a column per direction."""
    columns = [f"only the {direction.source} at hand" for direction in results]
    lines = [f"| AUC [95 % interval over patients] | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    for views in Views:
        cells = [_cell(result.auc[views]) for result in results.values()]
        lines.append(f"| {TITLES[views]} | {' | '.join(cells)} |")
    for one, other in COMPARISONS:
        cells = [_cell(result.differences[one, other], sign="+") for result in results.values()]
        lines.append(f"| difference: {TITLES[one]} - {TITLES[other]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def verdict(differences: Mapping[tuple[Views, Views], Interval]) -> str:
    """Say in one sentence what the differences of one direction tell.

    Both second views are measured against the same view twice, which gives the classifier as many inputs.
    """
    real, synthetic = differences[Views.REAL, Views.TWICE], differences[Views.SYNTHETIC, Views.TWICE]
    if not _is_above_zero(real):
        return (
            "not even the real second view helps measurably: these breasts are too few or too hard for the classifier, "
            "and nothing can be said about the synthetic one."
        )
    bounds = _cell(synthetic, sign="+")
    if _is_above_zero(synthetic):
        return f"a synthetic view helps here: {bounds} against the same view twice."
    if synthetic.high is not None and synthetic.high < 0:
        return f"a synthetic view harms here: {bounds} against the same view twice."
    return f"a synthetic view makes no difference that shows: {bounds} against the same view twice."


def study_document(results: Mapping[Direction, DirectionResult], *, settings: StudySettings) -> dict[str, Any]:
    """Give everything as plain values for a JSON file."""
    return {
        "settings": asdict(settings),
        "directions": {
            direction.value: {
                "breasts": result.breasts,
                "with_lesion": result.with_lesion,
                "patients": result.patients,
                "auc": {views.value: asdict(interval) for views, interval in result.auc.items()},
                "differences": {
                    f"{one.value}-{other.value}": asdict(interval)
                    for (one, other), interval in result.differences.items()
                },
            }
            for direction, result in results.items()
        },
    }


def _is_above_zero(interval: Interval) -> bool:
    return interval.low is not None and interval.low > 0


def _cell(interval: Interval, *, sign: str = "") -> str:
    bounds = "" if interval.low is None else f" [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"
    return f"{interval.mean:{sign}.3f}{bounds}"
