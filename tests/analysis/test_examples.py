"""Confusion matrices and faces: known predictions give known matrices and captions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fer_tune.analysis import page
from fer_tune.analysis.examples import (
    confusion_figure,
    confusion_matrix,
    disagreements,
    faces_figure,
    faces_notices,
    shows_faces,
    system_trials,
)
from fer_tune.analysis.labels import annotator_matrix, digests
from fer_tune.analysis.report import main
from fer_tune.analysis.tables import load
from fer_tune.results.files import read_json, write_json
from fer_tune.results.folder import TrialFolder
from fer_tune.results.tables import write_tables
from tests.support.made_up import add_classes, plateau

TRUE = np.repeat([0, 1, 2], 20)
NAMES = ("calm", "glad", "cross")


GIVEN = [[15, 5, 0], [0, 20, 0], [0, 10, 10]]


def write_predictions(results, key, predicted):
    table = pd.DataFrame({"index": np.arange(60), "mood_true": TRUE, "mood_predicted": predicted})
    for k, name in enumerate(NAMES):
        table[f"mood_p_{name}"] = (predicted == k).astype(float)
    table.to_csv(results.path / "trials" / key / "predictions.csv", index=False)


@pytest.fixture
def results(results_folder):
    """Joint confuses only class 2 with 0; multi-task is wrong on every other sample."""
    results = load(results_folder(plateau(lambda lam: 0.6 + 0.1 * (lam == 0.6))))
    joint = np.where(TRUE == 2, 0, TRUE)
    plain = np.where(np.arange(60) % 2 == 0, (TRUE + 1) % 3, TRUE)
    for key, lam in zip(results.trials["key"], results.trials["lambda"], strict=True):
        write_predictions(results, key, plain if lam == 0 else joint)
        about = {"digest": "ab" * 8, "set": "mood", "classes": NAMES, "given_counts": GIVEN}
        write_json(results.path / "trials" / key / "labels.json", about)
    images = results.path / "data" / ("0" * 32)
    images.mkdir(parents=True)
    np.save(images / "images.npy", np.random.default_rng(0).integers(0, 255, (60, 3, 32, 32), dtype=np.uint8))
    return results


def test_joint_is_the_best_lambda_above_zero_and_multitask_is_lambda_zero(results):
    found = system_trials(results)
    assert set(found) == {"joint", "multitask"}
    assert set(found["joint"]["lambda"]) == {0.6}
    assert set(found["multitask"]["lambda"]) == {0.0}


def test_rows_of_the_matrix_are_true_classes_and_sum_to_one(results):
    matrix, classes = confusion_matrix(results, system_trials(results)["joint"])
    assert classes == list(NAMES)
    assert matrix == pytest.approx(np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0]]))
    assert confusion_matrix(results, system_trials(results)["multitask"])[0].diagonal() == pytest.approx([0.5] * 3)


def test_faces_are_those_that_systems_disagree_on(results):
    table, _ = disagreements(results)
    wins = table[(table["joint"] == table["true"]) & (table["multitask"] != table["true"])]
    losses = table[(table["joint"] != table["true"]) & (table["multitask"] == table["true"])]
    assert len(wins) == 20
    assert len(losses) == 10
    assert set(losses["true"]) == {2}
    figure = faces_figure(results)
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert "label: cross\nplain: cross\njoint: calm" in texts
    assert "label: calm\nplain: glad\njoint: calm" in texts
    titles = [ax.get_title() for ax in confusion_figure(results).axes]
    assert titles == ["training labels", "plain training", "joint training", ""]


def test_what_the_annotator_confuses_is_said_by_rows_of_the_known_class(results):
    matrix, classes = annotator_matrix(results, results.trials)
    assert classes == list(NAMES)
    assert matrix == pytest.approx(np.array([[0.75, 0.25, 0], [0, 1, 0], [0, 0.5, 0.5]]))
    assert digests(results) == [
        {"condition": "all", "seed": str(seed), "digest of the noisy labels": "ab" * 8} for seed in (0, 1, 2)
    ]


def test_without_predictions_or_images_there_is_no_figure(results_folder):
    results = load(results_folder(plateau(lambda lam: 0.6)))
    assert confusion_figure(results) is None
    assert faces_figure(results) is None
    assert digests(results) == []


PEOPLE = {
    "kind": "manifest",
    "file": "faces.csv",
    "sets": [{"name": "mood", "kind": "categorical", "columns": ["mood"], "classes": list(NAMES)}],
}


def with_faces(results_folder, **changes):
    """A folder whose methods disagree on some test images."""
    return add_classes(results_folder(plateau(lambda lam: 0.6 + 0.1 * (lam == 0.6)), **changes), NAMES)


@pytest.mark.parametrize(
    ("changes", "option", "shown"),
    [
        ({}, None, True),
        ({}, "none", False),
        ({"report": {"faces": "none"}}, None, False),
        ({"dataset": PEOPLE}, None, False),
        ({"dataset": PEOPLE}, "few", True),
        ({"dataset": PEOPLE, "report": {"faces": "few"}}, None, True),
        ({"dataset": PEOPLE, "report": {"faces": "few"}}, "none", False),
    ],
)
def test_faces_of_people_are_only_shown_where_that_was_asked_for(results_folder, changes, option, shown):
    results = replace(load(with_faces(results_folder, **changes)), faces=option)
    assert (faces_figure(results) is not None) == shown
    warned = "".join(faces_notices(results))
    assert warned.startswith("Warning: the page shows images of your data set.") == (shown and "dataset" in changes)


def test_a_study_of_an_older_version_has_the_same_default(results_folder):
    path = with_faces(results_folder, dataset=PEOPLE)
    old = {name: part for name, part in read_json(path / "study.json").items() if name != "report"}
    write_json(path / "study.json", old)
    assert not shows_faces(load(path))


def test_the_page_holds_faces_of_people_and_a_warning_only_where_asked_for(results_folder, capsys):
    path = with_faces(results_folder, dataset=PEOPLE)
    title = "Test faces that methods disagree on"
    assert main([str(path)]) == 0
    shown = (path / "report" / "index.html").read_text()
    assert f"<h2>{title}" not in shown
    assert "images of people stay out of the page" in shown
    assert "Warning" not in capsys.readouterr().out
    assert main([str(path), "--faces", "few"]) == 0
    assert (path / "report" / "figures" / "faces.png").exists()
    assert title in (path / "report" / "index.html").read_text()
    assert f"run: fer-tune report {path} --faces none" in capsys.readouterr().out
    assert main([str(path)]) == 0
    assert not (path / "report" / "figures" / "faces.png").exists()


def test_recalls_of_the_page_are_the_diagonals_of_the_confusion_matrices(results_folder):
    path = with_faces(results_folder)
    for folder in map(TrialFolder, (path / "trials").iterdir()):  # means of epochs before the last say something else
        folder.write_history([{**row, "test_recall_glad": 0.123} for row in folder.history()])
    write_tables(path)
    results = load(path)
    systems = {trials["lambda"].iloc[0]: trials for trials in system_trials(results).values()}
    shown = {row[1]: row[2:] for row in page.recalls(results).rows}
    for lam, trials in systems.items():
        matrix, _ = confusion_matrix(results, trials)
        assert shown[f"{lam:.3g}"] == [f"{share:.2f}" for share in matrix.diagonal()]
