"""The learning rate of each step."""

import pytest

from fer_tune import ModelSpec, Trainer, TrainingSpec, load_data
from fer_tune.training.schedule import learning_rate


def rates(steps=4, **settings):
    training = TrainingSpec(lr=0.1, **settings)
    return [learning_rate(training, e, s, steps) for e in range(1, training.epochs + 1) for s in range(steps)]


def test_a_constant_rate_is_the_same_at_every_step():
    assert set(rates(epochs=3)) == {0.1}


def test_the_rate_rises_in_equal_parts_and_stays():
    assert rates(epochs=3, lr_warmup_epochs=1) == pytest.approx([0.025, 0.05, 0.075, 0.1] + [0.1] * 8)


def test_a_cosine_starts_at_the_rate_and_falls_towards_zero():
    found = rates(epochs=4, schedule="cosine")
    assert found[0] == 0.1
    assert found[8] == pytest.approx(0.05)  # half of the way
    assert 0 < found[-1] < 0.002
    assert found == sorted(found, reverse=True)


def test_a_cosine_falls_after_the_rise():
    found = rates(epochs=3, schedule="cosine", lr_warmup_epochs=1)
    assert found[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert found[4] == 0.1
    assert found[8] == pytest.approx(0.05)


def test_a_run_uses_the_schedule():
    data = load_data({"kind": "synthetic", "train": 64, "validation": 16, "test": 16, "image_size": 32}, {"ratio": 0.4})
    training = TrainingSpec(lam=0.3, lr=0.01, epochs=2, batch_size=16, schedule="cosine")
    trainer = Trainer(data, ModelSpec(width=0.125, encoder_norm="batch"), training)
    trainer.run_epoch()
    last = learning_rate(training, 1, 3, 4)
    assert [group["lr"] for o in trainer.optimisers.values() for group in o.param_groups] == [last, last]
    assert trainer.batches.steps == 4


def test_weight_decay_is_of_encoder_and_decoder():
    data = load_data({"kind": "synthetic", "train": 32, "validation": 16, "test": 16, "image_size": 32}, {"ratio": 0.4})
    training = TrainingSpec(lam=0.3, optimiser="adamw", weight_decay=0.05)
    trainer = Trainer(data, ModelSpec(width=0.125), training)
    decays = {name: o.param_groups[0]["weight_decay"] for name, o in trainer.optimisers.items()}
    assert decays == {"generator": 0.05, "discriminator": 0.0}
