"""Which features survive small changes of the mask and noise, over the training lesions of a prepared collection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from tqdm import tqdm

from bundle.collection.files import write_table
from bundle.collection.prepared_table import files_of_view, read_pairs
from bundle.imaging.resampling import resample_image, resample_mask
from bundle.preparation import PreparedFiles, load_prepared
from bundle.radiomics.extraction import extract_features
from bundle.radiomics.features import FEATURE_NAMES, FEATURES_OF_CLASS
from bundle.radiomics.regions import region_generator
from bundle.radiomics.settings import RadiomicsSettings, settings_from_dict
from bundle.radiomics.stability import CHANGES, changed, concordance
from bundle.vocabulary import Split, ViewPosition

LEAST_CONCORDANCE = 0.9
"""A feature survives where no change takes its concordance below this."""
LEAST_LESIONS = 10
"""With fewer lesions a coefficient of concordance says nothing."""


@dataclass(frozen=True, kw_only=True)
class Stability:
    """How well each feature agrees with itself.

    Args:
        spacing_mm: of the images; the masks change by one pixel of it.
        lesions: lesions, one count per view, that have features before and after each change.
        patients: number of patients whom they belong to.
        left_out: lesions that a change made too small or too flat, or that were so before.
        concordance: float64 ``[features]`` in the order of `FEATURE_NAMES`, by the names in `CHANGES`.
    """

    spacing_mm: float
    lesions: int
    patients: int
    left_out: int
    concordance: Mapping[str, np.ndarray]

    @property
    def least(self) -> np.ndarray:
        """The least coefficient over the changes: float64 ``[features]``, NaN where there is none."""
        return np.min([self.concordance[change] for change in CHANGES], axis=0)

    @property
    def survives(self) -> np.ndarray:
        """Whether no change takes the feature's coefficient below the bound: bool ``[features]``."""
        return self.least >= LEAST_CONCORDANCE

    def write(self, path: Path) -> None:
        """Write a CSV file with a row per feature."""
        least, survives = self.least, self.survives
        write_table(
            path,
            columns=("feature", *CHANGES, "least", "survives"),
            rows=(
                (
                    *(name, *(float(self.concordance[change][index]) for change in CHANGES)),
                    *(float(least[index]), "true" if survives[index] else "false"),
                )
                for index, name in enumerate(FEATURE_NAMES)
            ),
        )

    def lines(self) -> list[str]:
        """Say it as a table: how many features of each class survive each change, and which do not survive all."""
        classes = np.array([name.partition("_")[0] for name in FEATURE_NAMES])
        survives = {
            **{change: self.concordance[change] >= LEAST_CONCORDANCE for change in CHANGES},
            "all": self.survives,
        }
        lines = [
            f"{self.lesions} lesions of {self.patients} patients of the training split at {self.spacing_mm:g} mm "
            f"({self.left_out} left out: too small or too flat)",
            f"features with a concordance of {LEAST_CONCORDANCE:g} or more, by change of one pixel and by noise",
            "".join(f"{title:>14}" for title in ("class", "features", *survives)),
        ]
        for name in (*FEATURES_OF_CLASS, "together"):
            members = (classes == name) | (name == "together")
            counts = [int(np.count_nonzero(each[members])) for each in survives.values()]
            lines.append("".join(f"{cell:>14}" for cell in (name, int(members.sum()), *counts)))
        falling = [
            f"{FEATURE_NAMES[index]} ({self.least[index]:.2f})"
            for index in np.argsort(self.least)
            if not self.survives[index]
        ]
        lines.append(f"do not survive, worst first: {', '.join(falling) or 'none'}")
        return lines


def measure_stability(prepared: Path, *, spacing_mm: float | None, seed: int, workers: int) -> Stability:
    """Change each training lesion's mask and image a little and compare the features.

    Only the training split: what is chosen by it must not have seen the others.

    Args:
        prepared: folder that ``scripts.prepare`` wrote.
        spacing_mm: at which the features are extracted; None for the prepared views' own.
        seed: of the noise.
        workers: views worked on at once; -1 for one per core.

    Raises:
        FileNotFoundError: the folder holds no prepared collection.
        ValueError: its tables or views cannot be read, the spacing is finer than the views', or lesions are too few.
    """
    pairs = read_pairs(prepared, required=("pair_id", "patient_id", "split"))
    settings, prepared_mm = _settings(prepared)
    spacing_mm = prepared_mm if spacing_mm is None else spacing_mm
    if spacing_mm < prepared_mm:
        raise ValueError(
            f"the views of {prepared} have {prepared_mm:g} mm and no finer detail; prepare them with "
            f"--spacing_mm {spacing_mm:g}, or give a coarser one"
        )
    views = [
        (row["patient_id"], f"{row['pair_id']}_{position}", files_of_view(row, position, prepared=prepared))
        for row in pairs
        if row["split"] == Split.TRAINING
        for position in ViewPosition
    ]
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        results = joblib.Parallel(n_jobs=workers, return_as="generator", batch_size=1)(
            joblib.delayed(_view_features)(files, name=name, spacing_mm=spacing_mm, seed=seed, settings=settings)
            for _, name, files in views
        )
        vectors: list[np.ndarray] = []
        patients: set[str] = set()
        left_out = 0
        for (patient_id, _, _), (found, missing) in zip(
            views, tqdm(results, total=len(views), desc="views", unit="view"), strict=True
        ):
            vectors.extend(found)
            patients.update([patient_id] if found else [])
            left_out += missing
    if len(vectors) < LEAST_LESIONS:
        raise ValueError(
            f"{len(vectors)} lesions of the training split of {prepared} have features before and after all changes "
            f"at {spacing_mm:g} mm ({left_out} are too small or too flat); at least {LEAST_LESIONS} are needed"
        )
    table = np.stack(vectors)  # [lesions, 1 + changes, features]
    return Stability(
        spacing_mm=spacing_mm,
        lesions=len(vectors),
        patients=len(patients),
        left_out=left_out,
        concordance={
            change: concordance(table[:, 0], table[:, index]) for index, change in enumerate(CHANGES, start=1)
        },
    )


def _settings(prepared: Path) -> tuple[RadiomicsSettings, float]:
    path = prepared / "preparation.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        radiomics = {name: value for name, value in document["radiomics"].items() if name != "settings_hash"}
        return settings_from_dict(radiomics), float(document["preparation"]["spacing_mm"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({type(error).__name__}); prepare the collection again") from None


def _view_features(
    files: PreparedFiles, *, name: str, spacing_mm: float, seed: int, settings: RadiomicsSettings
) -> tuple[list[np.ndarray], int]:
    """Give each lesion's vectors, float64 ``[1 + changes, features]``, and how many lesions have not all of them."""
    view = load_prepared(files)
    own_mm = view.geometry.spacing_mm
    image = resample_image(view.image, spacing_mm=own_mm, target_spacing_mm=spacing_mm)
    breast = resample_mask(view.breast, spacing_mm=own_mm, target_spacing_mm=spacing_mm)
    generator = region_generator(seed=seed, name=name)
    found: list[np.ndarray] = []
    numbers = range(1, int(view.lesions.max(initial=0)) + 1)
    for number in numbers:
        mask = resample_mask(view.lesions == number, spacing_mm=own_mm, target_spacing_mm=spacing_mm)
        regions = [(image, mask), *changed(image, mask, breast, generator=generator).values()]
        try:
            vectors = [extract_features(*each, spacing_mm=spacing_mm, settings=settings) for each in regions]
        except ValueError:  # counted; the reason stands in rejected.csv where the lesion itself has no features
            continue
        found.append(np.stack(vectors))
    return found, len(numbers) - len(found)
