"""All cells of a study as one Ray searcher."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from fer_tune.data.loading import dataset_key
from fer_tune.decision import next_trial
from fer_tune.decision.next_trial import Candidate
from fer_tune.results.files import read_json
from fer_tune.results.folder import ended_trials
from fer_tune.search.cell_search import CellSearch
from fer_tune.search.jobs import Assignment, Job
from fer_tune.study.cost import epoch_core_seconds, remaining_core_seconds, trial_core_seconds
from fer_tune.study.plan import Plan


@dataclass(frozen=True)
class _Ready:
    """A job that could start or continue now, with what the choice depends on."""

    search: CellSearch
    job: Job
    candidate: Candidate


class StudySearcher(Searcher):
    """Ray's view of the whole study: one job after another, the one that would end last first.

    When few trials are left they no longer divide evenly among the workers, and some would idle while the last ones
    run. Then a trial runs in slices of its epochs, each a trial to Ray, and whichever has most left continues, so that
    all end at nearly the same time. A trial's folder holds everything, so a slice continues bit for bit.
    """

    def __init__(self, plan: Plan, results: Path, slots: int) -> None:
        """`slots` is how many trials run at once."""
        super().__init__(metric=plan.study.objective, mode="max")
        self.study, self.results, self.slots = plan.study, results, slots
        self.digests = read_json(results / "data" / "digests.json")
        self.left = plan.total_trials - ended_trials(results)
        warming: set[str] = set()
        self.searches = [CellSearch(cell, results, warming) for cell in plan.cells]
        self.ready: list[_Ready] = []
        self.running: dict[str, _Ready] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial, or slice of one, as Ray's configuration."""
        for search in self.searches:
            while (job := search.next_job()) is not None:
                self.ready.append(self._ready(search, job))
        if not self.ready:
            return Searcher.FINISHED if all(s.finished for s in self.searches) else None
        chosen = self.ready.pop(next_trial.choose([ready.candidate for ready in self.ready]))
        self.running[trial_id] = chosen
        chosen.job.folder.begin(chosen.job.record)
        return {"assignment": self._assignment(chosen)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Note that a trial or slice has ended."""
        ended = self.running.pop(trial_id)
        if not ended.job.folder.has_ended() and not error:
            self.ready.append(self._ready(ended.search, ended.job))
            return
        self.left -= not ended.job.record.is_warm_up
        ended.search.complete(ended.job.folder.key)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the trial folders are the only truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: suggestions are replayed from the trial folders."""

    def _ready(self, search: CellSearch, job: Job) -> _Ready:
        config = job.config
        epoch = len(job.folder.history())
        if epoch == 0 and job.finished_warm_up:
            epoch = config.training.warmup_epochs
        later = search.batches_left * trial_core_seconds(config)
        epochs = config.training.epochs
        candidate = Candidate(
            is_warm_up=job.record.is_warm_up,
            seconds_left=remaining_core_seconds(config, epoch) + later,
            epoch=epoch,
            epochs=epochs,
            seconds_an_epoch=epoch_core_seconds(config, epochs),
        )
        return _Ready(search, job, candidate)

    def _assignment(self, ready: _Ready) -> Assignment:
        job = ready.job
        digest = self.digests[dataset_key(job.record.config["dataset"])]
        scheduled = self.study.scheduler != "none"
        return Assignment(
            folder=job.folder.path,
            data=self.results / "data" / digest,
            warm_up=job.finished_warm_up,
            record=job.record,
            objective=self.study.objective,
            cpus=self.study.resources.cpu,
            deterministic=self.study.resources.deterministic,
            until=next_trial.run_until(ready.candidate, self.slots, self.left, sliceable=not scheduled),
            scheduled=scheduled,
        )
