"""The results folder: files whole or not there, tables derived from the trial folders."""

import json
import math
import signal
import subprocess
import sys
import threading

import pandas as pd
import pytest

from fer_tune.results.environment import environment
from fer_tune.results.files import read_json, write_atomically, write_csv, write_json
from fer_tune.results.folder import TrialFolder, trial_folders
from tests.conftest import ROOT


def test_files_are_replaced_whole_and_nothing_is_left_behind(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    write_json(path, {"x": 2})
    assert read_json(path) == {"x": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"x": math.nan})
    with pytest.raises(TypeError):
        write_atomically(path, "text")
    assert read_json(path) == {"x": 1} and len(list(tmp_path.iterdir())) == 1


def test_missing_values_are_empty_and_come_back_as_nan(tmp_path):
    folder = TrialFolder(tmp_path / "t")
    folder.begin({"seed": 0})
    folder.write_history([{"epoch": 1.0, "a": math.nan}, {"epoch": 2.0, "a": 0.1 + 0.2}])
    assert (folder.path / "history.csv").read_text() == "epoch,a\n1.0,\n2.0,0.30000000000000004\n"
    rows = folder.history()
    assert math.isnan(rows[0]["a"]) and rows[1]["a"] == 0.1 + 0.2


def test_rows_with_other_columns_share_one_table(tmp_path):
    write_csv(tmp_path / "t.csv", [{"a": 1}, {"b": None, "a": 2}, {"b": "x,y"}])
    assert (tmp_path / "t.csv").read_text() == 'a,b\n1,\n2,\n,"x,y"\n'


def test_a_trial_ends_with_the_mean_of_its_last_five_epochs(tmp_path):
    folder = TrialFolder(tmp_path / "t")
    folder.begin({"seed": 0})
    folder.write_history([{"epoch": e, "val_accuracy": e / 10, "seconds": 2.0} for e in range(1, 9)])
    assert folder.result() is None
    folder.end("finished", "val_accuracy")
    result = folder.result()
    assert result["objective"] == pytest.approx((4 + 5 + 6 + 7 + 8) / 50)
    assert (result["status"], result["epochs"], result["seconds"]) == ("finished", 8, 16.0)


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_trial_that_broke_has_no_objective(tmp_path, status):
    folder = TrialFolder(tmp_path / "t")
    folder.begin({"seed": 0})
    folder.write_history([{"epoch": 1.0, "val_accuracy": 0.5, "seconds": 1.0}])
    assert folder.end(status, "val_accuracy", "why")["objective"] is None
    assert folder.result()["reason"] == "why"


def test_a_folder_of_other_settings_is_refused(tmp_path):
    folder = TrialFolder(tmp_path / "t")
    folder.begin({"seed": 0, "lr": (1, 2)})
    folder.begin({"seed": 0, "lr": (1, 2)})
    with pytest.raises(ValueError, match="belongs to another study"):
        folder.begin({"seed": 1, "lr": (1, 2)})


def test_a_held_folder_is_waited_for_until_its_process_dies(tmp_path):
    folder = TrialFolder(tmp_path / "t")
    folder.begin({})
    code = (
        "import sys, time, pathlib; from fer_tune.results import TrialFolder\n"
        "held = TrialFolder(pathlib.Path(sys.argv[1])).lock(); print('held', flush=True); time.sleep(60)"
    )
    orphan = subprocess.Popen([sys.executable, "-c", code, folder.path], cwd=ROOT, stdout=subprocess.PIPE)
    assert orphan.stdout.readline() == b"held\n"
    with pytest.raises(TimeoutError, match="is held by another process"):
        folder.lock(wait=0.2)
    threading.Timer(0.3, orphan.kill).start()
    folder.lock(wait=20).close()
    assert orphan.wait() == -signal.SIGKILL
    orphan.stdout.close()


def test_folders_without_whole_settings_do_not_count(tmp_path):
    (tmp_path / "trials" / "broken").mkdir(parents=True)
    TrialFolder(tmp_path / "trials" / "whole").begin({})
    assert [f.key for f in trial_folders(tmp_path)] == ["whole"]


def test_environment_holds_versions_and_no_variables(monkeypatch):
    monkeypatch.setenv("A_SECRET", "do-not-write-me")
    text = json.dumps(environment(["d"]))
    assert "do-not-write-me" not in text and '"torch"' in text and '"format_version": 1' in text


def test_smoke_study_leaves_a_whole_folder(smoke):
    results, done = smoke
    assert done.returncode == 0, done.stderr
    names = {p.name for p in results.iterdir()} - {".lock"}
    assert names == {
        "study.json", "environment.json", "run.json", "data", "trials", "trials.csv", "epochs.csv",
        "tensorboard", "optuna.sqlite3", "report", "recommendation.json",
    }  # fmt: skip
    folders = trial_folders(results)
    roles = [folder.settings()["role"] for folder in folders]
    assert (roles.count("trial"), roles.count("warm_up")) == (16, 8)
    for folder in folders:
        assert {p.name for p in folder.path.iterdir()} == {
            "trial.json", "state.pt", "history.csv", "predictions.csv", "predictions_validation.csv",
            "labels.json", "result.json", ".lock",
        }  # fmt: skip
        epochs = 1 if folder.settings()["role"] == "warm_up" else 3
        assert folder.result()["status"] == "finished" and len(folder.history()) == epochs
        predictions = pd.read_csv(folder.path / "predictions.csv")
        assert len(predictions) == 140
        accuracy = (predictions["emotion_true"] == predictions["emotion_predicted"]).mean()
        assert accuracy == pytest.approx(folder.history()[-1]["test_accuracy"], abs=1e-6)
        probabilities = predictions.filter(like="emotion_p_")
        assert probabilities.shape[1] == 7 and probabilities.sum(axis=1).sub(1).abs().max() < 1e-4


def test_smoke_tables_follow_from_the_folders(smoke):
    results, _ = smoke
    trials, epochs = (pd.read_csv(results / f"{name}.csv").query("role == 'trial'") for name in ("trials", "epochs"))
    assert len(trials) == 16 and len(epochs) == 48
    assert set(trials["noise_ratio"]) == {0.2, 0.4} and set(trials["lambda"]) == {0.0, 0.4}
    warm_up = epochs[epochs["epoch"] == 1]
    assert warm_up["generator_joint_loss"].isna().all()
    assert epochs[(epochs["lambda"] > 0) & (epochs["epoch"] > 1)]["generator_joint_loss"].notna().all()
    assert epochs[epochs["lambda"] == 0]["discriminator_joint_loss"].isna().all()
    assert trials["objective"].to_numpy() == pytest.approx(trials["val_accuracy"].to_numpy())


def test_smoke_tensorboard_files_hold_the_epochs(smoke):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    results, _ = smoke
    folder = next(f for f in trial_folders(results) if "lambda=0.4" in f.key)
    events = EventAccumulator(str(results / "tensorboard" / folder.key))
    events.Reload()
    values = [float(make_ndarray(e.tensor_proto)) for e in events.Tensors("val_accuracy")]
    assert values == pytest.approx([row["val_accuracy"] for row in folder.history()])
    assert [e.step for e in events.Tensors("generator_joint_loss")] == [2, 3]
