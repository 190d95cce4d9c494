"""AUC of cross-validated scores against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bundle.evaluation.bootstrap import tail
from bundle.usefulness.auc import FoldwiseAuc


def _one_fold(labels, patients, resamples=300):
    return FoldwiseAuc(has_lesion=labels, patient_ids=patients, folds=[0] * len(labels), resamples=resamples, seed=3)


def test_one_fold_is_scikit_learns_auc_with_ties() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(60) < 0.7
    scores = np.round(rng.normal(labels, 1.5), 1)
    auc = _one_fold(labels.tolist(), [f"p{k // 2}" for k in range(60)])
    assert auc.interval(scores.tolist()).mean == pytest.approx(roc_auc_score(labels, scores))


def test_interval_is_that_of_drawn_patients_scored_by_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    labels, patient = rng.random(40) < 0.5, np.arange(40) // 2
    scores, others = rng.normal(labels, 1.0), rng.normal(labels, 2.0)
    auc = _one_fold(labels.tolist(), [f"p{k:02d}" for k in patient])
    draws = np.random.default_rng(3).multinomial(20, np.full(20, 1 / 20), 300)[:, patient]
    drawn, drawn_others = (
        np.array([roc_auc_score(labels, values, sample_weight=draw) for draw in draws]) for values in (scores, others)
    )
    bounds = [tail(20), 1 - tail(20)]
    interval, difference = auc.interval(scores.tolist()), auc.difference(scores.tolist(), others.tolist())
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(drawn, bounds)))
    assert (difference.low, difference.high) == pytest.approx(tuple(np.quantile(drawn - drawn_others, bounds)))


def test_only_breasts_of_one_fold_are_compared() -> None:
    # Within each fold the order is right; the second fold's scores all lie above the first's.
    auc = FoldwiseAuc(
        has_lesion=[True, False, True, False], patient_ids=list("abcd"), folds=[0, 0, 1, 1], resamples=200, seed=0
    )
    assert auc.interval([1.0, 0.0, 11.0, 10.0]).mean == 1.0
    # By hand: the first fold's pair is the wrong way round, the second's is a tie.
    assert auc.interval([0.0, 1.0, 10.0, 10.0]).mean == 0.25


def test_a_scoring_does_not_differ_from_itself_nor_from_its_order() -> None:
    labels = [True, False] * 10
    scores = np.random.default_rng(0).normal(size=20)
    auc = _one_fold(labels, [f"p{k}" for k in range(20)])
    for others in (scores, np.exp(scores)):
        difference = auc.difference(scores.tolist(), others.tolist())
        assert (difference.mean, difference.low, difference.high) == (0.0, 0.0, 0.0)


def test_one_patient_tells_nothing_about_others() -> None:
    interval = _one_fold([True, False], ["p", "p"]).interval([1.0, 0.0])
    assert (interval.mean, interval.low, interval.high) == (1.0, None, None)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="no fold holds breasts with and without"):
        _one_fold([True, True], ["a", "b"])
    with pytest.raises(ValueError, match="2 labels, 1 patients"):
        _one_fold([True, False], ["a"])
    with pytest.raises(ValueError, match="resamples is 5"):
        _one_fold([True, False], ["a", "b"], resamples=5)
    auc = _one_fold([True, False], ["a", "b"])
    with pytest.raises(ValueError, match="3 scores for 2 breasts"):
        auc.interval([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="NaN or infinite"):
        auc.interval([1.0, float("nan")])
