"""Whatever dies, no finished trial is run again, no result is wrong, and the person is told. On real processes."""

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml
from ray.cluster_utils import Cluster

from fer_tune.cli.run import main
from fer_tune.results.folder import trial_folders
from tests.conftest import ROOT, SMALL_DATA, assert_equal_tables, run_command, start, wait_for_epochs

KILLS = int(os.environ.get("FER_TUNE_KILLS", "4"))  # `make faults` kills twenty times
SAMPLERS = ("tpe", "random") if KILLS > 4 else ("tpe",)
EPOCHS = 16
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
    return run_whole(tmp_path_factory.mktemp("whole"))


def run_whole(folder: Path, **optuna: object) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    study = write_study(folder, **optuna)
    assert run_command(study, cwd=folder).returncode == 0
    return study, folder / "results" / "small"


def write_study(folder: Path, **optuna: object) -> Path:
    raw = {
        "name": "small", "dataset": SMALL_DATA, "noise": {"kind": "symmetric", "ratio": 0.4},
        "model": {"width": 0.125, "encoder_norm": "batch"}, **SEARCH, "optuna": {**SEARCH["optuna"], **optuna},
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    return folder / "study.yaml"


def stop_driver(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)


def stop_all(process: subprocess.Popen) -> None:
    """Ray's processes too, so that nobody is left to answer."""
    os.killpg(process.pid, signal.SIGTERM)


def close_terminal(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGHUP)


def ctrl_c(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGINT)


def ctrl_c_twice(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)


STOPS = (ctrl_c, stop_driver, close_terminal, ctrl_c_twice, *([stop_all] if KILLS > 4 else []))


@pytest.mark.slow
def test_a_study_stopped_in_every_polite_way_ends_as_one_that_never_was(whole, tmp_path):
    study, reference = whole
    results = tmp_path / "results" / "small"
    before = 0
    for stop in STOPS:
        process = start(study, tmp_path, "--resume", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_for_epochs(results, before + 4)
        asked = time.monotonic()
        stop(process)
        out, _ = process.communicate(timeout=60)
        assert time.monotonic() - asked < 15, stop.__name__
        assert process.returncode == 130, (stop.__name__, out)
        assert "Traceback" not in out
        if stop is not close_terminal:
            assert f"python -m fer_tune.run {study} --resume" in out, (stop.__name__, out)
        done = sum(epochs_done(results).values())
        assert done >= before + 4
        before = done
    assert run_command(study, "--resume", cwd=tmp_path).returncode == 0
    assert_equal_tables(results, reference)


def rows_by_trial(results: Path) -> dict[str, list[dict[str, float]]]:
    return {folder.key: folder.history() for folder in trial_folders(results)}


def writes(process: psutil.Process) -> bool:
    """Whether it works on results or draws the data; Ray's own services live on for a while and touch nothing."""
    try:
        name = process.name()
        return (name.startswith("ray::") and not name.endswith("Agent")) or "fer_tune.run" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_driver_killed_at_random_moments_costs_no_finished_epoch(whole, tmp_path, sampler):
    """The clock columns of an epoch tell whether it was run again."""
    study, reference = whole if sampler == "tpe" else run_whole(tmp_path / "whole", sampler=sampler)
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


@pytest.fixture
def clock():
    """The machine's clock, which the test may set: right again at the end, by the clock that cannot be set."""
    if not os.environ.get("FER_TUNE_SET_CLOCK"):
        pytest.skip("FER_TUNE_SET_CLOCK=1 lets this test set the machine's clock back")
    ahead = time.time() - time.monotonic()
    yield lambda seconds: time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
    time.clock_settime(time.CLOCK_REALTIME, ahead + time.monotonic())


@pytest.mark.slow
def test_a_clock_set_back_costs_nothing(whole, tmp_path, clock):
    study, reference = whole
    results = tmp_path / "results" / "small"
    process = start(study, tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for_epochs(results, 4)
    clock(-3600)
    wait_for_epochs(results, 12)
    asked = time.monotonic()
    ctrl_c(process)
    out, _ = process.communicate(timeout=60)
    assert time.monotonic() - asked < 15 and process.returncode == 130 and "Traceback" not in out, out
    clock(-3600)
    done = run_command(study, "--resume", cwd=tmp_path)
    assert done.returncode == 0 and "mended: " not in done.stdout, done.stdout + done.stderr
    assert_equal_tables(results, reference)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 100 MB of its own, where this machine lets one be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", place], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> None:
    with suppress(OSError), open(disk / "ballast", "wb") as file:
        while True:
            file.write(bytes(2**16))
            file.flush()


def put_back(disk: Path) -> None:
    shutil.rmtree(disk / "results", ignore_errors=True)
    (disk / "elsewhere").rename(disk / "results")


FAULTS = {
    "No space left on device": (fill, lambda disk: (disk / "ballast").unlink()),
    "the folder has vanished": (lambda disk: (disk / "results").rename(disk / "elsewhere"), put_back),
}


@pytest.mark.slow
def test_a_disk_that_fails_ends_the_run_and_costs_no_result(whole, small_disk):
    study, reference = whole
    results = small_disk / "results" / "small"
    known = 0
    for message, (spoil, restore) in FAULTS.items():
        process = start(study, small_disk, "--resume", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_for_epochs(results, known + 6)
        spoil(small_disk)
        out, _ = process.communicate(timeout=90)
        restore(small_disk)
        assert process.returncode == 2, (message, out)
        assert message in out and "--resume" in out and "Traceback" not in out, (message, out)
        after = sum(map(len, rows_by_trial(results).values()))
        assert after >= known + 6
        known = after
    remount = ["mount", "-o", "remount,ro", small_disk]
    subprocess.run(remount, check=True)  # not while a run holds files open there
    refused = run_command(study, "--resume", cwd=small_disk)
    subprocess.run([*remount[:2], "remount,rw", small_disk], check=True)
    assert refused.returncode == 2 and refused.stderr.endswith("cannot be written: Read-only file system\n")
    done = run_command(study, "--resume", cwd=small_disk)
    assert done.returncode == 0 and "mended: " not in done.stdout, done.stdout + done.stderr
    assert_equal_tables(results, reference)


def test_a_disk_that_is_too_small_is_said_before_anything_starts(tmp_path, capsys):
    """At the paper's width a trial's state is 0.7 GB: ten thousand of them fit on no disk here."""
    study = ROOT / "studies" / "lambda_sweep.yaml"
    words = ["--set", "model.width=1.0", "--set", f"seeds={list(range(40000))}", "--results", str(tmp_path / "r")]
    assert main([str(study), *words]) == 2
    error = capsys.readouterr().err
    assert "GiB left, and the study needs about" in error and len(error.splitlines()) == 1
    assert not (tmp_path / "r" / "lambda_sweep").exists()


@pytest.mark.slow
def test_a_node_that_is_lost_costs_no_result_and_the_cluster_is_left_running(whole, tmp_path):
    study, reference = whole
    sizes = {"num_cpus": 1, "object_store_memory": 10**8}
    cluster = Cluster(initialize_head=True, head_node_args={**sizes, "include_dashboard": False})
    try:
        other = cluster.add_node(**sizes)
        words = ["--address", cluster.address]
        process = start(study, tmp_path, *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        results = tmp_path / "results" / "small"
        wait_for_epochs(results, 12)
        cluster.remove_node(other, allow_graceful=False)
        known = rows_by_trial(results)
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0, out
        assert cluster.head_node.any_processes_alive()
    finally:
        cluster.shutdown()
    final = rows_by_trial(results)
    assert all(repr(final[key][: len(rows)]) == repr(rows) for key, rows in known.items()), "an epoch was run again"
    assert_equal_tables(results, reference)


@pytest.mark.slow
def test_memory_that_runs_out_is_named_with_what_to_change(tmp_path):
    """Workers inherit a limit of their address space; the larger batch does not fit below it."""
    raw = yaml.safe_load(write_study(tmp_path).read_text())
    raw |= {"training": {"epochs": 1, "batch_size": 1000, "lr": 1e-3}, "search": {"lambda": {"grid": [0.0]}}}
    raw["dataset"] = {"kind": "synthetic", "train": 1000, "validation": 14, "test": 14, "image_size": 64}
    raw["model"] = {"width": 1.0}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    limit = partial(resource.setrlimit, resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
    process = start(
        tmp_path / "study.yaml", tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=limit
    )
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 1, out
    assert "out of memory: make training.batch_size, model.width" in out and "1 trials failed" in out
