"""The estimate follows the arithmetic that the paper's sizes have."""

import pytest

from fer_tune import ModelSpec
from fer_tune.study.cost import (
    duration,
    epoch_core_seconds,
    image_gflop,
    plan_bytes,
    plan_core_seconds,
    remaining_core_seconds,
    trial_core_seconds,
)
from fer_tune.study.schema import with_training

LOG_LR = {"log_uniform": [1e-4, 1e-3]}


@pytest.mark.parametrize(("size", "expected"), [(64, 16.0), (32, 10.3)])
def test_gflop_of_an_iteration_are_the_specified_ones(size, expected):
    assert image_gflop(size, ModelSpec(), playing=True)[0] == pytest.approx(expected, rel=0.02)


def test_lambda_zero_and_warm_up_cost_the_encoder_alone(plan_of):
    assert image_gflop(32, ModelSpec(), playing=False)[0] == pytest.approx(1.875)
    plan = plan_of(training={"epochs": 4, "batch_size": 32, "warmup_epochs": 2})
    plain, joint = (cell.config({}, 0) for cell in plan.cells)
    seconds = [epoch_core_seconds(joint, epoch) for epoch in (1, 2, 3, 4)]
    assert seconds[0] == seconds[1] == epoch_core_seconds(plain, 4)
    assert seconds[2] == seconds[3]
    assert seconds[1] < seconds[2]
    assert trial_core_seconds(joint) == pytest.approx(sum(seconds))
    assert remaining_core_seconds(joint, 3) == seconds[3]


def test_a_studys_cost_counts_every_trial(plan_of):
    one = plan_core_seconds(plan_of())
    assert plan_core_seconds(plan_of(seeds=[0, 1, 2])) == pytest.approx(3 * one)
    search = {"lambda": {"grid": [0.0, 0.5]}, "lr": LOG_LR}
    assert plan_core_seconds(plan_of(search=search, optuna={"trials": 5})) == pytest.approx(5 * one)


def test_a_gain_costs_a_baseline_beside_each_trial(plan_of):
    search = {"lambda": {"uniform": [0.2, 0.8]}, "noise_ratio": {"uniform": [0.0, 0.6]}}
    (cell,) = plan_of(search=search, optuna={"trials": 1}).cells
    own, plain = cell.typical(), plan_of(search={"lambda": {"grid": [0.0]}}).cells[0].typical()
    expected = trial_core_seconds(own) + trial_core_seconds(plain)
    assert plan_core_seconds(plan_of(search=search, optuna={"trials": 1})) == pytest.approx(expected)


def test_disk_space_grows_with_trials_and_width(plan_of):
    one = plan_bytes(plan_of())
    assert plan_bytes(plan_of(seeds=[0, 1])) > 1.5 * one
    assert plan_bytes(plan_of(model={"width": 0.25})) > 3 * one
    averages = one - plan_bytes(plan_of(training={"epochs": 2, "batch_size": 32, "average": 0}))
    assert averages == pytest.approx(2 * 4 * 16.1e6 / 64)


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (150, "2.5 min"), (1500, "25 min"), (9000, "2.5 h"), (400_000, "4.6 days")]
)
def test_duration_reads_well(seconds, text):
    assert duration(seconds) == text


def test_any_number_of_epochs_is_estimated_at_once(plan_of):
    """As the sum over epochs, of which the warm-up's cost less."""
    config = plan_of(training={"epochs": 9, "batch_size": 32, "warmup_epochs": 4}).cells[1].config({}, 0)
    for done in (0, 2, 4, 7, 9):
        each = [epoch_core_seconds(config, epoch) for epoch in range(done + 1, 10)]
        assert remaining_core_seconds(config, done) == pytest.approx(sum(each))
    endless = with_training(config, epochs=10**12)
    assert remaining_core_seconds(endless, 0) == pytest.approx(10**12 * epoch_core_seconds(config, 9), rel=1e-6)
