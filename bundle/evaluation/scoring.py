"""The scores of a test case: every method's synthetic view against the real target view."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from bundle.evaluation.cases import Case
from bundle.evaluation.features import OF_CONTENT, lesion_vector, radiomic_vector
from bundle.evaluation.real_views import BlobLevels
from bundle.metrics.absolute_error import mean_absolute_error
from bundle.metrics.blobs import blob_contrasts
from bundle.metrics.breast_shape import dice, find_breast, nipple_position
from bundle.metrics.checking import checked_pair
from bundle.metrics.density import dense_percent, dense_threshold
from bundle.metrics.depth_profile import depth_profile, profile_distance_mm
from bundle.metrics.in_breast import in_breast, in_breast_ms_ssim
from bundle.metrics.lesion import depth_mm, find_lesion, lesion_contrast, regions
from bundle.metrics.psnr import psnr_db
from bundle.metrics.reference_protocol import reference_scores
from bundle.metrics.spectrum import spectrum
from bundle.metrics.ssim import ssim_map
from bundle.networks.standardizer import RadiomicsStandardizer
from bundle.radiomics.features import FEATURE_NAMES
from bundle.radiomics.settings import RadiomicsSettings
from bundle.vocabulary import Direction


@dataclass(frozen=True, kw_only=True)
class ImageScore:
    """A row of ``metrics.csv``.

    Args:
        patient_id, pair_id, direction: which test case.
        method: who made the synthetic view.
        values: by the names of `bundle.evaluation.measures.MEASURES`; NaN where the measure does not exist for the
            image.
        lesion_radiomics: raw vector ``[F]`` of the synthetic view at the real target's lesions; NaN where there are
            none with features.
        region_radiomics: raw vectors ``[K, F]`` of the case's random regions; NaN where one has no features.
    """

    patient_id: str
    pair_id: str
    direction: Direction
    method: str
    values: Mapping[str, float]
    lesion_radiomics: np.ndarray = field(default_factory=lambda: np.full(len(FEATURE_NAMES), math.nan))
    region_radiomics: np.ndarray = field(default_factory=lambda: np.empty((0, len(FEATURE_NAMES))))


@dataclass(frozen=True, kw_only=True)
class ScoringSettings:
    """What all cases are scored with.

    Args:
        data_range: width of the intensity range; 1.0 for prepared views.
        spacing_mm: pixel spacing of the canvas.
        radiomics: how radiomic features are extracted.
        blob_levels: from which contrast on a blob counts as a lesion.
        standardizer: of radiomic features.
    """

    data_range: float
    spacing_mm: float
    radiomics: RadiomicsSettings
    blob_levels: BlobLevels
    standardizer: RadiomicsStandardizer


def score_case(
    case: Case,
    synthetic: Mapping[str, torch.Tensor],
    settings: ScoringSettings,
    *,
    drawn: Sequence[np.ndarray] = (),
) -> list[ImageScore]:
    """Score the synthetic views of all methods against the case's real target view.

    Args:
        case: the test case.
        synthetic: ``[1, H, W]`` by method.
        settings: what all cases are scored with.
        drawn: random regions of the target's breast, bool ``[H, W]`` each.

    Returns:
        One per method, in their order.

    Raises:
        ValueError: NaN, another size or an empty breast mask; the message names pair, direction and method.
    """
    scores = []
    real: _RealView | None = None
    for method, view in synthetic.items():
        try:
            values = _fidelity(case, view, settings)
            real = real or _RealView(case, settings)  # after the images' sizes and values have been checked
            # Extracted already where the method is the real view itself.
            vector = real.lesion_vector if torch.equal(view, case.target) else real.lesion_vector_of(view[0].numpy())
            values |= real.scores_of(view[0].numpy()) | {"lesion_radiomics_error": real.radiomics_error(vector)}
        except ValueError as error:
            where = f"Pair {case.pair_id}, {case.direction}, method {method}"
            remedy = "Name other weights with --weights, or leave the pair out of the collection."
            raise ValueError(f"{where} cannot be scored: {error} {remedy}") from error
        scores.append(
            ImageScore(
                patient_id=case.patient_id,
                pair_id=case.pair_id,
                direction=case.direction,
                method=method,
                values=values,
                lesion_radiomics=vector,
                region_radiomics=_vectors(view[0].numpy(), drawn, settings),
            )
        )
    return scores


def lesion_vectors(case: Case, views: Sequence[torch.Tensor], settings: ScoringSettings) -> np.ndarray:
    """Extract raw vectors ``[N, F]`` of several synthetic views ``[1, H, W]`` at the real target's lesions."""
    lesion = case.target_lesion[0].numpy() > 0.5
    return np.array(
        [
            lesion_vector(view[0].numpy(), lesion, spacing_mm=settings.spacing_mm, settings=settings.radiomics)
            for view in views
        ]
    ).reshape(-1, len(FEATURE_NAMES))


def _vectors(image: np.ndarray, drawn: Sequence[np.ndarray], settings: ScoringSettings) -> np.ndarray:
    return np.array(
        [
            radiomic_vector(image, region, spacing_mm=settings.spacing_mm, settings=settings.radiomics)
            for region in drawn
        ]
    ).reshape(-1, len(FEATURE_NAMES))


def _fidelity(case: Case, synthetic: torch.Tensor, settings: ScoringSettings) -> dict[str, float]:
    breast, data_range, spacing_mm = case.breast[None], settings.data_range, settings.spacing_mm
    pred, target = checked_pair(synthetic[None], case.target[None], data_range=data_range)
    similarity = ssim_map(pred, target, data_range=data_range)
    inside = in_breast(pred, target, breast, data_range=data_range, spacing_mm=spacing_mm, similarity=similarity)
    reference = reference_scores(pred, target, data_range=data_range)
    values = {
        "in_breast_ssim": inside.ssim,
        "in_breast_psnr_db": inside.psnr_db,
        "in_breast_ms_ssim": in_breast_ms_ssim(pred, target, breast, data_range=data_range, spacing_mm=spacing_mm),
        "ssim": similarity.mean(),
        "psnr_db": psnr_db(pred, target, data_range=data_range),
        "l1": mean_absolute_error(pred, target, data_range=data_range),
        "reference_ssim": reference.ssim,
        "reference_psnr_db": reference.psnr_db,
        "reference_l1": reference.l1,
    }
    return {name: value.item() for name, value in values.items()}


class _RealView:
    """The real target view and the source, measured once for all methods."""

    def __init__(self, case: Case, settings: ScoringSettings) -> None:
        self.spacing_mm = settings.spacing_mm
        self.settings = settings
        self.blob_level = settings.blob_levels.level(case.direction.target)
        self.pixels, self.breast = case.target[0].numpy(), case.breast[0].numpy() > 0.5
        self.spectrum = spectrum(self.pixels, self.breast, spacing_mm=self.spacing_mm)
        self.outline = find_breast(self.pixels)
        self.profile = depth_profile(self.pixels, self.outline, spacing_mm=self.spacing_mm)
        self.dense_threshold = dense_threshold(self.pixels, self.breast)
        self.dense_percent = dense_percent(self.pixels, self.outline, threshold=self.dense_threshold)
        self.lesion = case.target_lesion[0].numpy() > 0.5
        self.lesions = regions(self.lesion)
        self.contrast = lesion_contrast(self.pixels, self.lesion, self.breast, spacing_mm=self.spacing_mm)
        self.source_depth_mm = self._depth_in_source(case)
        self.lesion_vector = self.lesion_vector_of(self.pixels)

    def lesion_vector_of(self, synthetic: np.ndarray) -> np.ndarray:
        """Extract the raw features ``[F]`` of a view ``[H, W]`` at the real lesions."""
        return lesion_vector(synthetic, self.lesion, spacing_mm=self.spacing_mm, settings=self.settings.radiomics)

    def radiomics_error(self, vector: np.ndarray) -> float:
        """Mean absolute difference from the real lesion's features, both standardized; NaN where one is unknown.

        Without the features of the region's form, which is the real lesion's in every view.
        """
        standardizer = self.settings.standardizer
        both = standardizer(torch.from_numpy(np.stack([vector, self.lesion_vector])))[:, OF_CONTENT]
        return float((both[0] - both[1]).abs().mean())

    def scores_of(self, synthetic: np.ndarray) -> dict[str, float]:
        """Score a synthetic view ``[H, W]`` in all that is not fidelity."""
        found = spectrum(synthetic, self.breast, spacing_mm=self.spacing_mm)
        outline = find_breast(synthetic)
        dense = dense_percent(synthetic, outline, threshold=self.dense_threshold)
        profile = depth_profile(synthetic, outline, spacing_mm=self.spacing_mm)
        return {
            "spectral_exponent": found.exponent,
            "spectral_error": abs(found.exponent - self.spectrum.exponent),
            "texture_power_db": 10 * float(np.log10(found.power / self.spectrum.power)),
            "nyquist_peak": found.nyquist_peak,
            "density_error": abs(dense - self.dense_percent),
            "breast_dice": dice(outline, self.breast),
            "breast_area_ratio": float(outline.sum() / self.breast.sum()),
            "profile_distance_mm": profile_distance_mm(profile, self.profile),
            **self._lesion_scores(synthetic, outline),
        }

    def _lesion_scores(self, synthetic: np.ndarray, outline: np.ndarray) -> dict[str, float]:
        values = dict.fromkeys(
            (
                "lesion_position_error_mm",
                "lesion_correlation",
                "lesion_depth_difference_mm",
                "lesion_contrast",
                "lesion_contrast_error",
                "hallucinated_lesions",
            ),
            math.nan,
        )
        if not self.lesions and math.isnan(self.blob_level):
            return values
        if not self.lesions:
            _, contrasts = blob_contrasts(synthetic, outline, spacing_mm=self.spacing_mm)
            return values | {"hallucinated_lesions": float((contrasts > self.blob_level).sum())}
        contrast = lesion_contrast(synthetic, self.lesion, self.breast, spacing_mm=self.spacing_mm)
        values |= {"lesion_contrast": contrast, "lesion_contrast_error": abs(contrast - self.contrast)}
        matches = [find_lesion(self.pixels, synthetic, lesion, spacing_mm=self.spacing_mm) for lesion in self.lesions]
        found = [match for match in matches if match is not None]
        if found:
            values["lesion_position_error_mm"] = sum(match.distance_mm for match in found) / len(found)
            values["lesion_correlation"] = sum(match.correlation for match in found) / len(found)
        nipple = nipple_position(outline, spacing_mm=self.spacing_mm)
        if len(self.lesions) == 1 and found and nipple is not None:
            # The lesion lies where its neighbourhood was found.
            depth = depth_mm(self.lesion, nipple[1] - found[0].shift_px[1], spacing_mm=self.spacing_mm)
            values["lesion_depth_difference_mm"] = abs(depth - self.source_depth_mm)
        return values

    def _depth_in_source(self, case: Case) -> float:
        """Depth of the source's lesion behind the nipple; NaN unless both views have exactly one."""
        lesion = case.lesion[0].numpy() > 0.5
        nipple = nipple_position(find_breast(case.source[0].numpy()), spacing_mm=self.spacing_mm)
        if nipple is None or len(regions(lesion)) != 1:
            return math.nan
        return depth_mm(lesion, nipple[1], spacing_mm=self.spacing_mm)
