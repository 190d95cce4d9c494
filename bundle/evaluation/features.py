"""Regions of views as vectors: radiomic features, and those of the trained feature network."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch

from bundle.metrics.lesion import regions
from bundle.networks.feature_network import FeatureNetwork, region_windows, window_side
from bundle.radiomics.aggregation import view_vector
from bundle.radiomics.extraction import extract_features
from bundle.radiomics.features import FEATURE_NAMES
from bundle.radiomics.regions import draw_region, region_generator, region_mask
from bundle.radiomics.settings import RadiomicsSettings, settings_from_dict
from bundle.tensor_files import read_tensors, restore

# Features ``[F]`` of what a region holds; the form of a region is the real lesion's in every view.
OF_CONTENT = np.array([not name.startswith("shape2D_") for name in FEATURE_NAMES])
REGIONS_PER_VIEW = 1


def radiomics_settings(*, dataset_dir: str | Path) -> RadiomicsSettings:
    """Read how a prepared collection's radiomic features were extracted.

    Raises:
        FileNotFoundError: there is no prepared collection.
    """
    path = Path(dataset_dir) / "preparation.json"
    if not path.is_file():
        raise FileNotFoundError(f"No prepared collection at {dataset_dir}: name one with --dataset_dir.")
    written = json.loads(path.read_text(encoding="utf-8"))["radiomics"]
    return settings_from_dict({name: value for name, value in written.items() if name != "settings_hash"})


def trained_feature_network(*, path: str | Path) -> FeatureNetwork:
    """Load the feature network of a training run; the file itself tells its channels.

    Raises:
        FileNotFoundError: the file is absent.
        ValueError: it is damaged, or holds another network.
    """
    file, remedy = Path(path), "name the folder of a training run with --output_dir."
    if not file.is_file():
        raise FileNotFoundError(f"There is no feature network at {file}: {remedy}")
    state = read_tensors(file, device="cpu", remedy=remedy)
    if not isinstance(state, dict) or "stem.weight" not in state or "standardizer.center" not in state:
        raise ValueError(f"{file} holds no feature network: {remedy}")
    channels = [len(state["stem.weight"])]
    while f"downsamples.{len(channels)}.weight" in state:
        channels.append(len(state[f"downsamples.{len(channels)}.weight"]))
    network = FeatureNetwork(channels, radiomics_features=len(state["standardizer.center"]))
    restore(network, state, name="feature network", path=file, remedy=remedy)
    return network.eval()


def drawn_regions(breast: np.ndarray, *, name: str, spacing_mm: float, settings: RadiomicsSettings) -> list[np.ndarray]:
    """Draw `REGIONS_PER_VIEW` random ellipses in a breast, as the preparation draws them; fewer in too small a breast.

    Args:
        breast: bool ``[H, W]``.
        name: of the view: the same name gives the same regions.
        spacing_mm: pixel spacing of the canvas.
        settings: radii and least size.

    Returns:
        bool ``[H, W]`` each.
    """
    generator = region_generator(seed=0, name=name)
    drawn = [
        draw_region(
            breast,
            spacing_mm=spacing_mm,
            least_radius_mm=settings.regions.least_radius_mm,
            greatest_radius_mm=settings.regions.greatest_radius_mm,
            least_pixels=settings.least_pixels,
            generator=generator,
        )
        for _ in range(REGIONS_PER_VIEW)
    ]
    shape = (breast.shape[0], breast.shape[1])
    return [region_mask(region, shape=shape, spacing_mm=spacing_mm) for region in drawn if region is not None]


def radiomic_vector(
    image: np.ndarray, region: np.ndarray, *, spacing_mm: float, settings: RadiomicsSettings
) -> np.ndarray:
    """Extract the features ``[F]`` of one region; NaN where it is too small or too flat for features."""
    try:
        return extract_features(image, region, spacing_mm=spacing_mm, settings=settings)
    except ValueError:
        return np.full(len(FEATURE_NAMES), math.nan)


def lesion_vector(
    image: np.ndarray, lesion: np.ndarray, *, spacing_mm: float, settings: RadiomicsSettings
) -> np.ndarray:
    """Extract the features ``[F]`` of a view's lesions, averaged by area; NaN without a lesion that has features."""
    found = [
        (radiomic_vector(image, part, spacing_mm=spacing_mm, settings=settings), part.sum() * spacing_mm**2)
        for part in regions(lesion)
    ]
    known = [(vector, area) for vector, area in found if np.isfinite(vector).all()]
    if not known:
        return np.full(len(FEATURE_NAMES), math.nan)
    return view_vector([vector for vector, _ in known], [area for _, area in known])[0]


@torch.no_grad()
def embeddings(network: FeatureNetwork, views: torch.Tensor, region: np.ndarray, *, spacing_mm: float) -> np.ndarray:
    """Embed one region of several views by the feature network.

    Args:
        network: trained, on the CPU.
        views: ``[M, 1, H, W]``.
        region: bool ``[H, W]``.
        spacing_mm: pixel spacing of the canvas.

    Returns:
        float64 ``[M, E]``.
    """
    mask = torch.from_numpy(region).to(views.dtype).expand(len(views), 1, -1, -1)
    windows, masks, _ = region_windows(views, mask, side=window_side(spacing_mm))
    return network.embed(windows, masks).double().numpy()
