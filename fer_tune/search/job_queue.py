"""Jobs that wait to be run, and what all searches that run them in batches have in common."""

from collections.abc import Iterable

from fer_tune.search.jobs import Job


class JobQueue:
    """The jobs of a batch or a block, which is over when all of them have ended.

    Args:
        warming: the keys of the warm-ups that run now; all searches of a study share it.
    """

    def __init__(self, warming: set[str]) -> None:
        self.warming = warming
        self.jobs: list[Job] = []
        self.open: set[str] = set()  # keys of jobs that have not ended

    @property
    def is_over(self) -> bool:
        """Whether every job has ended."""
        return not self.open

    def put(self, jobs: Iterable[Job]) -> None:
        """Add jobs."""
        added = list(jobs)
        self.jobs += added
        self.open |= {job.folder.key for job in added}

    def take(self) -> Job | None:
        """A job or a warm-up to start now, ended ones passed over; None while all that is left waits for others."""
        for job in list(self.jobs):
            if job.folder.has_ended():
                self.jobs.remove(job)
                self.complete(job.folder.key)
            elif not job.waits_for_warm_up:
                self.jobs.remove(job)
                return job
            elif job.warm_up is not None and job.warm_up.folder.key not in self.warming:
                self.warming.add(job.warm_up.folder.key)
                return job.warm_up
        return None

    def complete(self, key: str) -> None:
        """Note that a trial has ended, in whatever way."""
        self.open.discard(key)
        self.warming.discard(key)


class QueuedSearch:
    """A search that runs its jobs in batches, each when the one before is over.

    Args:
        warming: see `JobQueue`.

    Attributes:
        finished: nothing is left to run.
        over_budget: it is finished because the budget allows no more.
    """

    def __init__(self, warming: set[str] | None = None) -> None:
        self.queue = JobQueue(set() if warming is None else warming)
        self.finished = False
        self.over_budget = False

    @property
    def seconds_to_come(self) -> float:
        """Estimated core seconds of what can only start after the open batch, one trial a batch; 0 where unknown."""
        return 0.0

    @property
    def trials_left(self) -> int:
        """Trials that have not ended, as far as it is known which will run."""
        return len(self.queue.open)

    def next_job(self) -> Job | None:
        """A trial to start now, or None while the open batch runs or when all is done (`finished`)."""
        while not self.finished:
            if (job := self.queue.take()) is not None:
                return job
            if not self.queue.is_over:
                return None
            self._next_batch()
        return None

    def spare_job(self) -> Job | None:
        """A trial of a later batch for a worker that would idle; None where none can be told yet."""
        return None

    def runs_ahead(self, key: str) -> bool:
        """Whether this trial's batch has not begun, so that it may turn out not to be needed."""
        return False

    def complete(self, key: str) -> None:
        """Note that a trial has ended, in whatever way."""
        self.queue.complete(key)

    def _next_batch(self) -> None:
        """Take note of the batch that is over, then put the next one into the queue, or finish."""
        raise NotImplementedError
