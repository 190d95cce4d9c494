"""Preparation on a Dask cluster gives what one machine gives, also when a worker dies half-way."""

import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.collection import prepare_collection
from bundle.collection.view_task import ViewTask
from bundle.collection.workers import _on_worker, decisive_versions, prepare_views, require_address
from bundle.datasets.cbis_ddsm import find_views
from bundle.preparation import PreparationSettings
from bundle.radiomics.settings import read_settings
from bundle.vocabulary import Split
from tests.datasets.cbis_ddsm_tree import both_views, write_tree

ROOT = Path(__file__).resolve().parents[2]
RADIOMICS = read_settings(ROOT / "configs" / "radiomics.yaml")
PATIENTS = 8


def prepare(source: Path, output: Path, *, scheduler: str = ""):
    return prepare_collection(
        collection="cbis_ddsm",
        source=source,
        output=output,
        preparation=PreparationSettings(),
        radiomics=RADIOMICS,
        fractions={Split.TRAINING: 0.70, Split.VALIDATION: 0.15, Split.TEST: 0.15},
        seed=0,
        workers=1,
        scheduler=scheduler,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_cluster_that_loses_a_worker_half_way_loses_nothing(tmp_path, monkeypatch):
    from distributed import LocalCluster

    monkeypatch.chdir(tmp_path)
    rows = [row for number in range(PATIENTS) for row in both_views(f"P_{number:05d}")]
    write_tree(tmp_path / "source", rows, layout="download_tool")
    plain = prepare(tmp_path / "source", tmp_path / "plain")
    killed = []
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:

        def kill_one_half_way() -> None:
            while len(list(Path("cluster").glob("views/*.json"))) < PATIENTS // 2:
                time.sleep(0.01)
            killed.append(cluster.workers[0].pid)
            os.kill(killed[0], signal.SIGKILL)

        killer = threading.Thread(target=kill_one_half_way, daemon=True)
        killer.start()
        # Paths are relative: the workers stand elsewhere.
        on_cluster = prepare(Path("source"), Path("cluster"), scheduler=cluster.scheduler_address)
        killer.join(timeout=10)
    assert killed
    assert on_cluster.pairs == plain.pairs
    assert contents(tmp_path / "cluster") == contents(tmp_path / "plain")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")
def test_the_memory_of_a_film_is_used_again():
    program = """
import resource, sys
import numpy as np
from bundle.collection.workers import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
film = np.ones(10_000_000)
del film
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    film = np.ones(10_000_000)
    del film
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    page_faults = {
        kept: int(
            subprocess.run([sys.executable, "-c", program, kept], cwd=ROOT, check=True, capture_output=True).stdout
        )
        for kept in ("keep", "return")
    }
    assert page_faults["keep"] < page_faults["return"] / 10


def test_a_scheduler_that_does_not_answer_is_one_sentence(tmp_path, monkeypatch):
    write_tree(tmp_path / "source", [row for n in range(3) for row in both_views(f"P_{n:05d}")], layout="download_tool")
    monkeypatch.setattr("bundle.collection.workers._CONNECTION_TIMEOUT_S", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectionError, match=f"no Dask scheduler answers at {address}"):
        prepare(tmp_path / "source", tmp_path / "output", scheduler=address)


@pytest.mark.parametrize(
    "address", ["nonsense", "10.0.0.1:8786", "tcp://10.0.0.1", "tcp://:8786", "tcp://host:x", "tcp://["]
)
def test_what_is_no_address_is_one_sentence(address):
    with pytest.raises(ValueError, match="as tcp:"):
        require_address(address)


def test_an_address_is_accepted():
    require_address("tcp://10.0.0.1:8786")
    require_address("tls://[::1]:8786")


def test_without_tasks_no_scheduler_is_asked():
    assert prepare_views([], workers=1, scheduler="tcp://127.0.0.1:1") == {}


def test_a_worker_of_another_version_refuses(tmp_path):
    write_tree(tmp_path, both_views("P_00001"), layout="download_tool")
    views, _ = find_views(tmp_path)
    (tmp_path / "output" / "views").mkdir(parents=True)
    task = ViewTask(
        view=views[0],
        name="P_00001_L_CC",
        split=Split.TEST,
        source=tmp_path,
        output=tmp_path / "output",
        preparation=PreparationSettings(),
        radiomics=RADIOMICS,
        seed=0,
        versions=decisive_versions(),
    )
    assert _on_worker(task).problem is None
    with pytest.raises(ValueError, match="another version of this bundle"):
        _on_worker(replace(task, versions={**decisive_versions(), "preparation": "0"}))
