"""The report and the scripts: written from a results folder alone, escaped, self-contained."""

import base64
import html
import json
import re
import subprocess
import sys
import time
from threading import Thread

import pytest
from PIL import Image

from fer_tune.analysis import page_figures, report
from fer_tune.analysis.figures import DOTS_PER_INCH, by_condition, save
from fer_tune.analysis.report import write_report
from fer_tune.analysis.tables import load
from tests.conftest import ROOT
from tests.support.made_up import PEAK, folder_writer

FIGURES = [
    "accuracy_by_epoch", "accuracy_by_lambda", "budget", "convergence", "convergence_by_epoch", "losses_by_epoch",
    "smooth_response",
]  # fmt: skip


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A report with one broken trial: its folder and the headline."""
    path = folder_writer(tmp_path_factory.mktemp("report"))(PEAK, broken=1)
    return path / "report", write_report(path).text()


def test_report_holds_headline_figures_tables_and_versions(reported):
    folder, headline = reported
    page, text = (folder / "index.html").read_text(), (folder / "report.md").read_text()
    assert all(paragraph.strip() in html.unescape(page) for paragraph in headline.splitlines())
    assert "Take λ = 0.2 for 30 epochs of training" in text
    assert page.count("data:image/svg+xml;base64,") == len(FIGURES)
    assert page.count("<tr>") > 11
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    names = sorted(p.name for p in (folder / "figures").iterdir())
    assert names == sorted(f"{n}.{e}" for n in FIGURES for e in ("png", "svg"))
    for name in FIGURES:
        assert f"figures/{name}.png" in text
    assert "torch" in page
    assert "noise:" in page
    assert json.loads((folder.parent / "recommendation.json").read_text())["conditions"][0]["lambda"] == 0.2


def test_figures_mark_the_papers_values_and_name_their_axes(reported):
    page = (reported[0] / "index.html").read_text()
    svgs = [base64.b64decode(d).decode() for d in re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", page)]
    texts = " ".join(svgs)
    for label in ("paper: 2.6", "paper: 0.45", "test accuracy (share)", "λ, weight of the joint loss",
                  "generator joint loss L_G", "discriminator joint loss L_D", "epoch"):  # fmt: skip
        assert label in texts, label


def test_text_of_others_reaches_the_page_escaped(reported):
    page = (reported[0] / "index.html").read_text()
    assert "<b>task_loss</b>" not in page
    assert "&lt;b&gt;task_loss" in page
    assert "\\<b\\>task\\_loss" in (reported[0] / "report.md").read_text()


def test_a_study_without_a_joint_game_has_no_loss_figures(results_folder):
    path = results_folder(PEAK, search={"lambda": {"grid": [0.0]}})
    write_report(path)
    assert "Joint losses" not in (path / "report" / "index.html").read_text()


def test_a_sampled_condition_gets_a_surface(results_folder):
    drawn = {"noise_ratio": {"sample": [0.0, 0.6]}}
    path = results_folder(PEAK, conditions=drawn, optuna={"trials": 3}, seeds=[0])
    write_report(path)
    assert (path / "report" / "figures" / "surface_noise_ratio.png").exists()


def test_every_script_runs_alone_without_ray_or_torch(results_folder):
    path = results_folder(PEAK)
    says = {
        "rules": "noisy validation",
        "budget": "λ = 0.2 leads",
        "methods": "compares no methods",
        "convergence": "rank correlation with test accuracy",
        "curves": "Wrote accuracy_by_epoch",
        "recommendation": "Take λ = 0.2",
        "conditions": "varies nothing but λ",
        "examples": "no figure to draw",
        "labels": "recorded no digests",
    }
    code = f"import sys, runpy; sys.argv = ['analysis', {str(path)!r}]\n"
    code += "".join(f"runpy.run_module('analysis.{name}', run_name='__main__', alter_sys=True)\n" for name in says)
    code += "assert not {'ray', 'torch'} & set(sys.modules), 'analysis reads files alone'\n"
    code += "rooms = {m.split('.')[1] for m in sys.modules if m.startswith('fer_tune.')}\n"
    code += "assert rooms == {'analysis', 'decision', 'errors', 'names', 'results'}, rooms"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, said in says.items():
        assert said in done.stdout, name


def test_a_script_on_a_folder_without_results_ends_with_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "analysis.report", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "is not a results folder" in done.stderr


def test_a_running_study_is_reported_from_what_has_ended_and_watched_until_it_is_complete(
    results_folder, monkeypatch, capsys
):
    path = results_folder(PEAK, complete=False)
    runs = json.loads((path / "run.json").read_text())
    (path / "run.json").unlink()
    monkeypatch.setattr(report, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(page_figures, "recipes", lambda *found: [])  # slow, and looked at elsewhere

    def end():
        while not (path / "report" / "index.html").exists():
            time.sleep(0.05)
        assert "This study is still running or was stopped" in (path / "report" / "index.html").read_text()
        (path / "run.json").write_text(json.dumps([{**runs[0], "complete": True}]))

    study = Thread(target=end)
    study.start()
    assert report.main([str(path), "--watch"]) == 0
    study.join()
    assert "This study is still running or was stopped" not in (path / "report" / "index.html").read_text()
    assert capsys.readouterr().out.count("index.html") == 2


def test_watching_waits_for_the_first_trial_and_needs_a_results_folder(results_folder, tmp_path, monkeypatch, capsys):
    path = results_folder(PEAK)
    table = (path / "trials.csv").read_text()
    (path / "trials.csv").unlink()
    monkeypatch.setattr(page_figures, "recipes", lambda *found: [])
    monkeypatch.setattr(report.time, "sleep", lambda seconds: (path / "trials.csv").write_text(table))
    assert report.main([str(path), "--watch"]) == 0
    assert f"no trial in {path} has ended yet" in capsys.readouterr().out
    assert report.main([str(tmp_path / "nowhere"), "--watch"]) == 2


def test_figures_come_in_the_format_that_is_asked_for(results_folder):
    path = results_folder(PEAK)
    words = [sys.executable, "-m", "analysis.budget", str(path), "--format", "pdf"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "λ = 0.2 leads" in done.stdout, done.stderr
    (figure,) = (path / "report" / "figures").iterdir()
    assert figure.name == "budget.pdf"
    assert figure.read_bytes().startswith(b"%PDF")


def test_a_figure_has_the_same_pixels_whatever_is_written_before(results_folder):
    results = load(results_folder(PEAK), ("svg", "png"))
    figure = by_condition(results, results.trials, lambda ax, table: ax)
    inches = figure.get_size_inches()
    save(figure, results, "one")
    with Image.open(results.figures / "one.png") as picture:
        assert picture.size == tuple((inches * DOTS_PER_INCH).astype(int))


def test_a_page_of_a_hundred_trials_stays_under_five_megabytes(results_folder):
    path = results_folder(PEAK, seeds=list(range(25)), epochs=44)
    write_report(path)
    page = path / "report" / "index.html"
    assert page.read_text().count("data-key=") == 100
    assert page.stat().st_size < 5e6
