"""Hidden features of a ResNet-50 trained on RadImageNet, from a local file of weights; for the perceptual loss.

Mei et al. 2022, doi 10.1148/ryai.210315: CT, MR and ultrasound images, no mammograms. The weights are not part of the
bundle and are never downloaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from monai.networks.nets import ResNetFeatures
from torch import Tensor, nn

from bundle.tensor_files import read_tensors

# What the authors' training subtracted from the channels blue, green, red, as MONAI's RadImageNetPerceptualSimilarity.
CHANNEL_MEANS = (0.406, 0.456, 0.485)
# The published file names the layers by their places in torchvision's ResNet-50, torchvision itself by their names.
LAYER_OF_PLACE = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
REMEDY = (
    "give the state dict of a ResNet-50 under torchvision's names (conv1.weight, layer1.0.conv1.weight, ...) or "
    "RadImageNet's (backbone.0.weight, backbone.4.0.conv1.weight, ...) with --perceptual_network#weights."
)


class RadImageNetFeatures(nn.Module):
    """MONAI's two-dimensional ResNet-50 without its classifier, for views of one grey channel.

    Args:
        weights: a state dict, see `REMEDY`; a classifier (``fc.*``) is left out.
        weights_hash: SHA-256 of the file, by which a run knows its perceptual network.

    Raises:
        ValueError: keys are missing, unknown or of another shape.
    """

    means: Tensor

    def __init__(self, *, weights: Mapping[str, Tensor], weights_hash: str) -> None:
        super().__init__()
        self.weights_hash = weights_hash
        self.network = ResNetFeatures("resnet50", pretrained=False, spatial_dims=2, in_channels=3)
        self.register_buffer("means", torch.tensor(CHANNEL_MEANS)[None, :, None, None], persistent=False)
        self.network.load_state_dict(_under_own_names(weights, expected=self.network.state_dict()))
        self.eval().requires_grad_(False)

    def hidden(self, image: Tensor) -> list[Tensor]:
        """Features of an image ``[B, 1, H, W]`` in [0, 1] behind the stem and the four stages.

        The grey value enters each of the three channels, less that channel's mean.

        Returns:
            ``[B, C_k, H / s_k, W / s_k]`` with 64, 256, 512, 1024 and 2048 channels at strides 2, 4, 8, 16 and 32.
        """
        return self.network(image - self.means)


def _under_own_names(weights: Mapping[str, Tensor], *, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    for name, value in weights.items():
        first, _, rest = name.partition(".")
        if first == "backbone":
            place, _, rest = rest.partition(".")
            renamed[f"{LAYER_OF_PLACE.get(place, name)}.{rest}"] = value
        elif first != "fc":
            renamed[name] = value
    for name in expected:
        if name.endswith("num_batches_tracked"):  # counts training steps; files from old versions of torch lack it
            renamed.setdefault(name, torch.zeros((), dtype=torch.int64))
    missing, unknown = sorted(expected.keys() - renamed.keys()), sorted(renamed.keys() - expected.keys())
    if missing or unknown:
        raise ValueError(
            f"it lacks {len(missing)} tensors{_first(missing)} and holds {len(unknown)} unknown ones{_first(unknown)}"
        )
    other = [name for name, value in expected.items() if renamed[name].shape != value.shape]
    if other:
        raise ValueError(f"{len(other)} tensors have another shape{_first(other)}")
    return renamed


def _first(names: list[str]) -> str:
    return f" (the first: {names[0]})" if names else ""


def radimagenet_features(*, weights: str | Path | None) -> RadImageNetFeatures:
    """Load the network from a local file, as tensors only.

    Args:
        weights: the file.

    Raises:
        FileNotFoundError: no file is named, or there is none.
        ValueError: it is not the state dict of a ResNet-50.
    """
    if weights is None or not Path(weights).is_file():
        raise FileNotFoundError(f"No RadImageNet weights at {weights}: {REMEDY}")
    path = Path(weights)
    state = read_tensors(path, device="cpu", remedy=REMEDY)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} is no state dict (names and their tensors): {REMEDY}")
    try:
        return RadImageNetFeatures(weights=state, weights_hash=hashlib.sha256(path.read_bytes()).hexdigest())
    except ValueError as error:
        raise ValueError(f"{path} is no ResNet-50: {error}; {REMEDY}") from None
