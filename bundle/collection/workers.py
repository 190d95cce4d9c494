"""Work on views in parallel: on the cores of this machine, or on a Dask cluster. Only small results come back."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from itertools import islice
from urllib.parse import urlsplit

import joblib
from tqdm import tqdm

from bundle.collection.view_task import ViewResult, ViewTask, prepare_view, result_path
from bundle.preparation import PREPARATION_VERSION

_DECISIVE_PACKAGES = (
    *("numpy", "scipy", "scikit-image", "pyradiomics", "simpleitk", "nibabel"),
    *("pydicom", "itk", "pylibjpeg-openjpeg", "pyjpegls", "pillow"),
)
# Parameters of mallopt(3), from malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_TRIM_THRESHOLD_BYTES = 2**30
_CONNECTION_TIMEOUT_S = 10
# Views that the scheduler knows of at once: enough for any cluster's workers, few enough for any memory.
_IN_FLIGHT = 512


@cache
def decisive_versions() -> dict[str, str]:
    """Return the versions of what decides a view's result: the preparation itself, and packages that it needs."""
    packages = {package: version(package) for package in _DECISIVE_PACKAGES}
    return {"preparation": str(PREPARATION_VERSION), **packages}


def require_address(scheduler: str) -> None:
    """Raise ValueError where a scheduler's address is none; Dask itself would take half a minute to say so."""
    try:
        parts = urlsplit(scheduler)
        complete = bool(parts.scheme in ("tcp", "tls") and parts.hostname and parts.port)
    except ValueError:
        complete = False
    if not complete:
        raise ValueError(
            f"the scheduler is {scheduler!r}; give the address that `python -m dask scheduler` prints, as tcp://10.0.0.1:8786"
        )


def prepare_views(tasks: Sequence[ViewTask], *, workers: int, scheduler: str = "") -> dict[str, ViewResult]:
    """Prepare views in parallel, with a progress bar.

    Args:
        tasks: the views; with a scheduler all their paths are absolute.
        workers: views worked on at once on this machine; -1 for one per core.
        scheduler: address of a Dask scheduler, whose workers then do the work; empty for this machine.

    Returns:
        Results by the task's name.

    Raises:
        ConnectionError: the scheduler cannot be reached, or has no worker.
        ChildProcessError: a view ended several workers of the cluster.
        ValueError: a worker of the cluster has no or another version, or does not share the output folder.
    """
    if not tasks:
        return {}
    finished = _on_cluster(tasks, scheduler=scheduler) if scheduler else _on_cores(tasks, workers=workers)
    return dict(tqdm(finished, total=len(tasks), desc="views", unit="view"))


def _on_cores(tasks: Sequence[ViewTask], *, workers: int) -> Iterator[tuple[str, ViewResult]]:
    # Views are the unit of parallel work: threads of their own inside each worker would only compete.
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        results = joblib.Parallel(n_jobs=workers, return_as="generator", batch_size=1)(
            joblib.delayed(_on_core)(task) for task in tasks
        )
        yield from zip((task.name for task in tasks), results, strict=True)


def _on_core(task: ViewTask) -> ViewResult:
    keep_freed_memory()
    return prepare_view(task)


@cache
def keep_freed_memory() -> None:
    """Tell the allocator to use the memory of one film for the next instead of giving it back in between.

    A film's arrays have tens of megabytes. By default glibc asks the kernel for each, which fills it with zeros: a
    fifth of the time of a view, more where several processes do so. Other allocators are left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        allocator = ctypes.CDLL(None)
        allocator.mallopt(_M_MMAP_MAX, 0)
        allocator.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)


def _on_cluster(tasks: Sequence[ViewTask], *, scheduler: str) -> Iterator[tuple[str, ViewResult]]:
    # Here, because the import takes longer than the rest of the start and few have a cluster.
    from distributed import Client, KilledWorker, as_completed

    try:
        client = Client(scheduler, timeout=_CONNECTION_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"no Dask scheduler answers at {scheduler} ({type(error).__name__}); start one with `python -m dask "
            "scheduler` and give the address that it prints, as tcp://10.0.0.1:8786"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_CONNECTION_TIMEOUT_S)
        except TimeoutError:
            raise ConnectionError(
                f"the Dask scheduler at {scheduler} has no worker; start some with `python -m dask worker {scheduler}`"
            ) from None
        # A worker that cannot import the bundle ends at its first task, and Dask then waits for another one for ever.
        if not all(client.run(find_spec, "bundle").values()):
            raise ValueError(
                "a worker of the cluster does not find this bundle; start the workers in the bundle's folder, by "
                f"`python -m dask worker {scheduler}`"
            )
        waiting = iter(tasks)
        names = {}

        def submitted(count: int) -> Iterator[object]:
            for task in islice(waiting, count):
                # Not pure: the task's files decide too, so a result that the cluster still holds must not be taken.
                future = client.submit(_on_worker, task, pure=False)
                names[future.key] = task
                yield future

        running = as_completed(list(submitted(_IN_FLIGHT)), loop=client.loop)
        for future in running:
            task = names.pop(future.key)
            try:
                result = future.result()
            except KilledWorker:
                raise ChildProcessError(
                    f"the view {task.name} ended several workers of the cluster, perhaps for memory; the same command "
                    "goes on where it stopped"
                ) from None
            if not result_path(task).is_file():
                raise ValueError(
                    f"a worker of the cluster wrote {result_path(task)}, which this machine does not see; output and "
                    "source must lie on a file system that all machines share under the same path"
                )
            yield task.name, result
            for future in submitted(1):
                running.add(future)


def _on_worker(task: ViewTask) -> ViewResult:
    if decisive_versions() != task.versions:
        raise ValueError(
            "a worker of the cluster has another version of this bundle, or of the packages that it needs, than this "
            "machine; give all machines the same and start the workers again"
        )
    return prepare_view(task)
