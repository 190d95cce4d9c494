"""Folds by patient, a classifier that learns what there is to see, and the table."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from bundle.evaluation.bootstrap import Interval
from bundle.usefulness.breasts import Breasts
from bundle.usefulness.study import (
    COMPARISONS,
    StudySettings,
    Views,
    compare_views,
    patient_folds,
    run_study,
    study_document,
    study_table,
    verdict,
    views_of,
)
from bundle.vocabulary import Direction

CPU = torch.device("cpu")
QUICK = StudySettings(folds=2, epochs=25, batch_size=8, resamples=200)


def made_breasts(*, count: int = 48, seen_in: tuple[str, ...] = ("real",), seed: int = 0) -> Breasts:
    """Grey noise; a lesion is a bright blob at a drawn place of the named views."""
    rng = np.random.default_rng(seed)
    labels = [bool(k % 3) for k in range(count)]
    views = {}
    for name in ("source", "real", "synthetic"):
        pixels = rng.normal(0.3, 0.05, (count, 1, 32, 32)).astype(np.float32)
        for k in np.flatnonzero(labels):
            if name in seen_in:
                row, column = rng.integers(4, 22, 2)
                pixels[k, 0, row : row + 6, column : column + 6] += 0.6
        views[name] = torch.from_numpy(pixels)
    return Breasts(
        patient_ids=tuple(f"P_{k // 2:03d}" for k in range(count)),
        pair_ids=tuple(f"P_{k // 2:03d}_{'LR'[k % 2]}" for k in range(count)),
        has_lesion=tuple(labels),
        **views,
    )


@settings(max_examples=40, deadline=None)
@given(
    patients=st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=40, max_size=120), seed=st.integers(0, 99)
)
def test_no_patient_stands_in_two_folds(patients: list[tuple[int, bool]], seed: int) -> None:
    ids, labels = [f"P{number}" for number, _ in patients], [label for _, label in patients]
    try:
        folds = patient_folds(labels, ids, settings=StudySettings(folds=3, seed=seed))
    except ValueError:
        reject()  # too few of a kind were drawn
    for patient in set(ids):
        assert len({int(fold) for fold, other in zip(folds, ids, strict=True) if other == patient}) == 1
    for fold in range(3):
        assert {label for label, at in zip(labels, folds, strict=True) if at == fold} == {True, False}
        assert {label for label, at in zip(labels, folds, strict=True) if at != fold} == {True, False}


def test_too_few_patients_of_a_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="0 patients have a breast without a lesion, 5 folds need"):
        patient_folds([True] * 12, [f"P{k}" for k in range(12)], settings=StudySettings())


def test_what_the_classifier_sees() -> None:
    breasts = made_breasts(count=6)
    assert torch.equal(views_of(breasts, Views.ONE), breasts.source)
    for views, second in (
        (Views.TWICE, breasts.source),
        (Views.SYNTHETIC, breasts.synthetic),
        (Views.REAL, breasts.real),
    ):
        seen = views_of(breasts, views)
        assert torch.equal(seen[:, :1], breasts.source)
        assert torch.equal(seen[:, 1:], second)


def test_a_lesion_that_only_the_real_target_shows_is_found_in_the_real_pair_alone() -> None:
    result = compare_views(made_breasts(), settings=QUICK, device=CPU)
    assert result.auc[Views.REAL].mean > 0.9
    for views in (Views.ONE, Views.TWICE, Views.SYNTHETIC):
        assert 0.2 < result.auc[views].mean < 0.8  # there is nothing to see
    for other in (Views.ONE, Views.TWICE):
        difference = result.differences[Views.REAL, other]
        assert difference.low is not None
        assert difference.low > 0
    assert (result.breasts, result.with_lesion, result.patients) == (48, 32, 24)


@pytest.mark.parametrize(
    ("real", "synthetic", "sentence"),
    [
        ((0.10, 0.02, 0.18), (0.05, 0.01, 0.09), "a synthetic view helps here: +0.050"),
        ((0.10, 0.02, 0.18), (-0.05, -0.09, -0.01), "a synthetic view harms here: -0.050"),
        ((0.10, 0.02, 0.18), (0.05, -0.01, 0.09), "a synthetic view makes no difference that shows"),
        ((0.10, -0.02, 0.18), (0.05, 0.01, 0.09), "not even the real second view helps measurably"),
        ((0.10, None, None), (0.05, None, None), "not even the real second view helps measurably"),
    ],
)
def test_the_verdict_needs_a_real_view_that_helps(real, synthetic, sentence: str) -> None:
    def interval(mean, low, high) -> Interval:
        return Interval(mean=mean, low=low, high=high, n=10)

    differences = dict.fromkeys(COMPARISONS, interval(0.0, -0.1, 0.1))
    differences[Views.REAL, Views.TWICE] = interval(*real)
    differences[Views.SYNTHETIC, Views.TWICE] = interval(*synthetic)
    assert sentence in verdict(differences)


def test_a_second_input_alone_does_not_count_as_help_of_the_real_view() -> None:
    clear, none = (
        Interval(mean=0.1, low=0.02, high=0.18, n=10),
        Interval(mean=0.0, low=-0.1, high=0.1, n=10),
    )
    differences = dict.fromkeys(COMPARISONS, clear) | {(Views.REAL, Views.TWICE): none}
    assert "not even the real second view helps measurably" in verdict(differences)


def test_same_seed_same_scores_whatever_was_drawn_before() -> None:
    breasts, quick = made_breasts(count=16), StudySettings(folds=2, networks=2, epochs=1, batch_size=8)
    one = compare_views(breasts, settings=quick, device=CPU)
    torch.rand(7)
    state = torch.random.get_rng_state()
    other = compare_views(breasts, settings=quick, device=CPU)
    assert torch.equal(torch.random.get_rng_state(), state)
    another = compare_views(
        breasts, settings=StudySettings(folds=2, networks=2, epochs=1, batch_size=8, seed=1), device=CPU
    )
    for views in Views:
        np.testing.assert_array_equal(one.scores[views], other.scores[views])
        assert not np.array_equal(one.scores[views], another.scores[views])


def test_the_study_counts_its_classifiers_and_gives_a_table_and_plain_values(capsys) -> None:
    quick = StudySettings(folds=2, epochs=1, batch_size=8)
    results = run_study(lambda _: made_breasts(count=16), settings=quick, device=CPU)
    assert "16/16" in capsys.readouterr().err  # 2 directions, 4 kinds of input, 2 folds
    lines = study_table(results).splitlines()
    assert len(lines) == 2 + len(Views) + len(COMPARISONS)
    assert {line.count("|") for line in lines} == {4}
    document = json.loads(json.dumps(study_document(results, settings=quick), allow_nan=False))
    for direction in Direction:
        of_direction = document["directions"][direction.value]
        real = results[direction].auc[Views.REAL]
        assert of_direction["auc"]["with_real"]["mean"] == real.mean
        expected = real.mean - results[direction].auc[Views.ONE].mean
        assert of_direction["differences"]["with_real-one_view"]["mean"] == pytest.approx(expected)


@pytest.mark.parametrize(
    "changes", [{"folds": 1}, {"networks": 0}, {"epochs": 0}, {"batch_size": 1}, {"resamples": 99}, {"seed": -1}]
)
def test_settings_out_of_range_are_refused(changes: dict[str, int]) -> None:
    (name,) = changes
    with pytest.raises(ValueError, match=f"{name} is"):
        StudySettings(**changes)
