"""The study of a results folder, typed, whichever names its file uses."""

import pytest

from fer_tune.analysis.study_record import StudyRecord, column
from fer_tune.names import LAMBDA, LR, NOISE_RATIO, Setting, find
from fer_tune.study.plan import make_plan
from fer_tune.study.schema import Study

SHORT = {"noise_ratio": [0.2, 0.4]}, {"lambda": {"grid": [0.0, 0.4], "uniform": None}}
FULL = {"noise.ratio": [0.2, 0.4]}, {"training.lambda": {"grid": [0.0, 0.4], "uniform": None}}


def record(conditions, search):
    raw = {
        "name": "made_up", "objective": "val_accuracy", "seeds": [0, 1], "training": {"lr": 1e-4}, "model": {},
        "dataset": {"kind": "synthetic"}, "noise": {"kind": "symmetric", "ratio": 0.4},
    }  # fmt: skip
    return StudyRecord.of({**raw, "conditions": conditions, "search": search})


@pytest.mark.parametrize(("conditions", "search"), [SHORT, FULL])
def test_short_and_full_names_are_one_setting(conditions, search):
    study = record(conditions, search)
    (ratio,) = study.listed
    assert ratio.path == NOISE_RATIO
    assert column(ratio) == next(iter(conditions))
    assert study.listed[ratio] == (0.2, 0.4)
    assert study.lambda_grid == [0.0, 0.4]
    assert column(find(study.search, LAMBDA)) == "lambda"


def test_lambda_and_learning_rate_have_one_column_each():
    assert column(Setting.named("training.lr")) == column(Setting.named("lr")) == "lr"
    assert column(Setting.named(LR)) == "lr"


def test_a_range_is_drawn_and_not_listed():
    study = record({"noise_ratio": {"sample": [0.0, 0.6]}}, {})
    (ratio,) = study.drawn
    assert study.drawn[ratio] == (0.0, 0.6)
    assert study.listed == {}
    assert study.lambda_grid == []
    assert not study.maximises_gain


def test_searching_the_noise_ratio_maximises_a_gain():
    study = record({}, {"noise_ratio": {"uniform": [0.1, 0.6]}, "lr": {"log_uniform": [1e-4, 1e-3], "grid": None}})
    assert study.maximises_gain
    assert study.learning_rates == {"log_uniform": [1e-4, 1e-3]}


@pytest.mark.parametrize(
    "changes",
    [
        {"search": {"lambda": {"grid": [0.0, 0.4]}}, "conditions": {"noise_ratio": [0.2, 0.4, 0.6]}},
        {"search": {"lambda": {"grid": [0.0, 0.4]}, "lr": {"per_lambda": [1e-3, 2e-3]}}},
        {"search": {"lambda": {"grid": [0.0, 0.4]}}, "conditions": {"method": ["joint", "gce"]}},
        {"search": {"lambda": {"uniform": [0.0, 1.0]}}, "conditions": {"method": ["joint", "gce"]}},
        {"search": {"lambda": {"grid": [0.0, 0.4]}}, "conditions": {"noise_ratio": {"sample": [0.1, 0.6]}}},
        {"search": {"lambda": {"uniform": [0.0, 1.0]}, "noise_ratio": {"uniform": [0.1, 0.6]}}},
        {},
    ],
)
def test_the_number_of_trials_is_that_of_the_plan(changes):
    plan = make_plan(Study.model_validate({"name": "made_up", "seeds": [0, 1], "optuna": {"trials": 3}, **changes}))
    assert StudyRecord.of(plan.resolved).planned_trials == plan.total_trials
