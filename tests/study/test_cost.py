"""The estimate follows the arithmetic that the paper's sizes have."""

import pytest

from fer_tune import ModelSpec
from fer_tune.study.cost import duration, epoch_core_seconds, image_gflop, study_core_seconds, trial_core_seconds
from fer_tune.study.loading import load_study


@pytest.mark.parametrize(("size", "expected"), [(64, 16.0), (32, 10.3)])
def test_gflop_of_an_iteration_are_the_specified_ones(size, expected):
    assert image_gflop(size, ModelSpec(), playing=True)[0] == pytest.approx(expected, rel=0.02)


def test_lambda_zero_and_warm_up_cost_the_encoder_alone(study_file):
    assert image_gflop(32, ModelSpec(), playing=False)[0] == pytest.approx(1.875)
    study = load_study(study_file(training={"epochs": 4, "batch_size": 32, "warmup_epochs": 2}))
    plain, joint = (study.trial_config(cell, {}, 0) for cell in study.cells())
    seconds = [epoch_core_seconds(joint, epoch) for epoch in (1, 2, 3, 4)]
    assert seconds[0] == seconds[1] == epoch_core_seconds(plain, 4) < seconds[2] == seconds[3]
    assert trial_core_seconds(joint) == pytest.approx(sum(seconds))


def test_study_cost_counts_every_trial(study_file):
    one = study_core_seconds(load_study(study_file()))
    assert study_core_seconds(load_study(study_file(seeds=[0, 1, 2]))) == pytest.approx(3 * one)
    search = {"lambda": {"grid": [0.0, 0.5]}, "lr": {"log_uniform": [1e-4, 1e-3]}}
    many = load_study(study_file(search=search, optuna={"trials": 5}))
    assert study_core_seconds(many) == pytest.approx(5 * one)


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (150, "2.5 min"), (1500, "25 min"), (9000, "2.5 h"), (400_000, "4.6 days")]
)
def test_duration_reads_well(seconds, text):
    assert duration(seconds) == text
