"""One trial in its folder: killed at any point between epochs, it ends as if nothing had happened."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_tune.data.dataset import save_dataset
from fer_tune.data.export import labels_digest
from fer_tune.results.files import read_json
from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import Role, Status, TrialRecord
from fer_tune.search.cell_search import CellSearch
from fer_tune.search.jobs import jobs_of
from fer_tune.search.trial import TrialRun
from tests.support.tables import CLOCK

OBJECTIVE = "val_accuracy"


@pytest.fixture
def begin(plan_of, data, tmp_path):
    """Begins (or continues) the trial of a folder name."""
    config = plan_of(training={"epochs": 3, "batch_size": 32}).cells[1].config({}, 0)
    saved = save_dataset(data.dataset, tmp_path / "data")
    runs = []

    def begin(name, **changes):
        for run in runs:  # as if its process had ended
            run.close()
        record = TrialRecord(config=config.model_dump(by_alias=True, mode="json"), **changes)
        runs.append(TrialRun(tmp_path / name, record, saved, OBJECTIVE))
        return runs[-1]

    return begin


def run_to_end(run: TrialRun) -> None:
    while not run.done:
        run.step()
    run.close()


def assert_same_content(one: Path, other: Path) -> None:
    """Both trials' histories, predictions and results are equal, measured times left out."""
    ours, theirs = (_content(path) for path in (one, other))
    for name, found in ours.items():
        assert found == theirs[name], name


def _content(path: Path) -> dict[str, object]:
    folder = TrialFolder(path)
    return {
        "history": [{k: str(v) for k, v in row.items() if k not in CLOCK} for row in folder.history()],
        "predictions": (path / "predictions.csv").read_text(),
        "result": {k: v for k, v in folder.result().as_json().items() if k not in CLOCK},
    }


def test_a_continued_trial_equals_an_uninterrupted_one(begin, tmp_path):
    run_to_end(begin("whole"))
    for stops in ([1], [2], [1, 2], [3]):
        name, epoch = f"stopped_at_{stops}", 0
        for stop in stops:
            run = begin(name)
            while epoch < stop:
                run.step()
                epoch += 1
        if stops == [3]:  # died between the last epoch and the end of the trial
            for file in ("result.json", "predictions.csv"):
                (tmp_path / name / file).unlink()
        run_to_end(begin(name))
        assert_same_content(tmp_path / name, tmp_path / "whole")


def test_a_history_that_lags_behind_the_state_is_written_again(begin, tmp_path):
    run = begin("a")
    run.step()
    run.flush()
    old = (tmp_path / "a" / "history.csv").read_bytes()
    run.step()
    run.flush()
    (tmp_path / "a" / "history.csv").write_bytes(old)
    begin("a")
    assert len(TrialFolder(tmp_path / "a").history()) == 2


def test_no_epoch_is_run_again(begin, tmp_path):
    seconds = begin("a").step()["seconds"]
    run_to_end(begin("a"))
    history = TrialFolder(tmp_path / "a").history()
    assert history[0]["seconds"] == seconds
    assert [row["epoch"] for row in history] == [1, 2, 3]


def test_another_record_is_refused(begin):
    begin("a")
    with pytest.raises(ValueError, match="belongs to another study"):
        begin("a", number=7)


def test_a_diverged_trial_ends_with_its_reason(begin, tmp_path):
    run = begin("a")
    run.step()
    with torch.no_grad():
        run.trainer.encoder.labels.weight.fill_(math.inf)
    run.step()
    result = TrialFolder(tmp_path / "a").result()
    assert run.done
    assert result.status is Status.DIVERGED
    assert result.epochs == 1
    assert "is not finite in epoch 2" in result.reason


def test_trials_wait_for_the_warm_up_that_they_share(plan_of, tmp_path):
    plan = plan_of(
        training={"epochs": 4, "batch_size": 32, "warmup_epochs": 2}, search={"lambda": {"grid": [0.0, 0.5, 1.0]}}
    )
    warming = set()
    searches = [CellSearch(cell, tmp_path, warming) for cell in plan.cells]
    job = searches[0].next_job()
    assert job.record.role is Role.WARM_UP
    assert job.folder.key in warming
    assert [search.next_job() for search in searches] == [None] * 3


@pytest.mark.parametrize("lam", [0.0, 0.5])
def test_a_trial_forked_from_a_shared_warm_up_equals_one_of_its_own(plan_of, data, tmp_path, lam):
    plan = plan_of(
        training={"epochs": 4, "batch_size": 32, "warmup_epochs": 2}, search={"lambda": {"grid": [0.0, 0.5]}}
    )
    saved = save_dataset(data.dataset, tmp_path / "data")
    (trial,) = jobs_of(plan.cells[int(2 * lam)], tmp_path, 0, {})
    warm_up = trial.warm_up
    run_to_end(TrialRun(warm_up.folder.path, warm_up.record, saved, OBJECTIVE))
    run_to_end(TrialRun(tmp_path / "own", trial.record, saved, OBJECTIVE))
    forked = TrialRun(tmp_path / "forked", trial.record, saved, OBJECTIVE, warm_up=warm_up.folder.path)
    assert forked.trainer.epoch == 2
    forked.step()
    forked.close()
    run_to_end(TrialRun(tmp_path / "forked", trial.record, saved, OBJECTIVE, warm_up=warm_up.folder.path))
    assert_same_content(tmp_path / "forked", tmp_path / "own")
    assert [row["seconds"] > 0 for row in TrialFolder(tmp_path / "forked").history()] == [False, False, True, True]
    own, other = (torch.load(tmp_path / name / "state.pt", weights_only=True)["trainer"] for name in ("own", "forked"))
    networks = [{**state["networks"], "averaged": state["averaged"]["encoder"]} for state in (own, other)]
    for name, network in networks[0].items():
        for key, value in network.items():
            assert torch.equal(value, networks[1][name][key]), (name, key)


def test_a_finished_trial_says_which_labels_it_was_trained_on(begin, data, tmp_path):
    run_to_end(begin("one"))
    about = read_json(tmp_path / "one" / "labels.json")
    assert about["digest"] == labels_digest(data.labels)
    assert about["set"] == "emotion"
    train = data.dataset.splits["train"]
    wrong = (data.labels["emotion"] != data.dataset.labels["emotion"])[train].sum()
    counts = np.array(about["given_counts"])
    assert counts.sum() == len(train)
    assert counts.sum() - counts.trace() == wrong
    assert wrong > 0
