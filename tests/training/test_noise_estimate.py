"""How many labels are wrong, where the truth is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fer_tune.data.labels import FACE_LABELS, LabelSet
from fer_tune.data.loading import load_data
from fer_tune.training import noise_estimate as estimate
from fer_tune.training.noise_estimate import (
    EstimateError,
    annotator_error,
    confident_ratio,
    estimate_noise,
    held_out_probabilities,
)
from fer_tune.training.spec import TrainingSpec
from tests.support.training import MODEL, random_data

SMALL = {"kind": "synthetic", "train": 140, "validation": 70, "test": 14}
TRAINING = TrainingSpec(lr=2e-3, batch_size=64)


def given(truth, ratio, classes, rng):
    wrong = rng.random(len(truth)) < ratio
    return np.where(wrong, (truth + rng.integers(1, classes, len(truth))) % classes, truth)


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.6])
def test_disagreement_shows_how_often_independent_annotators_are_wrong(ratio):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 7, 6000)
    answers = np.stack([given(truth, ratio, 7, rng) for _ in range(3)], axis=1)
    answers[rng.random(answers.shape) < 0.2] = -1
    assert annotator_error(answers, 7) == pytest.approx(ratio, abs=0.03)


def test_annotators_who_agree_by_chance_have_the_largest_error():
    rng = np.random.default_rng(1)
    assert annotator_error(rng.integers(0, 7, (4000, 2)), 7) == pytest.approx(1 - 1 / 7, abs=0.12)


@pytest.mark.parametrize("ratio", [0.1, 0.4, 0.6])
def test_confident_learning_finds_the_ratio_where_probabilities_are_right(ratio):
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 7, 4000)
    noisy = given(truth, ratio, 7, rng)
    probabilities = np.full((4000, 7), ratio / 6)
    probabilities[np.arange(4000), truth] = 1 - ratio
    assert confident_ratio(noisy, probabilities) == pytest.approx(ratio, abs=0.03)


def test_several_annotators_need_no_network():
    first = FACE_LABELS[0]
    data = random_data(1, (first, LabelSet("second", "categorical", first.names), FACE_LABELS[1]), 3100)
    splits = {"train": np.arange(3000), "validation": np.arange(3000, 3070), "test": np.arange(3070, 3100)}
    rng = np.random.default_rng(3)
    truth = data.labels["emotion"]
    labels = {**data.labels, "emotion": given(truth, 0.3, 7, rng), "second": given(truth, 0.3, 7, rng)}
    several = replace(data, dataset=replace(data.dataset, splits=splits), labels=labels)
    found = estimate_noise(several, MODEL, TRAINING)
    assert found.low < 0.3 < found.high
    assert found.method.startswith("disagreement between 2 annotators on 3070")


def test_one_annotator_needs_networks_that_have_not_seen_the_labels(monkeypatch):
    """Too few faces and steps for a good estimate: how it is made is what is tested."""
    monkeypatch.setattr(estimate, "MAX_STEPS", 4)
    monkeypatch.setattr(estimate, "LEAST_GAIN", -1.0)
    told = []
    found = estimate_noise(load_data(SMALL, {"ratio": 0.2}, seed=1), MODEL, TRAINING, progress=told.append)
    assert 0 < found.low <= found.ratio <= found.high < 1
    assert "210 samples, 3 networks" in found.method
    assert told[0].startswith("estimating the noise: network 1 of 3, epoch 1")
    assert "network 3 of 3" in told[-1]


def test_every_sample_is_predicted_by_a_network_trained_on_the_others_with_classes_spread_evenly(monkeypatch):
    data, splits = random_data(1, FACE_LABELS[:1], 210), []

    class Recorder:
        epoch = 0
        done = property(lambda self: self.epoch > 0)

        def __init__(self, part, *_):
            splits.append(part.dataset.splits)

        def run_epoch(self):
            self.epoch += 1
            return {"val_accuracy": 1.0}

        def predict(self, indices):
            return {"emotion": torch.from_numpy(np.tile(indices[:, None], 7))}

    monkeypatch.setattr(estimate, "build_trainer", Recorder)
    samples = np.arange(5, 205)
    found = held_out_probabilities(data, samples, MODEL, TRAINING, 0, lambda text: None)
    assert (found == samples[:, None]).all()
    classes = data.labels["emotion"]
    for split in splits:
        assert sorted([*split["train"], *split["validation"]]) == samples.tolist()
        share = np.bincount(classes[split["validation"]], minlength=7) / np.bincount(classes[samples], minlength=7)
        assert share == pytest.approx(np.full(7, 1 / 3), abs=0.05)


def test_a_network_that_learns_nothing_gives_no_estimate(monkeypatch):
    monkeypatch.setattr(estimate, "MAX_STEPS", 1)
    with pytest.raises(
        EstimateError, match=r"cannot estimate .*: a network predicts only .* \(the largest class alone: 17%\)"
    ):
        estimate_noise(load_data(SMALL, {"ratio": 0.6}, seed=1), MODEL, TRAINING)


def test_a_network_that_answers_only_the_largest_class_has_learned_nothing(monkeypatch):
    """With two classes too, where chance is half."""
    data = load_data(SMALL, {"ratio": 0.0}, seed=1)
    rare = np.arange(len(data.labels["emotion"])) % 3 == 0
    uneven = replace(data, labels={**data.labels, "emotion": np.where(rare, 1, 0)})
    monkeypatch.setattr(
        estimate, "held_out_probabilities", lambda data, samples, *_: np.eye(7)[np.zeros(len(samples), int)]
    )
    with pytest.raises(EstimateError, match=r"predicts only 67% of held-out labels \(the largest class alone: 67%\)"):
        estimate_noise(uneven, MODEL, TRAINING)


def test_too_few_labels_are_refused():
    data = load_data({**SMALL, "train": 14, "validation": 14}, {"ratio": 0.0})
    few = replace(data, labels={**data.labels, "emotion": np.where(np.arange(42) < 30, -1, data.labels["emotion"])})
    with pytest.raises(EstimateError, match=r"too few labels of emotion .* or more; labelled classes: 0"):
        estimate_noise(few, MODEL, TRAINING)


def test_classes_with_too_few_labels_are_named_with_how_many_they_have():
    data = load_data({**SMALL, "train": 14, "validation": 14}, {"ratio": 0.0})
    given = np.full(42, -1)
    given[data.dataset.splits["train"][:6]] = [0, 0, 0, 1, 2, 2]
    few = replace(data, labels={**data.labels, "emotion": given})
    with pytest.raises(EstimateError, match="each with 3 labels or more; too few have happy 1, sad 2"):
        estimate_noise(few, MODEL, TRAINING)
