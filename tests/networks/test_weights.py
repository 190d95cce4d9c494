import pickle

import pytest
import torch

from bundle.networks.flow import FlowGenerator
from bundle.networks.generator import Generator
from bundle.networks.weights import WeightsLoader, load_weights, write_half_precision


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(channels=[4, 8])


@pytest.fixture
def trained(tmp_path, generator):
    torch.save(generator.state_dict(), tmp_path / "model.pt")
    return tmp_path


def test_weights_are_loaded(trained, generator):
    network = Generator(channels=[4, 8])
    load_weights(network, trained / "model.pt")
    for name, value in generator.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


def test_another_network(trained):
    with pytest.raises(ValueError, match=r"\d+ tensors differ, the first is .*\[.*\] in the file.*network.json"):
        load_weights(Generator(channels=[4, 12]), trained / "model.pt")


def test_a_network_with_more_levels(trained):
    with pytest.raises(ValueError, match=r"of another network"):
        load_weights(Generator(channels=[4, 8, 8]), trained / "model.pt")


def test_a_tensor_too_many(generator, tmp_path):
    torch.save({**generator.state_dict(), "extra": torch.zeros(2)}, tmp_path / "model.pt")
    with pytest.raises(
        ValueError, match=r"1 tensors differ, the first is extra \(\[2\] in the file, absent in the conf"
    ):
        load_weights(Generator(channels=[4, 8]), tmp_path / "model.pt")


def test_no_file(generator, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"--weights"):
        load_weights(generator, tmp_path / "model.pt")


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 cut"])
def test_no_weights_in_the_file(generator, tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"no file of weights"):
        load_weights(generator, tmp_path / "model.pt")


def test_a_whole_checkpoint(generator, tmp_path):
    torch.save({"generator": generator.state_dict(), "epoch": 3}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match=r"model.pt"):
        load_weights(generator, tmp_path / "checkpoint.pt")


class Exploit:
    def __reduce__(self):
        return exec, ("raise SystemError('code of the file was run')",)


def test_code_in_the_file_is_not_run(generator, tmp_path):
    (tmp_path / "model.pt").write_bytes(pickle.dumps(Exploit()))
    with pytest.raises(ValueError, match=r"no file of weights"):
        load_weights(generator, tmp_path / "model.pt")


def test_the_handler_raises_the_sentence(generator, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there are no weights at"):
        WeightsLoader(network=generator, path=tmp_path / "model.pt")(engine=None)


def test_half_precision_keeps_scales_and_loads_again(tmp_path):
    generator = FlowGenerator(grid=(8, 8), channels=(8, 32), condition=8, prior_components=2)
    generator.standardizer.scale[0] = 1e9
    torch.save(generator.state_dict(), tmp_path / "model.pt")
    write_half_precision(tmp_path / "model.pt", tmp_path / "half.pt")
    assert (tmp_path / "half.pt").stat().st_size < 0.7 * (tmp_path / "model.pt").stat().st_size
    loaded = FlowGenerator(grid=(8, 8), channels=(8, 32), condition=8, prior_components=2)
    load_weights(loaded, tmp_path / "half.pt")
    assert loaded.standardizer.scale[0] == 1e9
    for (name, one), other in zip(generator.state_dict().items(), loaded.state_dict().values(), strict=True):
        assert other.dtype == one.dtype, name
        torch.testing.assert_close(other, one, atol=1e-4, rtol=1e-3)


def test_half_precision_of_what_is_absent(tmp_path):
    with pytest.raises(FileNotFoundError, match="there are no weights at"):
        write_half_precision(tmp_path / "model.pt", tmp_path / "half.pt")
