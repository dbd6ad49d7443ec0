"""The search of one cell, with real Optuna and made-up trials."""

import math

import pandas as pd
import pytest

from fer_tune.names import Setting
from fer_tune.results.files import write_json
from fer_tune.results.records import Role, Status
from fer_tune.search.cell_search import CellSearch
from fer_tune.search.jobs import NotRunnable
from fer_tune.search.warm_start import earlier_values
from fer_tune.study.plan import make_plan
from tests.support.searches import LR_RANGE, SEARCHED, OptunaSpy, end, score, suggestions, walk


@pytest.fixture
def searched(plan_of):
    return plan_of(**SEARCHED)


def changed_optuna(plan, **changes):
    study = plan.study
    return make_plan(study.model_copy(update={"optuna": study.optuna.model_copy(update=changes)}))


def test_suggestions_do_not_depend_on_which_trial_ends_first(searched, tmp_path):
    for name, shuffle in (("a", 1), ("b", 2)):
        walk(searched.cells[-1], tmp_path / name, shuffle)
    assert len(suggestions(tmp_path / "a")) == 24
    assert suggestions(tmp_path / "a") == suggestions(tmp_path / "b")


@pytest.mark.parametrize("most", [1, 7, 8, 15, 23])
def test_a_resumed_search_repeats_no_trial_and_suggests_the_same(searched, tmp_path, most):
    cell = searched.cells[-1]
    walk(cell, tmp_path / "whole")
    first = walk(cell, tmp_path / "parts", most=most)
    second = walk(cell, tmp_path / "parts", shuffle=3)
    assert len(first) == most
    assert not set(first) & set(second)
    assert len(first) + len(second) == 24
    assert suggestions(tmp_path / "parts") == suggestions(tmp_path / "whole")


def test_tpe_learns_from_the_means_it_is_told(searched, tmp_path):
    walk(changed_optuna(searched, trials=40).cells[-1], tmp_path)
    distance = [abs(math.log10(v["lr"]) + 3) for k, v in sorted(suggestions(tmp_path).items()) if k.endswith("s0")]
    assert sum(distance[-12:]) / 12 < sum(distance[:8]) / 8


def test_each_lambda_and_condition_gets_its_own_equal_search(plan_of, tmp_path):
    plan = plan_of(
        conditions={"noise_ratio": [0.2, 0.4]}, search={"lambda": {"grid": [0.0, 0.5]}, "lr": LR_RANGE}
    )  # fmt: skip
    searches = [CellSearch(cell, tmp_path) for cell in plan.cells]
    first = [[search.next_job().record.varied["lr"] for _ in range(4)] for search in searches]
    assert first[0] == first[1]
    assert first[2] == first[3]
    assert first[0] != first[2]
    assert len({id(search.optuna) for search in searches}) == 4


def test_a_failed_or_diverged_trial_is_told_as_failed_and_the_search_goes_on(searched, tmp_path, monkeypatch):
    spy = OptunaSpy(monkeypatch)
    search = CellSearch(searched.cells[-1], tmp_path)
    jobs = [search.next_job() for _ in range(8)]
    for number, job in enumerate(jobs):
        status = {0: Status.FAILED, 2: Status.DIVERGED}.get(number, Status.FINISHED)
        end(job, score(job.record), status)
        search.complete(job.folder.key)
    assert search.next_job().folder.key.endswith("n004,s0")
    assert [(number, error) for number, _, error in spy.told] == [("0", True), ("1", True), ("2", False), ("3", False)]


def test_the_value_told_is_the_mean_over_seeds(searched, tmp_path, monkeypatch):
    spy = OptunaSpy(monkeypatch)
    walk(searched.cells[-1], tmp_path, most=8)
    search = CellSearch(searched.cells[-1], tmp_path)
    search.next_job()
    values = {number: value for number, value, _ in spy.told}
    jobs = {key: varied["lr"] for key, varied in suggestions(tmp_path).items() if key.endswith("n001,s0")}
    (lr,) = jobs.values()
    assert values["1"] == pytest.approx(1 - abs(math.log10(lr) + 3) / 5 + 0.005)


def test_a_sampled_condition_fills_its_range_and_is_shared_by_every_lambda(plan_of, tmp_path):
    plan = plan_of(conditions={"noise_ratio": {"sample": [0.0, 0.6]}}, optuna={"trials": 16, "batch": 16})
    ratios = []
    for cell in plan.cells:
        search = CellSearch(cell, tmp_path)
        ratios.append([search.next_job().config.noise.ratio for _ in range(16)])
    assert ratios[0] == ratios[1]
    counts = pd.cut(ratios[0][1:], [0, 0.15, 0.3, 0.45, 0.6]).value_counts()
    assert counts.min() >= 2


def test_an_optimised_noise_ratio_is_judged_by_the_gain_over_lambda_zero(plan_of, tmp_path, monkeypatch):
    spy = OptunaSpy(monkeypatch)
    search = {"lambda": {"uniform": [0.1, 1.0]}, "noise_ratio": {"uniform": [0.0, 0.6]}}
    (cell,) = plan_of(search=search, seeds=[0, 1], optuna={"trials": 2, "batch": 1}).cells
    own = CellSearch(cell, tmp_path)
    jobs = [own.next_job() for _ in range(4)]
    assert [job.record.role for job in jobs] == [Role.TRIAL, Role.BASELINE] * 2
    for trial, baseline in (jobs[:2], jobs[2:]):
        assert baseline.config.training.lam == 0
        assert trial.config.training.lam >= 0.1
        assert trial.config.noise == baseline.config.noise
        assert trial.config.seed == baseline.config.seed
    for job, value in zip(jobs, (0.7, 0.5, 0.6, 0.5), strict=True):
        end(job, value)
        own.complete(job.folder.key)
    assert own.next_job() is not None
    assert spy.told == [("0", pytest.approx(0.15), False)]


def test_a_baseline_keeps_the_study_files_learning_rate(plan_of, tmp_path):
    search = {"lambda": {"uniform": [0.1, 1.0]}, "lr": LR_RANGE, "noise_ratio": {"uniform": [0.0, 0.6]}}
    (cell,) = plan_of(search=search, training={"lr": 0.007, "batch_size": 32}, optuna={"trials": 1}).cells
    own = CellSearch(cell, tmp_path)
    trial, baseline = own.next_job(), own.next_job()
    assert baseline.config.training.lr == 0.007
    assert trial.config.training.lr == trial.record.varied["lr"]


def test_a_search_starts_from_what_an_earlier_study_found(searched, tmp_path, monkeypatch):
    earlier, later = tmp_path / "earlier", tmp_path / "later"
    walk(searched.cells[-1], earlier)
    write_json(earlier / "study.json", {"objective": searched.study.objective})
    found = earlier_values(searched.study.objective, earlier)
    later.mkdir()
    write_json(later / "warm_start.json", [value.as_json() for value in found])
    spy = OptunaSpy(monkeypatch)
    matching, _other = (CellSearch(cell, later) for cell in reversed(searched.cells))
    known, nothing = spy.started
    assert known["points_to_evaluate"] == [{"lr": value.varied["lr"]} for value in found]
    assert known["evaluated_rewards"] == [value.value for value in found]
    assert nothing["points_to_evaluate"] is None, "another lambda has nothing to learn from"
    best = max(found, key=lambda value: value.value).varied["lr"]
    suggested = [matching.next_job().record.varied["lr"] for _ in range(8)]
    assert sum(abs(math.log10(lr / best)) for lr in suggested) / 8 < 0.6


def test_a_suggestion_that_differs_from_the_one_on_record_stops_the_study(searched, tmp_path):
    walk(searched.cells[-1], tmp_path, most=3)
    with pytest.raises(NotRunnable, match="differs from what the search suggests today"):
        CellSearch(changed_optuna(searched, seed=9).cells[-1], tmp_path).next_job()


def test_settings_are_suggested_under_the_names_that_the_study_file_uses(plan_of, tmp_path):
    plan = plan_of(search={"training.lambda": {"grid": [0.5]}, "training.lr": LR_RANGE}, optuna={"trials": 1})
    job = CellSearch(plan.cells[0], tmp_path).next_job()
    assert set(job.record.varied) == {"training.lambda", "training.lr"}
    assert job.folder.key == "training.lambda=0.5,n000,s0"
    assert Setting.named("training.lr") in plan.cells[0].space
