"""Measure speed and memory of the parts: ``python -m scripts.bench [SECTION ...]``, all sections without a name.

On a machine that others use, times are worth nothing by themselves: what is compared is measured in turns within one
run, and beside the times stand the processor seconds, which other programs hardly change.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import fire
import joblib
import numpy as np
import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own
import pydicom
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless
from skimage.transform import resize
from tqdm import tqdm

from bundle.collection.film_file import read_view_film
from bundle.collection.view_task import ViewTask
from bundle.collection.workers import decisive_versions, keep_freed_memory, prepare_views
from bundle.datasets.cbis_ddsm import find_views
from bundle.datasets.phantom.cohort import write_cohort
from bundle.datasets.phantom.layout import Layout
from bundle.dicom.masks import choose_mask
from bundle.dicom.read import read_film, read_stored_pixels
from bundle.imaging.resampling import resample_image, resample_mask
from bundle.preparation import PreparationSettings, fine_view, orient, resample_view
from bundle.radiomics.extraction import extract_features
from bundle.radiomics.settings import RadiomicsSettings, read_settings
from bundle.records import View
from bundle.stopping import ending_with_a_sentence
from bundle.vocabulary import Split
from scripts.arguments import refuse_unexpected, whole_number
from scripts.bench_evaluation import evaluation
from scripts.bench_training import memory, training
from scripts.prepare import RADIOMICS_CONFIG

FILM_SHAPE = (4600, 3000)
FILM_SPACING_MM = 0.05
BREASTS = 4
REPEATS = 4  # of the same films and lesions in one measurement, so that it lasts some seconds
NOISE_LEVELS = 150  # of 65536: without noise, films would compress to less than real ones do
PROCESSES = (1, 2)

Region = tuple[np.ndarray, np.ndarray, float]
"""Image, mask and spacing in mm of a lesion at one scale."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What a piece of work took.

    Args:
        wall_s: on the clock.
        processor_s: of this process and its workers together.
        peak_mib: the largest resident memory that one of the processes had so far.
    """

    wall_s: float
    processor_s: float
    peak_mib: float


def bench(*sections: str, rounds: int = 3, **unknown_options: object) -> None:
    """Measure, and print the figures; nothing is kept.

    Args:
        *sections: reading, preparation, radiomics, training, memory, evaluation; all where none is named.
        rounds: how often each comparison is made; medians are printed.
        **unknown_options: refused.
    """
    refuse_unexpected((), unknown_options, command="python -m scripts.bench")
    if unknown := [section for section in sections if section not in SECTIONS]:
        raise ValueError(f"unknown section(s) {', '.join(map(str, unknown))}; there are {', '.join(SECTIONS)}")
    if whole_number(rounds, name="rounds") < 1:
        raise ValueError(f"--rounds is {rounds}; it must be 1 or more")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start, {rounds} rounds", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in sections or SECTIONS:
            print(f"{name}:", flush=True)
            for line in SECTIONS[name](Path(folder), rounds):
                print(f"  {line}", flush=True)


def reading(folder: Path, rounds: int) -> Iterator[str]:
    """Compare our reading with pydicom decoding the stored pixels alone.

    `read_stored_pixels` does the same as pydicom, with checks; `read_film` applies the look-up tables, too, and gives
    float32 in [0, 1]. What any program needs that touches the pixels stands beside: one change of type, and one
    look-up in a table, into memory that is there. All is measured in a process like those that prepare views.
    """
    raw = full_size_views(folder)[0].image_path
    files = {"uncompressed": raw}
    for name, syntax in (("RLE", RLELossless), ("JPEG-LS", JPEGLSLossless), ("JPEG 2000", JPEG2000Lossless)):
        dataset = pydicom.dcmread(raw)
        dataset.compress(syntax)
        files[name] = folder / f"{name}.dcm"
        dataset.save_as(files[name])
    windowed = pydicom.dcmread(raw)
    windowed.WindowCenter, windowed.WindowWidth = 2**15, 2**14
    files["uncompressed, with a window"] = folder / "windowed.dcm"
    windowed.save_as(files["uncompressed, with a window"])
    yield f"{FILM_SHAPE[0]} x {FILM_SHAPE[1]}, 16 bits, files in the page cache; processor seconds a film"
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=keep_freed_memory) as worker:
        for name, path in files.items():
            seconds = worker.submit(_reading_seconds, path, rounds).result()
            alone = seconds.pop("pydicom alone")
            shown = [f"{reader} {each:.4f} ({alone / each:.0%} of its speed)" for reader, each in seconds.items()]
            yield f"{name}: pydicom alone {alone:.4f}, {', '.join(shown)}"
        seconds = worker.submit(_touching_seconds, raw, rounds).result()
        yield "the pixels alone: " + ", ".join(f"{step} {each:.4f}" for step, each in seconds.items())


def _reading_seconds(path: Path, rounds: int) -> dict[str, float]:
    """Give the median processor seconds by way of reading."""
    return _median_seconds(
        {
            "pydicom alone": partial(_decoded_by_pydicom, path),
            "stored pixels": partial(read_stored_pixels, path),
            "film": partial(read_film, path),
        },
        rounds,
    )


def _touching_seconds(path: Path, rounds: int) -> dict[str, float]:
    """Give the median processor seconds for the least that can be done to the pixels of a film."""
    stored = read_stored_pixels(path)
    table, pixels = np.linspace(0.0, 1.0, 2**16, dtype=np.float32), np.zeros(stored.shape, dtype=np.float32)
    return _median_seconds(
        {
            "to float32": partial(np.copyto, pixels, stored),
            "looked up": partial(np.take, table, stored, out=pixels, mode="wrap"),
        },
        rounds,
    )


def _median_seconds(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Do all in turns, after a first time that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            start = time.process_time()
            work()
            if number:
                seconds[name].append(time.process_time() - start)
    return {name: statistics.median(each) for name, each in seconds.items()}


def _decoded_by_pydicom(path: Path) -> np.ndarray:
    return pydicom.dcmread(path).pixel_array


def preparation(folder: Path, rounds: int) -> Iterator[str]:
    """Read and prepare views as scripts.prepare does, without lesions and regions, with one and with two processes."""
    views = [replace(view, lesions=()) for view in full_size_views(folder)]
    output = folder / "prepared"
    for name in ("images", "views"):
        (output / name).mkdir(parents=True, exist_ok=True)
    tasks = [
        ViewTask(
            view=view,
            name=f"view_{number}",  # each is written to files of its own
            split=Split.TEST,  # no random regions
            source=folder,
            output=output,
            preparation=PreparationSettings(),
            radiomics=_radiomics_settings(),
            seed=0,
            versions=decisive_versions(),
        )
        for number, view in enumerate(views * REPEATS)
    ]
    yield f"reading and preparing {FILM_SHAPE[0]} x {FILM_SHAPE[1]}, 16 bits, for the canvas of 256 x 192 at 1 mm"
    yield from _by_processes(lambda workers: _prepare(tasks, workers), count=len(tasks), unit="views", rounds=rounds)


def radiomics(folder: Path, rounds: int) -> Iterator[str]:
    """Extract the features of lesions at all scales, with one and with two processes."""
    settings = _radiomics_settings()
    lesions = [lesion for view in full_size_views(folder) for lesion in _lesions(view, settings)]
    scales = f"{settings.fine_spacing_mm:g} mm and canvases of {settings.canvas_spacings_mm} mm"
    pixels = statistics.median(int(np.count_nonzero(lesion[0][1])) for lesion in lesions)
    yield f"102 features at {scales}; {len(lesions)} lesions of {pixels:.0f} pixels (median, fine)"
    several = lesions * REPEATS

    def work(workers: int) -> None:
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            joblib.Parallel(n_jobs=workers)(joblib.delayed(_extract)(lesion, settings) for lesion in several)

    yield from _by_processes(work, count=len(several), unit="lesions", rounds=rounds)


SECTIONS: dict[str, Callable[[Path, int], Iterator[str]]] = {
    "reading": reading,
    "preparation": preparation,
    "radiomics": radiomics,
    "training": training,
    "memory": memory,
    "evaluation": evaluation,
}
"""Each takes a folder for its files and the number of rounds, and yields lines; add a section by adding it here."""


def full_size_views(folder: Path) -> list[View]:
    """Give views of phantom breasts with their lesions, in the layout of CBIS-DDSM, as large as scanned films.

    They are simulated at 1 mm and enlarged: what they show does not matter for the speed. Made at the first call.
    """
    source = folder / "films"
    if not source.exists():
        write_cohort(
            layout=Layout.CBIS_DDSM,
            breasts=BREASTS,
            seed=0,
            output=source,
            film_spacing_mm=1.0,
            workers=1,
            overwrite=False,
            show_progress=False,
        )
        for path in tqdm(sorted(source.rglob("*.dcm")), desc="enlarging", unit="file", leave=False):
            _enlarge(path)
    views, _ = find_views(source)
    return views


def _enlarge(path: Path) -> None:
    """Enlarge a film or a mask in place; the crops of lesions stay as they are."""
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array
    is_film = dataset.SeriesDescription == "full mammogram images"
    if not is_film and pixels.max() > pixels.min() and len(np.unique(pixels)) > 2:
        return
    enlarged = resize(pixels, FILM_SHAPE, order=1 if is_film else 0, preserve_range=True, anti_aliasing=False)
    if is_film:
        enlarged += np.random.default_rng(0).normal(0.0, NOISE_LEVELS, FILM_SHAPE)
    highest = np.iinfo(pixels.dtype).max
    dataset.Rows, dataset.Columns = FILM_SHAPE
    dataset.PixelSpacing = [FILM_SPACING_MM, FILM_SPACING_MM]
    dataset.PixelData = np.clip(np.round(enlarged), 0, highest).astype(pixels.dtype).tobytes()
    dataset.save_as(path)


def _prepare(tasks: Sequence[ViewTask], workers: int) -> None:
    results = prepare_views(tasks, workers=workers)
    problems = [str(result.problem.reason) for result in results.values() if result.problem]
    if problems:
        raise ValueError(f"a view could not be prepared: {problems[0]}")


def _lesions(view: View, settings: RadiomicsSettings) -> Iterator[list[Region]]:
    """Give each lesion at all scales, as scripts.prepare hands them to the extraction."""
    film = read_view_film(view)
    shape = (film.pixels.shape[0], film.pixels.shape[1])
    masks = [choose_mask(lesion.mask_paths, shape)[1] for lesion in view.lesions]
    preparation_settings = PreparationSettings(fine_spacing_mm=settings.fine_spacing_mm)
    oriented = orient(film, masks, preparation_settings)
    prepared = resample_view(oriented, preparation_settings)
    own_mm = prepared.geometry.spacing_mm
    for index in range(len(masks)):
        regions: list[Region] = [fine_view(oriented, preparation_settings, index)]
        for spacing_mm in settings.canvas_spacings_mm:
            image = resample_image(prepared.image, spacing_mm=own_mm, target_spacing_mm=spacing_mm)
            lesion = prepared.lesions == index + 1
            regions.append((image, resample_mask(lesion, spacing_mm=own_mm, target_spacing_mm=spacing_mm), spacing_mm))
        yield regions


def _extract(lesion: Sequence[Region], settings: RadiomicsSettings) -> int:
    """Extract at each scale; give the number of vectors, for a small lesion has none on a coarse canvas."""
    vectors = 0
    for image, mask, spacing_mm in lesion:
        try:
            extract_features(image, mask, spacing_mm=spacing_mm, settings=settings)
        except ValueError:
            continue
        vectors += 1
    return vectors


def _radiomics_settings() -> RadiomicsSettings:
    return read_settings(RADIOMICS_CONFIG)


def _by_processes(work: Callable[[int], None], *, count: int, unit: str, rounds: int) -> Iterator[str]:
    """Do the same work with one and with two processes in turns, after a first time that starts the workers."""
    timings: dict[int, list[Timing]] = {workers: [] for workers in PROCESSES}
    for workers in PROCESSES:
        work(workers)
    for _ in range(rounds):
        for workers in PROCESSES:
            timings[workers].append(_timed(partial(work, workers)))
    for workers, measured in timings.items():
        wall_s = statistics.median(each.wall_s for each in measured)
        processor_s = statistics.median(each.processor_s for each in measured)
        yield f"{workers} process(es): {count / wall_s:.2f} {unit}/s, {processor_s / count:.3f} processor s each"
    one, two = (timings[workers] for workers in PROCESSES)
    ratios = sorted(first.wall_s / second.wall_s for first, second in zip(one, two, strict=True))
    extra = statistics.median(second.processor_s / first.processor_s for first, second in zip(one, two, strict=True))
    yield f"two are {statistics.median(ratios):.2f} times as fast as one ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    yield f"processor time with two: {extra:.2f} times that of one; largest process {two[-1].peak_mib:.0f} MiB"


def _timed(work: Callable[[], object]) -> Timing:
    processor_s, start = _processor_s(), time.perf_counter()
    work()
    wall_s = time.perf_counter() - start
    return Timing(wall_s=wall_s, processor_s=_processor_s() - processor_s, peak_mib=_peak_mib())


def _processor_s() -> float:
    """Give the processor seconds of this process and its workers so far."""
    workers = [each.cpu_times() for each in psutil.Process().children()]
    return time.process_time() + sum(times.user + times.system for times in workers)


def _peak_mib() -> float:
    """Give the largest resident memory that a worker has had, or this process where it has none (Linux only)."""
    own = psutil.Process()
    peaks = [_high_water_kib(each.pid) for each in own.children() or [own]]
    return max(peaks) / 1024


def _high_water_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def main() -> None:
    """Run the command; a wrong argument ends it with one sentence."""
    with ending_with_a_sentence("bench"):
        fire.Fire(bench, name="python -m scripts.bench")


if __name__ == "__main__":
    main()
