"""Whatever dies, no finished trial is run again, no result is wrong, and the person is told. On real processes."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import yaml

from fer_tune.results import trial_folders
from tests.conftest import SMALL_DATA, assert_equal_tables, run_command, start, wait_for_epochs

KILLS = int(os.environ.get("FER_TUNE_KILLS", "4"))  # `make faults` kills twenty times
EPOCHS = 24
SEARCH = {
    "training": {"epochs": EPOCHS, "batch_size": 16, "warmup_epochs": 2},
    "search": {"lambda": {"grid": [0.0, 0.5]}, "lr": {"log_uniform": [1e-4, 1e-2]}},
    "optuna": {"trials": 2, "batch": 1},
}


def epochs_done(results: Path) -> dict[str, int]:
    return {folder.key: len(folder.history()) for folder in trial_folders(results)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study that was never stopped: its file and its results."""
    folder = tmp_path_factory.mktemp("whole")
    study = write_study(folder)
    assert run_command(study, cwd=folder).returncode == 0
    return study, folder / "results" / "small"


def write_study(folder: Path) -> Path:
    raw = {
        "name": "small", "dataset": SMALL_DATA, "noise": {"kind": "symmetric", "ratio": 0.4},
        "model": {"width": 0.125, "encoder_norm": "batch"}, **SEARCH,
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    return folder / "study.yaml"


def stop_driver(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)


def close_terminal(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGHUP)


def end_group(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGTERM)


def ctrl_c(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGINT)


def ctrl_c_twice(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.slow
def test_a_study_stopped_in_every_polite_way_ends_as_one_that_never_was(whole, tmp_path):
    study, reference = whole
    results = tmp_path / "results" / "small"
    before = 0
    for stop in (ctrl_c, stop_driver, close_terminal, end_group, ctrl_c_twice):
        process = start(study, tmp_path, "--resume", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_for_epochs(results, before + 8)
        asked = time.monotonic()
        stop(process)
        out, _ = process.communicate(timeout=60)
        assert time.monotonic() - asked < 15, stop.__name__
        assert process.returncode == 130, (stop.__name__, out)
        assert "Traceback" not in out
        if stop is not close_terminal:
            assert f"python -m fer_tune.run {study} --resume" in out, (stop.__name__, out)
        done = sum(epochs_done(results).values())
        assert done >= before + 8
        before = done
    assert run_command(study, "--resume", cwd=tmp_path).returncode == 0
    assert_equal_tables(results, reference)


def rows_by_trial(results: Path) -> dict[str, list[dict[str, float]]]:
    return {folder.key: folder.history() for folder in trial_folders(results)}


def writes(process: psutil.Process) -> bool:
    """Whether it is a worker or draws the data; Ray's own services live on for a while and touch no results."""
    try:
        name = process.name()
        return (name.startswith("ray::") and not name.endswith("Agent")) or "fer_tune.run" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
def test_a_driver_killed_at_random_moments_costs_no_finished_epoch(whole, tmp_path):
    """The clock columns of an epoch tell whether it was run again."""
    study, reference = whole
    results = tmp_path / "results" / "small"
    moments = random.Random(0)
    known: dict[str, list[dict[str, float]]] = {}
    for _ in range(KILLS):
        process = start(study, tmp_path, "--resume", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if moments.random() < 0.75:
            wait_for_epochs(results, sum(map(len, known.values())) + 1)
        time.sleep(moments.uniform(0, 3))
        below = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        workers = [p for p in below if writes(p)]
        assert not psutil.wait_procs(workers, timeout=10)[1], "workers of a dead driver live on"
        after = rows_by_trial(results)
        for key, rows in known.items():
            assert repr(after[key][: len(rows)]) == repr(rows), "an epoch was run again"
        known = after
    done = run_command(study, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    final = rows_by_trial(results)
    assert all(repr(final[key][: len(rows)]) == repr(rows) for key, rows in known.items())
    assert_equal_tables(results, reference)
