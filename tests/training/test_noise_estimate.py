"""How many labels are wrong, where the truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from fer_tune.data.labels import LabelSet
from fer_tune.data.loading import load_data
from fer_tune.models.spec import ModelSpec
from fer_tune.training import noise_estimate as estimate
from fer_tune.training.noise_estimate import EstimateError, annotator_error, confident_ratio, estimate_noise
from fer_tune.training.spec import TrainingSpec

SMALL = {"kind": "synthetic", "train": 350, "validation": 70, "test": 14}
MODEL, TRAINING = ModelSpec(width=0.125, encoder_norm="batch"), TrainingSpec(lr=2e-3, batch_size=32)


def given(truth, ratio, classes, rng):
    wrong = rng.random(len(truth)) < ratio
    return np.where(wrong, (truth + rng.integers(1, classes, len(truth))) % classes, truth)


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.6])
def test_annotators_who_are_wrong_independently_betray_how_often(ratio):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 7, 6000)
    answers = np.stack([given(truth, ratio, 7, rng) for _ in range(3)], axis=1)
    answers[rng.random(answers.shape) < 0.2] = -1
    assert annotator_error(answers, 7) == pytest.approx(ratio, abs=0.03)


def test_annotators_who_agree_by_chance_are_as_bad_as_can_be():
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
    data = load_data({**SMALL, "train": 3000}, {"ratio": 0.0})
    first = data.label_sets[0]
    rng = np.random.default_rng(3)
    sets = (first, LabelSet("second", "categorical", first.names), *data.label_sets[1:])
    truth = data.dataset.labels["emotion"]
    labels = {**data.labels, "emotion": given(truth, 0.3, 7, rng), "second": given(truth, 0.3, 7, rng)}
    several = replace(data, dataset=replace(data.dataset, label_sets=sets), labels=labels)
    found = estimate_noise(several, MODEL, TRAINING)
    assert found.low < 0.3 < found.high and found.method.startswith("disagreement between 2 annotators on 3070")


@pytest.mark.slow
def test_one_annotator_takes_networks_that_have_not_seen_the_labels(monkeypatch):
    """Too few faces and steps for a good estimate: how it is made is what is tested."""
    monkeypatch.setattr(estimate, "STEPS", 8)
    monkeypatch.setattr(estimate, "LEAST_LEARNT", 0.5)
    told = []
    data = load_data(SMALL, {"ratio": 0.2}, seed=1)
    found = estimate_noise(data, MODEL, TRAINING.model_copy(update={"batch_size": 64}), progress=told.append)
    assert 0 < found.low <= found.ratio <= found.high < 1 and "420 samples, 3 networks" in found.method
    assert told[0].startswith("estimating the noise: network 1 of 3, epoch 1") and "network 3 of 3" in told[-1]


def test_a_network_that_learns_nothing_gives_no_estimate(monkeypatch):
    monkeypatch.setattr(estimate, "STEPS", 1)
    with pytest.raises(EstimateError, match=r"cannot be told: a network predicts .* \(chance 14%\)"):
        estimate_noise(load_data(SMALL, {"ratio": 0.6}, seed=1), MODEL, TRAINING)


def test_too_few_labels_are_refused():
    data = load_data({**SMALL, "train": 14, "validation": 14}, {"ratio": 0.0})
    few = replace(data, labels={**data.labels, "emotion": np.where(np.arange(42) < 30, -1, data.labels["emotion"])})
    with pytest.raises(EstimateError, match="too few labels of emotion"):
        estimate_noise(few, MODEL, TRAINING)
