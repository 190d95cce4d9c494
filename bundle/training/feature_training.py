"""Train the network of mammogram features on the training split's real views."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from sklearn.metrics import r2_score
from torch import Tensor
from torch.nn.functional import smooth_l1_loss
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from bundle.atomic import replacing
from bundle.collection.datalist import datalist_hash, files_of_pair, read_datalist
from bundle.imaging.resampling import resample_image, resample_mask
from bundle.networks.feature_network import FeatureNetwork, region_windows, window_side
from bundle.preparation import load_prepared_image, load_prepared_mask
from bundle.radiomics.features import FEATURE_NAMES, FEATURES_OF_CLASS
from bundle.radiomics.regions import Region, region_mask
from bundle.records import Canvas
from bundle.switches import read_switch
from bundle.tensor_files import read_tensors, restore, write_tensors
from bundle.training.data import RadiomicVectors, feature_rows, read_preparation
from bundle.training.processes import is_first_process
from bundle.training.run_folder import OTHER_RUN_REMEDY
from bundle.vocabulary import RadiomicsScale, Split, ViewPosition

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RegionExamples:
    """Regions of real views with their vectors.

    Args:
        image: ``[N, 1, S, S]`` windows of canvas pixels, the region in the middle (`region_windows`).
        mask: ``[N, 1, S, S]`` the regions, in {0, 1}.
        radiomics: ``[N, F]`` raw ``canvas`` vectors.
        is_lesion: bool ``[N]``; the others are random regions.
    """

    image: Tensor
    mask: Tensor
    radiomics: Tensor
    is_lesion: np.ndarray


def region_examples(*, dataset_dir: str | Path, split: Split, canvas: Canvas) -> RegionExamples:
    """Collect the random regions and the lesions of one split, on pixels as the canvas shows them.

    A region that is larger than the window is left out.

    Raises:
        OSError, ValueError: the split holds no region at this spacing, or a file is absent or damaged.
    """
    root = Path(dataset_dir)
    preparation = read_preparation(root)
    vectors = RadiomicVectors(root, canvas_spacing_mm=canvas.spacing_mm)
    regions: dict[tuple[str, str], list[tuple[Region, np.ndarray]]] = {}
    region_columns = tuple(Region.__dataclass_fields__)
    rows = feature_rows(
        root / "regions.csv",
        words=("pair_id", "view"),
        numbers=("spacing_mm", *region_columns),
        settings_hash=preparation["radiomics"]["settings_hash"],
    )
    for words, numbers, vector in rows:
        if numbers["spacing_mm"] == canvas.spacing_mm:
            region = Region(**{name: numbers[name] for name in region_columns})
            regions.setdefault((words["pair_id"], words["view"]), []).append((region, vector))

    side = window_side(canvas.spacing_mm)
    images, masks, targets, is_lesion = [], [], [], []
    for pair in read_datalist(root, split):
        for view in ViewPosition:
            files = files_of_pair(pair, view, dataset_dir=root)
            image = resample_image(
                load_prepared_image(files.image),
                spacing_mm=preparation["preparation"]["spacing_mm"],
                target_spacing_mm=canvas.spacing_mm,
            )
            candidates = [
                (region_mask(region, shape=image.shape, spacing_mm=canvas.spacing_mm), vector, False)
                for region, vector in regions.get((pair["pair_id"], view.value), [])
            ]
            lesion_vector = vectors.of_view(pair_id=pair["pair_id"], view=view, scale=RadiomicsScale.CANVAS)
            if not np.isnan(lesion_vector).any():
                lesion = resample_mask(
                    load_prepared_mask(files.mask) > 0,
                    spacing_mm=preparation["preparation"]["spacing_mm"],
                    target_spacing_mm=canvas.spacing_mm,
                )
                candidates.append((lesion, lesion_vector, True))
            for mask, vector, lesion_case in candidates:
                whole = (torch.from_numpy(pixels.astype(np.float32))[None, None] for pixels in (image, mask))
                window, mask_window, fits = region_windows(*whole, side=side)
                if not fits.item():
                    continue
                images.append(window[0])
                masks.append(mask_window[0])
                targets.append(vector)
                is_lesion.append(lesion_case)
    if not images:
        raise ValueError(
            f"The {split.value} split of {dataset_dir} has no region with radiomic features at {canvas.spacing_mm} mm: "
            "prepare more patients, or set regions.per_view in configs/radiomics.yaml."
        )
    return RegionExamples(
        image=torch.stack(images),
        mask=torch.stack(masks),
        radiomics=torch.from_numpy(np.stack(targets).astype(np.float32)),
        is_lesion=np.array(is_lesion),
    )


def fit_feature_network(
    network: FeatureNetwork,
    examples: RegionExamples,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    device: torch.device | str,
) -> None:
    """Fit the network and its standardizer to regions; see `train_feature_network` for the arguments.

    Torch's random numbers go on afterwards as if none had been drawn here: a run that finds its network in the folder
    starts from the same generator as the run that trained it.
    """
    with torch.random.fork_rng(devices=[]):
        network.standardizer.fit(examples.radiomics.numpy())
        torch.manual_seed(seed)
        loader = DataLoader(
            TensorDataset(examples.image, examples.mask, examples.radiomics), batch_size=batch_size, shuffle=True
        )
        optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=learning_rate, epochs=epochs, steps_per_epoch=len(loader)
        )
        network.train()
        with tqdm(total=epochs * len(loader), desc="Feature network", unit="step", dynamic_ncols=True) as bar:
            for _ in range(epochs):
                for tensors in loader:
                    image, mask, radiomics = (tensor.to(device) for tensor in tensors)
                    if torch.rand(()) < 0.5:  # no feature knows up from down
                        image, mask = image.flip(2), mask.flip(2)
                    loss = smooth_l1_loss(network(image, mask), network.standardizer(radiomics))
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                    bar.update()
                    bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
        network.eval()


def train_feature_network(
    *,
    network: FeatureNetwork,
    dataset_dir: str | Path,
    output_dir: str | Path,
    canvas: Canvas,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    device: torch.device | str,
    resume: bool | str = True,
) -> FeatureNetwork:
    """Train the network and report its accuracy on the validation split, or take it from the run's folder.

    Of several processes the first one trains; the others then find the network in the folder.

    Args:
        network: the network; afterwards trained.
        dataset_dir: the prepared collection.
        output_dir: ``feature_network.pt`` and ``feature_network.json`` (its accuracy) go there.
        canvas: the frame of the networks.
        epochs: passes over the training regions.
        batch_size: regions per step.
        learning_rate: peak of the one-cycle schedule.
        seed: of the order and the flips.
        device: where to train.
        resume: take a network that is there; false trains anew.

    Returns:
        ``network``.

    Raises:
        ValueError: the folder's network was trained with other settings, on other pairs, or has another shape.
    """
    folder = Path(output_dir)
    weights_path, report_path = folder / "feature_network.pt", folder / "feature_network.json"
    settings = {
        "settings_hash": read_preparation(dataset_dir)["radiomics"]["settings_hash"],
        "datalist_hash": datalist_hash(dataset_dir),
        "canvas_spacing_mm": canvas.spacing_mm,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
    }
    network.to(device)
    anew = not read_switch(resume, name="resume")
    with idist.one_rank_first():
        if anew and is_first_process():
            report_path.unlink(missing_ok=True)  # stopped early, this run must not leave the old network to the next
        if weights_path.is_file() and report_path.is_file():
            report = _read_report(report_path)
            different = [name for name, value in settings.items() if report.get(name) != value]
            if different:
                raise ValueError(
                    f"{weights_path} was trained with other settings ({', '.join(different)}): {OTHER_RUN_REMEDY}"
                )
            state = read_tensors(weights_path, device=device, remedy=OTHER_RUN_REMEDY)
            restore(network, state, name="feature network", path=weights_path, remedy=OTHER_RUN_REMEDY)
            if is_first_process():
                logger.info("Feature network: taken from %s; its accuracy is in %s.", weights_path, report_path.name)
        else:
            report = settings | _fit_and_judge(
                network,
                dataset_dir=dataset_dir,
                canvas=canvas,
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
                seed=seed,
                device=device,
            )
            folder.mkdir(parents=True, exist_ok=True)
            write_tensors(weights_path, network.state_dict())
            with replacing(report_path) as temporary:
                temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return network


def _read_report(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        report = None
    if not isinstance(report, dict):
        raise ValueError(f"{path} is damaged: {OTHER_RUN_REMEDY}")
    return report


def _fit_and_judge(
    network: FeatureNetwork, *, dataset_dir: str | Path, canvas: Canvas, device: torch.device | str, **fitting: Any
) -> dict[str, Any]:
    """Fit the network on the training split; return what its report says of both splits."""
    training = region_examples(dataset_dir=dataset_dir, split=Split.TRAINING, canvas=canvas)
    validation = region_examples(dataset_dir=dataset_dir, split=Split.VALIDATION, canvas=canvas)
    fit_feature_network(network, training, device=device, **fitting)
    r2 = accuracy(network, validation, device=device)
    for kind, scores in r2.items():
        of_class = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
        logger.info("Feature network: R2 on the validation split's %s: %s.", kind, of_class)
    return {"training_regions": len(training.image), "validation_regions": len(validation.image), "r2": r2}


@torch.no_grad()
def accuracy(
    network: FeatureNetwork, examples: RegionExamples, *, device: torch.device | str
) -> dict[str, dict[str, float]]:
    """Coefficient of determination per feature class on standardized features, for random regions and for lesions.

    Returns:
        ``{"regions": {class: R2, ..., "all": R2}, "lesions": {...}}``; features that do not vary are left out, and a
        kind with fewer than two examples is absent.
    """
    batches = zip(examples.image.split(256), examples.mask.split(256), strict=True)
    predicted = torch.cat([network(image.to(device), mask.to(device)).cpu() for image, mask in batches]).numpy()
    truth = network.standardizer(examples.radiomics.to(device)).cpu().numpy()
    result: dict[str, dict[str, float]] = {}
    for kind, chosen in (("regions", ~examples.is_lesion), ("lesions", examples.is_lesion)):
        if chosen.sum() < 2:
            continue
        varies = truth[chosen].std(axis=0) > 0
        scores = np.full(len(FEATURE_NAMES), np.nan)
        scores[varies] = r2_score(truth[chosen][:, varies], predicted[chosen][:, varies], multioutput="raw_values")
        of_feature = dict(zip(FEATURE_NAMES, scores, strict=True))
        result[kind] = {
            feature_class: float(np.nanmean([of_feature[f"{feature_class}_{name}"] for name in names]))
            for feature_class, names in FEATURES_OF_CLASS.items()
        }
        result[kind]["all"] = float(np.nanmean(scores))
    return result
