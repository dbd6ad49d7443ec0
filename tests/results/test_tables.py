"""The tables follow from the trial folders, and TensorBoard's files from both."""

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from fer_tune.results.records import Status
from fer_tune.results.tables import TableRefresher, write_tables
from fer_tune.results.tensorboard import write_tensorboard


def read(results, name):
    return pd.read_csv(results / f"{name}.csv").query("role == 'trial'")


def test_smoke_tables_follow_from_the_folders(smoke):
    trials, epochs = (read(smoke[0], name) for name in ("trials", "epochs"))
    assert len(trials) == 16
    assert len(epochs) == 48
    assert set(trials["noise_ratio"]) == {0.2, 0.4}
    assert set(trials["lambda"]) == {0.0, 0.4}
    assert epochs[epochs["epoch"] == 1]["generator_joint_loss"].isna().all()
    assert epochs[(epochs["lambda"] > 0) & (epochs["epoch"] > 1)]["generator_joint_loss"].notna().all()
    assert epochs[epochs["lambda"] == 0]["discriminator_joint_loss"].isna().all()
    assert trials["objective"].to_numpy() == pytest.approx(trials["val_accuracy"].to_numpy())


def test_a_trial_is_one_row_with_its_settings_its_end_and_its_means(small):
    trials = read(small.results, "trials")
    assert list(trials["lambda"]) == [0.0, 0.5]
    assert set(trials["status"]) == {"finished"}
    assert list(trials["epochs"]) == [3, 3]
    for row, folder in zip(trials.to_dict("records"), small.trials(), strict=True):
        history = folder.history()
        assert row["key"] == folder.key
        assert row["val_accuracy"] == pytest.approx(sum(r["val_accuracy"] for r in history) / 3)
        assert row["seconds"] == pytest.approx(sum(r["seconds"] for r in history))


def test_a_trial_without_an_end_is_unfinished_and_one_that_failed_has_its_reason(finished):
    first, second = finished.trials()
    (first.path / "result.json").unlink()
    second.end(Status.FAILED, "val_accuracy", "worker lost")
    write_tables(finished.results)
    trials = read(finished.results, "trials")
    assert list(trials["status"]) == ["unfinished", "failed"]
    assert trials["reason"].iloc[1] == "worker lost"
    assert trials["objective"].isna().all()


def test_tables_of_a_running_study_are_refreshed_at_intervals(finished):
    (finished.results / "trials.csv").unlink()
    refresher = TableRefresher(finished.results)
    refresher.refresh()
    assert len(read(finished.results, "trials")) == 2
    (finished.results / "trials.csv").unlink()
    refresher.refresh()
    assert not (finished.results / "trials.csv").exists()


def test_tensorboard_files_hold_the_epochs_and_are_rewritten_where_there_are_more(finished):
    write_tensorboard(finished.results)
    folder = finished.trials()[1]
    events = EventAccumulator(str(finished.results / "tensorboard" / folder.key))
    events.Reload()
    values = [float(make_ndarray(event.tensor_proto)) for event in events.Tensors("val_accuracy")]
    assert values == pytest.approx([row["val_accuracy"] for row in folder.history()])
    assert [event.step for event in events.Tensors("generator_joint_loss")] == [2, 3]
    before = {path: path.stat().st_mtime_ns for path in (finished.results / "tensorboard").rglob("events*")}
    history = folder.history()
    folder.write_history([*history, {**history[-1], "epoch": 4.0}])
    write_tensorboard(finished.results)
    after = {path: path.stat().st_mtime_ns for path in (finished.results / "tensorboard").rglob("events*")}
    kept = {path for path in before if path in after and before[path] == after[path]}
    assert {path.parent.name for path in set(before) - kept} == {folder.key}


def test_smoke_tensorboard_files_are_there_for_every_trial(smoke):
    shown, trials = ({path.name for path in (smoke[0] / name).iterdir()} for name in ("tensorboard", "trials"))
    assert shown == trials
