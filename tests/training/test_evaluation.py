"""Predictions, and what the discriminator tells apart."""

import pytest
import torch

from fer_tune import Trainer
from fer_tune.data.labels import FACE_LABELS
from fer_tune.training.evaluation import discriminator_accuracy, predict
from tests.support.training import MODEL, random_data, settings


@pytest.fixture(scope="module")
def trainer():
    return Trainer(random_data(32, FACE_LABELS, 30), MODEL, settings())


def test_predictions_are_probabilities_and_values_of_the_images_asked_for_in_their_order(trainer, monkeypatch):
    indices = trainer.data.dataset.splits["validation"]
    whole = predict(trainer.encoder, trainer.batches, indices)
    assert whole["emotion"].shape == (30, 7)
    assert whole["affect"].shape == (30, 2)
    torch.testing.assert_close(whole["emotion"].sum(1), torch.ones(30))
    monkeypatch.setattr("fer_tune.training.evaluation.EVALUATION_BATCH", 13)
    parts = predict(trainer.encoder, trainer.batches, indices[::-1])
    for name, values in whole.items():
        torch.testing.assert_close(parts[name].flip(0), values)


@pytest.mark.parametrize(("real", "generated", "accuracy"), [(1.0, -1.0, 1), (-1.0, 1.0, 0), (1.0, 1.0, 0.5)])
def test_accuracy_of_the_discriminator_counts_both_sides(trainer, monkeypatch, real, generated, accuracy):
    def forward(images, noise, labels):
        return torch.tensor([real, generated]).repeat_interleave(len(images) // 2)[:, None].expand(-1, 5)

    monkeypatch.setattr(trainer.discriminator, "forward", forward)
    monkeypatch.setattr("fer_tune.training.evaluation.EVALUATION_BATCH", 13)
    networks = (trainer.encoder.eval(), trainer.decoder.eval(), trainer.discriminator.eval())
    assert discriminator_accuracy(*networks, trainer.batches, torch.Generator()) == [accuracy] * 5
