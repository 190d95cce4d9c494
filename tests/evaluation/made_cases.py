"""Small made items, as the datasets and the evaluator hand them on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bundle.networks.feature_network import FeatureNetwork
from bundle.radiomics.features import FEATURE_NAMES
from bundle.radiomics.settings import RadiomicsSettings, read_settings

RADIOMICS = Path(__file__).resolve().parents[2] / "configs" / "radiomics.yaml"
ROWS, COLUMNS = 24, 16


def made_item(*, seed: int, target_view: int, patient_id: str | None = None) -> dict[str, Any]:
    """A directed pair without prediction: random views that vanish outside a half disk at the left edge."""
    generator = torch.Generator().manual_seed(seed)
    row, column = torch.meshgrid(torch.arange(ROWS), torch.arange(COLUMNS), indexing="ij")
    breast = ((row - ROWS / 2) ** 2 + column**2 <= 10**2).float()[None]
    source, target = (torch.rand(1, ROWS, COLUMNS, generator=generator) * breast for _ in range(2))
    lesion = torch.zeros(1, ROWS, COLUMNS)
    lesion[0, 10:14, 3:7] = 1
    name = f"P{seed:03d}" if patient_id is None else patient_id
    return {
        "image": torch.cat([source, lesion]),
        "label": target,
        "label_breast": breast,
        "label_mask": lesion.clone(),
        "radiomics": torch.rand(len(FEATURE_NAMES), generator=generator).numpy(),
        "target_view": target_view,
        "patient_id": name,
        "pair_id": f"{name}_L_{seed}",
    }


def made_items(seeds: range) -> list[dict[str, Any]]:
    """Each breast twice, once in each direction, as the paired datasets have it."""
    return [
        made_item(seed=2 * seed + view, target_view=view, patient_id=f"P{seed:03d}")
        for seed in seeds
        for view in (0, 1)
    ]


def made_settings() -> RadiomicsSettings:
    """The radiomics settings, for regions as small as the made views."""
    settings = read_settings(RADIOMICS)
    return replace(settings, regions=replace(settings.regions, greatest_radius_mm=8.0))


def made_feature_network() -> FeatureNetwork:
    torch.manual_seed(0)
    network = FeatureNetwork([4, 4]).eval()
    network.standardizer.scale.fill_(1.0)
    return network
