"""The searches as an Optuna database."""

import optuna
import pytest

from fer_tune.results.folder import TrialFolder
from fer_tune.search.exports import export_optuna
from tests.support.searches import SEARCHED, walk


@pytest.fixture
def searched(plan_of):
    return plan_of(**SEARCHED)


def opened(path, name="small: all"):
    return optuna.load_study(study_name=name, storage=f"sqlite:///{path}")


def test_export_holds_every_configuration_with_its_mean(searched, tmp_path):
    walk(searched.cells[-1], tmp_path)
    study = opened(export_optuna(searched, tmp_path))
    assert len(study.trials) == 12
    for trial in study.trials:
        assert set(trial.params) == {"lambda", "lr"}
        assert trial.params["lambda"] == 0.5
        values = [TrialFolder(tmp_path / "trials" / key).result().objective for key in trial.user_attrs["trials"]]
        assert len(values) == 2
        assert trial.value == pytest.approx(sum(values) / 2)


def test_an_unfinished_configuration_is_exported_as_failed(searched, tmp_path):
    walk(searched.cells[-1], tmp_path, most=3)
    states = [trial.state.name for trial in opened(export_optuna(searched, tmp_path)).trials]
    assert set(states) == {"COMPLETE", "FAIL"}
    assert states.count("COMPLETE") == 1


def test_each_condition_is_a_study_of_its_own(plan_of, tmp_path):
    plan = plan_of(conditions={"noise_ratio": [0.2, 0.4]}, **SEARCHED)
    for cell in plan.cells:
        walk(cell, tmp_path)
    path = export_optuna(plan, tmp_path)
    names = optuna.get_all_study_names(f"sqlite:///{path}")
    assert names == ["small: noise_ratio=0.2", "small: noise_ratio=0.4"]
    assert len(opened(path, names[0]).trials) == 24


def test_smoke_export_opens_with_optuna(smoke):
    path = smoke[0] / "optuna.sqlite3"
    assert optuna.get_all_study_names(f"sqlite:///{path}") == ["smoke: noise_ratio=0.2", "smoke: noise_ratio=0.4"]
    study = opened(path, "smoke: noise_ratio=0.4")
    assert len(study.trials) == 4
    assert study.best_trial.value > 0
