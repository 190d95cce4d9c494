import pickle
import random
from pathlib import Path

import pytest
import torch

from bundle.tensor_files import read_tensors, restore, write_tensors


def test_tensors_and_plain_values_come_back(tmp_path: Path) -> None:
    torch.save({"weight": torch.arange(3), "rows": [{"epoch": 1, "loss": 0.5}]}, tmp_path / "state.pt")
    state = read_tensors(tmp_path / "state.pt", device="cpu", remedy="")
    assert torch.equal(state["weight"], torch.arange(3))
    assert state["rows"] == [{"epoch": 1, "loss": 0.5}]


class Exploit:
    def __reduce__(self):
        return exec, ("raise SystemError('code of the file was run')",)


@pytest.mark.parametrize(
    "content",
    [b"", b"no tensors", b"PK\x03\x04 cut", b"\x80\x02.", b"\x80\x02X\x01", pickle.dumps(Exploit(), protocol=2)],
    ids=["empty", "text", "cut", "nothing on the stack", "cut number", "code"],
)
def test_a_file_that_holds_anything_else(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"state\.pt is no file of weights, or was cut \(\w+\): do this\.$"):
        read_tensors(tmp_path / "state.pt", device="cpu", remedy="do this.")


def test_a_file_cut_in_half(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    torch.save(torch.nn.Linear(20, 20).state_dict(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="was cut"):
        read_tensors(path, device="cpu", remedy="")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_anywhere_a_file_is_read_or_refused(tmp_path: Path, zipped: bool) -> None:
    path, generator = tmp_path / "state.pt", random.Random(0)
    torch.save({"a": torch.zeros(3), "b": torch.ones(2, 2)}, path, _use_new_zipfile_serialization=zipped)
    sound, refused = path.read_bytes(), 0
    for _ in range(300):
        damaged = bytearray(sound)
        damaged[generator.randrange(min(len(sound), 700))] = generator.randrange(256)
        path.write_bytes(damaged)
        try:
            read_tensors(path, device="cpu", remedy="")
        except ValueError:
            refused += 1
    assert refused > 50


def test_a_state_goes_where_it_fits() -> None:
    one, other = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    restore(one, other.state_dict(), name="network", path=Path("state.pt"), remedy="")
    assert torch.equal(one.weight, other.weight)


@pytest.mark.parametrize("state", [{}, torch.nn.Linear(2, 4).state_dict(), torch.nn.Conv2d(1, 1, 1).state_dict()])
def test_a_state_that_does_not_fit(state: dict) -> None:
    with pytest.raises(ValueError, match=r"^state\.pt holds another network than the configuration describes: do this"):
        restore(torch.nn.Linear(2, 3), state, name="network", path=Path("state.pt"), remedy="do this")


def test_an_optimizer_of_another_network() -> None:
    few, many = (torch.optim.Adam([torch.nn.Parameter(torch.zeros(2)) for _ in range(count)]) for count in (1, 2))
    with pytest.raises(ValueError, match="holds another optimizer"):
        restore(few, many.state_dict(), name="optimizer", path=Path("state.pt"), remedy="")


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    content = {"weight": torch.arange(6.0).reshape(2, 3)}
    for name in ("one.pt", "other.pt"):
        write_tensors(tmp_path / name, content)
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "other.pt").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.pt", "other.pt"]
    torch.testing.assert_close(read_tensors(tmp_path / "one.pt", device="cpu", remedy="none"), content)
