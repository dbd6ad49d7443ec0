"""The leaders of a race trained for longer: the same λs on the same seeds, from the states they ended with."""

import math
from pathlib import Path

import numpy as np

from fer_tune.decision.race import Standing
from fer_tune.results.files import read_json_or, write_json
from fer_tune.search.job_queue import QueuedSearch
from fer_tune.search.jobs import Job, extended_job
from fer_tune.search.race_search import RaceSearch


def read_extensions(results: Path) -> list[int]:
    """The epochs to which a study's leaders are trained beyond its own, rising. Raises Damaged."""
    return [int(epochs) for epochs in read_json_or(results / "extensions.json", [])]


def write_extensions(results: Path, epochs: list[int]) -> None:
    """Note to which epochs the leaders are trained."""
    write_json(results / "extensions.json", epochs)


class Extension(QueuedSearch):
    """What is left of a race once it is over, for more epochs.

    Every λ that the race could not drop is trained on to `epochs` on each seed of the race; only the added epochs cost
    anything, and the seeds on which a λ had rested, which it runs first. The race's answer stays what it is; the longer
    trainings have one of their own.

    Args:
        before: the race, or the extension to fewer epochs.
        epochs: to which its trials are trained.
        results: the study's results folder.
    """

    def __init__(self, before: "RaceSearch | Extension", epochs: int, results: Path) -> None:
        super().__init__()
        self.before, self.epochs, self.results = before, epochs, results
        self.race: RaceSearch = before if isinstance(before, RaceSearch) else before.race
        self.arms, self.seeds = self.race.arms, self.race.seeds
        self.rested: list[Job] | None = None  # of the race; None until it is over
        self.jobs: list[list[Job]] | None = None  # by seed; None until those have ended
        self.standing: Standing | None = None

    def next_job(self) -> Job | None:
        """See `QueuedSearch`; None also before the race is over."""
        return super().next_job() if self.before.finished else None

    def _next_batch(self) -> None:
        if self.before.over_budget or self.before.standing is None:
            self.finished, self.over_budget = True, self.before.over_budget
        elif self.rested is None:
            self.rested = self._rested(self.before.standing)
            self.queue.put(self.rested)
        elif self.jobs is None:
            self.jobs = self._jobs(self.before.standing)
            self.queue.put(job for block in self.jobs for job in block)
        else:
            self.standing = self._answer(self.jobs)
            self.finished = True

    def key(self, arm: int, seed: int) -> str:
        """The key of the trial of this arm and seed."""
        return f"{self.arms[arm].key},e{self.epochs},n000,s{seed}"

    def _rested(self, standing: Standing) -> list[Job]:
        """The race's own trials that are to be trained on and were not needed so far."""
        if self.before is not self.race:
            return []
        trials = [self.race.job(arm, seed) for seed in self.seeds[: standing.blocks] for arm in standing.survivors]
        return [job for job in trials if not job.folder.has_ended()]

    def _jobs(self, standing: Standing) -> list[list[Job]]:
        return [[self._job(arm, seed) for arm in standing.survivors] for seed in self.seeds[: standing.blocks]]

    def _job(self, arm: int, seed: int) -> Job:
        continues = self.before.key(arm, seed)
        return extended_job(self.arms[arm], self.results, seed, self.epochs, self.key(arm, seed), continues)

    def _answer(self, jobs: list[list[Job]]) -> Standing:
        """The answer for the longer training: the race's rule, looked at once more after its last block."""
        assert self.before.standing is not None
        scores = np.full((len(jobs), len(self.arms)), math.nan)
        for block, row in zip(jobs, scores, strict=True):
            for arm, job in zip(self.before.standing.survivors, block, strict=True):
                result = job.folder.result()
                if result is not None and result.objective is not None:
                    row[arm] = result.objective
        return self.race.decide(scores, stopped=True)
