"""Section of ``python -m scripts.bench``: speed and memory of an evaluation."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own
import torch
from monai.bundle import ConfigWorkflow

from bundle.tensor_files import write_tensors
from bundle.vocabulary import Split
from scripts.verify import ROOT, prepare_films

CONFIGS = [str(ROOT / "configs" / name) for name in ("train.json", "reference.json", "evaluate.json")]
BREASTS = 200  # half of them to learn from, half to score


def evaluation(folder: Path, rounds: int) -> Iterator[str]:
    """Evaluate untrained networks of reference.json by evaluate.json on made-up breasts, both ways, once."""
    del rounds  # an evaluation is long enough to be measured once
    dataset_dir = prepare_films(folder / "evaluation", breasts=BREASTS, seed=0)
    scored = _split_in_two(dataset_dir / "datalist.json")
    run = folder / "run"
    run.mkdir()
    workflow = ConfigWorkflow(
        config_file=CONFIGS,
        workflow_type="train",
        logging_file=False,
        bundle_root=str(ROOT),
        dataset_dir=str(dataset_dir),
        output_dir=str(run),
    )
    workflow.initialize()
    feature_network = workflow.parser.get_parsed_content("feature_network_def")
    write_tensors(run / "feature_network.pt", feature_network.state_dict())
    generator = workflow.parser.get_parsed_content("average").module
    write_tensors(run / "model.pt", generator.state_dict())
    average = {f"module.{name}": value for name, value in generator.state_dict().items()}
    write_tensors(run / "checkpoint.pt", {"average": average})
    begin, (before, _) = time.perf_counter(), _used()
    workflow.run()
    seconds, (after, largest_mib) = time.perf_counter() - begin, _used()
    canvas = workflow.parser.get_parsed_content("canvas")
    yield f"{canvas.rows} x {canvas.columns}, {scored} test breasts both ways, {torch.get_num_threads()} threads"
    yield f"evaluation: {seconds:.0f} s; {after - before:.0f} processor seconds of all processes"
    yield f"largest process at the end: {largest_mib:.0f} MiB"


def _split_in_two(path: Path) -> int:
    """Put half of the pairs into the training split, half into the test split; return how many the latter has."""
    splits = json.loads(path.read_text(encoding="utf-8"))
    pairs = [pair for split in splits.values() for pair in split]
    half = len(pairs) // 2
    splits |= {Split.TRAINING.value: pairs[:half], Split.TEST.value: pairs[half:]}
    path.write_text(json.dumps(splits), encoding="utf-8")
    return len(pairs) - half


def _used() -> tuple[float, float]:
    """Processor seconds of this process and its workers so far, and the largest resident memory now among them, MiB."""
    own = psutil.Process()
    everyone = [own, *own.children()]
    times = [each.cpu_times() for each in everyone]
    return sum(t.user + t.system for t in times), max(each.memory_info().rss for each in everyone) / 2**20
