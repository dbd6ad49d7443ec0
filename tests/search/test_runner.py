"""Whole runs on real Ray, in one session that believes in eight CPUs and one GPU."""

import gc
import threading
import time
from contextlib import contextmanager

import pandas as pd
import psutil
import pytest
import ray

from fer_tune.results.folder import TrialFolder, trial_folders
from fer_tune.results.records import Status
from fer_tune.results.tables import write_tables
from fer_tune.search.callback import StudyCallback
from fer_tune.search.jobs import NotRunnable
from fer_tune.search.preparation import prepare
from fer_tune.search.runner import is_complete, run_search, trial_resources
from tests.support.studies import run_here
from tests.support.tables import assert_equal_tables

pytestmark = pytest.mark.serial
TWO_AT_ONCE = {"cpu": 1, "gpu": 0.5}


@contextmanager
def logical_machine(gpus):
    """Ray on this machine, told that it has eight CPUs and some GPUs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        ray.init(
            address="local", num_cpus=8, num_gpus=gpus, include_dashboard=False, log_to_driver=False,
            logging_level="CRITICAL", object_store_memory=100 * 2**20,
        )  # fmt: skip
        try:
            yield
        finally:
            ray.shutdown()


@pytest.fixture(scope="class")
def one_gpu():
    with logical_machine(1):
        yield


@pytest.fixture(scope="class")
def four_gpus():
    with logical_machine(4):
        yield


def run(plan, results):
    """Run a study; return the account that its callback kept, and trials.csv."""
    results.mkdir(parents=True)
    prepare(plan, results)
    callback = StudyCallback(plan, results, 0)
    assert run_search(plan, results, callback)
    assert is_complete(plan, results)
    assert len(pd.read_csv(results / "trials.csv")) >= 1, "a running study has tables, for a report of what has ended"
    write_tables(results)
    return callback.account, pd.read_csv(results / "trials.csv")


@pytest.mark.usefixtures("one_gpu")
class TestWithOneGpu:
    """Real runs in one Ray session; half a GPU each, two trials run at once."""

    def test_auto_takes_a_whole_gpu_where_there_are_any(self, plan_of):
        assert trial_resources(plan_of().study.resources) == ({"cpu": 1.0, "gpu": 1.0}, 1)

    def test_a_trial_that_cannot_fit_is_refused(self, plan_of):
        with pytest.raises(NotRunnable, match="asks for 9 CPUs"):
            trial_resources(plan_of(resources={"cpu": 9, "gpu": 0}).study.resources)

    def test_trials_in_slices_equal_trials_in_one_piece(self, plan_of, tmp_path, monkeypatch):
        monkeypatch.setattr("fer_tune.decision.next_trial.SLICE_SECONDS", 0.0)
        plan = plan_of(
            search={"lambda": {"grid": [0.0, 0.3, 0.5]}}, training={"epochs": 3, "batch_size": 32},
            resources={**TWO_AT_ONCE, "deterministic": True},
        )  # fmt: skip
        account, table = run(plan, tmp_path / "sliced")
        assert account.most_running == 2, "half a GPU each: two trials share the one"
        assert account.starts > 3
        assert list(table["epochs"]) == [3, 3, 3]
        run_here(plan, tmp_path / "whole")
        assert_equal_tables(tmp_path / "sliced", tmp_path / "whole")
        for folder in trial_folders(tmp_path / "sliced"):
            whole = tmp_path / "whole" / "trials" / folder.key
            assert (folder.path / "predictions.csv").read_text() == (whole / "predictions.csv").read_text()

    def test_no_reference_to_rays_objects_waits_for_the_collector(self, plan_of, tmp_path):
        """Freed by a collector while Ray shuts down, it would end the process."""
        plan = plan_of(search={"lambda": {"grid": [0.0]}}, training={"epochs": 1, "batch_size": 32})
        gc.disable()
        try:
            run(plan, tmp_path / "r")
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            left = {f"{type(found).__module__}.{type(found).__name__}" for found in gc.garbage}
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        assert {name for name in left if name.startswith("ray.")} == set()

    @pytest.mark.parametrize("scheduler", ["asha", pytest.param("median", marks=pytest.mark.long)])
    def test_a_scheduler_stops_weak_trials_and_some_of_each_condition_finish(self, plan_of, tmp_path, scheduler):
        plan = plan_of(
            conditions={"noise_ratio": [0.0, 0.6]}, search={"lambda": {"grid": [0.0]}}, seeds=list(range(6)),
            scheduler=scheduler, training={"epochs": 8, "batch_size": 32, "lr": 1e-3},
            resources=TWO_AT_ONCE,
        )  # fmt: skip
        _, table = run(plan, tmp_path / "r")
        stopped = table[table["status"] == "stopped"]
        assert len(table) == 12
        assert len(stopped) >= 1
        assert stopped["epochs"].max() < 8
        assert stopped["reason"].str.startswith(scheduler).all()
        assert table[table["status"] == "finished"].groupby("noise_ratio").size().min() >= 1
        assert table["noise_ratio"].nunique() == 2

    def test_a_trial_continues_after_its_worker_dies_and_fails_at_the_third_death_or_if_its_code_raises(
        self, plan_of, tmp_path
    ):
        """Seed 0's worker is killed while it writes its state, seed 1's three times, seed 2's state is not one."""
        plan = plan_of(
            search={"lambda": {"grid": [0.5]}}, seeds=[0, 1, 2, 3], resources=TWO_AT_ONCE,
            training={"epochs": 8, "batch_size": 32},
        )  # fmt: skip
        results = tmp_path / "r"
        results.mkdir()
        prepare(plan, results)
        killed, hopeless, broken, whole = (TrialFolder(results / "trials" / f"lambda=0.5,n000,s{s}") for s in range(4))
        broken.path.mkdir(parents=True)
        broken.state.write_bytes(b"not a state")
        seen = {}
        killers = [
            threading.Thread(target=kill_workers, args=(killed, 1, seen, True), daemon=True),
            threading.Thread(target=kill_workers, args=(hopeless, 3, seen), daemon=True),
        ]
        for killer in killers:
            killer.start()
        assert run_search(plan, results, StudyCallback(plan, results, 0))
        for killer in killers:
            killer.join()
        ends = {folder.key: folder.result() for folder in trial_folders(results)}
        assert ends[killed.key].status is Status.FINISHED
        assert ends[hopeless.key].status is Status.FAILED
        assert ends[broken.key].status is Status.FAILED
        assert ends[whole.key].status is Status.FINISHED
        assert ends[hopeless.key].reason
        assert ends[broken.key].reason
        assert ends[killed.key].epochs == 8
        before = seen[killed.key]
        assert repr(killed.history()[: len(before)]) == repr(before), "an epoch was run again"


@pytest.mark.long
@pytest.mark.usefixtures("four_gpus")
def test_half_a_gpu_a_trial_on_four_gpus_runs_eight_trials_at_once(plan_of, tmp_path):
    plan = plan_of(
        search={"lambda": {"grid": [0.0]}}, seeds=list(range(8)), resources=TWO_AT_ONCE,
        training={"epochs": 50, "batch_size": 32},
    )  # fmt: skip
    assert trial_resources(plan.study.resources) == ({"cpu": 1.0, "gpu": 0.5}, 8)
    account, table = run(plan, tmp_path / "r")
    assert account.most_running == 8
    assert len(table) == 8


def kill_workers(folder, times, seen, writing=False):
    """Kill whichever worker holds a trial's folder, so many times, each after another epoch (or while it writes)."""
    for _ in range(times):
        before = len(folder.history())
        while len(folder.history()) <= before or (writing and not list(folder.path.glob(".state.pt.*"))):
            time.sleep(0.003)
        seen[folder.key] = folder.history()
        holder = next(p for p in psutil.process_iter() if holds(p, folder.path / ".lock"))
        holder.kill()
        holder.wait()


def holds(process, path):
    try:
        return process.name().startswith("ray::") and str(path) in [file.path for file in process.open_files()]
    except psutil.Error:
        return False
