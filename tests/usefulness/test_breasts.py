"""Only patients whom the generator has not seen, and synthetic views that know of no lesion."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from torch import nn

from bundle.preparation import load_prepared_image
from bundle.records import Canvas
from bundle.usefulness.breasts import load_breasts, synthesize, unseen_pairs
from bundle.vocabulary import Direction

CANVAS = Canvas(rows=128, columns=96, spacing_mm=2.0)
CPU = torch.device("cpu")


class Recorder(nn.Module):
    """Gives the source flipped, and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple] = []

    def forward(self, image, radiomics, target_view):
        self.given.append((image.clone(), radiomics, target_view))
        return image[:, :1].flip(2)


def of_split(prepared: Path, split: str) -> set[str]:
    return {pair["patient_id"] for pair in json.loads((prepared / "datalist.json").read_text())[split]}


def under_other_names(prepared: Path, folder: Path) -> Path:
    """Copy a collection; all patients get other identifiers and stand in the test split."""
    shutil.copytree(prepared, folder)
    datalist = json.loads((folder / "datalist.json").read_text())
    pairs = [{**pair, "patient_id": f"other_{pair['patient_id']}"} for split in datalist.values() for pair in split]
    (folder / "datalist.json").write_text(json.dumps({"training": [], "validation": [], "test": pairs}))
    return folder


def test_the_generators_patients_are_left_out(prepared_collection: Path) -> None:
    patients = {pair["patient_id"] for pair in unseen_pairs(prepared_collection, trained_on=prepared_collection)}
    assert patients == of_split(prepared_collection, "validation") | of_split(prepared_collection, "test")
    assert not patients & of_split(prepared_collection, "training")


def test_they_are_left_out_under_other_names_too(prepared_collection: Path, tmp_path: Path) -> None:
    renamed = under_other_names(prepared_collection, tmp_path / "renamed")
    patients = {pair["patient_id"] for pair in unseen_pairs(renamed, trained_on=prepared_collection)}
    expected = of_split(prepared_collection, "validation") | of_split(prepared_collection, "test")
    assert patients == {f"other_{patient}" for patient in expected}


def test_a_patient_one_of_whose_views_was_seen_is_left_out_with_all_breasts(
    prepared_collection: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(prepared_collection, tmp_path / "copy")
    datalist = json.loads((copy / "datalist.json").read_text())
    shared = datalist["training"][0]["mlo"]["image"]
    victim = datalist["test"][0]
    shutil.copy(copy / shared, copy / victim["mlo"]["image"])
    patients = {pair["patient_id"] for pair in unseen_pairs(copy, trained_on=prepared_collection)}
    assert victim["patient_id"] not in patients
    assert patients


def test_nobody_left_and_other_preparations_are_refused(prepared_collection: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(prepared_collection, tmp_path / "copy")
    datalist = json.loads((copy / "datalist.json").read_text())
    (copy / "datalist.json").write_text(json.dumps({"training": datalist["training"], "validation": [], "test": []}))
    with pytest.raises(ValueError, match="trained on every patient"):
        unseen_pairs(copy, trained_on=prepared_collection)
    preparation = json.loads((copy / "preparation.json").read_text())
    preparation["preparation"]["spacing_mm"] = 0.5
    (copy / "preparation.json").write_text(json.dumps(preparation))
    with pytest.raises(ValueError, match="different settings"):
        unseen_pairs(copy, trained_on=prepared_collection)
    with pytest.raises(FileNotFoundError, match="No prepared collection"):
        unseen_pairs(tmp_path / "none", trained_on=prepared_collection)


@pytest.mark.parametrize("direction", list(Direction))
def test_the_generator_is_told_nothing_of_lesions(
    prepared_collection: Path, tmp_path: Path, direction: Direction
) -> None:
    """With all masks removed the labels turn, the synthetic views do not: no label comes in through them."""
    bare = shutil.copytree(prepared_collection, tmp_path / "bare")
    pairs = unseen_pairs(bare, trained_on=prepared_collection)
    for pair in pairs:
        for view in ("cc", "mlo"):
            _erase(bare / pair[view]["mask"])
    made = {}
    for folder in (prepared_collection, bare):
        recorder = Recorder()
        made[folder] = load_breasts(
            pairs, prepared=folder, direction=direction, generator=recorder, canvas=CANVAS, device=CPU
        )
        for image, radiomics, target_view in recorder.given:
            assert image.shape[1:] == (2, 128, 96)
            assert not image[:, 1].any()
            assert radiomics is None
            assert set(target_view.tolist()) == {direction.target.class_index}
    with_masks, without = made[prepared_collection], made[bare]
    assert any(with_masks.has_lesion)
    assert not any(without.has_lesion)
    assert torch.equal(with_masks.synthetic, without.synthetic)
    assert torch.equal(with_masks.source, without.source)
    assert torch.equal(with_masks.synthetic, with_masks.source.flip(2))


def test_views_are_those_of_the_collection(prepared_collection: Path) -> None:
    pairs = unseen_pairs(prepared_collection, trained_on=prepared_collection)
    breasts = load_breasts(
        pairs,
        prepared=prepared_collection,
        direction=Direction.MLO_TO_CC,
        generator=Recorder(),
        canvas=Canvas(rows=320, columns=256, spacing_mm=1.0),
        device=CPU,
    )
    assert breasts.pair_ids == tuple(sorted(pair["pair_id"] for pair in pairs))
    for k, pair in enumerate(pairs):
        mlo = load_prepared_image(prepared_collection / pair["mlo"]["image"])
        np.testing.assert_array_equal(breasts.source[k, 0, : mlo.shape[0], : mlo.shape[1]].numpy(), mlo)
        cc = load_prepared_image(prepared_collection / pair["cc"]["image"])
        assert float(breasts.real[k].sum()) == pytest.approx(float(cc.sum()), rel=1e-4)


def test_a_broken_generator_is_named() -> None:
    class Broken(nn.Module):
        def forward(self, image, radiomics, target_view):
            return image[:, :1] * float("nan")

    with pytest.raises(ValueError, match="NaN or infinite pixels"):
        synthesize(Broken(), torch.rand(2, 1, 8, 8), direction=Direction.CC_TO_MLO, device=CPU)


def _erase(path: Path) -> None:
    stored = nibabel.load(path)
    pixels = np.zeros(stored.shape, dtype=np.uint8)
    nibabel.save(nibabel.Nifti1Image(pixels, stored.affine, stored.header), path)
