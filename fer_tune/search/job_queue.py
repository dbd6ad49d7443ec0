"""Jobs that wait to be run: handed out one by one, each after the warm-up that it shares with others."""

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
