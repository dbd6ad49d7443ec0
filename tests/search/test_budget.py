"""What a run may spend: how many epochs are handed out, and what an epoch costs."""

import pytest

from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import TrialRecord
from fer_tune.search.budget import Budget, Limit, Pace
from fer_tune.search.jobs import Job
from fer_tune.study.cost import epoch_core_seconds
from fer_tune.study.plan import make_plan
from fer_tune.study.schema import Study
from tests.support.studies import SMALL_STUDY


@pytest.fixture
def job(tmp_path):
    """Makes a trial of ten epochs that has run some of them at a given number of seconds each."""
    raw = {**SMALL_STUDY, "training": {"epochs": 10, "batch_size": 32}}
    config = make_plan(Study.model_validate(raw)).cells[0].config({}, 0)

    def make(name, cell="a", seconds=()):
        folder = TrialFolder(tmp_path / "trials" / name)
        folder.begin(TrialRecord(cell=cell, config=config.model_dump(by_alias=True, mode="json")))
        if seconds:
            folder.write_history([{"epoch": i + 1.0, "seconds": s} for i, s in enumerate(seconds)])
        return Job(folder, folder.record(), config)

    return make


def test_without_a_limit_everything_is_handed_out(job):
    budget = Budget(Limit(), Pace(), slots=2)
    assert budget.grant(job("one"), 0, 10) == 10
    assert budget.affords([job("two"), job("three")])


def test_epochs_are_handed_out_until_none_is_left(job):
    budget = Budget(Limit(epochs=15), Pace(), slots=2)
    assert budget.grant(job("one"), 0, 10) == 10
    assert budget.grant(job("two"), 0, 10) == 5
    assert budget.grant(job("three"), 0, 10) == 0
    assert not budget.affords([job("three")])


def test_trials_are_counted_once_however_many_slices_they_run_in(job):
    budget = Budget(Limit(trials=1), Pace(), slots=2)
    assert budget.grant(job("one"), 0, 4) == 4
    assert budget.grant(job("one"), 4, 10) == 10
    assert budget.grant(job("two"), 0, 10) == 0


def test_an_epoch_costs_what_it_cost_before(job, tmp_path):
    job("measured", "a", [2.0, 2.0, 0.0])  # the last one came from a warm-up
    pace = Pace.of(tmp_path)
    assert pace.epoch_seconds(job("new", "a")) == pytest.approx(2.0)
    assert pace.epoch_seconds(job("other", "b")) == pytest.approx(2.0)  # the same settings on the same machine
    assert Pace().epoch_seconds(job("unknown")) == epoch_core_seconds(job("unknown").config, 10)


@pytest.mark.parametrize(("seconds", "granted"), [(100.0, 10), (10.5, 4), (1.0, 1), (-1.0, 0)])
def test_time_is_handed_out_with_caution_and_in_the_end_by_the_epoch(job, tmp_path, seconds, granted):
    one = job("measured", "a", [2.0] * 10)
    budget = Budget(Limit(seconds=seconds), Pace.of(tmp_path), slots=1)
    assert budget.grant(one, 0, 10) == granted


def test_a_block_is_afforded_if_all_workers_together_have_time(job, tmp_path):
    job("measured", "a", [2.0] * 10)
    block = [job("x"), job("y"), job("z")]  # 60 s of training
    assert Budget(Limit(seconds=31.0), Pace.of(tmp_path), slots=2).affords(block)
    assert not Budget(Limit(seconds=29.0), Pace.of(tmp_path), slots=2).affords(block)
    assert not Budget(Limit(seconds=31.0), Pace.of(tmp_path), slots=2, spent=5.0).affords(block)


def test_epochs_that_were_handed_out_and_not_run_are_handed_out_again(job):
    budget = Budget(Limit(epochs=15), Pace(), slots=2)
    assert budget.grant(job("one"), 0, 10) == 10
    budget.give_back(7)  # it diverged after three
    assert budget.epochs_left == 12
    assert budget.grant(job("two"), 0, 10) == 10
