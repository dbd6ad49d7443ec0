"""The race of one condition: block after block of trials, until the rule in `decision.race` stops it."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fer_tune.data.labels import first_categorical
from fer_tune.data.noise import accuracy_shrinkage
from fer_tune.decision.race import Outcome, Prior, Standing, costs_of, run_race, score_scale
from fer_tune.search.job_queue import QueuedSearch
from fer_tune.search.jobs import Job, jobs_of, trial_key
from fer_tune.study.plan import Cell

Afford = Callable[[Sequence[Job]], bool]


class RaceSearch(QueuedSearch):
    """The search of a condition whose λs race over seeds.

    Block s is every λ that is still in the race and does not rest, and every baseline, on seed s. What is decided after
    a block depends on the scores of whole blocks alone. So a resumed study walks through the same decisions, and trials
    that idle workers run ahead (`spare_job`) change nothing but when the next block ends.

    Args:
        cells: of one condition, one configuration each.
        results: the study's results folder.
        warming: the keys of the warm-ups that run now; all searches of a study share it.
        prior: what is known of the spread between seeds.
        affords: whether the budget allows to run these jobs, asked before every block but the first; None: always.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        results: Path,
        warming: set[str] | None = None,
        prior: Prior | None = None,
        affords: Afford | None = None,
    ) -> None:
        super().__init__(warming)
        self.arms = [cell for cell in cells if not cell.is_reference]
        self.references = [cell for cell in cells if cell.is_reference]
        self.results, self.prior, self.affords = results, prior, affords
        self.seeds = self.arms[0].study.seeds
        self.scores: list[list[float]] = []  # of whole blocks, one value an arm
        self.block: list[Job] = []  # of the arms, in the open block
        self.ahead: set[str] = set()  # keys of trials that idle workers run before their block begins
        self.made: dict[tuple[str, int], Job] = {}
        self.standing = self._replay()

    def spare_job(self) -> Job | None:
        """A trial of a later block for a worker that would idle, the leader's first; None where there is none.

        It runs in slices, so that it hardly delays the next block.
        """
        if self.finished:
            return None
        for number in range(len(self.scores) + 1, len(self.seeds)):
            block = [job for job in self._jobs(number, self._ranked()) if not job.folder.has_ended()]
            if self.affords is not None and not self.affords([*self._open_jobs(), *block]):
                return None
            for job in block:
                if (spare := self._ahead_of_time(job)) is not None:
                    return spare
        return None

    def _ahead_of_time(self, job: Job) -> Job | None:
        """This job, or the warm-up that it waits for, unless an idle worker has taken it already."""
        if job.waits_for_warm_up and job.warm_up is not None:
            job = job.warm_up
            if job.folder.key in self.queue.warming:
                return None
            self.queue.warming.add(job.folder.key)
        if job.folder.key in self.ahead:
            return None
        self.ahead.add(job.folder.key)
        return job

    def _open_jobs(self) -> list[Job]:
        """What is left of the open block."""
        return [job for job in self.block if not job.folder.has_ended()]

    def _ranked(self) -> list[int]:
        """The λs that the next block would run, the leader first."""
        pick, means, running = self.standing.pick, self.standing.means, self.standing.running
        return sorted(running, key=lambda arm: (arm != pick, -means[arm])) if self.scores else list(running)

    def runs_ahead(self, key: str) -> bool:
        """Whether this trial's block has not begun."""
        return key in self.ahead

    def complete(self, key: str) -> None:
        """Note that a trial has ended, in whatever way."""
        self.ahead.discard(key)
        super().complete(key)

    def _next_batch(self) -> None:
        self._close_block()
        self._open_block()

    def _open_block(self) -> None:
        self.finished = self.standing.outcome is not Outcome.RUNNING
        if self.finished:
            return
        number = len(self.scores)
        jobs = self._jobs(number, self.standing.running)
        references = [self._job(cell, number) for cell in self.references]
        left = [job for job in (*jobs, *references) if not job.folder.has_ended()]
        if number and left and self.affords is not None and not self.affords(left):
            self.finished = self.over_budget = True
            return
        self.block = jobs
        begun = [job for job in left if job.folder.key in self.ahead]
        self.queue.put(job for job in left if job not in begun)
        self.queue.open |= {job.folder.key for job in begun}  # they run already, or wait for their next slice
        self.ahead -= {job.folder.key for job in begun} | {job.warm_up.folder.key for job in left if job.warm_up}

    def _close_block(self) -> None:
        if not self.block:
            return
        row = [math.nan] * len(self.arms)
        for arm, job in zip(self.standing.running, self.block, strict=True):
            result = job.folder.result()
            row[arm] = math.nan if result is None or result.objective is None else result.objective
        self.scores.append(row)
        self.block = []
        self.standing = self._replay()

    def _jobs(self, number: int, arms: Sequence[int]) -> list[Job]:
        """A block's jobs of these arms."""
        return [self._job(self.arms[arm], number) for arm in arms]

    def _job(self, cell: Cell, number: int) -> Job:
        """A cell's job in a block, made once: idle workers ask for later blocks again and again."""
        key = (cell.key, number)
        if key not in self.made:
            (self.made[key],) = jobs_of(cell, self.results, 0, {}, [self.seeds[number]])
        return self.made[key]

    @property
    def scale(self) -> float:
        """What a point of clean accuracy is worth in scores."""
        config = self.arms[0].typical()
        first = first_categorical(config.dataset.label_sets)
        return score_scale(self.arms[0].study.objective, accuracy_shrinkage(config.noise, first))

    def job(self, arm: int, seed: int) -> Job:
        """The job of the trial of this arm and seed."""
        return self._job(self.arms[arm], self.seeds.index(seed))

    def key(self, arm: int, seed: int) -> str:
        """The key of the trial of this arm and seed."""
        return trial_key(self.arms[arm], 0, seed)

    def _replay(self) -> Standing:
        """Where the race stands after the whole blocks."""
        return self.decide(np.array(self.scores, dtype=float).reshape(-1, len(self.arms)))

    def decide(self, scores: np.ndarray, stopped: bool = False) -> Standing:
        """What the race's rule says of scores (blocks, arms); `stopped`: no further block is to come."""
        decide = self.arms[0].study.decide
        assert decide is not None
        return run_race(
            scores,
            costs=costs_of(cell.typical().training.lam for cell in self.arms),
            looks=len(self.seeds),
            tolerance=decide.tolerance * self.scale,
            prior=self.prior,
            stopped=stopped,
        )
