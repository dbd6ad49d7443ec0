"""The whole study as one searcher: which trial comes next, and for how many epochs."""

import pytest

from fer_tune.data.loading import dataset_key
from fer_tune.results.files import write_json
from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import Status
from fer_tune.search.budget import Limit
from fer_tune.search.searcher import StudySearcher
from fer_tune.study.cost import remaining_core_seconds
from fer_tune.study.loading import load_plan
from fer_tune.study.plan import make_plan
from fer_tune.study.schema import Study
from tests.support.searches import simulate
from tests.support.studies import SHIPPED, SMALL_STUDY


def sweep(seeds=(0,), scheduler="none"):
    """Three λs that cost differently, with a shared warm-up of six epochs and a fixed list of seeds."""
    words = ["search.lambda.grid=[0.0, 0.3, 1.0]", "decide=null", f"seeds={list(seeds)}", f"scheduler={scheduler}"]
    return load_plan(SHIPPED / "lambda_sweep.yaml", words)


@pytest.mark.parametrize(("slots", "seeds"), [(2, [0]), (2, [0, 1]), (4, [0, 1]), (8, [0, 1, 2])])
def test_the_last_trials_run_in_slices_so_that_no_worker_idles(tmp_path, slots, seeds):
    plan = sweep(seeds)
    ends, starts = simulate(plan, tmp_path, slots)
    configs = [cell.config({}, 0) for cell in plan.cells]
    warm = remaining_core_seconds(configs[0], 0) - remaining_core_seconds(configs[0], 6)
    work = len(seeds) * (sum(remaining_core_seconds(config, 6) for config in configs) + warm)
    assert sum("warm_up" not in key for key in ends) == plan.total_trials
    assert max(starts.values()) <= 9
    assert max(ends.values()) <= 1e-6 + warm + max(1.06 * work / slots, remaining_core_seconds(configs[-1], 6))


@pytest.mark.parametrize(("slots", "scheduler"), [(3, "none"), (2, "median")])
def test_trials_that_divide_evenly_or_are_scheduled_run_in_one_piece(tmp_path, slots, scheduler):
    _, starts = simulate(sweep(scheduler=scheduler), tmp_path, slots)
    assert set(starts.values()) == {1}


def test_a_study_that_has_grown_runs_the_new_trials_alone(finished):
    grown = load_plan(finished.study, ["search.lambda.grid=[0.0, 0.5, 0.7]", "seeds=[0]"])
    searcher = StudySearcher(grown, finished.results, slots=2)
    assert searcher.suggest("first")["assignment"].folder.name == "lambda=0.7,n000,s0"
    assert searcher.left == 1
    assert searcher.suggest("second") is None


def test_a_worker_is_told_where_its_data_and_its_warm_up_are(finished):
    grown = load_plan(finished.study, ["search.lambda.grid=[0.0, 0.5, 0.7]", "resources.cpu=2"])
    given = StudySearcher(grown, finished.results, slots=2).suggest("first")["assignment"]
    assert (given.data / "images.npy").exists()
    assert given.warm_up == finished.results / "trials" / given.record.warm_up
    assert given.cpus == 2
    assert given.until == 3
    assert not given.scheduled


def test_a_finished_study_is_finished(finished):
    searcher = StudySearcher(load_plan(finished.study), finished.results, slots=2)
    assert searcher.suggest("any") == StudySearcher.FINISHED
    assert searcher.left == 0


def test_a_trial_that_diverges_gives_back_the_epochs_it_did_not_run(tmp_path):
    plan = make_plan(Study.model_validate({**SMALL_STUDY, "training": {"epochs": 10, "batch_size": 32}}))
    (tmp_path / "data").mkdir()
    write_json(tmp_path / "data" / "digests.json", {dataset_key(plan.study.dataset.model_dump(mode="json")): "digest"})
    searcher = StudySearcher(plan, tmp_path, slots=1, limit=Limit(epochs=12))
    folder = TrialFolder(searcher.suggest("one")["assignment"].folder)
    folder.write_history([{"epoch": epoch, "val_accuracy": 0.5, "seconds": 1.0} for epoch in (1.0, 2.0, 3.0)])
    folder.end(Status.DIVERGED, "val_accuracy", "no longer finite")
    searcher.on_trial_complete("one")
    assert searcher.budget.epochs == 3
    assert searcher.suggest("two")["assignment"].until == 9
