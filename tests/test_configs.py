"""The configs as data: overrides, references, ``$`` strings, versions. Other tests run them."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser
from monai.bundle.properties import TrainProperties

from bundle.losses.objective import DISCRIMINATOR_TERMS, GENERATOR_TERMS
from bundle.preparation import PreparationSettings
from bundle.radiomics.settings import read_settings, settings_hash
from bundle.training.run_folder import METRIC_COLUMNS, RunFolder

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs"
RUNNABLE = (
    "train.json",
    "radimagenet.json",
    "multi_gpu_train.json",
    "inference.json",
    "evaluate.json",
    "demo.json",
    "reference.json",
)
RUNS = {  # as the README combines them
    "train": ("train.json",),
    "train demo": ("train.json", "demo.json"),
    "train with RadImageNet": ("train.json", "radimagenet.json"),
    "train on several GPUs": ("train.json", "multi_gpu_train.json"),
    "flow": ("flow_train.json",),
    "evaluate": ("train.json", "evaluate.json"),
    "evaluate demo": ("train.json", "evaluate.json", "demo.json", "reference.json"),
    "inference": ("inference.json",),
}

ENTRIES = ("initialize", "run", "finalize")  # what MONAI's workflow runs
CONTRACT = (*ENTRIES, "imports", "training")  # ids that are read by MONAI, or named on the command line
ZOO_ONLY = "train#inferer"  # required by the Model Zoo; the trainer calls its networks itself
CONTAINERS = ("train", "validate")  # their members are objects of their own

ALLOWED_EXPRESSIONS = (
    r"import \w+",
    r"@(bundle_root|output_dir) \+ '(/[\w.]+)+'",
    r"@\w+\.to\(@device(, memory_format=torch\.channels_last)?\)",
    r"@canvas#(rows|columns) // 4",
    r"@\w+\.parameters\(\)",
    r"@\w+\.module",
    r"torch\.device\('cuda' if torch\.cuda\.is_available\(\) else 'cpu'\)",
    r"torch\.cuda\.is_available\(\)",
    r"monai\.utils\.set_determinism\(seed=(@seed|\d+)\)",
    r"@[\w#]+\.(run|report)\(\)",
)


def _read(name: str) -> dict[str, Any]:
    return json.loads((CONFIGS / name).read_text())


def _merged(*names: str) -> dict[str, Any]:
    return ConfigParser.load_config_files([str(CONFIGS / name) for name in names])


def _strings(content: Any) -> Iterator[str]:
    if isinstance(content, Mapping):
        for value in content.values():
            yield from _strings(value)
    elif isinstance(content, list):
        for value in content:
            yield from _strings(value)
    elif isinstance(content, str):
        yield content


def _mappings(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, Mapping):
        yield content
    for value in content.values() if isinstance(content, Mapping) else content if isinstance(content, list) else ():
        yield from _mappings(value)


def _exists(config: Any, identifier: str) -> bool:
    for part in identifier.split("#"):
        if isinstance(config, Mapping) and part in config:
            config = config[part]
        elif isinstance(config, list) and part.isdecimal() and int(part) < len(config):
            config = config[int(part)]
        else:
            return False
    return True


def _unknown(override: Mapping[str, Any], base: Mapping[str, Any], *, may_add: bool) -> list[str]:
    """List the ids of an override file that its base lacks; ``may_add`` lets new top-level ids pass."""
    return [name for name in override if not _exists(base, name) and not (may_add and "#" not in name)]


def _nodes(config: Mapping[str, Any]) -> dict[str, Any]:
    """List the configured objects by id, those within a container each by itself."""
    nodes = {name: content for name, content in config.items() if name not in CONTAINERS}
    for container in CONTAINERS:
        nodes |= {f"{container}#{name}": content for name, content in config.get(container, {}).items()}
    return nodes


def _unused(config: Mapping[str, Any]) -> set[str]:
    """List the objects that nothing leads to which MONAI runs."""
    nodes = _nodes(config)
    reached: set[str] = set()
    waiting = [name for name in ENTRIES if name in nodes]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        for text in _strings(nodes[name]):
            if not text.startswith(("@", "%", "$")):
                continue
            for reference in re.findall(r"[@%](\w+(?:#\w+)*)", text):
                parts = reference.split("#")
                target = "#".join(parts[:2]) if parts[0] in CONTAINERS else parts[0]
                assert target in nodes, f"{name} refers to {reference}, which does not exist"
                if target not in reached:
                    waiting.append(target)
    return set(nodes) - reached - {*CONTRACT, ZOO_ONLY}


class TestOverrides:
    @pytest.mark.parametrize(
        ("override", "base"),
        [
            ("evaluate.json", ("train.json",)),
            ("demo.json", ("train.json",)),
            ("demo.json", ("train.json", "evaluate.json")),
            ("reference.json", ("train.json",)),
            ("radimagenet.json", ("train.json",)),
        ],
    )
    def test_override_files_touch_only_ids_that_exist(self, override: str, base: tuple[str, ...]) -> None:
        assert _unknown(_read(override), _merged(*base), may_add=override == "evaluate.json") == []

    def test_what_several_gpus_add(self) -> None:
        override, base = _read("multi_gpu_train.json"), _read("train.json")
        added = {"train#sampler", "train#dataloader#sampler", "validate#sampler", "validate#dataloader#sampler"}
        assert set(_unknown(override, base, may_add=False)) == added | {"finalize"}
        assert all(_exists(base, name.rpartition("#")[0]) for name in added)

    def test_what_evaluation_adds_is_used(self) -> None:
        added = set(_read("evaluate.json")) - set(_read("train.json"))
        assert added, "evaluate.json names its own folder at least"
        assert not added & _unused(_merged("train.json", "evaluate.json"))

    def test_each_run_has_its_own_evaluation(self) -> None:
        folders = set()
        for run in ("runs/a", "runs/b"):
            parser = ConfigParser(_merged("train.json", "evaluate.json"))
            parser["output_dir"] = run
            folders.add(parser.get_parsed_content("evaluation_dir"))
        assert folders == {"runs/a/evaluation", "runs/b/evaluation"}

    @pytest.mark.parametrize(
        "misspelt", ["canvas#row", "train#trainer#accumulation_step", "max_epoch", "train#handlers#99#term"]
    )
    def test_a_misspelt_id_is_caught(self, tmp_path: Path, misspelt: str) -> None:
        (tmp_path / "override.json").write_text(json.dumps({misspelt: 1, "canvas#rows": 64, "max_epochs": 2}))
        override = json.loads((tmp_path / "override.json").read_text())
        assert _unknown(override, _read("train.json"), may_add=False) == [misspelt]

    def test_a_new_top_level_id_that_nothing_uses_is_caught(self) -> None:
        config = _merged("train.json", "evaluate.json") | {"evaluation_dirr": "elsewhere"}
        assert _unused(config) - _unused(_merged("train.json", "evaluate.json")) == {"evaluation_dirr"}

    def test_network_json_fits_inference(self, prepared_collection: Path, tmp_path: Path) -> None:
        """What a run writes makes inference (and evaluation) use the run's network, canvas and preparation."""
        parser = ConfigParser(_merged("train.json", "demo.json"))
        handler = _of_target(parser.get("train#handlers"), "bundle.training.run_folder.RunFolder")[0]
        network = {name: parser[reference.removeprefix("@")] for name, reference in handler["network"].items()}
        run_folder = RunFolder(
            output_dir=tmp_path,
            evaluator=None,  # type: ignore[arg-type]
            canvas=parser.get_parsed_content("canvas"),
            network=network,
            parts={"average": parser.get_parsed_content("average")},
            dataset_dir=prepared_collection,
            seed=0,
            key_metric=handler["key_metric"],
            choose_from=handler["choose_from"],
            patience=handler["patience"],
        )
        assert _unknown(run_folder.overrides, _read("inference.json"), may_add=False) == []
        assert _unknown(run_folder.overrides, _merged("train.json", "evaluate.json"), may_add=True) == []
        inference = ConfigParser(_read("inference.json"))
        for name, value in run_folder.overrides.items():
            inference[name] = value
        for name in ("network_def", "canvas"):
            assert inference[name] == parser[name], name
        prepared = json.loads((prepared_collection / "preparation.json").read_text())
        assert asdict(inference.get_parsed_content("preparation")) == prepared["preparation"]
        assert inference["radiomics_settings_hash"] == prepared["radiomics"]["settings_hash"]


class TestUse:
    @pytest.mark.parametrize(
        "names", [RUNS[run] for run in ("train", "train demo", "train on several GPUs", "flow", "inference")]
    )
    def test_every_object_is_used(self, names: tuple[str, ...]) -> None:
        assert _unused(_merged(*names)) == set()

    def test_what_is_there_for_the_zoo_alone_is_required_by_it(self) -> None:
        required = {each["id"].replace("::", "#") for each in TrainProperties.values() if each["required"]}
        assert ZOO_ONLY in required

    @pytest.mark.parametrize("name", ["train.json", "inference.json"])
    def test_an_object_that_nothing_uses_is_caught(self, name: str) -> None:
        config = _read(name)
        config |= {"dead": {"_target_": "SimpleInferer", "network": "@deader"}, "deader": "@dead"}
        assert _unused(config) == {"dead", "deader"}

    @pytest.mark.parametrize("names", RUNS.values(), ids=RUNS.keys())
    def test_every_reference_exists(self, names: tuple[str, ...]) -> None:
        config = _merged(*names)
        for text in _strings(config):
            if text.startswith(("@", "%", "$")):
                for reference in re.findall(r"[@%](\w+(?:#\w+)*)", text):
                    assert _exists(config, reference), text

    @pytest.mark.parametrize("names", [RUNS["evaluate"], RUNS["inference"]])
    def test_every_import_is_used(self, names: tuple[str, ...]) -> None:
        config = _merged(*names)
        expressions = [text for text in _strings(config) if text.startswith("$") and not text.startswith("$import")]
        for line in config["imports"]:
            module = line.removeprefix("$import ")
            assert any(re.search(rf"\b{module}\.", text) for text in expressions), module


class TestText:
    @pytest.mark.parametrize("name", RUNNABLE)
    def test_no_logic_in_strings(self, name: str) -> None:
        for text in _strings(_read(name)):
            if text.startswith("$"):
                assert any(re.fullmatch(form, text[1:]) for form in ALLOWED_EXPRESSIONS), text

    @pytest.mark.parametrize(
        "text", ["$@max_epochs // 2", "$[x for x in @a]", "$@network_def.to('cuda')", "$@bundle_root + '/../x y'"]
    )
    def test_logic_is_caught(self, text: str) -> None:
        assert not any(re.fullmatch(form, text[1:]) for form in ALLOWED_EXPRESSIONS)

    @pytest.mark.parametrize("path", sorted(CONFIGS.iterdir()), ids=lambda path: path.name)
    def test_no_path_of_a_machine(self, path: Path) -> None:
        assert not re.search(
            r"(^|[\s\"'=:])(/(home|Users|tmp|work|mnt|data|root|opt|var)\b|~/|[A-Z]:\\)", path.read_text()
        )

    @pytest.mark.parametrize("name", [*RUNNABLE, "radiomics.yaml", "logging.conf"])
    def test_nothing_refers_to_scripts(self, name: str) -> None:
        assert "scripts" not in (CONFIGS / name).read_text()


class TestAgreement:
    @pytest.mark.parametrize("name", ["train.json", "inference.json"])
    def test_sizes_paths_and_seeds_are_said_once(self, name: str) -> None:
        """Defect 11: whatever needs one of them refers to it."""
        config = _read(name)
        said_once = {
            "dataset_dir",
            "output_dir",
            "seed",
            "device",
            "canvas",
            "weights",
            "rows",
            "columns",
            "spacing_mm",
        }
        definitions = {"canvas", "preparation"}  # the frame of the networks, and the grid of the prepared files
        repeated = []
        for node, content in _nodes(config).items():
            for inner in _mappings(content) if node not in definitions else ():
                repeated += [
                    f"{node}: {key}"
                    for key in said_once & inner.keys()
                    if not (isinstance(inner[key], str) and inner[key].startswith("@"))
                    and key != node
                    and not (key == "weights" and isinstance(inner[key], Mapping))  # of loss terms
                ]
        assert repeated == []

    def test_the_network_and_canvas_are_the_same_in_training_and_inference(self) -> None:
        train, inference = _read("flow_train.json"), _read("inference.json")
        for name in ("network_def", "network", "canvas", "device"):
            assert train[name] == inference[name], name

    def test_network_json_names_every_argument_of_the_network(self) -> None:
        train = _read("train.json")
        (handler,) = _of_target(train["train"]["handlers"], "bundle.training.run_folder.RunFolder")
        arguments = set(train["network_def"]) - {"_target_"}
        assert handler["network"] == {name: f"@network_def#{name}" for name in arguments}

    def test_the_default_hash_is_that_of_the_default_settings(self) -> None:
        current = settings_hash(read_settings(CONFIGS / "radiomics.yaml"))
        assert _read("inference.json")["radiomics_settings_hash"] == current

    def test_the_default_preparation_is_that_of_the_collections(self) -> None:
        assert ConfigParser(_read("inference.json")).get_parsed_content("preparation") == PreparationSettings()

    @pytest.mark.parametrize("names", [RUNS["train"], RUNS["train demo"]])
    def test_features_exist_at_the_canvas_spacing(self, names: tuple[str, ...]) -> None:
        settings = read_settings(CONFIGS / "radiomics.yaml")
        assert _merged(*names)["canvas"]["spacing_mm"] in settings.canvas_spacings_mm


class TestTerms:
    @pytest.mark.parametrize(
        ("objective", "terms"),
        [("generator_objective", GENERATOR_TERMS), ("discriminator_objective", DISCRIMINATOR_TERMS)],
    )
    @pytest.mark.parametrize("names", [RUNS["train"], RUNS["train demo"]])
    def test_each_weight_names_a_term_and_each_term_has_one(
        self, names: tuple[str, ...], objective: str, terms: tuple[str, ...]
    ) -> None:
        assert sorted(_merged(*names)[objective]["weights"]) == sorted(terms)

    @pytest.mark.parametrize("names", [RUNS["train"], RUNS["train demo"]])
    def test_ramps_name_terms_and_each_term_once(self, names: tuple[str, ...]) -> None:
        ramps = _of_target(_merged(*names)["train"]["handlers"], "bundle.training.ramps.LossWeightRamp")
        assert ramps
        terms = {"@generator_objective": GENERATOR_TERMS, "@discriminator_objective": DISCRIMINATOR_TERMS}
        assert all(ramp["term"] in terms[ramp["objective"]] for ramp in ramps)
        assert len({(ramp["objective"], ramp["term"]) for ramp in ramps}) == len(ramps)

    def test_handlers_name_metrics_that_exist(self) -> None:
        handlers = _read("train.json")["train"]["handlers"]
        named = [name for handler in handlers for name in handler.get("metrics", [])]
        named += [handler["key_metric"] for handler in handlers if "key_metric" in handler]
        assert named
        assert set(named) <= set(METRIC_COLUMNS)


class TestMetadata:
    def test_versions_are_those_of_the_pins(self) -> None:
        metadata = _read("metadata.json")
        stated = {
            "monai": metadata["monai_version"],
            "torch": metadata["pytorch_version"],
            "numpy": metadata["numpy_version"],
            **metadata["required_packages_version"],
        }
        assert {name: _pins().get(name) for name in stated} == stated

    def test_every_package_that_the_bundle_imports_is_named(self) -> None:
        metadata = _read("metadata.json")
        imported = set(_pins(section="what the bundle imports")) - {"torch", "monai"}
        assert set(metadata["required_packages_version"]) == imported

    def test_the_version_is_the_projects_and_in_the_changelog(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        metadata, inference = _read("metadata.json"), _read("inference.json")
        assert inference["model_version"] == project["version"] == metadata["version"]
        assert metadata["version"] in metadata["changelog"]
        assert inference["model_name"] == project["name"]


def _of_target(handlers: list[Any], target: str) -> list[dict[str, Any]]:
    return [each for each in handlers if isinstance(each, dict) and each["_target_"] == target]


def _pins(section: str | None = None) -> dict[str, str]:
    """Read requirements.txt, or the part of it below one comment."""
    pins: dict[str, str] = {}
    current = ""
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line.startswith("# "):
            current = line.removeprefix("# ")
        elif "==" in line and section in (None, current):
            name, version = line.split("==")
            pins[name] = version
    return pins
