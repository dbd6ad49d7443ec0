"""Scores of predictions, on cases whose answer is known and against scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, recall_score

from fer_tune.data.labels import LabelSet
from fer_tune.training.scores import class_scores, concordance_of, score_predictions

CLASSES = LabelSet(name="emotion", kind="categorical", names=("a", "b", "c"))
SECOND = LabelSet(name="pose", kind="categorical", names=("l", "r"))
VALUES = LabelSet(name="affect", kind="continuous", names=("valence", "arousal"))


def test_values_have_ccc_rmse_and_sign_agreement():
    truth = torch.tensor([[0.5, -0.5], [-0.5, 0.5], [float("nan"), 0.0]])
    predicted = torch.tensor([[0.5, 0.5], [-0.5, 1.5], [0.0, 0.0]])
    found = score_predictions((VALUES,), {"affect": predicted}, {"affect": truth}, "val")
    assert found["val_ccc_valence"] == pytest.approx(1)
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
def test_class_scores_are_those_of_scikit_learn_over_the_classes_that_are_labelled(seed):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 12))
    labelled, answered = (rng.permutation(classes)[: rng.integers(1, classes + 1)] for _ in range(2))
    truth, predicted = rng.choice(labelled, 40), rng.choice(answered, 40)
    found = class_scores(torch.from_numpy(predicted), torch.from_numpy(truth), classes)
    options = {"labels": np.unique(truth), "average": "macro", "zero_division": 0}
    assert float(found["accuracy"]) == pytest.approx(accuracy_score(truth, predicted))
    assert float(found["mean_class_accuracy"]) == pytest.approx(recall_score(truth, predicted, **options))
    assert float(found["macro_f1"]) == pytest.approx(f1_score(truth, predicted, **options))
    recalls = recall_score(truth, predicted, labels=range(classes), average=None, zero_division=np.nan)
    assert found["recalls"].tolist() == pytest.approx(recalls.tolist(), nan_ok=True)


def test_a_class_without_labels_counts_in_no_mean_and_has_no_recall():
    truth = torch.tensor([0, 0, 1, 1])
    for predicted, mean in (([0, 0, 1, 1], 1), ([0, 0, 1, 2], 0.75)):
        found = class_scores(torch.tensor(predicted), truth, 3)
        assert float(found["mean_class_accuracy"]) == pytest.approx(mean)
        assert math.isnan(found["recalls"][2])


def test_of_two_classifiers_the_better_one_scores_more_where_a_class_is_absent():
    """The worse one is wrong twice, on classes that occur; the better one once, on a class that does not."""
    truth = torch.tensor([0, 0, 0, 1, 1, 1])
    worse, better = (class_scores(torch.tensor(p), truth, 3) for p in ([0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 2]))
    for score in ("accuracy", "mean_class_accuracy", "macro_f1"):
        assert better[score] > worse[score]


def test_a_single_sample_and_a_single_class():
    found = class_scores(torch.tensor([1]), torch.tensor([1]), 3)
    assert [float(found[name]) for name in ("accuracy", "mean_class_accuracy", "macro_f1")] == [1, 1, 1]
    wrong = class_scores(torch.tensor([2]), torch.tensor([1]), 3)
    assert [float(wrong[name]) for name in ("accuracy", "mean_class_accuracy", "macro_f1")] == [0, 0, 0]


def lin(predicted, truth):
    """Lin's concordance by its definition, with NumPy's own covariance."""
    (a, c), (_, b) = np.cov(predicted, truth, ddof=0)
    return 2 * c / (a + b + (predicted.mean() - truth.mean()) ** 2)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6])
def test_concordance_is_lins_at_any_scale(scale):
    rng = np.random.default_rng(0)
    truth = rng.uniform(-scale, scale, (50, 2))
    predicted = 0.5 * truth + rng.normal(0, scale / 3, (50, 2))
    found = concordance_of(torch.from_numpy(predicted), torch.from_numpy(truth))
    assert found.tolist() == pytest.approx([lin(predicted[:, k], truth[:, k]) for k in range(2)])


@pytest.mark.parametrize(
    ("predicted", "truth", "ccc"),
    [
        ([0.3, 0.3, 0.3], [0.1, 0.2, 0.6], 0.0),
        ([0.1, 0.2, 0.6], [0.3, 0.3, 0.3], 0.0),
        ([0.5, 0.5], [0.2, 0.2], 0.0),
        ([0.5, 0.5], [0.5, 0.5], math.nan),
        ([0.5], [0.2], math.nan),
        ([0.2, -0.4], [0.2, -0.4], 1.0),
    ],
)
def test_concordance_of_constants_and_single_samples(predicted, truth, ccc):
    columns = (torch.tensor(values, dtype=torch.float64)[:, None] for values in (predicted, truth))
    assert concordance_of(*columns).tolist() == pytest.approx([ccc], nan_ok=True)


@pytest.mark.parametrize("samples", [1, 2, 7, 60])
def test_values_are_scored_as_numpy_scores_them_gaps_left_out(samples):
    rng = np.random.default_rng(samples)
    truth, predicted = rng.uniform(-1, 1, (samples, 2)), rng.uniform(-1, 1, (samples, 2))
    gaps = rng.random(samples) < 0.3
    gaps[0] = False
    truth[gaps, 0] = np.nan
    inputs = {"affect": torch.from_numpy(predicted)}, {"affect": torch.from_numpy(truth)}
    found = score_predictions((VALUES,), *inputs, "val")
    p, t = predicted[~gaps], truth[~gaps]
    for k, name in enumerate(("valence", "arousal")):
        assert found[f"val_rmse_{name}"] == pytest.approx(np.sqrt(np.mean((p[:, k] - t[:, k]) ** 2)))
        assert found[f"val_sign_{name}"] == pytest.approx(np.mean(np.sign(p[:, k]) == np.sign(t[:, k])))
        expected = lin(p[:, k], t[:, k]) if len(p) > 1 else math.nan
        assert found[f"val_ccc_{name}"] == pytest.approx(expected, nan_ok=True)


def test_scores_without_any_label_are_missing():
    nothing = {"emotion": torch.full((4,), -1), "affect": torch.full((4, 2), float("nan"))}
    predicted = {"emotion": torch.rand(4, 3), "affect": torch.rand(4, 2)}
    scores = score_predictions((CLASSES, VALUES), predicted, nothing, "val")
    some = {"emotion": torch.zeros(4, dtype=torch.int64), "affect": torch.rand(4, 2)}
    assert list(scores) == list(score_predictions((CLASSES, VALUES), predicted, some, "val"))
    assert all(math.isnan(value) for value in scores.values())
