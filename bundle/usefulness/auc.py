"""The area under the ROC curve of scores from cross-validation, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bundle.evaluation.bootstrap import Interval, tail


class FoldwiseAuc:
    """AUC of several scorings of the same breasts, with bootstrap intervals over patients.

    The AUC is the share of pairs of a breast with and one without a lesion in which the first has the higher score
    (Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747), ties counted half. Only pairs of one fold are
    compared: scores of different folds come from different networks.

    Patients are drawn with replacement and bring all their breasts along; all scorings meet the same draws, so that
    differences are paired. The networks are not trained again per draw: an interval tells how sure the figure is
    for other patients, not for other networks.

    Args:
        has_lesion: per breast ``[N]``.
        patient_ids: whose breast, as many.
        folds: in which fold the breast was tested, as many.
        resamples: number of draws.
        seed: of the draws.

    Raises:
        ValueError: numbers that disagree, or no fold with both kinds of breasts.
    """

    def __init__(
        self,
        *,
        has_lesion: Sequence[bool],
        patient_ids: Sequence[str],
        folds: Sequence[int],
        resamples: int,
        seed: int,
    ) -> None:
        if not len(has_lesion) == len(patient_ids) == len(folds):
            raise ValueError(
                f"{len(has_lesion)} labels, {len(patient_ids)} patients and {len(folds)} folds: as many are needed"
            )
        if resamples < 100:
            raise ValueError(f"resamples is {resamples}: an interval needs at least 100, better 2000")
        labels, fold = np.asarray(has_lesion, dtype=bool), np.asarray(folds)
        self.positive, self.negative = np.flatnonzero(labels), np.flatnonzero(~labels)
        self.compared = fold[self.positive][:, None] == fold[self.negative][None, :]
        if not self.compared.any():
            raise ValueError("no fold holds breasts with and without a lesion: there is nothing to compare")
        patients, patient = np.unique(np.asarray(patient_ids), return_inverse=True)
        self.patients = len(patients)
        # How often each breast occurs in a draw of as many patients: [resamples, N]
        draws = np.random.default_rng(seed).multinomial(
            self.patients, np.full(self.patients, 1 / self.patients), resamples
        )
        self._weights = draws[:, patient].astype(np.float64)

    def interval(self, scores: Sequence[float]) -> Interval:
        """AUC of one scoring.

        Args:
            scores: one finite number per breast, higher for a lesion.

        Raises:
            ValueError: a number too many or too few, or one that is not finite.
        """
        return self._interval(self._concordance(scores))

    def difference(self, scores: Sequence[float], others: Sequence[float]) -> Interval:
        """AUC of one scoring less that of another; arguments and errors as in `interval`."""
        return self._interval(self._concordance(scores) - self._concordance(others))

    def _concordance(self, scores: Sequence[float]) -> np.ndarray:
        """1, 0.5 or 0 per pair with and without a lesion ``[P, Q]``, 0 where they are not compared."""
        values = np.asarray(scores, dtype=np.float64)
        if len(values) != self._weights.shape[1]:
            raise ValueError(f"{len(values)} scores for {self._weights.shape[1]} breasts")
        if not np.isfinite(values).all():
            raise ValueError("a score is NaN or infinite: the classifier has broken down; train it with fewer epochs")
        ahead = values[self.positive][:, None] - values[self.negative][None, :]
        return np.where(self.compared, 0.5 + 0.5 * np.sign(ahead), 0.0)

    def _interval(self, concordance: np.ndarray) -> Interval:
        mean = float(concordance.sum() / self.compared.sum())
        n = self._weights.shape[1]
        if self.patients == 1:
            return Interval(mean=mean, low=None, high=None, n=n)
        with_lesion, without = self._weights[:, self.positive], self._weights[:, self.negative]
        pairs = ((with_lesion @ self.compared) * without).sum(axis=1)
        drawn = ((with_lesion @ concordance) * without).sum(axis=1)[pairs > 0] / pairs[pairs > 0]
        outside = tail(self.patients)
        low, high = np.quantile(drawn, [outside, 1 - outside])
        return Interval(mean=mean, low=float(low), high=float(high), n=n)
