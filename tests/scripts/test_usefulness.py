"""``python -m scripts.usefulness`` on a tiny collection and an untrained generator."""

import json
import shutil
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from bundle.collection.datalist import datalist_hash
from bundle.networks.generator import Generator
from bundle.training.data import read_preparation
from scripts import usefulness as command

CHANNELS = [4, 8, 8]


@pytest.fixture
def run_folder(prepared_collection: Path, tmp_path: Path) -> Path:
    """What a training run leaves, of an untrained generator."""
    folder = tmp_path / "train"
    folder.mkdir()
    preparation = read_preparation(prepared_collection)
    overrides = {
        "canvas#rows": 64,
        "canvas#columns": 48,
        "canvas#spacing_mm": 4.0,
        "network_def": {"_target_": "bundle.networks.generator.Generator", "channels": CHANNELS},
        "preparation": {
            "_target_": "bundle.preparation.PreparationSettings",
            **preparation["preparation"],
        },
        "radiomics_settings_hash": preparation["radiomics"]["settings_hash"],
    }
    (folder / "network.json").write_text(json.dumps(overrides))
    torch.manual_seed(0)
    torch.save(Generator(channels=CHANNELS).state_dict(), folder / "model.pt")
    torch.save({"settings": {"datalist_hash": datalist_hash(prepared_collection)}}, folder / "checkpoint.pt")
    return folder


@pytest.fixture
def with_both_kinds(prepared_collection: Path, tmp_path: Path) -> Path:
    """The collection, every second of its pairs without a lesion."""
    copy = shutil.copytree(prepared_collection, tmp_path / "both_kinds")
    datalist = json.loads((copy / "datalist.json").read_text())
    pairs = sorted(datalist["validation"] + datalist["test"], key=lambda pair: pair["pair_id"])
    for number, pair in enumerate(pairs):
        for view in ("cc", "mlo"):
            path = copy / pair[view]["mask"]
            stored = nibabel.load(path)
            pixels = np.full(stored.shape, number % 2, dtype=np.uint8)
            nibabel.save(nibabel.Nifti1Image(pixels, stored.affine, stored.header), path)
    return copy


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    def execute(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["usefulness", *arguments])
        command.main()

    return execute


def test_it_leaves_a_table_and_json_the_same_each_time(
    run, run_folder: Path, with_both_kinds: Path, prepared_collection: Path, capsys
) -> None:
    """By default in the run's folder."""
    written = []
    elsewhere = run_folder.parent / "elsewhere"
    for output, options in ((run_folder / "usefulness", ()), (elsewhere, ("--output", str(elsewhere)))):
        run(
            *("--prepared", str(with_both_kinds), "--run", str(run_folder), *options),
            *("--trained_on", str(prepared_collection), "--folds", "2", "--epochs", "1", "--batch_size", "2"),
        )
        written.append({path.name: path.read_bytes() for path in output.iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {"usefulness.md", "usefulness.json"}
    printed = capsys.readouterr().out
    assert written[0]["usefulness.md"].decode() in printed
    document = json.loads(written[0]["usefulness.json"])
    datalist = json.loads((prepared_collection / "datalist.json").read_text())
    assert document["directions"]["cc_to_mlo"]["breasts"] == len(datalist["validation"]) + len(datalist["test"])


def test_a_collection_that_the_generator_did_not_learn_from_must_not_stand_for_it(
    run, run_folder: Path, with_both_kinds: Path
) -> None:
    datalist = json.loads((with_both_kinds / "datalist.json").read_text())
    datalist["test"] += datalist.pop("training")
    (with_both_kinds / "datalist.json").write_text(json.dumps({"training": [], **datalist}))
    with pytest.raises(SystemExit, match=r"did not learn from the pairs of .* --trained_on"):
        run("--prepared", str(with_both_kinds), "--run", str(run_folder))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--folds", "1"], "folds is 1; it must be at least 2"),
        (["--epochs", "many"], "--epochs is 'many'; it must be a whole number"),
        (["--learning_rate", "0"], "--learning_rate is 0; it must be a positive number"),
        (["--fold", "3"], r"unknown argument\(s\) --fold"),
        (["--run", "nowhere"], "there is no nowhere/network.json: name the folder of a training run with --run"),
    ],
)
def test_bad_arguments_stop_with_one_sentence(
    run, run_folder: Path, prepared_collection: Path, arguments: list[str], message: str
) -> None:
    given = {"--prepared": str(prepared_collection), "--run": str(run_folder)} | dict([tuple(arguments)])
    with pytest.raises(SystemExit, match=f"^usefulness: {message}"):
        run(*[word for pair in given.items() for word in pair])


def test_weights_of_another_network_and_other_preparations_are_refused(
    run, run_folder: Path, prepared_collection: Path
) -> None:
    given = ("--prepared", str(prepared_collection), "--run", str(run_folder))
    torch.save(Generator(channels=[4, 8]).state_dict(), run_folder / "model.pt")
    with pytest.raises(SystemExit, match="of another network"):
        run(*given)
    overrides = json.loads((run_folder / "network.json").read_text())
    overrides["preparation"]["spacing_mm"] = 0.5
    (run_folder / "network.json").write_text(json.dumps(overrides))
    with pytest.raises(SystemExit, match="prepared with other settings"):
        run(*given)
    (run_folder / "checkpoint.pt").unlink()
    with pytest.raises(SystemExit, match=r"there is no .*checkpoint\.pt"):
        run(*given)
