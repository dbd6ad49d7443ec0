"""Programs that follow a study while it runs."""

import importlib.util
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import optuna
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import Status
from fer_tune.results.tensorboard import LiveEvents, write_tensorboard
from fer_tune.search.exports import export_optuna
from fer_tune.search.followers import Followers, MlflowRuns, OptunaFile, WandbRuns, followers_of
from fer_tune.search.jobs import NotRunnable
from fer_tune.search.searcher import searches_of

ROWS = [
    {"epoch": float(e), "val_accuracy": e / 10, "seconds": 1.0, "generator_joint_loss": float("nan")} for e in (1, 2, 3)
]


@pytest.fixture
def trial(plan_of, tmp_path):
    """The first trial of a small study, begun and without an epoch."""
    job = next(iter(searches_of(plan_of(), tmp_path))).next_job()
    folder = TrialFolder(job.folder.path)
    folder.begin(job.record)
    return folder


def events_of(results: Path, folder: TrialFolder) -> list[tuple[int, float]]:
    events = EventAccumulator(str(results / "tensorboard" / folder.key))
    events.Reload()
    return [(event.step, float(event.tensor_proto.float_val[0])) for event in events.Tensors("val_accuracy")]


def test_event_files_hold_each_epoch_as_soon_as_it_has_ended(trial, tmp_path):
    live = LiveEvents(tmp_path)
    for count in (1, 2):
        trial.write_history(ROWS[:count])
        live.epoch_ended(trial)
        assert [step for step, _ in events_of(tmp_path, trial)] == list(range(1, count + 1))
    live.trial_ended(trial)
    before = sorted((tmp_path / "tensorboard").rglob("events*"))
    write_tensorboard(tmp_path)
    assert sorted((tmp_path / "tensorboard").rglob("events*")) == before, "whole files are not written again"


def test_a_resumed_trial_has_each_epoch_once(trial, tmp_path):
    for count in (2, 3):  # each a run of its own
        trial.write_history(ROWS[:count])
        live = LiveEvents(tmp_path)
        live.epoch_ended(trial)
        live.close()
    assert [step for step, _ in events_of(tmp_path, trial)] == [1, 2, 3]


def test_an_open_optuna_file_shows_new_trials(plan_of, trial, tmp_path):
    plan = plan_of()
    path = export_optuna(plan, tmp_path)
    reader = sqlite3.connect(path)
    assert reader.execute("select count(*) from trials").fetchone() == (0,)
    trial.write_history(ROWS)
    trial.end(Status.FINISHED, "val_accuracy")
    OptunaFile(plan, tmp_path).trial_ended(trial)
    states = [state for (state,) in reader.execute("select state from trials")]
    reader.close()
    assert len(states) == 1
    assert optuna.get_all_study_names(f"sqlite:///{path}")


class Broken:
    def epoch_ended(self, folder):
        raise OSError("the server is gone")

    def trial_ended(self, folder):
        raise AssertionError("is not called again")

    close = trial_ended


def test_a_follower_that_fails_is_left_out_and_named(trial, tmp_path):
    trial.write_history(ROWS)
    followers = Followers({"other": Broken(), "TensorBoard": LiveEvents(tmp_path)})
    followers.epoch_ended(trial)
    followers.trial_ended(trial)
    followers.close()
    assert followers.lost == {"other": "the server is gone"}
    assert len(events_of(tmp_path, trial)) == 3


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_logger_that_is_not_installed_is_named(plan_of, tmp_path, name):
    if importlib.util.find_spec(name):
        pytest.skip(f"{name} is installed")
    with pytest.raises(NotRunnable, match=rf"loggers: {name} is not installed: pip install 'fer-tune\[{name}\]'"):
        followers_of(plan_of(loggers=[name]), tmp_path)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A real MLflow server on this machine."""
    pytest.importorskip("mlflow.server", reason="needs mlflow")
    port = 20000 + os.getpid() % 20000
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/ml.db", "--default-artifact-root", str(tmp_path / "art")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/health", timeout=1).close()
            break
        except OSError:
            time.sleep(0.5)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    yield address
    os.killpg(process.pid, 15)
    process.wait()


def test_mlflow_has_one_run_a_trial_which_a_resumed_study_continues(plan_of, trial, server):
    from mlflow import MlflowClient

    plan = plan_of()
    for count in (2, 3):  # each a run of the study
        trial.write_history(ROWS[:count])
        MlflowRuns(plan).epoch_ended(trial)
    trial.end(Status.FINISHED, "val_accuracy")
    MlflowRuns(plan).trial_ended(trial)
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name(plan.study.name)
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.run_name for run in runs] == [trial.key]
    assert runs[0].info.status == "FINISHED"
    assert runs[0].data.params["seed"] == str(trial.record().seed)
    found = client.get_metric_history(runs[0].info.run_id, "val_accuracy")
    assert [(m.step, m.value) for m in found] == [(1, 0.1), (2, 0.2), (3, pytest.approx(0.3))]


def test_a_server_that_does_not_answer_is_said_before_anything_runs(plan_of, monkeypatch):
    pytest.importorskip("mlflow", reason="needs mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(NotRunnable, match="loggers: MLflow does not answer"):
        MlflowRuns(plan_of())


def test_wandb_has_one_run_a_trial_in_the_results_folder(plan_of, trial, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    trial.write_history(ROWS)
    runs = WandbRuns(plan_of(), tmp_path)
    runs.epoch_ended(trial)
    trial.end(Status.FINISHED, "val_accuracy")
    runs.trial_ended(trial)
    written = list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(written) == 1
    assert written[0].stat().st_size > 0
