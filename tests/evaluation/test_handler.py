"""The whole evaluation on MONAI's own evaluator."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.engines import PrepareBatchExtraInput, SupervisedEvaluator
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bundle.collection.datalist import datalist_hash, split_hash
from bundle.evaluation.handler import EvaluationHandler
from bundle.networks.flow import FlowGenerator
from bundle.preparation import save_prepared
from bundle.records import Canvas, PreparedView, ViewGeometry
from bundle.report.evaluation.page import write_report
from bundle.tensor_files import write_tensors
from bundle.training.run_folder import generator_average
from tests.evaluation.made_cases import COLUMNS, ROWS, made_feature_network, made_item, made_items, made_settings


class HalfBright(torch.nn.Module):
    """Stands for a generator: half the source's brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.brightness = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, image: torch.Tensor, radiomics: torch.Tensor, target_view: torch.Tensor) -> torch.Tensor:
        return self.brightness * image[:, :1]


class Obedient(HalfBright):
    """Stands for a generator that does with the lesion what the vector says."""

    def forward(self, image: torch.Tensor, radiomics: torch.Tensor, target_view: torch.Tensor) -> torch.Tensor:
        brightness = self.brightness + 0.4 * radiomics[:, 0, None, None, None] * image[:, 1:]
        return brightness * image[:, :1]


class Broken(torch.nn.Module):
    """Stands for a generator that has diverged."""

    def forward(self, image: torch.Tensor, radiomics: torch.Tensor, target_view: torch.Tensor) -> torch.Tensor:
        return image[:, :1] / 0


def evaluate(
    folder: Path,
    *,
    network: torch.nn.Module | None = None,
    test: list[dict[str, Any]] | None = None,
    training: list[dict[str, Any]] | None = None,
    batch_size: int = 3,
    checkpoint: Path | None = None,
    workers: int = 1,
    repeats_dir: Path | None = None,
) -> SupervisedEvaluator:
    test = made_items(range(50, 54)) if test is None else test
    collection = TemporaryDirectory()
    handler = EvaluationHandler(
        dataset_dir=write_made_collection(Path(collection.name)),
        training=Dataset(made_items(range(5)) if training is None else training),
        test_items=test if repeats_dir is None else with_source_files(test, repeats_dir),
        output_dir=folder,
        canvas=Canvas(rows=ROWS, columns=COLUMNS, spacing_mm=2.0),
        data_range=1.0,
        radiomics=made_settings(),
        feature_network=made_feature_network(),
        checkpoint=checkpoint,
        repeats_dir=repeats_dir,
        resamples=200,
        seed=0,
        workers=workers,
    )
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(test), batch_size=batch_size),
        network=HalfBright() if network is None else network,
        prepare_batch=PrepareBatchExtraInput({"radiomics": "radiomics", "target_view": "target_view"}),
        val_handlers=[handler],
    )
    with collection:
        evaluator.run()
    return evaluator


def write_made_collection(folder: Path) -> Path:
    """Write what the evaluation reads of a prepared collection besides the items: spacing and list of pairs."""
    (folder / "preparation.json").write_text(json.dumps({"preparation": {"spacing_mm": 2.0}}))
    pair = {"pair_id": "made", "patient_id": "made"}
    (folder / "datalist.json").write_text(json.dumps({"training": [pair], "test": []}))
    return folder


def write_view(folder: Path, name: str, image: torch.Tensor) -> Path:
    """Write a view that fills the canvas as a prepared one."""
    geometry = ViewGeometry(
        film_shape=(ROWS, COLUMNS),
        film_spacing_mm=(2.0, 2.0),
        flipped_columns=False,
        flipped_rows=False,
        box=(0, 0, ROWS, COLUMNS),
        spacing_mm=2.0,
    )
    pixels = image[0].numpy()
    lesions = np.zeros(pixels.shape, dtype=np.uint8)
    view = PreparedView(image=pixels, breast=pixels > 0, lesions=lesions, geometry=geometry)
    return save_prepared(view, folder, name).image


def with_source_files(test: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """The items as they are before any transform: ``image`` is the source view's file."""
    return [{**item, "image": str(write_view(folder, f"{item['pair_id']}_source", item["image"]))} for item in test]


def write_made_repeats(folder: Path, test: list[dict[str, Any]]) -> Path:
    """Two repeats of each target view, a tenth brighter and three tenths darker: their mean is a tenth darker."""
    views = {}
    for item in test:
        files = [
            write_view(folder, f"{item['pair_id']}_{number}", factor * item["label"] / 1.1)
            for number, factor in enumerate((1.1, 0.7))
        ]
        views[item["pair_id"]] = {"MLO" if item["target_view"] else "CC": [file.name for file in files]}
    write_made_collection(folder)
    document = {"repeats": 2, "spacing_mm": 2.0, "datalist_hash": datalist_hash(folder), "views": views}
    (folder / "repeats.json").write_text(json.dumps(document))
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation's folder, for the tests that only read it."""
    folder = tmp_path_factory.mktemp("evaluated")
    evaluate(folder)
    return folder


def test_all_files_are_written_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "evaluation"
    evaluate(folder)
    files = ["best_case.png", "median_case.png", "metrics.csv", "summary.json", "worst_case.png"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(["cases", *files])
    printed = capsys.readouterr().out
    assert all(str(folder / name) in printed for name in [*files, "cases/cases.json"])
    assert "P05" not in printed  # no patient


def test_the_report_can_be_made_of_what_is_written(evaluated: Path) -> None:
    report = write_report(evaluated)
    assert "## CC -> MLO: 4 test images of 4 patients" in report.text
    assert "linear_regression" in report.text
    assert report.page.read_text().count("data:image/png") == 8 * 3  # this evaluation's sources are nobody's targets


def test_the_scores_are_scikit_images(evaluated: Path) -> None:
    items = {
        (item["pair_id"], "cc_to_mlo" if item["target_view"] else "mlo_to_cc"): item
        for item in made_items(range(50, 54))
    }
    rows = rows_of(evaluated)
    assert len(rows) == 8 * 7
    for row in rows:
        item = items[row["pair_id"], row["direction"]]
        target, source = item["label"][0].double().numpy(), item["image"][0].double().numpy()
        if row["method"] not in ("model", "source_copied"):
            continue
        pred = 0.5 * source if row["method"] == "model" else source
        assert float(row["psnr_db"]) == pytest.approx(peak_signal_noise_ratio(target, pred, data_range=1), abs=1e-4)
        assert float(row["ssim"]) == pytest.approx(structural_similarity(target, pred, data_range=1), abs=1e-4)
        assert float(row["l1"]) == pytest.approx(np.abs(target - pred).mean(), abs=1e-5)


def test_the_real_target_is_perfect_and_no_baseline(evaluated: Path) -> None:
    summary = json.loads((evaluated / "summary.json").read_text())
    assert summary["kinds"] == {
        "model": "model",
        **dict.fromkeys(["source_copied", "mean_target", "nearest_source", "linear_regression"], "baseline"),
        "target_blurred": "warning",
        "target": "reference",
    }
    for row in rows_of(evaluated):
        if row["method"] == "target":
            assert (float(row["ssim"]), float(row["psnr_db"]), float(row["l1"])) == (1, 100, 0)
    for margins in summary["margins"].values():
        assert {margin["baseline"] for margin in margins.values()} <= {
            method for method, kind in summary["kinds"].items() if kind == "baseline"
        }


LESION_COLUMNS = (
    *("lesion_position_error_mm", "lesion_correlation", "lesion_depth_difference_mm"),
    *("lesion_contrast", "lesion_contrast_error"),
)


def test_a_case_without_a_lesion_has_empty_cells_never_zero(tmp_path: Path) -> None:
    test, training = made_items(range(50, 53)), made_items(range(5))
    for item in (*test[:2], *training[:4]):
        item["label_mask"] = torch.zeros_like(item["label_mask"])
    evaluate(tmp_path, test=test, training=training)
    for row in rows_of(tmp_path):
        without = row["pair_id"] in (test[0]["pair_id"], test[1]["pair_id"])
        assert (row["hallucinated_lesions"] == "") is not without
        assert (row["lesion_contrast"] == "") is without
        if without:
            assert {row[name] for name in LESION_COLUMNS} == {""}
        if row["method"] == "target" and not without:
            assert (float(row["lesion_position_error_mm"]), float(row["lesion_contrast_error"])) == (0, 0)
            assert float(row["lesion_correlation"]) == pytest.approx(1)
    summary = json.loads((tmp_path / "summary.json").read_text())
    of_model = summary["methods"]["model"]["cc_to_mlo"]
    assert (of_model["lesion_contrast"]["n"], of_model["hallucinated_lesions"]["n"]) == (2, 1)
    assert summary["protocol"]["hallucinated_lesions"]["levels"].keys() == {"CC", "MLO"}


def test_the_targets_features_agree_with_themselves(evaluated: Path) -> None:
    summary = json.loads((evaluated / "summary.json").read_text())
    for classes in summary["lesion_concordance"]["target"].values():
        assert set(classes) == {"firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "all"}  # one shape for all
        assert all(cell["mean"] == pytest.approx(1) and cell["excellent"] == 1 for cell in classes.values())
    for classes in summary["lesion_concordance"]["model"].values():
        assert classes["all"]["low"] <= classes["all"]["mean"] <= classes["all"]["high"] < 0.9
    for methods in summary["distribution"].values():
        for method, directions in methods.items():
            for cell in directions.values():
                assert cell["ratio"] == pytest.approx(cell["distance"] / cell["floor"], abs=1e-3)
                assert (cell["ratio"] == 1) is (method == "target")


def test_each_method_is_a_point_of_the_trade_off(tmp_path: Path) -> None:
    item = {**made_item(seed=1, target_view=1)}
    for key in ("image", "label", "label_breast", "label_mask"):  # large enough for a spectrum
        item[key] = torch.nn.functional.interpolate(item[key][None], scale_factor=4)[0]
        item[key] += 0 if key in ("label_breast", "label_mask") else 0.01 * torch.rand(item[key].shape)
    evaluate(tmp_path, test=[item], training=[item, item])
    points = json.loads((tmp_path / "summary.json").read_text())["trade_off"]
    target = next(point for point in points if point["method"] == "target")
    assert target["direction"] == "cc_to_mlo"
    assert (target["shape_error"], target["spectral_error"]) == (pytest.approx(0, abs=0.05), 0)
    assert next(point for point in points if point["method"] == "target_blurred")["spectral_error"] > 1


def test_a_model_that_ignores_the_vector_fails_the_tests_of_conditioning(evaluated: Path) -> None:
    for found in json.loads((evaluated / "summary.json").read_text())["conditioning"].values():
        assert (found["shuffled"]["advantage"]["mean"], found["shuffled"]["advantage"]["p"]) == (0, 1)
        assert found["swap"]["correlation"]["mean"] == found["swap"]["change_in_lesion"]["mean"] == 0


def test_a_model_that_obeys_the_vector_changes_the_lesion_alone(tmp_path: Path) -> None:
    evaluate(tmp_path, network=Obedient())
    for found in json.loads((tmp_path / "summary.json").read_text())["conditioning"].values():
        assert found["swap"]["change_in_lesion"]["mean"] > 0.01
        assert found["swap"]["change_elsewhere"]["mean"] == 0
        assert found["shuffled"]["advantage"]["n"] == 4
        assert found["shuffled"]["advantage"]["mean"] == pytest.approx(
            found["shuffled"]["error_shuffled"]["mean"] - found["shuffled"]["error_true"]["mean"], abs=2e-6
        )


def test_the_last_epoch_is_scored_beside_the_best(tmp_path: Path) -> None:
    last = HalfBright()
    torch.nn.init.constant_(last.brightness, 0.25)
    average = generator_average(network=last, decay=0.9)
    write_tensors(tmp_path / "checkpoint.pt", {"average": average.state_dict()})
    evaluate(tmp_path / "evaluation", checkpoint=tmp_path / "checkpoint.pt")
    summary = json.loads((tmp_path / "evaluation" / "summary.json").read_text())
    assert summary["kinds"]["model_last_epoch"] == "checkpoint"
    best, last_row = (
        next(row for row in rows_of(tmp_path / "evaluation") if row["method"] == method)
        for method in ("model", "model_last_epoch")
    )
    assert float(last_row["l1"]) != float(best["l1"])
    evaluate(tmp_path / "without", checkpoint=tmp_path / "absent.pt")
    assert "model_last_epoch" not in json.loads((tmp_path / "without" / "summary.json").read_text())["kinds"]


def test_mean_and_sample_of_a_flow_are_scored_beside_the_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings = {"grid": (ROWS // 4, COLUMNS // 4), "channels": (8, 32), "condition": 8, "prior_components": 2}
    network = FlowGenerator(**settings, steps=2, realism=1.0)  # type: ignore[arg-type]
    torch.nn.init.constant_(network.head[-1].bias, 1.0)
    torch.nn.init.normal_(network.head[-1].weight, std=0.05)
    torch.nn.init.constant_(network.head[-1].bias[32:], 5.0)  # it takes the whole canvas for breast
    evaluate(tmp_path, network=network)
    rows = {(row["pair_id"], row["direction"], row["method"]): row for row in rows_of(tmp_path)}
    errors: dict[str, list[float]] = {"sample": [], "posterior_mean": []}
    for (pair_id, direction, method), row in rows.items():
        if method in errors and direction == "cc_to_mlo":
            errors[method].append(10 ** (-float(row["in_breast_psnr_db"]) / 10))
        if method == "model":  # with realism 1 it is the sample
            assert row["l1"] == rows[pair_id, direction, "sample"]["l1"]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["kinds"]["posterior_mean"] == summary["kinds"]["sample"] == "variant"
    for direction in ("cc_to_mlo", "mlo_to_cc"):
        regions = summary["lesion_search"][direction]
        assert list(regions) == ["region_50", "region_90", "band"]
        assert {cell["n"] for region in regions.values() for cell in region.values()} == {4}
        assert 0 < regions["region_50"]["area_cm2"]["mean"] < regions["region_90"]["area_cm2"]["mean"]
        assert len(summary["rank_histogram"][direction]) == 9
        assert sum(summary["rank_histogram"][direction]) > 0
    report = write_report(tmp_path).text
    assert all(name in report for name in ("Where to look", "vary enough", "Rank of the real view among 8 samples"))
    spread = summary["spread"]["cc_to_mlo"]
    assert spread["n"] == 4
    assert spread["mean"] == pytest.approx(sum(errors["sample"]) / sum(errors["posterior_mean"]), rel=1e-3)


def test_the_ceiling_is_the_mean_of_the_repeats_and_no_baseline(tmp_path: Path) -> None:
    test = made_items(range(50, 53))
    for item in test:
        item["image"][:1] = item["label"]  # HalfBright: half as bright as the target
    repeats_dir = write_made_repeats(tmp_path / "repeats", test)
    evaluate(tmp_path / "evaluation", test=test, repeats_dir=repeats_dir)
    rows = {(row["pair_id"], row["method"]): row for row in rows_of(tmp_path / "evaluation")}
    for item in test:
        error = float(item["label"].mean())
        # 0.9 / 1.1 of the target, but for the 16 bits of a prepared view
        ceiling = rows[item["pair_id"], "same_breast_again"]
        assert float(ceiling["l1"]) == pytest.approx(error * (1 - 0.9 / 1.1), abs=1e-5)
        once = rows[item["pair_id"], "same_breast_once"]  # the first repeat is as bright as the target
        assert float(once["l1"]) == pytest.approx(0, abs=1e-5)
        assert float(rows[item["pair_id"], "model"]["l1"]) == pytest.approx(0.5 * error, abs=1e-5)
    summary = json.loads((tmp_path / "evaluation" / "summary.json").read_text())
    assert summary["kinds"]["same_breast_again"] == summary["kinds"]["same_breast_once"] == "ceiling"
    assert summary["protocol"]["repeats_for_the_ceiling"] == 2
    for direction, margins in summary["margins"].items():
        assert "same_breast_again" not in {margin["baseline"] for margin in margins.values()}
        # The source is the target here: copied it is perfect, and no ceiling is above it.
        assert margins["l1"]["baseline"] == "source_copied"
        assert "l1" not in summary["shares"].get("model", {}).get(direction, {})


def test_shares_are_of_the_way_from_the_best_baseline_to_the_ceiling(tmp_path: Path) -> None:
    test = made_items(range(50, 54))
    evaluate(tmp_path / "evaluation", test=test, repeats_dir=write_made_repeats(tmp_path / "repeats", test))
    summary = json.loads((tmp_path / "evaluation" / "summary.json").read_text())
    rows = rows_of(tmp_path / "evaluation")
    for direction, margins in summary["margins"].items():
        means = {
            method: np.mean([float(r["l1"]) for r in rows if (r["method"], r["direction"]) == (method, direction)])
            for method in summary["kinds"]
        }
        base, ceiling = means[margins["l1"]["baseline"]], means["same_breast_again"]
        assert ceiling < base
        for method, mean in means.items():
            share = summary["shares"][method][direction]["l1"]
            assert share["mean"] == pytest.approx((base - mean) / (base - ceiling), abs=1e-4)
            assert share["n"] == 4
    report = write_report(tmp_path / "evaluation")
    assert "share of the way from the best baseline to the ceiling" in report.text
    assert "Way to the ceiling" in report.page.read_text()


def test_a_folder_without_repeats_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "repeats").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no repeats at .*repeats: run python -m scripts\.repeat"):
        evaluate(tmp_path / "evaluation", repeats_dir=tmp_path / "repeats")
    assert not (tmp_path / "evaluation").exists()


@pytest.mark.slow
def test_two_workers_change_no_byte(tmp_path: Path) -> None:
    test = made_items(range(50, 53))
    repeats_dir = write_made_repeats(tmp_path / "repeats", test)
    for name, workers in (("one", 1), ("two", 2)):
        evaluate(tmp_path / name, network=Obedient(), test=test, repeats_dir=repeats_dir, workers=workers)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*")]
    assert len(files) == 5 + 1 + 3 * 6
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_a_checkpoint_of_another_network_is_a_sentence(tmp_path: Path) -> None:
    write_tensors(tmp_path / "checkpoint.pt", {"average": {"module.other": torch.zeros(1)}})
    with pytest.raises(ValueError, match=r"checkpoint\.pt.*--checkpoint None"):
        evaluate(tmp_path / "evaluation", checkpoint=tmp_path / "checkpoint.pt")


def test_where_no_training_view_is_without_a_lesion_nothing_is_called_invented(tmp_path: Path) -> None:
    test = made_items(range(50, 51))
    for item in test:
        item["label_mask"] = torch.zeros_like(item["label_mask"])
    evaluate(tmp_path, test=test)
    assert {row["hallucinated_lesions"] for row in rows_of(tmp_path)} == {""}


def test_the_cases_are_there_to_look_at(evaluated: Path) -> None:
    gallery = json.loads((evaluated / "cases" / "cases.json").read_text())
    assert (gallery["spacing_mm"], gallery["chest_wall"], len(gallery["cases"])) == (2.0, "left", 8)
    items = {(item["pair_id"], item["target_view"]): item for item in made_items(range(50, 54))}
    for case in gallery["cases"]:
        item = items[case["pair_id"], int(case["direction"] == "cc_to_mlo")]
        expected = {"source": item["image"][:1], "real": item["label"], "synthetic": 0.5 * item["image"][:1]}
        for role, view in case["views"].items():
            picture = np.asarray(Image.open(evaluated / "cases" / view["file"]))
            np.testing.assert_array_equal(picture, np.round(255 * expected[role][0].numpy()))
        (outline,) = case["views"]["real"]["lesions"]  # rows 10 to 13, columns 3 to 6: half a pixel around
        assert outline[0] == outline[-1]
        assert [min(c) for c in zip(*outline, strict=True)] == [9.5, 2.5]
        assert [max(c) for c in zip(*outline, strict=True)] == [13.5, 6.5]
        nipple = case["views"]["real"]["nipple"]
        assert case["views"]["real"]["lesion_depth_mm"] == pytest.approx(2 * (nipple[1] - 4.5))


def test_all_users_may_look_at_the_cases(tmp_path: Path) -> None:
    earlier = os.umask(0o022)
    try:
        evaluate(tmp_path, test=made_items(range(50, 51)))
    finally:
        os.umask(earlier)
    folders = [tmp_path / "cases", *(path for path in (tmp_path / "cases").iterdir() if path.is_dir())]
    assert len(folders) == 1 + 2
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o755}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "cases").rglob("*.*")} == {0o644}


def test_the_summary_averages_the_rows(evaluated: Path) -> None:
    methods = json.loads((evaluated / "summary.json").read_text())["methods"]
    rows = rows_of(evaluated)
    for method, directions in methods.items():
        for direction, measures in directions.items():
            for measure, cell in measures.items():
                cells = [row[measure] for row in rows if (row["method"], row["direction"]) == (method, direction)]
                values = [float(value) for value in cells if value]
                assert len(cells) == 4
                assert cell["n"] == len(values)
                assert cell["mean"] == pytest.approx(np.mean(values), abs=2e-6)


def test_the_protocol_states_what_changes_the_figures(evaluated: Path, tmp_path: Path) -> None:
    protocol = json.loads((evaluated / "summary.json").read_text())["protocol"]
    assert protocol["canvas"] == {"rows": 24, "columns": 16, "spacing_mm": 2.0}
    assert (protocol["data_range"], protocol["mask_growth_mm"]) == (1.0, 2.0)
    assert (protocol["ssim"]["window_pixels"], protocol["ssim"]["window_mm"]) == (7, 14.0)
    assert (protocol["interval"]["resamples"], protocol["interval"]["seed"]) == (200, 0)
    assert list(protocol["baselines"]) == ["source_copied", "mean_target", "nearest_source", "linear_regression"]
    assert "chosen on the same images" in protocol["margins"]
    assert protocol["training_split"] == split_hash(write_made_collection(tmp_path), "training")


def test_batches_and_order_change_no_byte(tmp_path: Path) -> None:
    test = made_items(range(50, 54))
    evaluate(tmp_path / "there", test=test, batch_size=3)
    evaluate(tmp_path / "back", test=test[::-1], batch_size=8)
    files = [path.relative_to(tmp_path / "there") for path in (tmp_path / "there").rglob("*.*")]
    assert len(files) == 5 + 1 + 3 * 8
    for file in files:
        assert (tmp_path / "there" / file).read_bytes() == (tmp_path / "back" / file).read_bytes(), file


def test_training_items_as_test_items_are_found_by_nearest_source(tmp_path: Path) -> None:
    evaluate(tmp_path, test=made_items(range(2)))
    found = [row for row in rows_of(tmp_path) if row["method"] == "nearest_source"]
    assert {float(row["psnr_db"]) for row in found} == {100.0}


def test_the_worst_picture_shows_the_worst_case(tmp_path: Path) -> None:
    test = made_items(range(50, 53))
    test[1]["label"] = 0.5 * test[1]["image"][:1]  # HalfBright is perfect here, towards MLO
    evaluate(tmp_path, test=test)
    best, worst = (np.asarray(Image.open(tmp_path / f"{rank}_case.png"), int) for rank in ("best", "worst"))
    assert best.shape == worst.shape
    assert not np.array_equal(best, worst)
    rows = [row for row in rows_of(tmp_path) if (row["method"], row["direction"]) == ("model", "cc_to_mlo")]
    assert max(rows, key=lambda row: float(row["in_breast_ssim"]))["pair_id"] == test[1]["pair_id"]


def test_a_nan_names_pair_direction_and_method_and_leaves_earlier_results(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("earlier")
    with pytest.raises(ValueError, match="Pair P050_L_100, mlo_to_cc, method model cannot be scored: pred holds NaN"):
        evaluate(tmp_path, network=Broken())
    assert (tmp_path / "metrics.csv").read_text() == "earlier"


def test_an_empty_breast_mask_names_the_pair(tmp_path: Path) -> None:
    item = made_item(seed=7, target_view=1)
    item["label_breast"] = torch.zeros_like(item["label_breast"])
    with pytest.raises(ValueError, match=r"Pair P007_L_7, cc_to_mlo, method model .* breast mask is empty"):
        evaluate(tmp_path, test=[item])


def test_images_of_another_size_name_the_pair(tmp_path: Path) -> None:
    item = made_item(seed=7, target_view=1)
    item["label"] = item["label"][:, :-1]
    with pytest.raises(ValueError, match=r"Pair P007_L_7, cc_to_mlo, method model .* one size"):
        evaluate(tmp_path, test=[item])


def test_an_empty_test_split_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="test split is empty"):
        evaluate(tmp_path, test=[])
