"""The average of the encoder's weights: what it is, who uses it, and that training does not notice it."""

import copy
import math

import numpy as np
import pytest
import torch

from fer_tune import Trainer
from fer_tune.training.averaging import AveragedEncoder, evaluated_encoder, ramped
from fer_tune.training.coteaching import CoTeacher
from fer_tune.training.evaluation import predict
from fer_tune.training.methods import build_trainer
from tests.support.training import MODEL, assert_same_rows, run_epochs, settings

METHODS = {
    "joint": {"lambda": 0.5, "warmup_epochs": 1},
    "generator_first": {"lambda": 0.5, "order": "generator_first"},
    "multitask": {"method": "multitask"},
    "gce": {"method": "gce"},
    "coteaching": {"method": "coteaching", "forget_rate": 0.4},
}
EVALUATED = ("val_", "test_", "prediction_changes")  # what the averaged encoder is asked for


def pair_of_runs(data, **changes):
    """Two runs that differ in the average alone: without it, and with it."""
    return tuple(build_trainer(data, MODEL, settings(average=a, **changes), 3) for a in (0.0, 0.9))


@pytest.mark.parametrize("method", METHODS)
def test_training_is_bit_for_bit_the_same_beside_an_average(data, method):
    plain, averaging = pair_of_runs(data, **METHODS[method])
    rows = [run_epochs(trainer, 2) for trainer in (plain, averaging)]
    assert plain.averaged is None
    trained = [[{k: v for k, v in row.items() if not k.startswith(EVALUATED)} for row in found] for found in rows]
    assert_same_rows(trained[1], trained[0])
    assert math.isfinite(trained[0][1]["susceptibility"])
    one, other = plain.state_dict(), averaging.state_dict()
    for name, network in one["networks"].items():
        for key, value in network.items():
            assert torch.equal(value, other["networks"][name][key]), (name, key)
    for name, state in one["generators"].items():
        assert torch.equal(state, other["generators"][name]), name


def test_it_is_the_ramped_moving_average_of_weights_and_statistics(data):
    trainer = Trainer(data, MODEL, settings(**{"lambda": 0.5, "average": 0.6, "warmup_epochs": 1}), 3)
    expected = {name: value.double() for name, value in trainer.encoder.state_dict().items()}
    seen, descend = [], trainer.descend

    def descending(optimiser, loss):
        descend(optimiser, loss)
        if optimiser == "generator":
            seen.append({k: v.clone() for k, v in trainer.encoder.state_dict().items()})

    trainer.descend = descending
    run_epochs(trainer, 2)
    for step, state in enumerate(seen):
        kept = min(0.6, (1 + step) / (10 + step))
        expected = {name: kept * value + (1 - kept) * state[name].double() for name, value in expected.items()}
    found = trainer.averaged.encoder.state_dict()
    assert len(seen) > 3
    for name, value in found.items():
        if name.endswith("num_batches_tracked"):
            assert value == len(seen), name
        else:
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-6, msg=name)
    assert any(name.endswith("running_var") for name in found)


@pytest.mark.parametrize(("step", "share"), [(0, 0.1), (1, 2 / 11), (89, 90 / 99), (10_000, 0.998)])
def test_the_first_steps_are_soon_forgotten(step, share):
    assert ramped(0.998, step) == pytest.approx(share)


@pytest.mark.parametrize("method", METHODS)
def test_the_average_is_what_is_evaluated(data, method):
    _, trainer = pair_of_runs(data, **METHODS[method])
    row, indices = trainer.run_epoch(), data.dataset.splits["test"]
    averaged, raw = (
        predict(e, trainer.batches, indices)["emotion"] for e in (trainer.averaged.encoder, trainer.encoder)
    )
    assert torch.equal(trainer.predict(indices)["emotion"], averaged)
    assert not torch.allclose(averaged, raw)
    right = averaged.argmax(1).numpy() == data.labels["emotion"][indices]
    assert row["test_accuracy"] == pytest.approx(right.mean())
    assert torch.equal(trainer.train_classes, trainer.predict(data.dataset.splits["train"])["emotion"].argmax(1))


def test_of_co_teaching_it_follows_the_first_network(data):
    trainer = CoTeacher(data, MODEL, settings(**METHODS["coteaching"], average=0.5))
    run_epochs(trainer, 1)
    own, peer = (distance(trainer.averaged.encoder, network) for network in (trainer.encoder, trainer.peer))
    assert own < 0.2 * peer


def distance(one, other):
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return math.sqrt(sum(float((a - b).detach().square().sum()) for a, b in pairs))


def test_it_is_no_part_of_the_graph_and_starts_as_the_encoder(data):
    trainer = Trainer(data, MODEL, settings())
    averaged = AveragedEncoder(trainer.encoder, 0.9)
    assert not any(p.requires_grad for p in averaged.encoder.parameters())
    assert not averaged.encoder.training
    assert trainer.encoder.training
    for name, value in trainer.encoder.state_dict().items():
        assert torch.equal(averaged.encoder.state_dict()[name], value), name


def test_the_weights_that_a_state_evaluates(data):
    plain, averaging = pair_of_runs(data, **METHODS["multitask"])
    for trainer, expected in ((plain, plain.encoder), (averaging, averaging.averaged.encoder)):
        trainer.run_epoch()
        found = evaluated_encoder(trainer.state_dict())
        assert found.keys() == expected.state_dict().keys()
        assert all(torch.equal(value, found[name]) for name, value in expected.state_dict().items())


def test_a_state_of_before_continues_without_an_average(data):
    before, _ = pair_of_runs(data, **METHODS["joint"])
    run_epochs(before, 1)
    state = copy.deepcopy(before.state_dict())
    assert "averaged" not in state
    again, _ = pair_of_runs(data, **METHODS["joint"])
    again.load_state_dict(state)
    assert_same_rows(run_epochs(again, 1), run_epochs(before, 1))


def test_the_average_is_steadier_than_the_encoder(data):
    trainer = Trainer(data, MODEL, settings(**{"lambda": 0.0, "average": 0.95, "epochs": 8, "augment": False}))
    moves = {"averaged": [], "raw": []}
    before = {}
    for _ in range(8):
        trainer.run_epoch()
        for name, encoder in (("averaged", trainer.averaged.encoder), ("raw", trainer.encoder)):
            now = torch.cat([p.detach().flatten() for p in encoder.parameters()])
            if name in before:
                moves[name].append(float((now - before[name]).norm()))
            before[name] = now
    assert np.mean(moves["averaged"][3:]) < np.mean(moves["raw"][3:])
