import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import prepare
from tests.datasets.cbis_ddsm_tree import both_views, write_tree

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("source")
    write_tree(root, [row for number in range(3) for row in both_views(f"P_0000{number}")], layout="download_tool")
    return root


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["prepare", *map(str, arguments)])
    prepare.main()


def test_the_command_prepares_and_closes_with_counts(source, tmp_path):
    output = tmp_path / "prepared"
    arguments = ["cbis_ddsm", "--source", source, "--output", output, "--seed", 4, "--workers", 1]
    finished = subprocess.run(
        [sys.executable, "-m", "scripts.prepare", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == [
        "views: 6 found, 6 prepared",
        f"pairs: 3 (1 training, 1 validation, 1 test) in {output}/pairs.csv",
        f"rejections: 0 in {output}/rejected.csv",
    ]
    assert "6/6" in finished.stderr
    assert json.loads((output / "preparation.json").read_text())["seed"] == 4


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (["--sed", 3], "unknown argument(s) --sed"),
        (["surplus"], "unknown argument(s) 'surplus'"),
        (["--seed", "many"], "--seed is 'many'; it must be a whole number"),
        (["--seed", 1.5], "--seed is 1.5"),
        (["--workers", 0], "workers is 0"),
        (["--spacing_mm", 0], "--spacing_mm is 0; it must be a positive number"),
        (["--spacing_mm", "fine"], "--spacing_mm is 'fine'"),
        (["--fractions", "[0.8,0.2]"], "--fractions is [0.8, 0.2]; it must be 3 numbers"),
        (["--fractions", "[0.8,0.2,x]"], "it must be 3 numbers"),
        (["--fractions", "[0.8,0.2,0.2]"], "their sum is 1.2 and must be 1"),
        (["--overwrite", "perhaps"], "--overwrite is 'perhaps'; it must be true or false"),
        (["--radiomics_config", "1.5"], "--radiomics_config is 1.5; it must be a path"),
        (["--radiomics_config", "absent.yaml"], "absent.yaml"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_nothing_is_written(monkeypatch, source, tmp_path, option, sentence):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "cbis_ddsm", "--source", source, "--output", tmp_path / "prepared", *option)
    assert str(stopped.value).startswith("prepare: ")
    assert sentence in str(stopped.value)
    assert "\n" not in str(stopped.value)
    assert not (tmp_path / "prepared").exists()


def test_overwrite_takes_a_word_too(monkeypatch, source, tmp_path, capsys):
    def prepared(*options):
        run(monkeypatch, "cbis_ddsm", "--source", source, "--output", tmp_path / "prepared", "--workers", 1, *options)
        return json.loads((tmp_path / "prepared" / "preparation.json").read_text())["seed"]

    assert prepared() == 0
    with pytest.raises(SystemExit, match=r"other settings \(seed\)"):
        prepared("--seed", 1, "--overwrite", "false")
    assert prepared("--seed", 1, "--overwrite", "true") == 1
    assert prepared("--seed", 2, "--overwrite") == 2


@pytest.mark.parametrize(
    ("collection", "source_name", "sentence"),
    [
        ("inbreast2", "", "collection is 'inbreast2'"),
        ("cbis_ddsm", "absent", "does not exist"),
    ],
)
def test_a_wrong_collection_or_folder_is_one_sentence(monkeypatch, source, tmp_path, collection, source_name, sentence):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, collection, "--source", source / source_name, "--output", tmp_path / "prepared")
    assert sentence in str(stopped.value)


def test_a_required_option_that_is_absent_stops(monkeypatch, source):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "cbis_ddsm", "--source", source)
    assert stopped.value.code != 0


def test_torch_is_not_needed(tmp_path):
    code = "import sys, scripts.prepare; sys.exit(sorted(sys.modules.keys() & {'torch', 'monai', 'sklearn'}) != [])"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
