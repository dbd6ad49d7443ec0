"""Searches with real Optuna whose trials are made up instead of trained."""

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray.tune.search.optuna import OptunaSearch

from fer_tune.data.loading import dataset_key
from fer_tune.results.files import write_json
from fer_tune.results.folder import TrialFolder, trial_folders
from fer_tune.results.records import Status, TrialRecord
from fer_tune.search.budget import Limit
from fer_tune.search.cell_search import CellSearch
from fer_tune.search.jobs import Job
from fer_tune.search.searcher import StudySearcher
from fer_tune.study.cost import epoch_core_seconds
from fer_tune.study.plan import Cell, Plan
from fer_tune.study.schema import TrialConfig

LR_RANGE = {"log_uniform": [1e-4, 1e-2]}
SEARCHED = {
    "search": {"lambda": {"grid": [0.0, 0.5]}, "lr": LR_RANGE},
    "seeds": [0, 1],
    "optuna": {"trials": 12, "batch": 4},
}


def end(job: Job, value: float, status: Status = Status.FINISHED) -> None:
    """Write what a trial would leave behind, with a made-up objective."""
    job.folder.begin(job.record)
    job.folder.write_history([{"epoch": 1.0, "val_accuracy": value, "seconds": 0.0}])
    job.folder.end(status, "val_accuracy")


def score(record: TrialRecord) -> float:
    """A smooth function of the suggestion, best at a learning rate of 1e-3."""
    return 1 - abs(math.log10(record.config["training"]["lr"]) + 3) / 5 + record.seed / 100


def walk(cell: Cell, results: Path, shuffle: int = 0, most: int = 10**6) -> list[str]:
    """Run a cell's search to its end, or for `most` trials; trials of a batch end in any order. Returns their keys."""
    search = CellSearch(cell, results)
    rng, keys, open_jobs = random.Random(shuffle), [], []
    while not search.finished and len(keys) < most:
        while (job := search.next_job()) is not None:
            open_jobs.append(job)
        if not open_jobs:
            break
        job = open_jobs.pop(rng.randrange(len(open_jobs)))
        end(job, score(job.record))
        search.complete(job.folder.key)
        keys.append(job.folder.key)
    return keys


def suggestions(results: Path) -> dict[str, Any]:
    """The varied settings of each trial of a results folder."""
    return {folder.key: folder.record().varied for folder in trial_folders(results)}


class OptunaSpy:
    """Records what searches say to Optuna.

    Attributes:
        started: the keyword arguments of each OptunaSearch.
        told: for each configuration told, its number, its value or None, and whether it failed.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[dict[str, Any]] = []
        self.told: list[tuple[str, float | None, bool]] = []
        spy = self

        class Recorded(OptunaSearch):
            def __init__(self, *args: Any, **options: Any) -> None:
                spy.started.append(options)
                super().__init__(*args, **options)

            def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
                spy.told.append((trial_id, result and result["objective"], error))
                super().on_trial_complete(trial_id, result, error)

        monkeypatch.setattr("fer_tune.search.cell_search.OptunaSearch", Recorded)


def half(record: TrialRecord) -> float:
    """The score of a trial where scores do not matter."""
    return 0.5


def simulate(
    plan: Plan,
    results: Path,
    slots: int,
    value: Callable[[TrialRecord], float] = half,
    limit: Limit | None = None,
) -> tuple[dict[str, float], Counter[str]]:
    """Run a study's searcher against a simulated clock: each epoch takes as long as estimated, a slice costs nothing.

    Returns when each trial ended, in seconds, and how often each started.
    """
    (results / "data").mkdir(parents=True, exist_ok=True)
    key = dataset_key(plan.study.dataset.model_dump(mode="json"))
    write_json(results / "data" / "digests.json", {key: "digest"})
    searcher = StudySearcher(plan, results, slots, limit)
    clock, names = 0.0, map(str, itertools.count())
    ends: dict[str, float] = {}
    starts: Counter[str] = Counter()
    busy: list[Any] = []
    while True:
        while len(busy) < slots and isinstance(found := searcher.suggest(name := next(names)), dict):
            given = found["assignment"]
            config = TrialConfig.model_validate(given.record.config)
            folder = TrialFolder(given.folder)
            starts[folder.key] += 1
            begun = len(folder.history()) or (config.training.warmup_epochs if given.warm_up else 0)
            seconds = sum(epoch_core_seconds(config, epoch) for epoch in range(begun + 1, given.until + 1))
            busy.append((clock + seconds, name, folder, given.until, config.training.epochs))
            assert len({str(trial[2].path) for trial in busy}) == len(busy), "one trial runs twice at once"
        if not busy:
            return ends, starts
        clock, trial_id, folder, until, epochs = done = min(busy, key=lambda trial: trial[0])
        busy.remove(done)
        score = value(folder.record())
        folder.write_history([{"epoch": e, "val_accuracy": score, "seconds": 1.0} for e in range(1, until + 1)])
        if until == epochs:
            folder.end(Status.FINISHED, "val_accuracy")
            folder.state.touch()
            ends[folder.key] = clock
        searcher.on_trial_complete(trial_id)
