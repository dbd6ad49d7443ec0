"""Follows a run: what it costs, what a person sees of it, and why a trial failed."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ray import tune
from ray.tune.experiment import Trial

from fer_tune.results.files import why_unwritable
from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import Status, TrialRecord
from fer_tune.results.tables import TableRefresher
from fer_tune.search.followers import Followers
from fer_tune.search.scheduler import assignment_of
from fer_tune.study.cost import epoch_core_seconds, plan_core_seconds
from fer_tune.study.plan import Plan
from fer_tune.study.schema import TrialConfig
from fer_tune.system.memory import PeakMemory

DISK_IS_FULL = ("No space left on device", "Disk quota exceeded", "Read-only file system")
OUT_OF_MEMORY = ("OutOfMemoryError", "can't allocate memory", "MemoryError", "out of memory")
MEMORY_ADVICE = "out of memory: make training.batch_size, model.width or resources.gpu's share of trials smaller"


@dataclass(frozen=True)
class RunningTrial:
    """A trial that runs now, as a person follows it; `row` holds the metrics of its last epoch, if it has one."""

    key: str
    config: TrialConfig
    row: Mapping[str, float]


@dataclass(frozen=True)
class EndedTrial:
    """A trial that has just ended."""

    key: str
    record: TrialRecord
    status: Status
    val_accuracy: float
    reason: str


@dataclass(frozen=True)
class Progress:
    """How far a study is.

    Attributes:
        running: trials that run now.
        done, total: trials that have ended (earlier runs included), and all of the study.
        failed: trials that failed in this run.
        elapsed: seconds of this run.
        left: estimated seconds until the end; 0 where nothing is known yet.
        at_most: total and left are upper bounds, because a race may stop earlier.
    """

    running: int
    done: int
    total: int
    failed: int
    elapsed: float
    left: float
    at_most: bool = False


class Display(Protocol):
    """Shows a run to a person."""

    def update(self, progress: Progress, running: Sequence[RunningTrial]) -> None:
        """Something has changed."""

    def trial_ended(self, ended: EndedTrial) -> None:
        """A trial has ended; a slice of one does not count."""


class SilentDisplay:
    """Shows nothing."""

    def update(self, progress: Progress, running: Sequence[RunningTrial]) -> None:
        """Show nothing."""

    def trial_ended(self, ended: EndedTrial) -> None:
        """Show nothing."""


@dataclass
class RunAccount:
    """What a run spends.

    Attributes:
        trained_seconds: in epochs, over all trials.
        first_start, last_end: of the first trial and of the last one, on the monotonic clock; NaN before.
        starts: of trials and slices.
        most_running: trials at once at the most.
        memory: bytes of memory at the most.
    """

    trained_seconds: float = 0.0
    first_start: float = math.nan
    last_end: float = math.nan
    starts: int = 0
    most_running: int = 0
    memory: PeakMemory = field(default_factory=PeakMemory)

    def as_json(self) -> dict[str, float | int | None]:
        """Its part of an entry of run.json."""
        span = self.last_end - self.first_start
        return {
            "trained_seconds": round(self.trained_seconds, 2),
            "trials_seconds": None if math.isnan(span) else round(span, 2),
            "starts": self.starts,
            "most_running": self.most_running,
            "peak_memory_bytes": self.memory.peak_bytes,
        }


def _nothing() -> None:
    """The default of `on_first_start`."""


class StudyCallback(tune.Callback, tune.Stopper):
    """Ray's view of whoever follows a run: keeps its account, tells the display, and writes why a trial failed.

    It stops the run once results can no longer be written: trials then fail by the dozen through no fault of theirs.

    Args:
        plan: the study's.
        results: its results folder.
        finished: trials that had ended before this run.
        display: shows the run.
        on_first_start: called when the first trial has its worker.
        followers: other programs that show the run.

    Attributes:
        unwritable: why results can no longer be written; empty as long as they can.
    """

    def __init__(
        self,
        plan: Plan,
        results: Path,
        finished: int,
        display: Display | None = None,
        on_first_start: Callable[[], None] = _nothing,
        followers: Followers | None = None,
    ) -> None:
        self.results, self.objective = results, plan.study.objective
        self.total, self.done, self.at_most = plan.total_trials, finished, plan.study.decide is not None
        self.core_seconds = plan_core_seconds(plan) * (1 - finished / self.total)  # estimated, as is what is done of it
        self.core_seconds_done = 0.0
        self.only_warm_ups = True
        self.display: Display = display or SilentDisplay()
        self.on_first_start = on_first_start
        self.followers = followers or Followers({})
        self.unwritable = ""
        self.account = RunAccount()
        self.tables = TableRefresher(results)
        self.started = time.monotonic()
        self.running: dict[str, RunningTrial] = {}
        self.failed = 0

    def __getstate__(self) -> dict[str, Any]:
        """Ray pickles callbacks beside its own state; a terminal and a pipe cannot be pickled and need not be."""
        return {**self.__dict__, "display": SilentDisplay(), "on_first_start": _nothing, "followers": Followers({})}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial, or a slice of one, has its worker."""
        assignment = assignment_of(trial)
        config = TrialConfig.model_validate(assignment.record.config)
        self.running[trial.trial_id] = RunningTrial(assignment.folder.name, config, {})
        self.account.starts += 1
        self.account.most_running = max(self.account.most_running, len(self.running))
        if math.isnan(self.account.first_start):
            self.account.first_start = time.monotonic()
            self.on_first_start()
        self._show()

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch has ended."""
        running = self.running[trial.trial_id]
        self.core_seconds_done += epoch_core_seconds(running.config, int(result["epoch"]))
        self.only_warm_ups &= assignment_of(trial).record.is_warm_up
        if math.isfinite(result["seconds"]):
            self.account.trained_seconds += result["seconds"]
        self.account.memory.sample()
        self.running[trial.trial_id] = RunningTrial(running.key, running.config, result)
        self._show()
        self.followers.epoch_ended(TrialFolder(assignment_of(trial).folder))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial, or a slice of one, has ended."""
        result = TrialFolder(assignment_of(trial).folder).result()
        if result is None:  # the end of a slice
            self._forget(trial)
            return
        self.done += not assignment_of(trial).record.is_warm_up
        self._close(trial, result.status, result.reason)
        self.followers.trial_ended(TrialFolder(assignment_of(trial).folder))
        try:
            self.tables.refresh()
        except OSError as error:
            self.unwritable = str(error.strerror)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A worker has died too often: the trial has failed, unless the disk is to blame."""
        reason = _reason(trial)
        full = next((text for text in DISK_IS_FULL if text in reason), "")  # a small file may still fit
        self.unwritable = self.unwritable or full or why_unwritable(self.results)
        if self.unwritable:
            self._forget(trial)
            return
        self.failed += 1
        folder = TrialFolder(assignment_of(trial).folder)
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            if not folder.has_ended():  # else its worker died after its end
                folder.end(Status.FAILED, self.objective, reason)
        except OSError as error:
            self.unwritable = str(error.strerror)
        self._close(trial, Status.FAILED, reason)
        self.followers.trial_ended(folder)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """As a Stopper: no single trial is stopped."""
        return False

    def stop_all(self) -> bool:
        """As a Stopper: whether the run must end."""
        return bool(self.unwritable)

    def _forget(self, trial: Trial) -> RunningTrial | None:
        self.account.last_end = time.monotonic()
        return self.running.pop(trial.trial_id, None)

    def _close(self, trial: Trial, status: Status, reason: str) -> None:
        running = self._forget(trial)
        accuracy = running.row.get("val_accuracy", math.nan) if running else math.nan
        assignment = assignment_of(trial)
        self.display.trial_ended(EndedTrial(assignment.folder.name, assignment.record, status, accuracy, reason))
        self._show()

    def _show(self) -> None:
        elapsed = time.monotonic() - self.started
        total = max(self.total, self.done + len(self.running))  # an extended study has trials beyond its plan
        progress = Progress(len(self.running), self.done, total, self.failed, elapsed, self._left(), self.at_most)
        self.display.update(progress, list(self.running.values()))

    def _left(self) -> float:
        """Estimated seconds until the end; 0 while only warm-ups have run, because their first epochs mislead."""
        if self.only_warm_ups:
            return 0.0
        done, passed = self.core_seconds_done, time.monotonic() - self.account.first_start
        return max(passed / done * (self.core_seconds - done), 0.0)


def _reason(trial: Trial) -> str:
    """The last line of the error that Ray noted for a trial; what to change where memory ran out."""
    file = Path(trial.error_file) if trial.error_file else None
    lines = (
        [line for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        if file and file.exists()
        else []
    )
    if any(text in line for line in lines for text in OUT_OF_MEMORY):
        return f"{MEMORY_ADVICE} ({lines[-1].strip()})"
    return lines[-1].strip() if lines else "its worker died without a message"
