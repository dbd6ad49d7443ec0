"""One trial's folder, and all of a study's."""

import math
import signal
import subprocess
import sys
import threading

import pandas as pd
import pytest

from fer_tune.results.files import Damaged
from fer_tune.results.folder import TrialFolder, ended_trials, failed_trials, trial_folders
from fer_tune.results.records import Role, Status, TrialRecord
from tests.support.commands import ROOT

RECORD = TrialRecord(config={"training": {}})


@pytest.fixture
def folder(tmp_path):
    """The folder of a trial that has begun."""
    begun = TrialFolder(tmp_path / "trials" / "t")
    begun.begin(RECORD)
    return begun


def epochs(count, accuracy=lambda epoch: epoch / 10):
    return [{"epoch": float(e), "val_accuracy": accuracy(e), "seconds": 2.0} for e in range(1, count + 1)]


def test_missing_values_come_back_as_nan(folder):
    folder.write_history([{"epoch": 1.0, "a": math.nan}, {"epoch": 2.0, "a": 0.1 + 0.2}])
    assert (folder.path / "history.csv").read_text() == "epoch,a\n1.0,\n2.0,0.30000000000000004\n"
    first, second = folder.history()
    assert math.isnan(first["a"])
    assert second["a"] == 0.1 + 0.2


@pytest.mark.parametrize("text", ["epoch,a\n1.0\n", "epoch,a\n1.0,2.0,3.0\n", "epoch,a\n1.0,x\n", "a\n1.0\n"])
def test_a_history_with_an_incomplete_row_is_damaged(folder, text):
    (folder.path / "history.csv").write_text(text)
    with pytest.raises(Damaged, match=r"history\.csv is damaged"):
        folder.history()


@pytest.mark.parametrize("status", [Status.FINISHED, Status.STOPPED])
def test_a_trial_ends_with_the_mean_of_its_last_five_epochs(folder, status):
    folder.write_history(epochs(8))
    assert folder.result() is None
    assert not folder.has_ended()
    folder.end(status, "val_accuracy")
    result = folder.result()
    assert folder.has_ended()
    assert result.objective == pytest.approx((4 + 5 + 6 + 7 + 8) / 50)
    assert (result.status, result.epochs, result.seconds) == (status, 8, 16.0)


@pytest.mark.parametrize("status", [Status.DIVERGED, Status.FAILED])
def test_a_trial_that_broke_has_no_objective(folder, status):
    folder.write_history(epochs(1))
    assert folder.end(status, "val_accuracy", "why").objective is None
    assert folder.result().reason == "why"


def test_a_trial_that_ran_no_epoch_has_no_objective(folder):
    assert folder.end(Status.FAILED, "val_accuracy").objective is None
    assert folder.result().epochs == 0


def test_a_folder_with_another_record_is_refused(tmp_path):
    folder = TrialFolder(tmp_path / "t")
    for _ in range(2):
        folder.begin(TrialRecord(config={"lr": [1, 2]}))
    with pytest.raises(ValueError, match="belongs to another study: use --restart, or give this study another name"):
        folder.begin(TrialRecord(seed=1, config={"lr": [1, 2]}))


@pytest.mark.parametrize("text", ["{", "[1]", "{}"])
def test_a_damaged_record_is_named(folder, text):
    (folder.path / "trial.json").write_text(text)
    with pytest.raises(Damaged, match=r"trial\.json is damaged"):
        folder.record()


def test_a_locked_folder_is_waited_for_until_its_process_dies(folder):
    code = (
        "import sys, time, pathlib; from fer_tune.results.folder import TrialFolder\n"
        "held = TrialFolder(pathlib.Path(sys.argv[1])).lock(); print('held', flush=True); time.sleep(60)"
    )
    orphan = subprocess.Popen([sys.executable, "-c", code, folder.path], cwd=ROOT, stdout=subprocess.PIPE)
    assert orphan.stdout.readline() == b"held\n"
    with pytest.raises(TimeoutError, match="is locked by another process"):
        folder.lock(wait=0.2)
    threading.Timer(0.3, orphan.kill).start()
    folder.lock(wait=20).close()
    assert orphan.wait() == -signal.SIGKILL
    orphan.stdout.close()


def test_folders_without_a_record_do_not_count(folder, tmp_path):
    (tmp_path / "trials" / "broken").mkdir()
    assert [f.key for f in trial_folders(tmp_path)] == ["t"]


def test_ended_and_failed_trials_are_counted_without_warm_ups(tmp_path):
    ends = {
        "a": (Role.TRIAL, Status.FINISHED),
        "b": (Role.BASELINE, Status.FAILED),
        "c": (Role.WARM_UP, Status.FINISHED),
        "d": (Role.TRIAL, None),
    }
    for key, (role, status) in ends.items():
        folder = TrialFolder(tmp_path / "trials" / key)
        folder.begin(TrialRecord(role=role, config={}))
        if status:
            folder.end(status, "val_accuracy")
    assert ended_trials(tmp_path) == 2
    assert [folder.key for folder in failed_trials(tmp_path)] == ["b"]


def test_smoke_study_leaves_a_whole_folder(smoke):
    results, done = smoke
    assert done.returncode == 0, done.stderr
    assert {p.name for p in results.iterdir()} - {".lock"} == {
        "study.json", "environment.json", "run.json", "data", "trials", "trials.csv", "epochs.csv",
        "tensorboard", "optuna.sqlite3", "report", "recommendation.json",
    }  # fmt: skip
    folders = trial_folders(results)
    roles = [folder.record().role for folder in folders]
    assert (roles.count(Role.TRIAL), roles.count(Role.WARM_UP)) == (16, 8)
    for folder in folders:
        assert {p.name for p in folder.path.iterdir()} == {
            "trial.json", "state.pt", "history.csv", "predictions.csv", "predictions_validation.csv",
            "labels.json", "result.json", ".lock",
        }  # fmt: skip
        assert folder.result().status is Status.FINISHED
        assert len(folder.history()) == (1 if folder.record().is_warm_up else 3)
        predictions = pd.read_csv(folder.path / "predictions.csv")
        assert len(predictions) == 140
        accuracy = (predictions["emotion_true"] == predictions["emotion_predicted"]).mean()
        assert accuracy == pytest.approx(folder.history()[-1]["test_accuracy"], abs=1e-6)
        probabilities = predictions.filter(like="emotion_p_")
        assert probabilities.shape[1] == 7
        assert probabilities.sum(axis=1).sub(1).abs().max() < 1e-4
