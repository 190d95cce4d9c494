"""A made-up file in the shape of RadImageNet's ResNet-50, against a ResNet-50 that is written out here."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d, max_pool2d

from bundle.networks.radimagenet import CHANNEL_MEANS, radimagenet_features

_BLOCKS = {"layer1": (3, 64), "layer2": (4, 128), "layer3": (6, 256), "layer4": (3, 512)}  # blocks, width
_PLACES = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """A state dict under torchvision's names, the classifier included."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}

    def convolution(name: str, out_channels: int, in_channels: int, size: int) -> None:
        scale = (2 / (in_channels * size * size)) ** 0.5
        state[f"{name}.weight"] = scale * torch.randn(out_channels, in_channels, size, size, generator=generator)

    def norm(name: str, channels: int) -> None:
        for part, low in (("weight", 0.5), ("bias", -0.2), ("running_mean", -0.2), ("running_var", 0.5)):
            state[f"{name}.{part}"] = low + 0.5 * torch.rand(channels, generator=generator)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    convolution("conv1", 64, 3, 7)
    norm("bn1", 64)
    previous = 64
    for layer, (blocks, width) in _BLOCKS.items():
        for index in range(blocks):
            block = f"{layer}.{index}"
            for number, (outs, ins, size) in enumerate(
                ((width, previous, 1), (width, width, 3), (4 * width, width, 1)), start=1
            ):
                convolution(f"{block}.conv{number}", outs, ins, size)
                norm(f"{block}.bn{number}", outs)
            if index == 0:
                convolution(f"{block}.downsample.0", 4 * width, previous, 1)
                norm(f"{block}.downsample.1", 4 * width)
            previous = 4 * width
    state["fc.weight"], state["fc.bias"] = torch.zeros(165, 2048), torch.zeros(165)
    return state


def _written_out(state: dict[str, Tensor], image: Tensor) -> list[Tensor]:
    """ResNet-50 (He et al. 2015, table 1; the 3 x 3 convolution has the stride, as in torchvision)."""

    def norm(x: Tensor, name: str) -> Tensor:
        return batch_norm(
            x, *(state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")), eps=1e-5
        )

    def convolve(x: Tensor, name: str, **how: int) -> Tensor:
        return conv2d(x, state[f"{name}.weight"], **how)  # type: ignore[arg-type]

    x = norm(convolve(image, "conv1", stride=2, padding=3), "bn1").relu()
    levels = [x]
    x = max_pool2d(x, 3, stride=2, padding=1)
    for layer, (blocks, _) in _BLOCKS.items():
        for index in range(blocks):
            name, stride = f"{layer}.{index}", 2 if index == 0 and layer != "layer1" else 1
            y = norm(convolve(x, f"{name}.conv1"), f"{name}.bn1").relu()
            y = norm(convolve(y, f"{name}.conv2", stride=stride, padding=1), f"{name}.bn2").relu()
            y = norm(convolve(y, f"{name}.conv3"), f"{name}.bn3")
            if index == 0:
                x = norm(convolve(x, f"{name}.downsample.0", stride=stride), f"{name}.downsample.1")
            x = (x + y).relu()
        levels.append(x)
    return levels


@pytest.fixture(autouse=True)
def _small_leftovers(tmp_path: Path) -> Iterator[None]:
    """Pytest keeps what tests write; these files have 100 MB each."""
    yield
    for path in tmp_path.glob("*.pt"):
        path.unlink()


def _file(folder: Path, state: object) -> Path:
    path = folder / "resnet50.pt"
    torch.save(state, path)
    return path


@pytest.mark.parametrize("names", ["torchvision", "radimagenet"])
def test_hidden_features_are_those_of_a_resnet50(tmp_path: Path, state: dict[str, Tensor], names: str) -> None:
    content = dict(state)
    if names == "radimagenet":  # by the places in torchvision's sequence of layers, without the classifier
        content = {
            f"backbone.{_PLACES[name.partition('.')[0]]}.{name.partition('.')[2]}": value
            for name, value in state.items()
            if not name.startswith("fc.")
        }
    network = radimagenet_features(weights=_file(tmp_path, content))
    grey = torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(1))
    colours = torch.cat([grey - mean for mean in CHANNEL_MEANS], dim=1)
    levels = network.hidden(grey)
    assert [tuple(level.shape) for level in levels] == [
        (2, channels, 64 // stride, 96 // stride)
        for channels, stride in ((64, 2), (256, 4), (512, 8), (1024, 16), (2048, 32))
    ]
    for got, expected in zip(levels, _written_out(state, colours), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_it_is_frozen_and_lets_gradients_through(tmp_path: Path, state: dict[str, Tensor]) -> None:
    network = radimagenet_features(weights=_file(tmp_path, state))
    grey = torch.rand(1, 1, 32, 32, requires_grad=True)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.hidden(grey)[-1].sum().backward()
    assert grey.grad is not None
    assert grey.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_file_without_the_counts_of_old_torch_versions(tmp_path: Path, state: dict[str, Tensor]) -> None:
    content = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    assert len(radimagenet_features(weights=_file(tmp_path, content)).weights_hash) == 64


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s.pop("layer3.5.conv2.weight"), r"lacks 1 tensors \(the first: layer3\.5\.conv2\.weight\)"),
        (lambda s: s.update({"layer5.weight": torch.zeros(1)}), r"1 unknown ones \(the first: layer5\.weight\)"),
        (lambda s: s.update({"backbone.9.weight": torch.zeros(1)}), "1 unknown ones"),
        (lambda s: s.update({"conv1.weight": torch.zeros(64, 1, 7, 7)}), r"another shape \(the first: conv1\.weight\)"),
        (lambda s: s.update({"epoch": 3}), "is no state dict"),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path,
    state: dict[str, Tensor],
    change: object,
    sentence: str,
) -> None:
    content = dict(state)
    change(content)  # type: ignore[operator]
    with pytest.raises(ValueError, match=rf"resnet50\.pt .*{sentence}.*--perceptual_network#weights"):
        radimagenet_features(weights=_file(tmp_path, content))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut"])
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"weights\.pt is no file of weights, or was cut"):
        radimagenet_features(weights=tmp_path / "weights.pt")


def test_a_file_cannot_run_code(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no file of weights"):
        radimagenet_features(weights=_file(tmp_path, {"conv1.weight": Path("anything but a tensor")}))


@pytest.mark.parametrize("weights", [None, "absent.pt"])
def test_no_file(weights: str | None) -> None:
    with pytest.raises(FileNotFoundError, match=rf"^No RadImageNet weights at {weights}: give the state dict"):
        radimagenet_features(weights=weights)
