"""The estimate follows the arithmetic that the paper's sizes have."""

import pytest

from fer_tune import ModelSpec, TrainingSpec
from fer_tune.cost import duration, image_gflop, study_core_seconds
from fer_tune.study import load_study


@pytest.mark.parametrize(("size", "expected"), [(64, 16.0), (32, 10.3)])
def test_gflop_of_an_iteration_are_the_specified_ones(size, expected):
    assert image_gflop(size, ModelSpec(), TrainingSpec(lam=1.0))[0] == pytest.approx(expected, rel=0.02)


def test_lambda_zero_and_warm_up_cost_the_encoder_alone():
    plain = image_gflop(32, ModelSpec(), TrainingSpec(lam=0.0))[0]
    half = image_gflop(32, ModelSpec(), TrainingSpec(lam=1.0, epochs=10, warmup_epochs=5))[0]
    full = image_gflop(32, ModelSpec(), TrainingSpec(lam=1.0))[0]
    assert plain == pytest.approx(1.875) and half == pytest.approx((plain + full) / 2)


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
