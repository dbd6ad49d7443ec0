"""Readings that need no clean label, on cases whose answer is known."""

import math

import pytest
import torch

from fer_tune import Trainer
from fer_tune.data.labels import FACE_LABELS, LabelSet
from fer_tune.training.diagnostics import (
    determinant_information,
    label_readings,
    peer_accuracy,
    prediction_changes,
    susceptibility,
)
from tests.support.training import MODEL, random_data

CLASSES = LabelSet(name="emotion", kind="categorical", names=("a", "b", "c"))
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


def test_readings_without_any_label_are_missing():
    found = label_readings((CLASSES,), {"emotion": torch.rand(4, 3)}, {"emotion": torch.full((4,), -1)})
    assert list(found) == ["val_dmi", "val_peer_accuracy", "val_top_share"]
    assert all(math.isnan(value) for value in found.values())


def test_prediction_changes_are_the_share_that_differs():
    assert prediction_changes(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 0, 4])) == 0.25
    assert math.isnan(prediction_changes(torch.tensor([1]), None))


def test_susceptibility_changes_no_state_and_grows_with_memorising(data, training):
    trainer = Trainer(data, MODEL, training)
    trainer.run_epoch()
    adam = trainer.optimisers["generator"]

    def gained():
        return susceptibility(trainer.encoder, adam, trainer.batches, trainer.seed)

    before = {name: value.clone() for name, value in trainer.encoder.state_dict().items()}
    first = gained()
    assert 0.1 < first <= 1
    assert gained() == first
    for name, value in trainer.encoder.state_dict().items():
        assert torch.equal(value, before[name]), name
    trainer.batches.training = training.model_copy(update={"lr": 1e-9})
    assert gained() == 0


def test_susceptibility_takes_the_first_categorical_set_wherever_it_stands(training):
    data = random_data(32, FACE_LABELS[::-1], 32)
    trainer = Trainer(data, MODEL, training.model_copy(update={"lam": 0.0}))
    assert -1 <= trainer.run_epoch()["susceptibility"] <= 1
