"""Leaders trained for longer: from the states they ended with, and bit for bit as if never stopped."""

import pytest

from fer_tune.results.files import write_json
from fer_tune.results.folder import TrialFolder, trial_folders
from fer_tune.results.records import Role
from fer_tune.search.extension import Extension, write_extensions
from fer_tune.search.race_search import RaceSearch
from fer_tune.search.searcher import StudySearcher, searches_of
from fer_tune.search.trial import TrialRun
from fer_tune.study.plan import make_plan
from fer_tune.study.schema import Study
from tests.search.test_race_search import LEVELS, near, race, resting, score, walk
from tests.support.studies import SMALL_STUDY, run_here

SHORT = {**SMALL_STUDY, "decide": {}, "seeds": [0]}


def run_on(plan, results):
    """Run what is left of a study, one trial after another; return how many epochs were trained."""
    searcher, epochs = StudySearcher(plan, results, slots=1), 0
    while isinstance(told := searcher.suggest("one"), dict):
        given = told["assignment"]
        run = TrialRun(given.folder, given.record, given.data, given.objective, given.warm_up, given.continues)
        while not run.done:
            run.step()
            epochs += 1
        run.close()
        searcher.on_trial_complete("one")
    return epochs


def test_an_extended_trial_equals_one_that_was_never_stopped(tmp_path):
    plan = make_plan(Study.model_validate(SHORT))
    results = run_here(plan, tmp_path / "short")
    write_extensions(results, [3])
    assert run_on(plan, results) == 2  # one more epoch for each of the two lambdas
    longer = {**SHORT, "training": {**SHORT["training"], "epochs": 3}}
    whole = run_here(make_plan(Study.model_validate(longer)), tmp_path / "long")
    for lam in (0.0, 0.5):
        extended = TrialFolder(results / "trials" / f"lambda={lam},e3,n000,s0")
        never_stopped = TrialFolder(whole / "trials" / f"lambda={lam},n000,s0")
        times = {"seconds", "images_per_second"}
        rows = [
            [{name: str(v) for name, v in row.items() if name not in times} for row in folder.history()]
            for folder in (extended, never_stopped)
        ]
        assert rows[0] == rows[1]
        assert extended.record().role is Role.EXTENDED
        assert extended.result().objective == never_stopped.result().objective
        assert [row["seconds"] > 0 for row in extended.history()] == [False, False, True]
    assert run_on(plan, results) == 0


def test_only_what_the_race_left_over_is_extended_and_only_after_it(tmp_path):
    plan = race()
    own = RaceSearch(plan.cells, tmp_path)
    extension = Extension(own, 10, tmp_path)
    assert extension.next_job() is None
    assert not extension.finished
    walk(own)
    keys = walk(extension)
    assert len(keys) == own.standing.blocks * len(own.standing.survivors)
    assert all(key.startswith("lambda=0.3,e10,") for key in keys)
    assert extension.finished
    assert extension.standing.pick == own.standing.pick


def test_a_second_extension_goes_on_from_the_first(tmp_path):
    plan = race(tolerance=0.0)
    write_json(tmp_path / "extensions.json", [10, 20])
    own, first, second = searches_of(plan, tmp_path)

    def alike(record):
        return score(record, dict.fromkeys(LEVELS, 0.45), 0.05)

    walk(own, alike)
    walk(first, lambda record: alike(record) + (0.5 if record.config["training"]["lambda"] == 0.0 else 0.0))
    keys = walk(second, alike)
    assert keys
    continued = {f.record().continues for f in trial_folders(tmp_path) if f.key in keys}
    assert continued <= {first.key(arm, seed) for arm in (0, 1, 2) for seed in plan.study.seeds}


def test_a_lambda_that_rested_first_runs_the_seeds_it_lacks(tmp_path):
    own = resting(tmp_path)
    walk(own, near)
    assert own.standing.counts[0] < own.standing.blocks
    extension = Extension(own, 10, tmp_path)
    keys = walk(extension, near)
    lacking = [f"lambda=0.0,n000,s{seed}" for seed in range(own.standing.counts[0], own.standing.blocks)]
    assert keys[: len(lacking)] == lacking
    assert len(keys) == len(lacking) + 3 * own.standing.blocks
    assert extension.finished
    assert not [drop for drop in extension.standing.drops if drop.by is None]
    resumed = Extension(resting(tmp_path), 10, tmp_path)
    resumed.race.next_job()
    assert resumed.next_job() is None
    assert resumed.standing == extension.standing


@pytest.mark.parametrize("over_budget", [True, False])
def test_a_race_that_its_budget_stopped_is_not_extended(tmp_path, over_budget):
    own = RaceSearch(race().cells, tmp_path, affords=lambda jobs: not over_budget)
    walk(own)
    extension = Extension(own, 10, tmp_path)
    assert (extension.next_job() is None) == over_budget
    assert extension.over_budget == over_budget
