"""Confusion matrices and faces: known predictions give known matrices and captions."""

import numpy as np
import pandas as pd
import pytest

from fer_tune.analysis.examples import confusion_figure, confusion_matrix, disagreements, faces_figure, system_trials
from fer_tune.analysis.labels import annotator_matrix, digests
from fer_tune.analysis.tables import load
from fer_tune.results.files import write_json
from tests.support.made_up import plateau

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
