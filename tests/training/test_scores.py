"""Scores of predictions, on cases whose answer is known and against scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, recall_score

from fer_tune.data.labels import LabelSet
from fer_tune.training.scores import class_scores, score_predictions

CLASSES = LabelSet(name="emotion", kind="categorical", names=("a", "b", "c"))
SECOND = LabelSet(name="pose", kind="categorical", names=("l", "r"))
VALUES = LabelSet(name="affect", kind="continuous", names=("valence", "arousal"))


def test_values_have_ccc_rmse_and_sign_agreement():
    truth = torch.tensor([[0.5, -0.5], [-0.5, 0.5], [float("nan"), 0.0]])
    predicted = torch.tensor([[0.5, 0.5], [-0.5, 1.5], [0.0, 0.0]])
    found = score_predictions((VALUES,), {"affect": predicted}, {"affect": truth}, "val")
    assert found["val_ccc_valence"] == pytest.approx(1, abs=1e-3)
    assert found["val_rmse_valence"] == 0
    assert found["val_rmse_arousal"] == pytest.approx(1)
    assert found["val_sign_valence"] == 1
    assert found["val_sign_arousal"] == 0.5
    assert found["val_ccc"] == pytest.approx((found["val_ccc_valence"] + found["val_ccc_arousal"]) / 2)


def test_classes_have_accuracy_mean_class_accuracy_f1_and_recalls_and_missing_labels_do_not_count():
    truth = torch.tensor([0, 0, 0, 1, 1, 2, -1])
    probabilities = torch.nn.functional.one_hot(torch.tensor([0, 0, 1, 1, 1, 0, 2]), 3).float()
    pose = {"pose": torch.tensor([[0.9, 0.1], [0.2, 0.8]])}, {"pose": torch.tensor([0, 0])}
    found = score_predictions((CLASSES,), {"emotion": probabilities}, {"emotion": truth}, "val")
    assert found == pytest.approx(
        {
            "val_accuracy": 4 / 6,
            "val_mean_class_accuracy": (2 / 3 + 1 + 0) / 3,
            "val_macro_f1": (2 / 3 + 4 / 5 + 0) / 3,
            "val_recall_a": 2 / 3,
            "val_recall_b": 1.0,
            "val_recall_c": 0.0,
        }
    )
    both = {"emotion": probabilities} | pose[0], {"emotion": truth} | pose[1]
    second = list(score_predictions((CLASSES, SECOND), *both, "test"))[6:]
    assert second == [
        "test_accuracy_pose", "test_mean_class_accuracy_pose", "test_macro_f1_pose",
        "test_recall_pose_l", "test_recall_pose_r",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_class_scores_are_those_of_scikit_learn_over_classes_that_are_labelled_or_predicted(seed):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 12))
    labelled, answered = (rng.permutation(classes)[: rng.integers(1, classes + 1)] for _ in range(2))
    truth, predicted = rng.choice(labelled, 40), rng.choice(answered, 40)
    found = class_scores(torch.from_numpy(predicted), torch.from_numpy(truth), classes)
    options = {"labels": np.union1d(truth, predicted), "average": "macro", "zero_division": 0}
    assert float(found["accuracy"]) == pytest.approx(accuracy_score(truth, predicted))
    assert float(found["mean_class_accuracy"]) == pytest.approx(recall_score(truth, predicted, **options))
    assert float(found["macro_f1"]) == pytest.approx(f1_score(truth, predicted, **options))
    recalls = recall_score(truth, predicted, labels=range(classes), average=None, zero_division=0)
    assert found["recalls"].tolist() == pytest.approx(recalls.tolist())


def test_a_class_without_labels_counts_in_the_means_only_if_it_is_predicted():
    truth = torch.tensor([0, 0, 1, 1])
    unpredicted = class_scores(torch.tensor([0, 0, 1, 1]), truth, 3)
    assert unpredicted["mean_class_accuracy"] == 1
    assert unpredicted["macro_f1"] == 1
    assert unpredicted["recalls"].tolist() == [1, 1, 0]
    predicted = class_scores(torch.tensor([0, 0, 1, 2]), truth, 3)
    assert float(predicted["mean_class_accuracy"]) == pytest.approx(1.5 / 3)
    assert float(predicted["macro_f1"]) == pytest.approx((1 + 2 / 3) / 3)


def test_scores_without_any_label_are_missing():
    nothing = {"emotion": torch.full((4,), -1), "affect": torch.full((4, 2), float("nan"))}
    predicted = {"emotion": torch.rand(4, 3), "affect": torch.rand(4, 2)}
    scores = score_predictions((CLASSES, VALUES), predicted, nothing, "val")
    some = {"emotion": torch.zeros(4, dtype=torch.int64), "affect": torch.rand(4, 2)}
    assert list(scores) == list(score_predictions((CLASSES, VALUES), predicted, some, "val"))
    assert all(math.isnan(value) for value in scores.values())
