"""A race over seeds as trials: blocks in order, the same decisions after a resume, workers that never idle."""

import random

import pytest

from fer_tune.decision.race import Outcome, Prior, score_scale
from fer_tune.results.files import write_json
from fer_tune.results.folder import trial_folders
from fer_tune.results.records import Role
from fer_tune.search.budget import Limit
from fer_tune.search.prior import as_json
from fer_tune.search.race_search import RaceSearch
from fer_tune.search.searcher import searches_of
from fer_tune.study.plan import make_plan
from fer_tune.study.schema import Study
from tests.support.searches import end, simulate
from tests.support.studies import SMALL_STUDY

LAMBDAS = (0.0, 0.3, 1.0)
LEVELS = {0.0: 0.40, 0.3: 0.50, 1.0: 0.42}


def race(**decide):
    changes = {"search": {"lambda": {"grid": list(LAMBDAS)}}, "decide": decide, "seeds": [0, 1, 2, 3, 4, 5]}
    return make_plan(Study.model_validate({**SMALL_STUDY, **changes}))


def score(record, level=LEVELS, noise=0.01):
    """A level for each λ, and noise that depends on λ and seed alone."""
    lam = record.config["training"]["lambda"]
    return level[lam] + random.Random(f"{lam} {record.seed}").gauss(0, noise)


def alike(record):
    return score(record, dict.fromkeys(LAMBDAS, 0.45), 0.05)


def walk(search, value=score, most=10**6):
    """Run a race's jobs one after another; return the keys in the order in which they ended."""
    keys = []
    while len(keys) < most and (job := search.next_job()) is not None:
        end(job, value(job.record))
        search.complete(job.folder.key)
        keys.append(job.folder.key)
    return keys


def seeds_run(results, lam):
    trials = [folder.record() for folder in trial_folders(results) if folder.has_ended()]
    return sorted(r.seed for r in trials if r.config["training"]["lambda"] == lam and r.role is Role.TRIAL)


def test_a_block_is_every_lambda_on_one_seed_and_losers_run_no_more(tmp_path):
    search = RaceSearch(race().cells, tmp_path)
    keys = walk(search)
    assert keys[:3] == [f"lambda={lam},n000,s0" for lam in LAMBDAS]
    assert search.finished
    assert search.standing.outcome is Outcome.WINNER
    assert search.standing.pick == 1
    assert len(seeds_run(tmp_path, 0.3)) == search.standing.blocks < 6
    assert len(seeds_run(tmp_path, 0.0)) <= search.standing.blocks


def test_equal_lambdas_run_until_a_tie_or_the_last_seed(tmp_path):
    search = RaceSearch(race(tolerance=0.0).cells, tmp_path)
    walk(search, alike)
    assert search.standing.outcome is Outcome.BUDGET
    assert seeds_run(tmp_path, 0.3) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("stopped_after", range(0, 10, 3))
def test_a_race_that_is_killed_and_resumed_decides_the_same(tmp_path, stopped_after):
    whole, parts = RaceSearch(race().cells, tmp_path / "whole"), tmp_path / "parts"
    expected = walk(whole)
    first = walk(RaceSearch(race().cells, parts), most=stopped_after)
    later = RaceSearch(race().cells, parts)
    assert first + walk(later) == expected
    assert later.standing == whole.standing


def test_a_trial_without_a_score_leaves_its_lambda_out(tmp_path):
    search = RaceSearch(race().cells, tmp_path)
    walk(search, lambda record: float("nan") if record.config["training"]["lambda"] == 1.0 else score(record))
    assert seeds_run(tmp_path, 1.0) == [0]
    assert search.standing.pick == 1


def test_other_methods_run_on_the_seeds_of_the_race_and_do_not_take_part(tmp_path):
    plan = race(baselines=[{"method": "gce", "lr": 0.002}])
    search = RaceSearch(plan.cells, tmp_path)
    walk(search, lambda record: 0.99 if record.role is Role.REFERENCE else score(record))
    records = [folder.record() for folder in trial_folders(tmp_path)]
    others = [record for record in records if record.role is Role.REFERENCE]
    assert sorted(record.seed for record in others) == list(range(search.standing.blocks))
    assert {record.config["training"]["method"] for record in others} == {"gce"}
    assert {record.config["training"]["lr"] for record in others} == {0.002}
    assert search.standing.pick == 1
    assert plan.total_trials == 4 * 6


@pytest.mark.parametrize("slots", [2, 5, 16])
def test_idle_workers_run_ahead_and_change_no_decision(tmp_path, slots):
    one = RaceSearch(race().cells, tmp_path / "one")
    walk(one)
    ends, _ = simulate(race(), tmp_path, slots, score)
    again = RaceSearch(race().cells, tmp_path)
    assert again.next_job() is None
    assert again.finished
    assert again.standing == one.standing
    if slots == 16:
        assert len(ends) > 3 * one.standing.blocks - 3


def test_the_leader_runs_ahead_first(tmp_path):
    search = RaceSearch(race().cells, tmp_path)
    walk(search, most=3)
    block = [search.next_job() for _ in range(3)]
    assert search.next_job() is None
    spare = search.spare_job()
    assert spare.folder.key == "lambda=0.3,n000,s2"
    assert search.runs_ahead(spare.folder.key)
    for job in block:
        end(job, score(job.record))
        search.complete(job.folder.key)
    opened = [search.next_job(), search.next_job()]
    assert spare.folder.key not in [job.folder.key for job in opened]  # it runs already
    assert not search.runs_ahead(spare.folder.key)


def test_an_idle_worker_runs_the_warm_up_of_a_later_block(tmp_path):
    training = {"epochs": 4, "batch_size": 32, "warmup_epochs": 2}
    raw = {**SMALL_STUDY, "training": training, "search": {"lambda": {"grid": list(LAMBDAS)}}}
    plan = make_plan(Study.model_validate({**raw, "decide": {}, "seeds": [0, 1, 2, 3]}))
    search = RaceSearch(plan.cells, tmp_path)
    warm = search.next_job()
    assert warm.record.is_warm_up
    later = search.spare_job()
    assert later.record.is_warm_up
    assert later.record.seed == 1
    assert search.spare_job().record.seed == 2
    _, starts = simulate(plan, tmp_path / "simulated", 2, score)
    assert max(starts[key] for key in starts if "warm_up" in key) == 1
    one = RaceSearch(plan.cells, tmp_path / "one")
    walk(one)
    again = RaceSearch(plan.cells, tmp_path / "simulated")
    again.next_job()
    assert again.standing == one.standing


def test_a_condition_is_a_race_of_its_own(tmp_path):
    changes = {"search": {"lambda": {"grid": [0.0, 0.3]}}, "conditions": {"noise_ratio": [0.2, 0.4]}, "decide": {}}
    raw = {name: value for name, value in SMALL_STUDY.items() if name != "seeds"}
    searches = searches_of(make_plan(Study.model_validate({**raw, **changes})), tmp_path)
    assert [type(search) for search in searches] == [RaceSearch] * 2
    walk(searches[0], lambda record: score(record, {0.0: 0.3, 0.3: 0.6}))
    walk(searches[1], lambda record: score(record, {0.0: 0.6, 0.3: 0.3}))
    assert [search.standing.pick for search in searches] == [1, 0]


def test_a_warm_up_counts_once_in_what_a_block_costs(tmp_path):
    training = {"epochs": 10, "batch_size": 32, "warmup_epochs": 8}
    raw = {**SMALL_STUDY, "training": training, "search": {"lambda": {"grid": list(LAMBDAS)}}}
    plan = make_plan(Study.model_validate({**raw, "decide": {"tolerance": 0.0}, "seeds": [0, 1, 2, 3]}))
    simulate(plan, tmp_path, 2, alike, Limit(epochs=28))  # 8 and three times 2 for each block
    own = RaceSearch(plan.cells, tmp_path)
    own.next_job()
    assert own.standing.blocks == 2


def test_trials_are_not_run_ahead_for_a_block_that_is_not_afforded(tmp_path):
    simulate(race(tolerance=0.0), tmp_path, 4, alike, Limit(trials=8))
    assert len(list(trial_folders(tmp_path))) == 6


@pytest.mark.parametrize(("objective", "scale"), [("val_accuracy", 0.3), ("val_ccc", 1.0)])
def test_search_and_report_count_a_point_alike(tmp_path, objective, scale):
    raw = {**SMALL_STUDY, "noise": {"ratio": 0.6}, "decide": {}, "seeds": [0, 1, 2], "objective": objective}
    search = RaceSearch(make_plan(Study.model_validate(raw)).cells, tmp_path)
    record = search.next_job().record
    assert search.scale == score_scale(objective, record.accuracy_shrinkage)
    assert search.scale == pytest.approx(scale)


@pytest.mark.parametrize("limit", [Limit(epochs=7), Limit(trials=4), Limit(epochs=1)])
def test_a_limit_is_never_exceeded_and_what_is_left_is_run_later(tmp_path, limit):
    simulate(race(), tmp_path, 2, score, limit)
    histories = [folder.history() for folder in trial_folders(tmp_path)]
    if limit.epochs is not None:
        assert 0 < sum(map(len, histories)) <= limit.epochs
    else:
        assert 0 < len(histories) <= limit.trials
    simulate(race(), tmp_path, 2, score)
    whole = RaceSearch(race().cells, tmp_path / "whole")
    walk(whole)
    again = RaceSearch(race().cells, tmp_path)
    again.next_job()
    assert again.standing == whole.standing


NEAR = {0.0: 0.46, 0.3: 0.50, 1.0: 0.495}  # λ = 0 is behind, by less than three blocks tell for sure


def near(record):
    return score(record, NEAR, 0.012)


def resting(tmp_path):
    """A race in which λ = 0 rests after a look, while the others run on."""
    write_json(tmp_path / "prior.json", as_json(Prior(0.012, 5.0, "an earlier study")))
    (search,) = searches_of(race(tolerance=0.06), tmp_path)
    return search


def test_a_lambda_that_cannot_be_ahead_by_more_than_the_tolerance_rests(tmp_path):
    search = resting(tmp_path)
    walk(search, near)
    assert search.standing.outcome is Outcome.TIE
    assert seeds_run(tmp_path, 0.0) == [0, 1]
    assert seeds_run(tmp_path, 0.3) == seeds_run(tmp_path, 1.0) == list(range(search.standing.blocks))
    assert search.standing.blocks > 2
    again = resting(tmp_path)
    assert again.next_job() is None
    assert again.standing == search.standing
