"""What is written and told when trials start, end and fail. Trials are made up; Ray does not run."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import Role, Status
from fer_tune.search.callback import SilentDisplay, StudyCallback
from fer_tune.search.searcher import StudySearcher
from fer_tune.study.loading import load_plan


class Listener(SilentDisplay):
    """Keeps the trials that ended, and every estimate of the time left."""

    def __init__(self):
        self.ended = []
        self.left = []

    def update(self, progress, running):
        self.left.append(progress.left)

    def trial_ended(self, ended):
        self.ended.append(ended)


@pytest.fixture
def running(finished, tmp_path):
    """A callback and one running trial of a study that has grown by one trial."""
    plan = load_plan(finished.study, ["search.lambda.grid=[0.0, 0.5, 0.7]"])
    told = StudySearcher(plan, finished.results, slots=1).suggest("a")
    callback = StudyCallback(plan, finished.results, 2, Listener())
    trial = SimpleNamespace(trial_id="a", config=told, error_file=str(tmp_path / "error.txt"))
    callback.on_trial_start(0, [], trial)
    return callback, trial


def fail(callback, trial, text):
    with open(trial.error_file, "w") as file:
        file.write(text)
    callback.on_trial_error(0, [], trial)
    return TrialFolder(trial.config["assignment"].folder).result()


def test_a_trial_that_fails_has_the_last_line_of_its_error_as_reason(running):
    callback, trial = running
    result = fail(callback, trial, "Traceback\n  File x\nValueError: no such class\n\n")
    assert result.status is Status.FAILED
    assert result.reason == "ValueError: no such class"
    (ended,) = callback.display.ended
    assert (ended.key, ended.status) == ("lambda=0.7,n000,s0", Status.FAILED)
    assert not callback.stop_all()


@pytest.mark.parametrize(
    "text",
    [
        "RuntimeError: [enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: 9 bytes",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory",
        "MemoryError",
    ],
)
def test_memory_that_runs_out_is_named_with_what_to_change(running, text):
    result = fail(*running, f"Traceback\n{text}\n")
    assert result.reason.startswith("out of memory: make training.batch_size, model.width")
    assert result.reason.endswith(f"({text})")


@pytest.mark.parametrize("text", ["OSError: [Errno 28] No space left on device", "Disk quota exceeded"])
def test_a_disk_that_fails_ends_the_run_and_no_trial_is_to_blame(running, text):
    callback, trial = running
    assert fail(callback, trial, text) is None
    assert callback.stop_all()
    assert callback.unwritable in text
    assert callback.display.ended == []


def test_a_results_folder_that_vanishes_ends_the_run(running, finished):
    callback, trial = running
    shutil.rmtree(finished.results)
    callback.on_trial_error(0, [], trial)
    assert callback.unwritable == "the folder has vanished"
    assert callback.stop_all()


def test_a_trial_whose_worker_died_after_its_end_keeps_its_result(running):
    callback, trial = running
    folder = TrialFolder(trial.config["assignment"].folder)
    folder.write_history([{"epoch": 1.0, "val_accuracy": 0.5, "seconds": 1.0}])
    folder.end(Status.FINISHED, "val_accuracy")
    assert fail(callback, trial, "worker lost").status is Status.FINISHED


def test_an_account_counts_starts_and_trials_at_once(running):
    callback, trial = running
    other = SimpleNamespace(trial_id="b", config=trial.config, error_file=None)
    callback.on_trial_start(0, [], other)
    callback.on_trial_result(0, [], trial, {"epoch": 1.0, "seconds": 2.0})
    assert callback.account.starts == 2
    assert callback.account.most_running == 2
    assert callback.account.trained_seconds == 2.0
    assert set(callback.account.as_json()) == {
        "trained_seconds", "trials_seconds", "starts", "most_running", "peak_memory_bytes",
    }  # fmt: skip


def test_no_time_left_is_estimated_while_only_warm_ups_have_run(running):
    callback, trial = running
    assignment = trial.config["assignment"]
    warm_up = replace(assignment, record=replace(assignment.record, role=Role.WARM_UP))
    other = SimpleNamespace(trial_id="w", config={**trial.config, "assignment": warm_up}, error_file=None)
    callback.on_trial_start(0, [], other)
    callback.on_trial_result(0, [], other, {"epoch": 1.0, "seconds": 2.0})
    assert set(callback.display.left) == {0.0}
    callback.on_trial_result(0, [], trial, {"epoch": 1.0, "seconds": 2.0})
    assert callback.display.left[-1] > 0
