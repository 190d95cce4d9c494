"""``report.md`` and what ``report.html`` says without a browser."""

from __future__ import annotations

import html.parser
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ignite.engine import Engine

from bundle.report.evaluation.folder import read_evaluation
from bundle.report.evaluation.gallery import gallery_data
from bundle.report.evaluation.handler import EvaluationReport
from bundle.report.evaluation.page import write_report
from tests.report.made_evaluation import MEASURES, NIPPLE, add_made_ceiling, add_made_samples, write_made_evaluation

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "</script><script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"


def cells(text: str, heading: str) -> dict[str, list[str]]:
    """Read the table that begins with a heading: the rows' cells by the first one."""
    lines = iter(text.splitlines())
    rows = {}
    for line in lines:
        if line.startswith(f"| {heading}"):
            next(lines)
            for row in lines:
                if not row.startswith("|"):
                    return rows
                first, *others = (cell.strip() for cell in row.strip("|").split(" | "))
                rows[first] = others
    return rows


def test_the_tables_hold_what_the_summary_holds(tmp_path: Path) -> None:
    report = write_report(write_made_evaluation(tmp_path / "evaluation"))
    assert report.table.read_text() == report.text
    assert "## CC -> MLO: 4 test images of 2 patients" in report.text
    assert "The model beats the best baseline in 3 of 3 measures." in report.text
    headline = cells(report.text, "measure")
    assert list(headline) == ["in-breast SSIM", "in-breast PSNR [dB]", "shape error"]
    model, baseline, margin, p, verdict = headline["in-breast SSIM"]
    assert (baseline, margin, p, verdict) == ("mean_target", "+0.100 [+0.060, +0.150]", "0.030", "better")
    assert re.fullmatch(r"0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]", model)
    # A row per method, as many measures beside each other as fit.
    per_image = report.text[: report.text.index("radiomics of")]
    tables = [table.splitlines() for table in per_image.split("\n\n") if table.startswith("|  ")]
    heads = [cell.strip() for head, *_ in tables for cell in head.strip("|").split(" | ") if cell.strip()]
    assert len(tables) == 2 * 2
    assert len(heads) == 2 * len(MEASURES)
    assert "lesion position error [mm], n = 2" in heads
    (last,) = [row for row in tables[1] if row.startswith("| real_target")]
    assert last.rstrip("| ").count("|") < tables[1][0].count("|") - 1  # the lesion's cell is empty
    best = [row for table in tables[:2] for row in table if row.startswith("| mean_target")]
    assert sum(row.count("*") for row in best) == 6  # of seven measures one has no better way


def test_figures_of_all_cases_together(tmp_path: Path) -> None:
    report = write_report(write_made_evaluation(tmp_path / "evaluation"))
    page = report.page.read_text()
    sections = {part.splitlines()[0]: part for part in report.text.split("## ")}
    concordance = sections["CC -> MLO: radiomics of 9 lesions"]
    head, _, model, *_ = (line for line in concordance.splitlines() if line.startswith("|"))
    assert [cell.strip() for cell in head.strip("|").split("|")][1:] == [
        *("all [95 % interval]", "excellent", "firstorder", "glcm")
    ]
    assert [cell.strip() for cell in model.strip("|").split("|")] == [
        *("model", "0.30 [0.26, 0.35]", "8%", "0.30", "0.30")
    ]
    for features in ("radiomics", "feature network"):
        distances = cells(sections[f"Distance to real views: {features}"], " ")
        assert distances == {"model": ["1.50", "1.50"], "real_target": ["1.50", "1.50"]}
    assert "own is better" in sections["Does the radiomic vector matter: shuffled"]
    assert "undecided" in sections["Does the radiomic vector matter: swap"]
    assert page.count("own is better") == 2
    assert page.count("radiomics of 9 lesions") == 2 * 2  # heading and label, two directions


def test_figures_of_a_generator_with_samples(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    assert "Where to look" not in write_report(folder).text
    add_made_samples(folder)
    report = write_report(folder)
    sections = {part.splitlines()[0]: part for part in report.text.split("## ")}
    assert cells(sections["Where to look for the lesion"], " ") == {
        "CC -> MLO, 50 % of the probability": ["8", "50% [46%, 55%]", "10.0 [10.0, 10.1]"],
        "CC -> MLO, 90 % of the probability": ["8", "88% [84%, 92%]", "17.5 [17.5, 17.6]"],
        "CC -> MLO, readers' band": ["8", "70% [66%, 75%]", "14.0 [14.0, 14.1]"],
    }
    assert cells(sections["Do samples vary enough"], " ") == {"CC -> MLO": ["8", "1.90 [1.86, 1.95]"]}
    ranks = sections["Rank of the real view among 3 samples"]
    assert cells(ranks, " ") == {"CC -> MLO": ["40", "25%", "12%", "12%", "50%"]}
    assert "MLO -> CC" not in ranks  # no square counted
    assert "Where to look for the lesion" in report.page.read_text()
    assert max(map(len, report.text.splitlines())) <= 110


def test_without_such_figures_their_section_is_absent(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    summary |= {"trade_off": [], "lesion_concordance": {"model": {}}, "distribution": {}, "conditioning": {}}
    path.write_text(json.dumps(summary))
    report = write_report(folder)
    assert "radiomics of" not in report.text
    for name in ("over-cases", "trade-off"):
        assert f'id="{name}"' not in report.page.read_text()


def test_the_way_to_the_ceiling_is_shown_where_there_is_one(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    without = write_report(folder)
    for text in (without.text, without.page.read_text()):
        assert "ceiling" not in text.replace("--ceiling", "").replace(".kind.ceiling", "")
    add_made_ceiling(folder)
    report = write_report(folder)
    (section,) = (part for part in report.text.split("## ") if part.startswith("CC -> MLO: share of the way"))
    head, _, *rows = (line for line in section.splitlines() if line.startswith("|"))
    assert [cell.strip() for cell in head.strip("|").split("|")] == [
        *("", "n", "model [95 % interval]", "blurred_truth")
    ]
    assert [[cell.strip() for cell in row.strip("|").split("|")] for row in rows] == [
        ["in-breast SSIM", "4", "20% [16%, 25%]", "40%"],
        ["L1 <sum>", "4", "20% [16%, 25%]", "40%"],
        ["spectral error", "4", "20% [16%, 25%]", "40%"],
        ["shape error", "4", "20% [16%, 25%]", "40%"],
        ["lesion position error [mm]", "2", "-50%", "40%"],
    ]
    page = report.page.read_text()
    headline = page[page.index('id="result"') : page.index('id="measures"')]
    assert headline.count("Way to the ceiling") == 2
    assert (
        headline.count("<td>20% [16%,\N{NO-BREAK SPACE}25%]</td>") == 2 * 2
    )  # SSIM and shape; of PSNR there is no share
    assert headline.count("<td></td>") == 2
    assert headline.count("100% is that of the same breast laid and exposed again") == 1
    assert page.count("share of the way from the best baseline to the ceiling</h3>") == 2
    assert max(map(len, report.text.splitlines())) <= 110


def test_shares_of_an_unknown_measure_are_a_sentence(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    summary["shares"] = {"model": {"cc_to_mlo": {"unheard_of": {"mean": 0.2, "low": 0.1, "high": 0.3, "n": 4}}}}
    path.write_text(json.dumps(summary))
    with pytest.raises(ValueError, match=r"summary\.json: measures does not describe unheard_of"):
        write_report(folder)


def test_tables_are_aligned_and_fit_a_terminal(tmp_path: Path) -> None:
    lines = write_report(write_made_evaluation(tmp_path / "evaluation")).text.splitlines()
    tables = "\n".join(lines).split("\n\n")
    for table in (each.splitlines() for each in tables if each.startswith("|")):
        assert len({len(line) for line in table}) == 1
        assert len(table[0]) <= 110
    assert max(map(len, lines)) <= 110


def test_a_model_behind_is_said_to_be_worse(tmp_path: Path) -> None:
    report = write_report(write_made_evaluation(tmp_path / "evaluation", model_ahead=-0.2))
    sentence = (
        "beats the best baseline in 0 of 3 measures; is worse in 3 (in-breast SSIM, in-breast PSNR [dB], shape error)"
    )
    assert sentence in " ".join(report.text.split())
    assert sentence in report.page.read_text()


def test_chance_and_a_single_patient_are_said(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    summary["margins"]["cc_to_mlo"]["in_breast_ssim"] |= {"low": -0.01}
    for cells in (summary["methods"]["model"]["mlo_to_cc"], summary["margins"]["mlo_to_cc"]):
        cells["in_breast_ssim"] |= {"low": None, "high": None}
    path.write_text(json.dumps(summary))
    report = write_report(folder)
    page = report.page.read_text()
    for text in (report.text, page):
        sentence = "beats the best baseline in 2 of 3 measures; undecided in 1 (in-breast SSIM)."
        assert " ".join(text.split()).count(sentence) == 2
        assert "[one patient]" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert page.count('words undecided">undecided<') == 2


def test_a_report_made_again_has_the_same_bytes(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    (tmp_path / "run").mkdir()
    results = tmp_path / "run" / "results.csv"
    results.write_text("epoch,loss_G\n1,2.0\n2,1.0\n")
    first = write_report(folder, results=results).page.read_bytes()
    results.unlink()
    assert write_report(folder).page.read_bytes() == first
    assert b"loss G" in first


class Elements(html.parser.HTMLParser):
    """Counts elements, and collects ids and event handlers."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            if name == "id":
                self.ids.append(str(value))
            if name in ("src", "href", "xlink:href"):
                self.addresses.append(str(value))


def test_nothing_that_comes_from_data_becomes_markup(tmp_path: Path) -> None:
    measures = {
        name: {**entry, "title": f"{entry['title']} {HOSTILE}", "description": HOSTILE}
        for name, entry in MEASURES.items()
    }
    pages = []
    for name, described in (("plain", MEASURES), ("hostile", measures)):
        folder = write_made_evaluation(tmp_path / name, measures=described)
        for path in (folder / "metrics.csv", folder / "cases" / "cases.json"):
            owner = "P_00000_L<img src=x>" if name == "hostile" else "P_00000_L"
            path.write_text(path.read_text().replace("P_00000_L", owner))
        page = Elements()
        page.feed(write_report(folder).page.read_text())
        pages.append(page)
    assert pages[0].names == pages[1].names
    assert len(pages[0].ids) == len(pages[1].ids)


def test_the_page_refers_to_nothing_outside_itself_and_no_id_occurs_twice(tmp_path: Path) -> None:
    page = Elements()
    page.feed(write_report(write_made_evaluation(tmp_path / "evaluation")).page.read_text())
    assert all(address.startswith("#") for address in page.addresses)
    assert len(set(page.ids)) == len(page.ids)


def test_equal_pictures_are_kept_once(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation", pairs=4)
    # The source of one direction is the target of the other: two real views and two synthetic ones per pair.
    assert write_report(folder).page.read_text().count("data:image/png") == 4 * 4


def test_a_damaged_picture_is_named_and_the_older_report_stays(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    before = write_report(folder).page.read_bytes()
    picture = folder / "cases" / "0_cc_to_mlo" / "real.png"
    picture.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"0_cc_to_mlo/real\.png cannot be read as a PNG picture"):
        write_report(folder)
    assert (folder / "report.html").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"cc_to_mlo"', '"sideways"'),
        ("]}", ""),  # cut off
        ('"direction"', '"other"'),
        ("[24.0, 20.0]", "[24.0]"),
        ("[24.0, 20.0]", '["a", "b"]'),
        ('"P_00000_L"', '"unknown"'),
    ],
)
def test_damaged_cases_are_a_sentence_that_names_their_file(tmp_path: Path, old: str, new: str) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    path = folder / "cases" / "cases.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=r"cases\.json is damaged \(.*evaluate again"):
        write_report(folder)


@pytest.mark.parametrize("canvas", [None, {}, {"rows": "many", "columns": 72, "spacing_mm": 2.0}])
def test_a_protocol_without_canvas_is_a_sentence(tmp_path: Path, canvas: dict[str, object] | None) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    summary["protocol"]["canvas"] = canvas
    path.write_text(json.dumps(summary))
    with pytest.raises(ValueError, match=r"summary\.json describes no canvas in its protocol \(.*evaluate again"):
        write_report(folder)


def test_a_damaged_evaluation_stops_the_run_with_a_sentence(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    (folder / "summary.json").write_text("{")
    engine = Engine(lambda engine, batch: None)
    EvaluationReport(evaluation_dir=folder, weights=tmp_path / "model.pt").attach(engine)
    with pytest.raises(ValueError, match=r"summary\.json cannot be read"):
        engine.run([0])


def test_results_that_are_no_numbers_are_a_sentence(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    (tmp_path / "results.csv").write_text("epoch,loss_G\n1,large\n")
    with pytest.raises(ValueError, match=r"results\.csv holds a value that is no number"):
        write_report(folder, results=tmp_path / "results.csv")


def test_arc_and_line_go_by_the_lesions_centre(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    data = gallery_data(read_evaluation(folder))
    assert data is not None
    (lesion,) = data["cases"][0]["lesions"]
    assert lesion["distance"] == pytest.approx(math.hypot(NIPPLE[0] - 30, NIPPLE[1] - 25), abs=0.01)
    assert lesion["depth"] == NIPPLE[1] - 25
    assert data["cases"][0]["source"]["nipple"] == [NIPPLE[1] + 0.5, NIPPLE[0] + 0.5]
    assert data["tolerance"] == 10 / 2.0
    assert data["cases"][2]["lesions"] == []


def test_a_picture_outside_the_folder_is_refused(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    path = folder / "cases" / "cases.json"
    path.write_text(path.read_text().replace("0_cc_to_mlo/real.png", "../../secret.png"))
    with pytest.raises(ValueError, match=r"secret\.png leads out"):
        write_report(folder)


def test_checkpoints_join_the_trade_off(tmp_path: Path) -> None:
    folders = [write_made_evaluation(tmp_path / f"epoch_{n}", model_ahead=0.1 * n) for n in (0, 1, 2)]
    page = write_report(folders[0], checkpoints=folders[1:]).page.read_text()
    assert "epoch_1" in page
    assert "epoch_2" in page


def test_an_evaluation_without_curves_does_not_show_those_of_another_run(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "evaluation")
    (tmp_path / "run").mkdir()
    results = tmp_path / "run" / "results.csv"
    results.write_text("epoch,loss_G\n1,2.0\n2,1.0\n")
    handler = EvaluationReport(evaluation_dir=folder, weights=tmp_path / "run" / "model.pt")
    handler.write(Engine(lambda engine, batch: None))
    assert "loss G" in (folder / "report.html").read_text()
    results.unlink()
    handler.write(Engine(lambda engine, batch: None))
    assert "loss G" not in (folder / "report.html").read_text()


def test_an_evaluation_in_its_runs_folder_leaves_the_runs_results(tmp_path: Path) -> None:
    folder = write_made_evaluation(tmp_path / "run")
    results = folder / "results.csv"
    results.write_text("epoch,loss_G\n1,2.0\n")
    for weights in (folder / "model.pt", tmp_path / "elsewhere" / "model.pt"):
        EvaluationReport(evaluation_dir=folder, weights=weights).write(Engine(lambda engine, batch: None))
        assert results.read_text() == "epoch,loss_G\n1,2.0\n"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "results.csv").write_text("epoch,loss_G\n1,3.0\n")
    EvaluationReport(evaluation_dir=folder, weights=weights).write(Engine(lambda engine, batch: None))
    assert results.read_text() == "epoch,loss_G\n1,2.0\n"
    assert (folder / "training_results.csv").read_text() == "epoch,loss_G\n1,3.0\n"


def test_the_command_writes_again_or_ends_with_a_sentence(tmp_path: Path) -> None:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "scripts.report", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    folders = [write_made_evaluation(tmp_path / name) for name in ("run/evaluation", "epoch_1", "epoch_2/evaluation")]
    good = run(tmp_path / "run", "--checkpoints", f"{folders[1]},{folders[2].parent}")
    assert good.returncode == 0, good.stderr
    assert good.stdout.endswith(f"{folders[0] / 'report.md'}\n{folders[0] / 'report.html'}\n")
    assert "epoch_2" in (folders[0] / "report.html").read_text()
    bad = run(tmp_path)
    assert bad.returncode == 1
    assert bad.stderr == f"report: {tmp_path} holds no summary.json; give an evaluation's folder or its run's\n"
