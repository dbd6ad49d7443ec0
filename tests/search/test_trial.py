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
from fer_tune.search.cell_search import CellSearch
from fer_tune.search.trial import TrialRun
from fer_tune.study.loading import load_study

CLOCK = ("seconds", "images_per_second")


@pytest.fixture
def start(study_file, data, tmp_path):
    """Begins (or continues) the trial of a folder name."""
    study = load_study(study_file(training={"epochs": 3, "batch_size": 32}))
    settings = {"config": study.trial_config(study.cells()[1], {}, 0).model_dump(by_alias=True, mode="json")}
    saved = save_dataset(data.dataset, tmp_path / "data")
    runs = []

    def begin(name, **changes):
        for run in runs:  # as if its process had ended
            run.close()
        runs.append(TrialRun(tmp_path / name, {**settings, **changes}, saved, "val_accuracy"))
        return runs[-1]

    return begin


def run_to_end(run: TrialRun) -> None:
    while not run.done:
        run.step()
    run.close()


def content(path: Path) -> tuple[list[dict[str, float]], str, dict]:
    folder = TrialFolder(path)
    history = [{k: str(v) for k, v in row.items() if k not in CLOCK} for row in folder.history()]
    result = {k: v for k, v in folder.result().items() if k not in CLOCK}
    return history, (path / "predictions.csv").read_text(), result


@pytest.mark.parametrize("stops", [[1], [2], [1, 2], [3]])
def test_a_continued_trial_equals_an_uninterrupted_one(start, tmp_path, stops):
    run_to_end(start("whole"))
    epoch = 0
    for stop in stops:
        run = start("parts")
        while epoch < stop:
            run.step()
            epoch += 1
    if stops == [3]:  # died between the last epoch and the end of the trial
        for name in ("result.json", "predictions.csv"):
            (tmp_path / "parts" / name).unlink()
    run_to_end(start("parts"))
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_history_that_lags_behind_the_state_is_mended(start, tmp_path):
    run = start("a")
    run.step()
    run.flush()
    old = (tmp_path / "a" / "history.csv").read_bytes()
    run.step()
    run.flush()
    (tmp_path / "a" / "history.csv").write_bytes(old)
    start("a")
    assert len(TrialFolder(tmp_path / "a").history()) == 2


def test_no_epoch_is_run_again(start, tmp_path):
    run = start("a")
    seconds = run.step()["seconds"]
    run_to_end(start("a"))
    history = TrialFolder(tmp_path / "a").history()
    assert history[0]["seconds"] == seconds and [row["epoch"] for row in history] == [1, 2, 3]


def test_other_settings_are_refused(start):
    start("a")
    with pytest.raises(ValueError, match="belongs to another study"):
        start("a", number=7)


def test_a_diverged_trial_ends_with_its_reason(start, tmp_path):
    run = start("a")
    run.step()
    with torch.no_grad():
        run.trainer.encoder.labels.weight.fill_(math.inf)
    run.step()
    result = TrialFolder(tmp_path / "a").result()
    assert run.done and result["status"] == "diverged" and result["epochs"] == 1
    assert "is not finite in epoch 2" in result["reason"]


@pytest.mark.parametrize("lam", [0.0, 0.5])
def test_a_trial_forked_from_a_shared_warm_up_equals_one_of_its_own(study_file, data, tmp_path, lam):
    study = load_study(
        study_file(
            training={"epochs": 4, "batch_size": 32, "warmup_epochs": 2}, search={"lambda": {"grid": [0.0, 0.5, 1.0]}}
        )
    )  # fmt: skip
    saved = save_dataset(data.dataset, tmp_path / "data")
    warming = set()
    searches = [CellSearch(study, cell, tmp_path, warming) for cell in study.cells()]
    job = searches[0].next_job()
    assert job.settings["role"] == "warm_up" and job.folder.key in warming
    assert [search.next_job() for search in searches] == [None] * 3
    run_to_end(TrialRun(job.folder.path, job.settings, saved, "val_accuracy"))
    (trial,) = searches[int(2 * lam)]._jobs(0, {})
    assert trial.warm_up.folder.key == job.folder.key
    run_to_end(TrialRun(tmp_path / "own", trial.settings, saved, "val_accuracy"))
    forked = TrialRun(tmp_path / "forked", trial.settings, saved, "val_accuracy", warm_up=job.folder.path)
    assert forked.trainer.epoch == 2
    forked.step()
    forked.close()
    continued = TrialRun(tmp_path / "forked", trial.settings, saved, "val_accuracy", warm_up=job.folder.path)
    run_to_end(continued)
    assert content(tmp_path / "forked") == content(tmp_path / "own")
    assert [row["seconds"] > 0 for row in TrialFolder(tmp_path / "forked").history()] == [False, False, True, True]
    own, other = (torch.load(tmp_path / name / "state.pt", weights_only=True)["trainer"] for name in ("own", "forked"))
    for name, network in own["networks"].items():
        assert all(torch.equal(value, other["networks"][name][key]) for key, value in network.items())


def test_a_finished_trial_says_which_labels_it_was_trained_on(start, data, tmp_path):
    run_to_end(start("one"))
    about = read_json(tmp_path / "one" / "labels.json")
    assert about["digest"] == labels_digest(data.labels) and about["set"] == "emotion"
    train = data.dataset.splits["train"]
    wrong = (data.labels["emotion"] != data.dataset.labels["emotion"])[train].sum()
    counts = np.array(about["given_counts"])
    assert counts.sum() == len(train) and counts.sum() - counts.trace() == wrong > 0
