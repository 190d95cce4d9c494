"""Damaged files through the reader of films and masks and through the reader of headers, in a process of their own."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from bundle.collection import prepare_collection
from bundle.collection.side_files import SideFiles
from bundle.datasets.dicom_folder import find_views
from bundle.datasets.phantom.layout import Layout
from bundle.preparation import PreparationSettings
from bundle.radiomics.settings import read_settings
from bundle.vocabulary import Split
from tests.datasets.phantom.cohorts import write
from tests.dicom.damage import DAMAGES, KINDS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("first", "last"), [(0, KINDS * len(DAMAGES)), pytest.param(0, 2500, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_damaged_files_are_read_or_refused_with_a_sentence_and_nothing_else(first, last, tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "tests.dicom.damage", str(tmp_path), str(first), str(last)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=500,
    )
    left = [path.name for path in tmp_path.glob("damaged_*")]
    assert run.returncode == 0, f"{left} of the seeds: {run.stderr[-2000:]}"
    counts = json.loads(run.stdout)
    assert counts["film read"] + counts["film refused"] == last - first
    assert counts["header read"] + counts["header refused"] == last - first
    assert min(counts["film read"], counts["header read"]) > (last - first) / 10
    assert min(counts["film refused"], counts["header refused"]) > (last - first) / 10
    assert counts["peak MiB"] < 1024


def test_a_collection_with_damaged_films_is_prepared_and_each_has_its_reason(tmp_path):
    """Thirty women with one damaged film each among two sound ones."""
    source, key = tmp_path / "source", tmp_path / "key.txt"
    write(source, layout=Layout.CLINICAL, breasts=2)
    sound = {view: next(source.glob(f"*/*_{view}.dcm")) for view in ("CC", "MLO")}
    chance = random.Random(0)
    damaged = []
    for number in range(30):
        folder = source / f"damaged_{number}"
        folder.mkdir()
        for view, path in sound.items():
            film = pydicom.dcmread(path)
            film.PatientID = film.StudyInstanceUID = f"1.9.{number}"
            film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = f"1.9.{number}.{len(view)}"
            film.save_as(folder / path.name)
        content = bytearray((folder / path.name).read_bytes())
        DAMAGES[number % len(DAMAGES)](content, chance)
        (folder / path.name).write_bytes(content)
        damaged.append((folder / path.name).relative_to(source).as_posix())
    radiomics = read_settings(ROOT / "configs" / "radiomics.yaml")
    radiomics = replace(radiomics, canvas_spacings_mm=(2.0,), regions=replace(radiomics.regions, per_view=1))
    summary = prepare_collection(
        collection="dicom",
        source=source,
        output=tmp_path / "prepared",
        preparation=PreparationSettings(spacing_mm=2.0),
        radiomics=radiomics,
        fractions={Split.TRAINING: 0.70, Split.VALIDATION: 0.15, Split.TEST: 0.15},
        seed=0,
        workers=1,
        side_files=SideFiles(key=key),
    )
    with (tmp_path / "prepared" / "rejected.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    reasons = {row["path"]: row["reason"] for row in rows}
    views, _ = find_views(source, key=key)
    found = {view.image_path.relative_to(source).as_posix() for view in views}
    assert all(reasons.get(name) or name in found for name in damaged)
    assert sum(name in reasons for name in damaged) > 10
    assert {"catalogue", "read"} <= {row["stage"] for row in rows if row["path"] in damaged}
    assert sum(summary.pairs.values()) >= 1
    assert not [reason for reason in reasons.values() if "PHANTOM^" in reason]
