"""What a collection holds, counted from its catalogue alone: no pixel is read.

A *breast* has one or two views; with both it is a complete *pair*. A lesion is seen in both views when they name it by
the same identifier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bundle.datasets.pairing import BreastViews, pair_views
from bundle.records import Lesion, View
from bundle.vocabulary import Laterality

NONE = "none"
"""The group of what has no value: a view without lesions, a film without density."""

COLUMNS = (
    *("patient_id", "laterality", "view", "pair_id", "official_split", "density", "assessment"),
    *("abnormality", "pathology", "lesion_ids", "lesion_ids_in_both_views", "flags", "image"),
)
"""Of ``catalogue.csv``; several values in one field are separated by semicolons."""

BreastKey = tuple[str, str, Laterality]
"""Patient, examination, side."""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """The views of a collection, and which of them make pairs."""

    views: tuple[View, ...]
    pairs: tuple[BreastViews, ...]

    @classmethod
    def of(cls, views: Iterable[View]) -> Catalogue:
        """Pair the views as the preparation does."""
        listed = tuple(views)
        return cls(views=listed, pairs=tuple(pair_views(listed)[0]))


@dataclass(frozen=True, kw_only=True)
class Count:
    """One line of the counts: all views, or those of a group.

    Args:
        criterion: what the views are grouped by.
        group: the value that they share.
        views: number of views that have it, themselves or in one of their lesions.
        breasts: number of breasts with such a view.
        pairs: number of such breasts with both views.
        lesions: number of lesions that have it, in one view or both.
        lesions_in_both_views: number of those that both views name.
    """

    criterion: str
    group: str
    views: int
    breasts: int
    pairs: int
    lesions: int
    lesions_in_both_views: int


@dataclass
class _Members:
    views: set[View] = field(default_factory=set)
    breasts: set[BreastKey] = field(default_factory=set)
    lesions: set[tuple[BreastKey, str]] = field(default_factory=set)


_CRITERIA: dict[str, Callable[[View, Lesion | None], Sequence[str]]] = {
    "all": lambda view, lesion: ("",),
    "abnormality": lambda view, lesion: (lesion.abnormality if lesion else NONE,),
    "official split": lambda view, lesion: view.official_splits or (NONE,),
    "density": lambda view, lesion: (view.density or NONE,),
    "BI-RADS": lambda view, lesion: ((lesion.assessment if lesion else "") or view.assessment or NONE,),
    "pathology": lambda view, lesion: ((lesion.pathology if lesion else "") or NONE,),
}


def count_groups(catalogue: Catalogue) -> list[Count]:
    """Count views, breasts, pairs and lesions: all, and by each criterion's groups in order of their names.

    Official split and density are a view's, the other criteria a lesion's. A breast counts in every group that one of
    its views belongs to, and a lesion in every group that it or its view belongs to in one of the two views, so that a
    criterion's groups can sum to more than all.
    """
    complete = {_breast(pair.cc) for pair in catalogue.pairs}
    in_both = {(_breast(pair.cc), lesion_id) for pair in catalogue.pairs for lesion_id in lesions_in_both_views(pair)}
    counts: list[Count] = []
    for criterion, groups_of in _CRITERIA.items():
        members: dict[str, _Members] = {}
        for view in catalogue.views:
            breast = _breast(view)
            for lesion in view.lesions or (None,):
                for group in groups_of(view, lesion):
                    of_group = members.setdefault(str(group), _Members())
                    of_group.views.add(view)
                    of_group.breasts.add(breast)
                    if lesion:
                        of_group.lesions.add((breast, lesion.lesion_id))
        counts.extend(
            Count(
                criterion=criterion,
                group=group,
                views=len(of_group.views),
                breasts=len(of_group.breasts),
                pairs=len(of_group.breasts & complete),
                lesions=len(of_group.lesions),
                lesions_in_both_views=len(of_group.lesions & in_both),
            )
            for group, of_group in sorted(members.items())
        )
    return counts


def _breast(view: View) -> BreastKey:
    return view.patient_id, view.study_id, view.laterality


def lesions_in_both_views(pair: BreastViews) -> tuple[str, ...]:
    """Give the identifiers that both views name, sorted."""
    return tuple(sorted({each.lesion_id for each in pair.cc.lesions} & {each.lesion_id for each in pair.mlo.lesions}))


def catalogue_rows(catalogue: Catalogue, *, source: Path) -> list[Sequence[object]]:
    """Give the rows of ``catalogue.csv``, one per view, with `COLUMNS`; files are named relative to the source."""
    root = source.resolve()
    pairs = {_breast(pair.cc): pair for pair in catalogue.pairs}
    rows: list[Sequence[object]] = []
    for view in catalogue.views:
        pair = pairs.get(_breast(view))
        in_pair = pair if pair and view in (pair.cc, pair.mlo) else None
        in_both = lesions_in_both_views(in_pair) if in_pair else ()
        image = view.image_path.relative_to(root) if view.image_path.is_relative_to(root) else view.image_path
        assessments = [lesion.assessment for lesion in view.lesions]
        rows.append(
            (
                *(view.patient_id, view.laterality, view.view_position, in_pair.pair_id if in_pair else ""),
                *(_joined(view.official_splits), view.density, _joined([*assessments, view.assessment])),
                _joined(lesion.abnormality for lesion in view.lesions),
                _joined(lesion.pathology for lesion in view.lesions),
                _joined(lesion.lesion_id for lesion in view.lesions),
                *(_joined(in_both), _joined([*view.flags, *(in_pair.flags if in_pair else ())]), image),
            )
        )
    return rows


def _joined(values: Iterable[str]) -> str:
    """Join different values in order of appearance, without the empty ones."""
    return ";".join(dict.fromkeys(value for value in values if value))


def choose_pairs(
    pairs: Sequence[BreastViews], *, number: int | None, abnormality: str | None, seed: int
) -> list[BreastViews]:
    """Choose some complete pairs.

    Pairs are ranked by a hash of seed and identifier, so that a larger number with the same seed keeps what a smaller
    one chose: what was downloaded for a first experiment serves the next.

    Args:
        pairs: the complete pairs.
        number: how many to choose; None for all.
        abnormality: only pairs of which both views show one lesion of this type; None for all.
        seed: another one chooses other pairs.

    Returns:
        The chosen pairs sorted by identifier.

    Raises:
        ValueError: there is no such abnormality, or there are fewer pairs than wanted.
    """
    wanted = [pair for pair in pairs if abnormality is None or abnormality in _abnormalities_in_both_views(pair)]
    if not wanted:
        known = sorted({kind for pair in pairs for kind in _abnormalities_in_both_views(pair)})
        raise ValueError(
            f"no complete pair shows a lesion of type {abnormality!r} in both views; the types are "
            f"{', '.join(known) or NONE}"
        )
    if number is None:
        number = len(wanted)
    if not 0 < number <= len(wanted):
        raise ValueError(f"{number} pairs are wanted; it must be 1 to {len(wanted)}, the complete pairs of that kind")
    ranked = sorted(wanted, key=lambda pair: hashlib.sha256(f"{seed}/{pair.pair_id}".encode()).digest())
    return sorted(ranked[:number], key=lambda pair: pair.pair_id)


def _abnormalities_in_both_views(pair: BreastViews) -> set[str]:
    in_both = set(lesions_in_both_views(pair))
    return {lesion.abnormality for lesion in pair.cc.lesions if lesion.lesion_id in in_both}


def manifest_lines(series_uids: Iterable[str], *, name: str) -> list[str]:
    """Give the lines of a manifest of the NBIA Data Retriever, The Cancer Imaging Archive's download tool.

    Args:
        series_uids: Series Instance UIDs (0020,000E).
        name: of the manifest, without blanks.
    """
    return [
        "downloadServerUrl=https://public.cancerimagingarchive.net/nbia-download/servlet/DownloadServlet",
        "includeAnnotation=true",
        "noOfrRetry=4",
        f"databasketId={name}",
        "manifestVersion=3.0",
        "ListOfSeriesToDownload=",
        *dict.fromkeys(series_uids),
    ]
