"""Whatever dies, no finished trial is run again, no result is wrong, and the person is told. On real processes."""

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
from ray.cluster_utils import Cluster

from fer_tune.results.folder import trial_folders
from fer_tune.study.loading import load_plan
from tests.support.commands import epochs_done, run_command, start, start_piped, wait_for_epochs
from tests.support.studies import Finished, run_here, write_study
from tests.support.tables import assert_equal_tables

pytestmark = pytest.mark.serial
SEARCH = {
    "training": {"epochs": 10, "batch_size": 16, "warmup_epochs": 2},
    "search": {"lambda": {"grid": [0.0, 0.5]}, "lr": {"log_uniform": [1e-4, 1e-2]}},
}
OPTUNA = {"trials": 2, "batch": 1}
LONG_SEARCH = {**SEARCH, "training": {**SEARCH["training"], "epochs": 16}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Finished:
    """A study that was never stopped."""
    return never_stopped(tmp_path_factory.mktemp("whole"), **SEARCH, optuna=OPTUNA)


def never_stopped(folder: Path, **changes: object) -> Finished:
    """Run a study to its end in this process, where nothing can die."""
    study = write_study(folder, **changes)
    return Finished(study, run_here(load_plan(study), folder / "results" / "small"))


def rows_by_trial(results: Path) -> dict[str, list[dict[str, float]]]:
    return {folder.key: folder.history() for folder in trial_folders(results)}


def assert_not_run_again(known: dict[str, list[dict[str, float]]], now: dict[str, list[dict[str, float]]]) -> None:
    """Every known epoch is still there. Its measured times would differ if it had been run again."""
    for key, rows in known.items():
        assert repr(now[key][: len(rows)]) == repr(rows), f"an epoch of {key} was run again"


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


def writes(process: psutil.Process) -> bool:
    """Whether it works on results or draws the data; Ray's own services live on for a while and touch nothing."""
    try:
        name = process.name()
        return (name.startswith("ray::") and not name.endswith("Agent")) or "fer_tune.run" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def kill_driver(process: subprocess.Popen) -> None:
    """Kill the driver; its workers end by themselves."""
    below = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    workers = [p for p in below if writes(p)]
    assert not psutil.wait_procs(workers, timeout=10)[1], "workers of a dead driver live on"


def start_silent(study: Path, folder: Path) -> subprocess.Popen:
    return start(study, folder, "--resume", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def assert_ends_as(whole: Finished, folder: Path, known: dict[str, list[dict[str, float]]]) -> None:
    """The study in `folder` is resumed and ends with the tables of one that was never stopped."""
    done = run_command(whole.study, "--resume", cwd=folder)
    assert done.returncode == 0, done.stderr
    results = folder / "results" / "small"
    assert_not_run_again(known, rows_by_trial(results))
    assert_equal_tables(results, whole.results)


def ask_to_stop(stop: Callable[[subprocess.Popen], None], process: subprocess.Popen, study: Path) -> None:
    """Stop a run politely: it ends within seconds and says how to resume."""
    asked = time.monotonic()
    stop(process)
    out, _ = process.communicate(timeout=60)
    assert time.monotonic() - asked < 15, stop.__name__
    assert process.returncode == 130, (stop.__name__, out)
    assert "Traceback" not in out
    if stop is not close_terminal:
        assert f"python -m fer_tune.run {study} --resume" in out, (stop.__name__, out)


def stop_in_turn(whole: Finished, folder: Path, stops: Sequence[Callable[[subprocess.Popen], None]]) -> None:
    """Stop a study in each way, four epochs after it was resumed; then let it end as one that never was stopped."""
    results = folder / "results" / "small"
    known: dict[str, list[dict[str, float]]] = {}
    for stop in stops:
        process = start_piped(whole.study, folder, "--resume")
        wait_for_epochs(results, sum(map(len, known.values())) + 4)
        if stop is kill_driver:
            kill_driver(process)
            process.stdout.close()
        else:
            ask_to_stop(stop, process, whole.study)
        after = rows_by_trial(results)
        assert_not_run_again(known, after)
        known = after
    assert_ends_as(whole, folder, known)


def test_a_study_stopped_and_killed_ends_as_one_that_never_was(whole, tmp_path):
    """A single Ctrl-C is tested with storage, SIGTERM with sockets."""
    stop_in_turn(whole, tmp_path, (ctrl_c_twice, close_terminal, kill_driver))


@pytest.mark.long
def test_a_study_stopped_in_every_way_ends_as_one_that_never_was(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = never_stopped(tmp_path / "whole", **LONG_SEARCH, optuna=OPTUNA)
    stop_in_turn(whole, tmp_path, (stop_all, ctrl_c, stop_driver, close_terminal, ctrl_c_twice, kill_driver))


@pytest.mark.long
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_driver_killed_twenty_times_at_random_moments_costs_no_finished_epoch(tmp_path, sampler):
    (tmp_path / "whole").mkdir()
    whole = never_stopped(tmp_path / "whole", **LONG_SEARCH, optuna={**OPTUNA, "sampler": sampler})
    results = tmp_path / "results" / "small"
    moments = random.Random(0)
    known: dict[str, list[dict[str, float]]] = {}
    for _ in range(20):
        process = start_silent(whole.study, tmp_path)
        if moments.random() < 0.75 and sum(map(len, known.values())) < epochs_in_all(whole):
            wait_for_epochs(results, sum(map(len, known.values())) + 1)
        time.sleep(moments.uniform(0, 3))
        kill_driver(process)
        after = rows_by_trial(results)
        assert_not_run_again(known, after)
        known = after
    assert_ends_as(whole, tmp_path, known)


def epochs_in_all(whole: Finished) -> int:
    return epochs_done(whole.results)


@pytest.fixture
def clock():
    """The machine's clock, which the test may set: right again at the end, by the clock that cannot be set."""
    if not os.environ.get("FER_TUNE_SET_CLOCK"):
        pytest.skip("FER_TUNE_SET_CLOCK=1 lets this test set the machine's clock back")
    ahead = time.time() - time.monotonic()
    yield lambda seconds: time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
    time.clock_settime(time.CLOCK_REALTIME, ahead + time.monotonic())


def test_a_clock_set_back_costs_nothing(whole, tmp_path, clock):
    results = tmp_path / "results" / "small"
    process = start_piped(whole.study, tmp_path)
    wait_for_epochs(results, 4)
    clock(-3600)
    wait_for_epochs(results, 12)
    asked = time.monotonic()
    ctrl_c(process)
    out, _ = process.communicate(timeout=60)
    assert time.monotonic() - asked < 15
    assert process.returncode == 130, out
    assert "Traceback" not in out
    clock(-3600)
    done = run_command(whole.study, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "repaired: " not in done.stdout
    assert_equal_tables(results, whole.results)


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


@pytest.mark.parametrize(
    "faults", [["No space left on device"], pytest.param(list(FAULTS), marks=pytest.mark.long)], ids=len
)
def test_a_disk_that_fails_ends_the_run_and_costs_no_result(whole, small_disk, faults):
    results = small_disk / "results" / "small"
    known = 0
    for message in faults:
        spoil, restore = FAULTS[message]
        process = start_piped(whole.study, small_disk, "--resume")
        wait_for_epochs(results, known + 6)
        spoil(small_disk)
        out, _ = process.communicate(timeout=90)
        restore(small_disk)
        assert process.returncode == 2, (message, out)
        assert message in out
        assert "--resume" in out
        assert "Traceback" not in out, out
        after = epochs_done(results)
        assert after >= known + 6
        known = after
    remount = ["mount", "-o", "remount,ro", small_disk]
    subprocess.run(remount, check=True)  # not while a run holds files open there
    refused = run_command(whole.study, "--resume", cwd=small_disk)
    subprocess.run([*remount[:2], "remount,rw", small_disk], check=True)
    assert refused.returncode == 2
    assert refused.stderr.endswith("cannot be written: Read-only file system\n")
    done = run_command(whole.study, "--resume", cwd=small_disk)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "repaired: " not in done.stdout
    assert_equal_tables(results, whole.results)


def test_a_node_that_is_lost_costs_no_result_and_the_cluster_is_left_running(whole, tmp_path):
    sizes = {"num_cpus": 1, "object_store_memory": 10**8}
    cluster = Cluster(initialize_head=True, head_node_args={**sizes, "include_dashboard": False})
    try:
        other = cluster.add_node(**sizes)
        process = start_piped(whole.study, tmp_path, "--address", cluster.address)
        results = tmp_path / "results" / "small"
        wait_for_epochs(results, 10)
        cluster.remove_node(other, allow_graceful=False)
        known = rows_by_trial(results)
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0, out
        assert cluster.head_node.any_processes_alive()
    finally:
        cluster.shutdown()
    assert_not_run_again(known, rows_by_trial(results))
    assert_equal_tables(results, whole.results)


@pytest.mark.long
def test_memory_that_runs_out_is_named_with_what_to_change(tmp_path):
    """Workers inherit a limit of their address space; the larger batch does not fit below it."""
    study = write_study(
        tmp_path,
        dataset={"kind": "synthetic", "train": 1000, "validation": 14, "test": 14, "image_size": 64},
        model={"width": 1.0},
        training={"epochs": 1, "batch_size": 1000, "lr": 1e-3},
        search={"lambda": {"grid": [0.0]}},
    )
    limit = partial(resource.setrlimit, resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
    process = start_piped(study, tmp_path, preexec_fn=limit)
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 1, out
    assert "out of memory: make training.batch_size, model.width" in out
    assert "1 trial failed" in out
