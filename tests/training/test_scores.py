"""Metrics of predictions and readings that need no clean label, on cases whose answer is known."""

import math

import pytest
import torch

from fer_tune.data.labels import LabelSet
from fer_tune.training.scores import determinant_information, label_readings, peer_accuracy, score_predictions

CLASSES = LabelSet(name="emotion", kind="categorical", names=("a", "b", "c"))
VALUES = LabelSet(name="affect", kind="continuous", names=("valence", "arousal"))
TRUTH = torch.arange(3).repeat(2000)


def one_hot(classes):
    return torch.nn.functional.one_hot(classes, 3).float()


def joint(predicted, given):
    table = torch.zeros(3, 3, dtype=torch.float64)
    table.index_put_((predicted, given), torch.tensor(1 / len(given), dtype=torch.float64), accumulate=True)
    return table


def noisy(classes, ratio, seed):
    draw = torch.Generator().manual_seed(seed)
    other = torch.randint(3, classes.shape, generator=draw)
    return torch.where(torch.rand(classes.shape, generator=draw) < ratio, other, classes)


def test_values_have_ccc_rmse_and_sign_agreement():
    truth = torch.tensor([[0.5, -0.5], [-0.5, 0.5], [float("nan"), 0.0]])
    predicted = torch.tensor([[0.5, 0.5], [-0.5, 1.5], [0.0, 0.0]])
    found = score_predictions((VALUES,), {"affect": predicted}, {"affect": truth}, "val")
    assert found["val_ccc_valence"] == pytest.approx(1, abs=1e-3)
    assert found["val_rmse_valence"] == 0 and found["val_rmse_arousal"] == pytest.approx(1)
    assert found["val_sign_valence"] == 1 and found["val_sign_arousal"] == 0.5
    assert found["val_ccc"] == pytest.approx((found["val_ccc_valence"] + found["val_ccc_arousal"]) / 2)


def test_no_label_is_a_missing_value():
    nothing = {"emotion": torch.full((4,), -1), "affect": torch.full((4, 2), float("nan"))}
    predicted = {"emotion": torch.rand(4, 3), "affect": torch.rand(4, 2)}
    scores = score_predictions((CLASSES, VALUES), predicted, nothing, "val")
    readings = label_readings((CLASSES, VALUES), predicted, nothing)
    assert all(math.isnan(value) for value in (scores | readings).values())


def test_equal_uniform_labels_and_constant_predictions():
    perfect, constant = joint(TRUTH, TRUTH), joint(torch.zeros_like(TRUTH), TRUTH)
    assert determinant_information(perfect) == pytest.approx(1)
    assert determinant_information(constant) == 0
    assert peer_accuracy(perfect) == pytest.approx(1 - 1 / 3)
    assert peer_accuracy(constant) == pytest.approx(0)


def test_class_noise_scales_both_readings_by_one_factor_for_every_classifier():
    labels = noisy(TRUTH, 0.5, 0)
    classifiers = [noisy(TRUTH, ratio, 1) for ratio in (0.2, 0.4, 0.6)]
    for reading, factor in ((determinant_information, 0.5 ** (2 / 3)), (peer_accuracy, 0.5)):
        factors = [reading(joint(c, labels)) / reading(joint(c, TRUTH)) for c in classifiers]
        assert factors == pytest.approx([factor] * 3, abs=0.03)


def test_readings_are_of_the_predicted_classes():
    found = label_readings((CLASSES,), {"emotion": one_hot(TRUTH)}, {"emotion": TRUTH})
    assert found == pytest.approx({"val_dmi": 1.0, "val_peer_accuracy": 2 / 3, "val_top_share": 1 / 3})
    constant = label_readings((CLASSES,), {"emotion": one_hot(torch.zeros_like(TRUTH))}, {"emotion": TRUTH})
    assert constant["val_top_share"] == pytest.approx(1)
