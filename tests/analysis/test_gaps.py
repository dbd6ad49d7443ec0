"""What a report lacks: a part that fails, trials that do not count, what there is nothing to show in. All is named."""

import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest

from fer_tune.analysis import conditions, curves, examples, labels, page_figures, recommendation, rules
from fer_tune.analysis.gaps import Gap, Kind, Report, attempted, explained
from fer_tune.analysis.report import write_report
from fer_tune.analysis.tables import NothingToReport, load
from fer_tune.cli.main import main
from fer_tune.errors import UserError
from fer_tune.results.files import write_json
from fer_tune.results.folder import TrialFolder
from fer_tune.results.tables import write_tables
from tests.support.made_up import PEAK, add_classes

GRID = {"lambda": {"grid": [0.0, 0.2]}}


def broken(*arguments):
    raise ZeroDivisionError("a made-up fault\nwith a second line")


@pytest.fixture
def only(monkeypatch):
    """Draws only these figures."""
    recipes = page_figures.recipes

    def choose(*names):
        monkeypatch.setattr(page_figures, "recipes", lambda *found: [r for r in recipes(*found) if r.name in names])

    return choose


def written(path):
    return [(path / "report" / name).read_text() for name in ("index.html", "report.md")]


def test_a_figure_that_fails_is_named_and_the_rest_is_written(results_folder, monkeypatch, only, capsys):
    path = add_classes(results_folder(PEAK, search=GRID, epochs=6), ["calm", "glad"])
    only("accuracy_by_lambda", "confusion")
    monkeypatch.setattr(examples, "confusion_figure", broken)
    assert main(["report", str(path)]) == 1
    said = "figure “confusion matrices”: ZeroDivisionError: a made-up fault"
    out = capsys.readouterr().out
    assert f"Missing from the report: {said}" in out
    assert out.splitlines()[0].startswith("Take λ = ")
    page, text = written(path)
    for content in (page, text):
        assert said in content
        assert "This figure is missing" in content
        assert "How certain the choice is" in content
    assert "a second line" not in page
    assert sorted(f.name for f in (path / "report" / "figures").iterdir()) == [
        "accuracy_by_lambda.png", "accuracy_by_lambda.svg",
    ]  # fmt: skip
    assert json.loads((path / "recommendation.json").read_text())["conditions"]


@pytest.mark.parametrize(
    ("module", "name", "said"),
    [
        (recommendation, "headline", "headline"),
        (recommendation, "chances", "table “how certain the choice is”"),
        (recommendation, "against_baseline", "table “each λ compared with λ = 0”"),
        (recommendation, "as_json", "recommendation.json"),
        (rules, "table", "table “what each rule would have chosen”"),
        (rules, "stopping_table", "table “when to stop a run”"),
        (conditions, "importance_sentence", "importance of each setting"),
        (labels, "digests", "digests of the noisy labels"),
        (page_figures, "drawn", "figures"),
    ],
)
def test_a_part_that_fails_is_named_and_the_rest_is_written(results_folder, monkeypatch, only, module, name, said):
    path = results_folder(PEAK, search=GRID, epochs=6, seeds=[0])
    only()
    monkeypatch.setattr(module, name, broken)
    report = write_report(path)
    assert [gap.what for gap in report.failures] == [said]
    for content in written(path):
        assert f"{said.replace('_', '')}: ZeroDivisionError: a made-up fault" in content.replace("\\", "")
        assert "Trials" in content
        assert "How to reproduce it" in content


def test_without_a_recommendation_there_is_a_page_and_no_old_recommendation(results_folder, monkeypatch, only, capsys):
    path = results_folder(PEAK, search=GRID, epochs=6, seeds=[0])
    only("accuracy_by_epoch")
    (path / "recommendation.json").write_text("{}")
    monkeypatch.setattr(recommendation, "findings", broken)
    assert main(["report", str(path)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("There is no recommendation. ZeroDivisionError: a made-up fault")
    assert not (path / "recommendation.json").exists()
    page, _ = written(path)
    assert "Test accuracy during training" in page
    assert page.count("data-key=") == 2


def test_notes_that_fail_leave_their_figure(results_folder, monkeypatch, only):
    path = results_folder(PEAK, search=GRID, epochs=6, seeds=[0])
    only("budget")
    monkeypatch.setattr(page_figures.budget, "sentences", broken)
    (gap,) = write_report(path).failures
    assert gap.what == "what is said about figure “leading λ by number of epochs”"
    assert (path / "report" / "figures" / "budget.png").exists()


def test_an_error_is_one_line_with_its_place():
    def part():
        return json.loads("{")

    gaps: list[Gap] = []
    assert attempted("a part", part, "nothing", gaps) == "nothing"
    assert gaps == [Gap("a part", gaps[0].why, Kind.FAILED)]
    assert gaps[0].why.startswith("JSONDecodeError: Expecting property name")
    assert explained(UserError("a file is missing.")) == "a file is missing"
    assert explained(OSError(28, "No space left on device", "x.png")) == "x.png: No space left on device"
    assert explained(ValueError()) == "ValueError"
    assert explained(ValueError("a\x1b[31m")) == "ValueError: a[U+001B][31m"


def test_the_terminal_names_failures_and_what_is_left_out_but_not_what_is_absent():
    gaps = tuple(Gap(f"part {kind}", "why", kind) for kind in Kind)
    assert Report(("First.",), gaps).text().splitlines() == [
        "First.", "Left out: part left out: why.", "Missing from the report: part failed: why.",
    ]  # fmt: skip


def spoil(path, **changes):
    """Change cells of trials.csv: column to a function of its values."""
    table = pd.read_csv(path / "trials.csv")
    for column, change in changes.items():
        table[column] = change(table[column])
    table.to_csv(path / "trials.csv", index=False)


def test_trials_without_a_score_are_left_out_and_counted(results_folder, only, capsys):
    path = results_folder(PEAK, search=GRID, epochs=6, seeds=[0, 1, 2])
    spoil(path, objective=lambda values: values.where(values.index != 1))
    results = load(path)
    key = "lambda=0.0,n000,s1"
    assert key not in set(results.trials["key"])
    only()
    assert main(["report", str(path)]) == 0
    said = f"1 trial ({key}): they have no val_accuracy"
    assert said in capsys.readouterr().out
    assert said in written(path)[0]
    assert main(["recommend", str(path), "--noise-ratio", "0.4"]) == 0
    assert said in capsys.readouterr().out
    assert main(["compare", str(path), str(path)]) == 0
    assert said in capsys.readouterr().out
    spoil(path, objective=lambda values: values * np.nan)
    with pytest.raises(NothingToReport, match="has a value of val_accuracy"):
        load(path)


def test_trials_that_have_not_ended_or_are_unknown_are_counted(results_folder):
    path = results_folder(PEAK, search=GRID, epochs=6, seeds=[0, 1, 2])
    spoil(path, status=lambda values: ["unfinished", "paused", *values[2:]])
    said = [gap.text() for gap in load(path).gaps]
    assert said == [
        "1 trial (lambda=0.0,n000,s1): this version does not know their role or status.",
        "1 trial (lambda=0.0,n000,s0): they have not ended, so they do not count yet.",
    ]


def test_trial_folders_that_the_tables_lack_are_counted_in_a_complete_study(results_folder):
    path = results_folder(PEAK, search=GRID, epochs=6, seeds=[0, 1, 2])
    (path / "trials" / "lambda=0.2,n000,s2" / "trial.json").unlink()
    write_tables(path)
    (gap,) = load(path).gaps
    assert gap.what == "1 trial (lambda=0.2,n000,s2)"
    assert "trial.json is damaged or missing" in gap.why
    running = json.loads((path / "run.json").read_text())
    write_json(path / "run.json", [{**running[0], "complete": False}])
    assert load(path).gaps == ()


def test_trials_whose_baseline_has_not_ended_are_counted(results_folder):
    space = {"lambda": {"uniform": [0.0, 1.0]}, "noise_ratio": {"uniform": [0.1, 0.6]}}
    path = results_folder(PEAK, baselines=3, search=space, seeds=[0, 1], optuna={"trials": 4, "batch": 4})
    (gap,) = load(path).gaps
    assert gap.what.startswith("5 trials (")
    assert "baseline at λ = 0" in gap.why


def test_what_a_study_has_nothing_to_show_in_is_named_in_the_page(results_folder):
    path = results_folder(PEAK, search={"lambda": {"grid": [0.0]}}, epochs=4, seeds=[0])
    report = write_report(path)
    assert report.failures == []
    page, text = written(path)
    for content in (page, text):
        assert "Not shown, and why" in content
        for name in ("smooth curve", "best λ against noise ratio", "leading λ", "confusion matrices", "faces"):
            assert name in content.lower()
        assert "no trial with λ &gt; 0" in content or "no trial with λ \\> 0" in content
        assert "digests of the noisy labels" in content
    assert "Not shown" not in report.text()


def test_a_study_without_test_labels_says_so_and_recommends(results_folder, capsys):
    path = results_folder(PEAK, epochs=8, seeds=[0, 1])
    for folder in map(TrialFolder, (path / "trials").iterdir()):
        folder.write_history([{**row, "test_accuracy": math.nan} for row in folder.history()])
    write_tables(path)
    assert main(["report", str(path)]) == 0
    out = capsys.readouterr().out
    assert "is unknown: no test image has a label" in out
    page, _ = written(path)
    assert "nan" not in page.split("<script")[0].replace("NaN", "nan").lower().replace("finance", "")
    for word in ("compare", "recommend"):
        words = [word, str(path), *([str(path)] if word == "compare" else ["--noise-ratio", "0.4"])]
        assert main(words) == 0
        assert "nan" not in capsys.readouterr().out
    found = json.loads((path / "recommendation.json").read_text())
    assert found["conditions"][0]["lambda"] == 0.2


def test_a_class_without_test_samples_has_no_recall_and_an_empty_row(results_folder, only):
    path = add_classes(results_folder(PEAK, search=GRID, epochs=6, seeds=[0, 1]), ["calm", "glad", "cross"], absent=[1])
    only("confusion")
    results = load(path)
    matrix, classes = examples.confusion_matrix(results, results.trials[results.trials["lambda"] > 0])
    assert classes == ["calm", "glad", "cross"]
    assert np.isnan(matrix[1]).all()
    np.testing.assert_allclose(matrix[[0, 2]], [[1, 0, 0], [1, 0, 0]])
    assert not write_report(path).failures
    _, text = written(path)
    assert "No test samples, so no recall: glad." in text
    rows = [line for line in text.splitlines() if line.startswith(("|  | samples", "| all | 0.2 | 1.00"))]
    assert rows == ["|  | samples | 30 | 0 | 30 | ", "| all | 0.2 | 1.00 |  | 0.00 | "]
    assert "no samples" in (path / "report" / "figures" / "confusion.svg").read_text()


def test_means_over_classes_of_an_older_version_are_left_out(results_folder, only):
    path = add_classes(results_folder(PEAK, search=GRID, epochs=6, seeds=[0]), ["calm", "glad", "cross"], absent=[1])
    only()
    for folder in map(TrialFolder, (path / "trials").iterdir()):
        old = {"test_recall_glad": 0.0, "test_mean_class_accuracy": 0.123, "test_macro_f1": 0.234}
        folder.write_history([{**row, **old} for row in folder.history()])
    write_tables(path)
    report = write_report(path)
    (gap,) = [gap for gap in report.gaps if gap.kind == Kind.LEFT_OUT]
    assert "an older version of fer-tune ran the study" in gap.why
    page, text = written(path)
    assert "0.123" not in page
    assert "0.234" not in text
    assert "| all | 0.2 | 1.00 |  | 0.00 | " in text


def test_classes_named_like_columns_keep_their_own(results_folder, only):
    path = add_classes(results_folder(PEAK, search=GRID, epochs=6, seeds=[0]), ["condition", "λ", "samples"])
    only()
    write_report(path)
    assert "| condition | λ | condition (2) | λ (2) | samples | " in written(path)[1]


def test_equal_images_in_two_splits_are_a_warning(results_folder, only, capsys):
    path = add_classes(results_folder(PEAK, search=GRID, epochs=6, seeds=[0]), ["calm", "glad"])
    only()
    about = path / "data" / ("0" * 32) / "dataset.json"
    stored = json.loads(about.read_text())
    copies = {
        "groups": 3, "images": 7, "validation_in_train": 0, "test_in_train": 5, "test_in_validation": 0,
        "other_labels": 1, "examples": [["a$1$.png (train)", "b.png (test)"]],
    }  # fmt: skip
    write_json(about, {**stored, "copies": copies})
    assert main(["report", str(path)]) == 0
    said = "Warning: equal images in two splits, so scores on them are too high: 5 test images are also in train."
    assert said in capsys.readouterr().out
    for content in written(path):
        assert said in content
        assert "1 groups of equal images have different labels" in content
        assert "a$1$.png (train), b.png (test)" in content.replace("\\", "")
    clean = {**copies, "test_in_train": 0, "other_labels": 0, "examples": []}
    write_json(about, {**stored, "copies": clean})
    assert write_report(path).text().count("equal images") == 0
    assert "equal images" not in written(path)[0]
    write_json(about, {**stored, "copies": [1, 2]})
    assert write_report(path).text().count("equal images") == 0
    write_json(about, stored)
    write_report(path)
    assert "equal images in two splits: the stored data do not say" in written(path)[0]


def test_what_only_one_study_has_is_named(results_folder, capsys):
    first = results_folder(PEAK, epochs=6, seeds=[0])
    second = results_folder(PEAK, epochs=6, seeds=[0], name="other", search={"lambda": {"grid": [0.0, 0.2, 0.7]}})
    third = results_folder(PEAK, epochs=6, seeds=[0], name="third", conditions={"noise_ratio": [0.2, 0.4]})
    assert main(["compare", str(first), str(second)]) == 0
    out = capsys.readouterr().out
    assert "Not compared, only the first has it: λ = 0.6, 1" in out
    assert "Not compared, only the second has it: λ = 0.7" in out
    assert main(["compare", str(first), str(third)]) == 0
    out = capsys.readouterr().out
    assert "the first has no condition, the second has noise_ratio=0.2; noise_ratio=0.4" in out


def test_the_smooth_figure_names_the_conditions_that_it_leaves_out(results_folder):
    path = results_folder(PEAK, epochs=6, seeds=[0, 1], conditions={"noise_ratio": [0.2, 0.4]})
    trials = pd.read_csv(path / "trials.csv")
    gone = (trials["condition"] == "noise_ratio=0.2") & (trials["lambda"] == 1)
    trials[~gone].to_csv(path / "trials.csv", index=False)
    for key in trials.loc[gone, "key"]:
        shutil.rmtree(path / "trials" / key)
    results = load(path)
    notes = curves.smooth_notes(recommendation.findings(results))
    assert notes == ["Left out, with fewer than four λs or with one seed: noise_ratio=0.2."]


def test_a_command_that_could_not_be_read_back_is_shown_as_it_was(results_folder, only):
    path = results_folder(PEAK, search=GRID, epochs=6, seeds=[0])
    only()
    about = json.loads((path / "environment.json").read_text())
    write_json(path / "environment.json", {**about, "command": ["fer-tune", "run", "stud\udce9 $x$.yaml"]})
    assert not write_report(path).failures
    assert "stud[U+DCE9] $x$.yaml" in written(path)[0]
