"""Radiomic features of one region of one view: the only place that speaks PyRadiomics."""

from __future__ import annotations

import json
import logging
from functools import lru_cache

import numpy as np
import SimpleITK
from radiomics.featureextractor import RadiomicsFeatureExtractor

from bundle.radiomics.features import FEATURE_NAMES
from bundle.radiomics.settings import RadiomicsSettings

# PyRadiomics warns at every region about the bin count and about GLCM's symmetry: both are meant.
logging.getLogger("radiomics").setLevel(logging.ERROR)
# Regions are small and independent: the cores are used by working on several views at once.
SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def extract_features(
    image: np.ndarray, mask: np.ndarray, *, spacing_mm: float, settings: RadiomicsSettings
) -> np.ndarray:
    """Extract the 102 features of one region.

    The region is decided by our own rule before PyRadiomics sees it: at least ``least_pixels`` pixels, more than one
    row and more than one column, and grey values in at least ``least_grey_levels`` of the ``binCount`` bins.

    Args:
        image: float ``[rows, columns]`` in [0, 1].
        mask: bool ``[rows, columns]``, True in the region.
        spacing_mm: pixel spacing of both, the same in both directions.
        settings: from ``configs/radiomics.yaml``.

    Returns:
        float64 ``[102]`` in the order of `FEATURE_NAMES`, all finite.

    Raises:
        ValueError: the shapes differ, the region is too small, a line, or too flat, or a feature is not finite.
    """
    if image.shape != mask.shape or image.ndim != 2:
        raise ValueError(f"image {image.shape} and mask {mask.shape} must be two-dimensional and have the same shape")
    mask = mask.astype(bool)
    check_region(image, mask, settings=settings)
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    values = _extractor(json.dumps(dict(settings.pyradiomics), sort_keys=True)).execute(
        _slice(image[box].astype(np.float64), spacing_mm=spacing_mm),
        _slice(mask[box].astype(np.uint32), spacing_mm=spacing_mm),
    )
    features = np.array([float(values[f"original_{name}"]) for name in FEATURE_NAMES])
    if not np.isfinite(features).all():
        names = [name for name, value in zip(FEATURE_NAMES, features, strict=True) if not np.isfinite(value)]
        raise ValueError(f"region of {int(mask.sum())} pixels has features that are not finite: {', '.join(names)}")
    return features


def check_region(image: np.ndarray, mask: np.ndarray, *, settings: RadiomicsSettings) -> None:
    """Raise ValueError, with the figures, where a region is too small, a line, or too flat for features."""
    pixel_count = int(mask.sum())
    if pixel_count < settings.least_pixels:
        raise ValueError(f"region has {pixel_count} pixels; features need at least {settings.least_pixels}")
    if min(mask.any(axis=1).sum(), mask.any(axis=0).sum()) < 2:
        raise ValueError(f"region of {pixel_count} pixels is a line one pixel wide; features need a surface")
    grey_values = image[mask]
    if not np.isfinite(grey_values).all():
        raise ValueError(f"region of {pixel_count} pixels holds grey values that are not finite")
    # The bins are equally wide between the region's least and greatest value, as PyRadiomics' fixed bin count.
    grey_levels = np.count_nonzero(np.histogram(grey_values, settings.bin_count)[0])
    if grey_levels < settings.least_grey_levels:
        raise ValueError(
            f"region of {pixel_count} pixels fills {grey_levels} of {settings.bin_count} grey levels; "
            f"features need at least {settings.least_grey_levels}"
        )


@lru_cache(maxsize=4)
def _extractor(parameters: str) -> RadiomicsFeatureExtractor:
    extractor = RadiomicsFeatureExtractor(json.loads(parameters))
    extractor.addProvenance(False)
    return extractor


def _slice(pixels: np.ndarray, *, spacing_mm: float) -> SimpleITK.Image:
    """Make a volume of one slice, 1 mm thick, with a border of zeros: PyRadiomics refuses a mask without outside."""
    volume = SimpleITK.GetImageFromArray(np.pad(pixels, 1)[np.newaxis])
    volume.SetSpacing((spacing_mm, spacing_mm, 1.0))
    return volume
