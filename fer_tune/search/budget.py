"""What a person allows a run to spend, and what an epoch costs here: measured as soon as epochs have run."""

import math
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fer_tune.results.folder import TrialFolder, trial_folders
from fer_tune.results.records import TrialRecord
from fer_tune.search.jobs import Job
from fer_tune.study.cost import epoch_core_seconds
from fer_tune.study.schema import TrialConfig

CAUTION = 0.8  # of the epochs that seem to fit are given out at once: epochs differ in length


class Ending(StrEnum):
    """How a run of a study ended."""

    COMPLETE = "complete"
    OVER_BUDGET = "over budget"  # what the run was allowed to spend is used up
    CUT_OFF = "cut off"  # interrupted, or results can no longer be written


@dataclass(frozen=True)
class Limit:
    """What one run may spend; None is no limit.

    Attributes:
        seconds: on the clock.
        epochs: of training, over all trials, warm-ups included.
        trials: that it starts; warm-ups are not counted.
    """

    seconds: float | None = None
    epochs: int | None = None
    trials: int | None = None


class Pace:
    """Seconds of an epoch: of the same cell as measured, else estimated and corrected by what other cells took."""

    def __init__(self) -> None:
        self.measured: dict[str, float] = defaultdict(float)
        self.estimated: dict[str, float] = defaultdict(float)

    @classmethod
    def of(cls, results: Path) -> "Pace":
        """What a results folder's trials took."""
        pace = cls()
        for folder in trial_folders(results):
            pace.note(folder.record(), folder)
        return pace

    def note(self, record: TrialRecord, folder: TrialFolder, since: int = 0) -> None:
        """Learn from a trial's epochs after epoch `since`."""
        config = TrialConfig.model_validate(record.config)
        for row in folder.history()[since:]:
            if row["seconds"] > 0 and math.isfinite(row["seconds"]):  # a warm-up's epochs cost its forks nothing
                self.measured[record.cell] += row["seconds"]
                self.estimated[record.cell] += epoch_core_seconds(config, int(row["epoch"]))

    def epoch_seconds(self, job: Job) -> float:
        """Seconds of one of a job's last epochs."""
        cell, guess = job.record.cell, epoch_core_seconds(job.config, job.config.training.epochs)
        if self.estimated[cell]:
            return guess * self.measured[cell] / self.estimated[cell]
        estimated = sum(self.estimated.values())
        return guess * sum(self.measured.values()) / estimated if estimated else guess


class Budget:
    """Hands out epochs of a limit.

    Args:
        slots: how many trials run at once.
        spent: seconds that the run has taken before it could hand anything out.
    """

    def __init__(self, limit: Limit, pace: Pace, slots: int, spent: float = 0.0) -> None:
        self.limit, self.pace, self.slots = limit, pace, slots
        self.started = time.monotonic() - spent
        self.epochs = 0
        self.trials: set[str] = set()

    @property
    def seconds_left(self) -> float:
        """On the clock; infinite without a limit."""
        return math.inf if self.limit.seconds is None else self.limit.seconds - (time.monotonic() - self.started)

    @property
    def epochs_left(self) -> float:
        """Infinite without a limit."""
        return math.inf if self.limit.epochs is None else self.limit.epochs - self.epochs

    def affords(self, jobs: Iterable[Job]) -> bool:
        """Whether these jobs would end within the limit."""
        seconds, epochs, trials = 0.0, 0, len(self.trials)
        warm_ups: dict[str, Job] = {}
        for job in jobs:
            ran = len(job.folder.history()) or job.epochs_before
            if job.waits_for_warm_up and job.warm_up is not None:
                warm_ups[job.warm_up.folder.key] = job.warm_up
                ran = job.config.training.warmup_epochs
            seconds += (job.config.training.epochs - ran) * self.pace.epoch_seconds(job)
            epochs += job.config.training.epochs - ran
            trials += job.folder.key not in self.trials
        for warm_up in warm_ups.values():  # run once for all that share it
            left = warm_up.config.training.epochs - len(warm_up.folder.history())
            seconds += left * self.pace.epoch_seconds(warm_up)
            epochs += left
        in_time = seconds / self.slots <= self.seconds_left
        return in_time and epochs <= self.epochs_left and trials <= (self.limit.trials or math.inf)

    def grant(self, job: Job, epoch: int, until: int) -> int:
        """The epoch up to which a job may run next, `until` at most; its present one where nothing is left."""
        if not job.record.is_warm_up and self.limit.trials is not None:
            if job.folder.key not in self.trials and len(self.trials) >= self.limit.trials:
                return epoch
            self.trials.add(job.folder.key)
        granted = min(until, epoch + self.epochs_left)
        if self.limit.seconds is not None:
            fitting = self.seconds_left / self.pace.epoch_seconds(job)
            granted = min(
                granted, epoch + max(float(fitting > 0), fitting if fitting >= until - epoch else CAUTION * fitting)
            )
        granted = max(epoch, math.floor(granted))
        self.epochs += granted - epoch
        return granted

    def give_back(self, epochs: int) -> None:
        """Take back epochs that were granted and not run, because the trial diverged, failed or was stopped."""
        self.epochs -= max(0, epochs)
