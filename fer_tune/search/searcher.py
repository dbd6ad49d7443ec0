"""All searches of a study as one Ray searcher."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from fer_tune.data.loading import dataset_key
from fer_tune.decision import next_trial
from fer_tune.decision.next_trial import Candidate
from fer_tune.results.files import read_json
from fer_tune.search.budget import Budget, Limit, Pace
from fer_tune.search.cell_search import CellSearch
from fer_tune.search.extension import Extension, read_extensions
from fer_tune.search.job_queue import QueuedSearch
from fer_tune.search.jobs import Assignment, Job
from fer_tune.search.prior import read_prior
from fer_tune.search.race_search import Afford, RaceSearch
from fer_tune.study.cost import epoch_core_seconds, remaining_core_seconds
from fer_tune.study.plan import Plan


@dataclass(frozen=True)
class _Ready:
    """A job that could start or continue now, with what the choice depends on."""

    search: QueuedSearch
    job: Job
    candidate: Candidate
    until: int = 0  # the epoch up to which it was allowed to run


class StudySearcher(Searcher):
    """Ray's view of the whole study: one job after another, the one that would end last first.

    When few trials are left they no longer divide evenly among the workers, and some would idle while the last ones
    run. Then a trial runs in slices of its epochs, each a trial to Ray, and whichever has most left continues, so that
    all end at nearly the same time. A trial's folder holds everything, so a slice continues bit for bit.

    Attributes:
        over_budget: the run has ended because its budget is used up.
    """

    def __init__(self, plan: Plan, results: Path, slots: int, limit: Limit | None = None, spent: float = 0.0) -> None:
        """`slots` is how many trials run at once, `spent` the seconds of the limit that have passed already."""
        super().__init__(metric=plan.study.objective, mode="max")
        self.study, self.results, self.slots = plan.study, results, slots
        self.digests = read_json(results / "data" / "digests.json")
        self.timed = limit is not None and limit.seconds is not None  # else nobody asks how long epochs take
        self.budget = Budget(limit or Limit(), Pace.of(results) if self.timed else Pace(), slots, spent)
        self.searches = searches_of(plan, results, self.budget.affords if limit is not None else None)
        self.ready: list[_Ready] = []
        self.running: dict[str, _Ready] = {}
        self.over_budget = False

    @property
    def left(self) -> int:
        """Trials that have not ended, as far as it is known which will run; shared warm-ups are not counted."""
        return sum(search.trials_left for search in self.searches)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial, or slice of one, as Ray's configuration."""
        for search in self.searches:
            while (job := search.next_job()) is not None:
                self.ready.append(self._ready(search, job))
        self.ready = [ready for ready in self.ready if not ready.search.finished]
        if all(search.finished for search in self.searches):
            self.over_budget |= any(search.over_budget for search in self.searches)
            return Searcher.FINISHED
        if not self.ready:
            self._add_spare()
        while self.ready:
            chosen = self._take()
            at, until = chosen.candidate.epoch, self._until(chosen)
            if until > at or at == chosen.candidate.epochs:  # in the latter case only its end is to be written
                self.running[trial_id] = replace(chosen, until=until)
                chosen.job.folder.begin(chosen.job.record)
                return {"assignment": self._assignment(chosen.job, until)}
            self.over_budget |= not chosen.candidate.is_spare
        return Searcher.FINISHED if self.over_budget and not self.running else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Note that a trial or slice has ended."""
        ended = self.running.pop(trial_id)
        if self.timed:
            self.budget.pace.note(ended.job.record, ended.job.folder, since=ended.candidate.epoch)
        self.budget.give_back(ended.until - max(ended.candidate.epoch, len(ended.job.folder.history())))
        if not ended.job.folder.has_ended() and not error:
            self.ready.append(self._ready(ended.search, ended.job))
            return
        ended.search.complete(ended.job.folder.key)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the trial folders are the only truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: suggestions are replayed from the trial folders."""

    def _ready(self, search: QueuedSearch, job: Job) -> _Ready:
        config = job.config
        epoch = len(job.folder.history()) or job.epochs_before
        epochs = config.training.epochs
        candidate = Candidate(
            is_warm_up=job.record.is_warm_up,
            seconds_left=remaining_core_seconds(config, epoch) + search.seconds_to_come,
            epoch=epoch,
            epochs=epochs,
            seconds_an_epoch=epoch_core_seconds(config, epochs),
        )
        return _Ready(search, job, candidate)

    def _add_spare(self) -> None:
        """Let a worker that would idle run a trial that a later decision will probably need."""
        for search in self.searches:
            if (job := search.spare_job()) is not None:
                self.ready.append(self._ready(search, job))
                return

    def _take(self) -> _Ready:
        """Take the next one out of those that are ready."""
        candidates = [
            replace(ready.candidate, is_spare=ready.search.runs_ahead(ready.job.folder.key)) for ready in self.ready
        ]
        place = next_trial.choose(candidates)
        return replace(self.ready.pop(place), candidate=candidates[place])

    def _until(self, ready: _Ready) -> int:
        """The epoch up to which a job runs next; its present one where the budget allows none."""
        sliceable = self.study.scheduler == "none"
        until = next_trial.run_until(ready.candidate, self.slots, self.left, sliceable)
        return self.budget.grant(ready.job, ready.candidate.epoch, until)

    def _assignment(self, job: Job, until: int) -> Assignment:
        digest = self.digests[dataset_key(job.record.config["dataset"])]
        return Assignment(
            folder=job.folder.path,
            data=self.results / "data" / digest,
            warm_up=job.finished_warm_up,
            continues=job.continues.path if job.continues is not None else None,
            record=job.record,
            objective=self.study.objective,
            cpus=self.study.resources.cpu,
            deterministic=self.study.resources.deterministic,
            until=until,
            scheduled=self.study.scheduler != "none",
        )


def searches_of(plan: Plan, results: Path, affords: Afford | None = None) -> list[QueuedSearch]:
    """The searches of a study: a race in each condition with several lambdas where it races, else one for each cell."""
    warming: set[str] = set()
    prior = read_prior(results)
    searches: list[QueuedSearch] = []
    for cells in plan.conditions.values():
        if plan.study.decide is not None and sum(not cell.is_reference for cell in cells) > 1:
            race: RaceSearch | Extension = RaceSearch(cells, results, warming, prior, affords)
            searches.append(race)
            for epochs in read_extensions(results):
                searches.append(race := Extension(race, epochs, results))
        else:
            searches += [CellSearch(cell, results, warming) for cell in cells]
    return searches
