"""A made evaluation's folder: both directions, several methods, measures of every group, empty cells."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROWS, COLUMNS, SPACING_MM = 96, 72, 2.0
KINDS = {
    "model": "model",
    "model_last_epoch": "checkpoint",
    "source_copied": "baseline",
    "mean_target": "baseline",
    "blurred_truth": "warning",
    "real_target": "reference",
}
MEASURES: dict[str, dict[str, Any]] = {
    name: {"title": title, "description": f"how {title} is computed", "group": group, "better": better, "decimals": 3}
    for name, title, group, better in (
        ("in_breast_ssim", "in-breast SSIM", "fidelity", "higher"),
        ("in_breast_psnr_db", "in-breast PSNR [dB]", "fidelity", "higher"),
        ("reference_l1", "L1 <sum>", "reference", "lower"),
        ("spectral_exponent", "spectral exponent", "realism", None),
        ("spectral_error", "spectral error", "realism", "lower"),
        ("shape_error", "shape error", "shape", "lower"),
        ("lesion_error_mm", "lesion position error [mm]", "lesion", "lower"),
    )
}
NIPPLE = [ROWS / 2, 57.0]  # row, column
OUTLINE = [[24.0, 20.0], [24.0, 30.0], [36.0, 30.0], [36.0, 20.0], [24.0, 20.0]]  # its centre is [30, 25]
METHODS_LACKING = {("real_target", "lesion_error_mm")}


def write_made_evaluation(
    folder: Path, *, pairs: int = 4, model_ahead: float = 0.1, measures: dict[str, dict[str, Any]] | None = None
) -> Path:
    """Write ``summary.json``, ``metrics.csv`` and the cases' pictures.

    Args:
        folder: made where it is absent.
        pairs: breasts, each in both directions; every second has a lesion.
        model_ahead: by how much the model's scores exceed the best baseline's.
        measures: described columns; `MEASURES` by default.
    """
    described = MEASURES if measures is None else measures
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "patient_id": f"P_{pair // 2:05d}",
            "pair_id": f"P_{pair // 2:05d}_{'LR'[pair % 2]}",
            "direction": direction,
            "method": method,
            **{
                name: _value(name, method, pair, direction, better=entry["better"], ahead=model_ahead)
                for name, entry in described.items()
            },
        }
        for direction in ("cc_to_mlo", "mlo_to_cc")
        for pair in range(pairs)
        for method in KINDS
    ]
    with (folder / "metrics.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    methods: dict[str, Any] = {}
    margins: dict[str, Any] = {}
    for direction in ("cc_to_mlo", "mlo_to_cc"):
        margins[direction] = {}
        for name, entry in described.items():
            values = {
                method: [
                    row[name]
                    for row in rows
                    if (row["method"], row["direction"]) == (method, direction) and row[name] is not None
                ]
                for method in KINDS
            }
            for method, column in values.items():
                cells = methods.setdefault(method, {}).setdefault(direction, {})
                if column:
                    cells[name] = _estimate(float(np.mean(column)), n=len(column))
            if entry["better"] is not None:
                sign = 1 if entry["better"] == "higher" else -1
                advantage = sign * (np.mean(values["model"]) - np.mean(values["mean_target"]))
                margins[direction][name] = {
                    "baseline": "mean_target",
                    **_estimate(float(advantage), n=len(values["model"])),
                    "p": 0.01,
                    **({"p_holm": 0.03} if entry["group"] in ("fidelity", "shape") else {}),
                }
    summary = {
        "protocol": {
            "images": "both views <b>prepared</b> alike",
            "canvas": {"rows": ROWS, "columns": COLUMNS, "spacing_mm": SPACING_MM},
            "data_range": 1.0,
            "training_split": "0123456789ab",
            "interval": {"level": 0.95, "resamples": 2000, "seed": 0},
        },
        "measures": described,
        "kinds": KINDS,
        "methods": methods,
        "margins": margins,
        "shares": {},
        "family": {
            "measures": [name for name, entry in described.items() if entry["group"] in ("fidelity", "shape")],
            "tests": 6,
            "correction": "Holm",
        },
    }
    summary |= _over_cases()
    (folder / "summary.json").write_text(json.dumps(summary))
    _write_cases(folder, pairs=pairs)
    return folder


def add_made_ceiling(folder: Path) -> None:
    """Give an evaluation a ceiling half a point above the best baseline, and the shares of the way to it.

    The ceiling is no better in PSNR; one patient's lesions give no interval.
    """
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    summary["kinds"]["same_breast_again"] = "ceiling"
    summary["methods"]["same_breast_again"] = summary["methods"]["real_target"]
    shares = {name: _estimate(0.2, n=4) for name, entry in MEASURES.items() if entry["better"] is not None}
    del shares["in_breast_psnr_db"]
    shares["lesion_error_mm"] = {"mean": -0.5, "low": None, "high": None, "n": 2}
    of_methods = {"model": shares, "mean_target": dict.fromkeys(shares, _estimate(0.0, n=4))}
    of_methods["blurred_truth"] = dict.fromkeys(shares, _estimate(0.4, n=4))
    summary["shares"] = {name: dict.fromkeys(("cc_to_mlo", "mlo_to_cc"), each) for name, each in of_methods.items()}
    path.write_text(json.dumps(summary))


def add_made_samples(folder: Path) -> None:
    """Give an evaluation what one of a generator with samples has besides, in one direction."""
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    covered = {"region_50": 0.5, "region_90": 0.875, "band": 0.7}
    summary["lesion_search"] = {
        "cc_to_mlo": {
            name: {"coverage": _estimate(share, n=8), "area_cm2": _estimate(20 * share, n=8)}
            for name, share in covered.items()
        }
    }
    summary["spread"] = {"cc_to_mlo": _estimate(1.9, n=8)}
    summary["rank_histogram"] = {"cc_to_mlo": [10, 5, 5, 20], "mlo_to_cc": [0, 0, 0, 0]}
    path.write_text(json.dumps(summary))


def _over_cases() -> dict[str, Any]:
    """The keys of all cases together, for two methods."""
    both = ("cc_to_mlo", "mlo_to_cc")
    classes = {name: {**_estimate(0.3, n=9), "excellent": 0.08} for name in ("firstorder", "glcm", "all")}
    distance = {"distance": 3.0, "floor": 2.0, "ratio": 1.5}
    conditioning = {
        "shuffled": {
            "error_true": _estimate(0.5, n=9),
            "error_shuffled": _estimate(0.7, n=9),
            "advantage": {**_estimate(0.2, n=9), "p": 0.01},
        },
        "swap": {
            "correlation": {**_estimate(0.01, n=9), "p": 0.6},
            "change_in_lesion": _estimate(0.05, n=9),
            "change_elsewhere": _estimate(0.01, n=9),
        },
    }
    return {
        "trade_off": [
            {"method": method, "direction": direction, "shape_error": 0.1 * n, "spectral_error": 2.0 - 0.3 * n}
            for direction in both
            for n, method in enumerate(KINDS)
        ],
        "lesion_concordance": {method: dict.fromkeys(both, classes) for method in ("model", "real_target")},
        "distribution": {
            features: {method: dict.fromkeys(both, distance) for method in ("model", "real_target")}
            for features in ("radiomics", "feature_network")
        },
        "conditioning": dict.fromkeys(both, conditioning),
    }


def _value(name: str, method: str, pair: int, direction: str, *, better: str | None, ahead: float) -> float | None:
    if name.startswith("lesion") and (pair % 2 or (method, name) in METHODS_LACKING):
        return None
    place = {
        "model": ahead,
        "model_last_epoch": ahead - 0.02,
        "source_copied": -0.1,
        "mean_target": 0.0,
        "blurred_truth": 0.2,
        "real_target": 0.4,
    }
    sign = -1 if better == "lower" else 1
    return round(0.5 + sign * place[method] + 0.03 * ((pair * 7 + (direction == "mlo_to_cc") * 3) % 5), 4)


def _estimate(mean: float, *, n: int) -> dict[str, Any]:
    return {"mean": round(mean, 6), "low": round(mean - 0.04, 6), "high": round(mean + 0.05, 6), "n": n}


def _write_cases(folder: Path, *, pairs: int) -> None:
    cases = folder / "cases"
    cases.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    row, column = np.mgrid[:ROWS, :COLUMNS]
    entries = []
    for pair in range(pairs):
        views = {}
        for view in ("CC", "MLO"):
            depth = 0.8 * COLUMNS
            breast = ((row - ROWS / 2) / (0.42 * ROWS)) ** 2 + (column / depth) ** 2 < 1
            grey = 0.3 + 0.2 * generator.standard_normal((ROWS // 8, COLUMNS // 8)).repeat(8, 0).repeat(8, 1)
            views[view] = np.where(breast, np.clip(grey, 0.1, 1), 0.0)
        for source, target, direction in (("CC", "MLO", "cc_to_mlo"), ("MLO", "CC", "mlo_to_cc")):
            name = f"{pair}_{direction}"
            (cases / name).mkdir(exist_ok=True)
            synthetic = 0.5 * views[target] + 0.3 * (views[target] > 0)
            for kind, image in (("source", views[source]), ("real", views[target]), ("synthetic", synthetic)):
                pixels = np.round(255 * image).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(cases / name / f"{kind}.png")
            lesions = [] if pair % 2 else [OUTLINE]
            entries.append(
                {
                    "patient_id": f"P_{pair // 2:05d}",
                    "pair_id": f"P_{pair // 2:05d}_{'LR'[pair % 2]}",
                    "direction": direction,
                    "views": {
                        "source": {"file": f"{name}/source.png", "nipple": NIPPLE, "lesions": lesions},
                        "real": {"file": f"{name}/real.png", "nipple": NIPPLE, "lesions": lesions},
                        "synthetic": {"file": f"{name}/synthetic.png", "nipple": NIPPLE},
                    },
                }
            )
    document = {"spacing_mm": SPACING_MM, "chest_wall": "left", "cases": entries}
    (cases / "cases.json").write_text(json.dumps(document))
