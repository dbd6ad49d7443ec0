"""Turns a study into one Ray Tune run whose searcher routes every cell to an Optuna search of its own."""

import hashlib
import itertools
import json
import logging
import math
import shutil
import socket
import tempfile
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import ray
from optuna.distributions import BaseDistribution, FloatDistribution
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)
from ray.tune.search import ConcurrencyLimiter, Searcher
from ray.tune.search.optuna import OptunaSearch

from fer_tune.data.labels import first_categorical
from fer_tune.data.loading import dataset_key, split_sizes
from fer_tune.data.noise import accuracy_shrinkage
from fer_tune.results.files import Damaged, read_json, why_unwritable
from fer_tune.results.folder import TrialFolder, ended_trials, trial_folders
from fer_tune.search.progress import Progress
from fer_tune.search.trainable import TrialTrainable
from fer_tune.study.cost import epoch_core_seconds, remaining_core_seconds, trial_core_seconds
from fer_tune.study.plan import Cell
from fer_tune.study.schema import NAMES, Dimension, Study, TrialConfig, with_training
from fer_tune.system.randomness import stream_seed
from fer_tune.system.signals import interrupt_held, signals_kept

MAX_FAILURES = 2  # restarts of a trial whose worker died, before it counts as failed
SLICED_ROUNDS = 3  # trials run in slices once fewer than so many are left for each worker
SLICES = 8  # of a trial
SLICE_SECONDS = 10.0  # estimated, at least: a slice costs a few tenths of a second to begin
OBJECTIVE = "objective"
CONNECT_SECONDS = 10


class NotRunnable(Exception):
    """A study that this Ray, this folder or this version cannot run; the message says why."""


@dataclass(frozen=True)
class Job:
    """One trial to run: its folder and what `trial.json` will hold."""

    folder: TrialFolder
    settings: Mapping[str, Any]
    warm_up: "Job | None" = None  # runs what it shares with other trials before the joint game starts


class CellSearch:
    """The search of one cell: asks Optuna in batches and tells it each configuration's mean over seeds.

    Asked and told in a fixed order, its suggestions do not depend on which trial ends first; on resume
    it walks through the same suggestions and passes over trials that have ended.
    """

    def __init__(self, study: Study, cell: Cell, results: Path, warming: set[str] | None = None) -> None:
        """`warming` names the warm-ups that run now; all cells of a study share it."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study, self.cell, self.results = study, cell, results
        self.warming = set() if warming is None else warming
        self.optuna = self._optuna_search() if cell.space else None
        self.asked = 0
        self.batch: dict[int, list[Job]] = {}
        self.queue: deque[Job] = deque()
        self.waiting: set[str] = set()
        self.finished = False

    def next_job(self) -> Job | None:
        """A trial to start now, or None while the open batch runs or when all is done (`finished`)."""
        while not self.finished:
            for job in list(self.queue):
                if job.folder.result() is not None:
                    self.queue.remove(job)
                    self.complete(job.folder.key)
                elif _is_warm(job):
                    self.queue.remove(job)
                    return job
                elif job.warm_up is not None and job.warm_up.folder.key not in self.warming:
                    self.warming.add(job.warm_up.folder.key)
                    return job.warm_up
            if self.waiting:
                return None
            self._tell_batch()
            self._ask_batch()
        return None

    def complete(self, key: str) -> None:
        """Note that a trial has ended, however it ended."""
        self.waiting.discard(key)
        self.warming.discard(key)

    def _ask_batch(self) -> None:
        total = self.study.configurations(self.cell)
        self.finished = self.asked >= total
        for number in range(self.asked, min(self.asked + self.study.optuna.batch, total)):
            suggestion = self.optuna.suggest(str(number)) if self.optuna else {}
            self.batch[number] = list(self._jobs(number, suggestion or {}))
            self.queue += self.batch[number]
            self.asked = number + 1
        self.waiting = {job.folder.key for job in self.queue}

    def _tell_batch(self) -> None:
        for number, jobs in self.batch.items():
            value = self._objective(jobs)
            if self.optuna is not None and math.isfinite(value):
                self.optuna.on_trial_complete(str(number), {OBJECTIVE: value})
            elif self.optuna is not None:
                self.optuna.on_trial_complete(str(number), error=True)
        self.batch = {}

    def _objective(self, jobs: Sequence[Job]) -> float:
        """Mean over seeds of a configuration, NaN where a trial has none; a gain where that is maximised."""
        total = 0.0
        for job in jobs:
            value = (job.folder.result() or {}).get(OBJECTIVE)
            total += math.nan if value is None else value * (-1 if job.settings["role"] == "baseline" else 1)
        return total / len(self.study.seeds)

    def _jobs(self, number: int, suggestion: Mapping[str, float]) -> Iterator[Job]:
        for seed in self.study.seeds:
            config = self.study.trial_config(self.cell, suggestion, seed)
            warm_up = self._warm_up(number, suggestion, config)
            yield self._job(f"{self.cell.key},n{number:03d},s{seed}", "trial", number, suggestion, config, warm_up)
            if self.study.maximises_gain:
                name = f"{self.cell.key},n{number:03d},s{seed},baseline"
                noise = {n: v for n, v in suggestion.items() if NAMES.get(n, n).startswith("noise.")}
                plain = with_training(self.study.trial_config(self.cell, noise, seed), lam=0.0)
                yield self._job(name, "baseline", number, suggestion, plain, self._warm_up(number, noise, plain))

    def _warm_up(self, number: int, suggestion: Mapping[str, float], config: TrialConfig) -> Job | None:
        """The trial that computes what every lambda has in common; equal for all jobs that differ in it alone."""
        training = config.training
        if not 0 < training.warmup_epochs < training.epochs or training.method != "joint":
            return None
        shared = with_training(config, lam=0.0, epochs=training.warmup_epochs)
        digest = hashlib.blake2b(shared.model_dump_json(by_alias=True).encode(), digest_size=6).hexdigest()
        name = f"{self.cell.condition_key},warm_up={digest},s{config.seed}"
        return self._job(name, "warm_up", number, suggestion, shared, None)

    def _job(
        self,
        name: str,
        role: str,
        number: int,
        suggestion: Mapping[str, float],
        config: TrialConfig,
        warm_up: Job | None,
    ) -> Job:
        varied = {**self.cell.condition, **self.cell.grid, **suggestion}
        settings = {
            "role": role,
            "cell": self.cell.key,
            "condition_key": self.cell.condition_key,
            "number": number,
            "seed": config.seed,
            "warm_up": warm_up.folder.key if warm_up else None,
            "varied": varied,
            "validation_samples": split_sizes(config.dataset)["validation"],
            "accuracy_shrinkage": accuracy_shrinkage(config.noise, first_categorical(config.dataset.label_sets)),
            "config": config.model_dump(by_alias=True, mode="json"),
        }
        if role == "warm_up":
            settings |= {"cell": "warm_up", "number": 0, "varied": _without_lambda(varied)}
        folder = TrialFolder(self.results / "trials" / name)
        if folder.has_settings() and folder.settings() != json.loads(json.dumps(settings)):
            raise NotRunnable(
                f"{folder.path / 'trial.json'} was suggested otherwise than today: the versions of Optuna or of this "
                "project differ from those that began the study. Go on with them, use --restart, or a new name"
            )
        return Job(folder, settings, warm_up)

    def _optuna_search(self) -> OptunaSearch:
        space = {name: _distribution(dimension) for name, dimension in self.cell.space.items()}
        seed = stream_seed(self.study.optuna.seed, "sampler", self.cell.condition_key) % 2**32
        name = "qmc" if self.cell.sampled else self.study.optuna.sampler
        points, values = self._earlier(space)
        return OptunaSearch(
            space,
            points_to_evaluate=points or None,
            evaluated_rewards=values or None,
            metric=OBJECTIVE,
            mode="max",
            sampler=_sampler(name, seed, self.study.optuna.trials),
        )

    def _earlier(self, space: Mapping[str, FloatDistribution]) -> tuple[list[dict[str, float]], list[float]]:
        """Points and values of an earlier study that fit this cell (`warm_start`)."""
        path = self.results / "warm_start.json"
        found = read_json(path) if path.exists() else []
        fixed = {**self.cell.condition, **self.cell.grid}
        fitting = [
            e for e in found
            if all(e["varied"].get(name) == value for name, value in fixed.items())
            and all(d.low <= e["varied"].get(name, math.nan) <= d.high for name, d in space.items())
        ]  # fmt: skip
        return [{name: e["varied"][name] for name in space} for e in fitting], [e["value"] for e in fitting]


def _is_warm(job: Job) -> bool:
    """Whether a trial has nothing to wait for: no warm-up, one that has ended, or epochs of its own."""
    return job.warm_up is None or job.folder.state.exists() or job.warm_up.folder.result() is not None


def _without_lambda(varied: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in varied.items() if NAMES.get(name, name) != "training.lambda"}


def earlier_values(study: Study, results: Path) -> list[dict[str, Any]]:
    """What an earlier study's configurations were worth: their varied settings and mean objective over seeds.

    Raises NotRunnable where the folder is no results folder or maximised something else.
    """
    if not (results / "study.json").exists():
        raise NotRunnable(f"warm_start: {results} is no results folder: study.json is missing")
    groups: dict[tuple[str, int], list[tuple[dict[str, Any], float]]] = {}
    try:
        objective = read_json(results / "study.json")["objective"]
        if objective != study.objective:
            raise NotRunnable(f"warm_start: {results} maximised {objective}, this study maximises {study.objective}")
        for folder in trial_folders(results):
            settings, result = folder.settings(), folder.result()
            if settings["role"] == "trial" and result is not None and result[OBJECTIVE] is not None:
                place = groups.setdefault((settings["cell"], settings["number"]), [])
                place.append((dict(settings["varied"]), float(result[OBJECTIVE])))
    except (Damaged, KeyError, TypeError, ValueError):
        raise NotRunnable(f"warm_start: {results} is damaged: resume that study, or leave warm_start out") from None
    return [
        {"varied": group[0][0], "value": sum(value for _, value in group) / len(group)} for group in groups.values()
    ]


@dataclass(frozen=True)
class _Ready:
    """A job that could start or go on now, and the estimated seconds until its search could end after it."""

    search: CellSearch
    job: Job
    config: TrialConfig
    epoch: int  # epochs that it has behind it
    seconds: float

    @property
    def priority(self) -> tuple[bool, float]:
        """Warm-ups first, since others wait for them; then whatever would end last."""
        return self.job.settings["role"] == "warm_up", self.seconds


class StudySearcher(Searcher):
    """Ray's view of the whole study: one job after another, the one that would end last first.

    When few trials are left they no longer divide evenly among the workers, and some would idle while the last
    ones run. Then a trial runs in slices of its epochs, each a trial to Ray; whichever has most left goes on, so
    that all end at nearly the same time. A trial's folder holds everything, so a slice continues bit for bit.
    """

    def __init__(self, study: Study, results: Path, cpus: int, slots: int) -> None:
        super().__init__(metric=study.objective, mode="max")
        self.study, self.cpus, self.slots = study, cpus, slots
        self.results = results
        self.digests = read_json(results / "data" / "digests.json")
        self.left = study.total_trials() - ended_trials(results)
        warming: set[str] = set()
        self.searches = [CellSearch(study, cell, results, warming) for cell in study.cells()]
        self.ready: list[_Ready] = []
        self.running: dict[str, _Ready] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        for search in self.searches:
            while (job := search.next_job()) is not None:
                self.ready.append(self._ready(search, job))
        if not self.ready:
            return Searcher.FINISHED if all(s.finished for s in self.searches) else None
        chosen = max(self.ready, key=lambda ready: ready.priority)
        self.ready.remove(chosen)
        self.running[trial_id] = chosen
        chosen.job.folder.begin(chosen.job.settings)
        return self._ray_config(chosen)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        ended = self.running.pop(trial_id)
        if ended.job.folder.result() is None and not error:
            self.ready.append(self._ready(ended.search, ended.job))
            return
        self.left -= ended.job.settings["role"] != "warm_up"
        ended.search.complete(ended.job.folder.key)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the trial folders are the only truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: suggestions are replayed from the trial folders."""

    def _ready(self, search: CellSearch, job: Job) -> _Ready:
        config = TrialConfig.model_validate(job.settings["config"])
        epoch = len(job.folder.history())
        if epoch == 0 and _finished_folder(job.warm_up):
            epoch = config.training.warmup_epochs
        own = remaining_core_seconds(config, epoch)
        after = math.ceil((self.study.configurations(search.cell) - search.asked) / self.study.optuna.batch)
        return _Ready(search, job, config, epoch, own + after * trial_core_seconds(config))

    def _until(self, ready: _Ready) -> int:
        """The epoch that a job may run to before another may take its place."""
        epochs = ready.config.training.epochs
        divides = not 1 < self.slots < self.left < SLICED_ROUNDS * self.slots
        if divides or self.study.scheduler != "none" or ready.job.settings["role"] == "warm_up":
            return epochs
        shortest = math.ceil(SLICE_SECONDS / epoch_core_seconds(ready.config, epochs))
        return min(epochs, ready.epoch + max(1, shortest, math.ceil(epochs / SLICES)))

    def _ray_config(self, ready: _Ready) -> dict[str, Any]:
        digest = self.digests[dataset_key(ready.job.settings["config"]["dataset"])]
        return {
            "folder": str(ready.job.folder.path),
            "data": str(self.results / "data" / digest),
            "warm_up": _finished_folder(ready.job.warm_up),
            "settings": dict(ready.job.settings),
            "objective": self.study.objective,
            "cpus": self.cpus,
            "deterministic": self.study.resources.deterministic,
            "until": self._until(ready),
            "scheduled": self.study.scheduler != "none",
        }


def _finished_folder(job: Job | None) -> str | None:
    """The folder of a warm-up that can be continued; a trial whose warm-up broke starts by itself."""
    if job is None or (job.folder.result() or {}).get("status") != "finished" or not job.folder.state.exists():
        return None
    return str(job.folder.path)


class ConditionScheduler(FIFOScheduler):
    """Stops trials early by comparing each only with trials of its own condition."""

    def __init__(self, study: Study) -> None:
        super().__init__()
        self.study = study
        self.by_condition: dict[str, TrialScheduler] = {}

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        self._of(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        if trial.config["settings"]["role"] == "warm_up":
            return TrialScheduler.CONTINUE
        decision = self._of(trial).on_trial_result(tune_controller, trial, result)
        folder = TrialFolder(Path(trial.config["folder"]))
        if decision == TrialScheduler.STOP and folder.result() is None:
            folder.end("stopped", self.study.objective, f"{self.study.scheduler} in epoch {result['epoch']:.0f}")
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        self._of(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        self._of(trial).on_trial_error(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        self._of(trial).on_trial_remove(tune_controller, trial)

    def _of(self, trial: Trial) -> TrialScheduler:
        condition = trial.config["settings"]["condition_key"]
        if condition not in self.by_condition:
            self.by_condition[condition] = self._new()
        return self.by_condition[condition]

    def _new(self) -> TrialScheduler:
        epochs = self.study.training.epochs
        common = {"time_attr": "epoch", "metric": self.study.objective, "mode": "max"}
        if self.study.scheduler == "asha":
            grace = max(1, epochs // 4)
            return AsyncHyperBandScheduler(max_t=epochs + 1, grace_period=grace, reduction_factor=2, **common)
        return MedianStoppingRule(grace_period=max(1, epochs // 4), min_samples_required=3, **common)


@contextmanager
def ray_session(address: str | None, verbose: bool, cpus: int | None = None) -> Iterator[None]:
    """A Ray of our own on this machine (on all its cores, or on `cpus` of them), or a running cluster's.

    Ended (ours) or left (theirs) at the end.

    Raises ConnectionError where no cluster answers at the address.
    """
    if not verbose:
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", module="ray")
    if address not in (None, "auto"):
        _knock(address)
    level = logging.INFO if verbose else logging.CRITICAL
    temporary = Path(tempfile.mkdtemp(prefix="fer-tune-")) if address is None else None
    own: dict[str, Any] = {
        "num_cpus": cpus, "include_dashboard": False, "object_store_memory": 128 * 2**20, "_temp_dir": str(temporary),
        "_system_config": {"prestart_worker_first_driver": False},  # Tune's trials never take the workers kept ready
    }  # fmt: skip
    start: dict[str, Any] = {"logging_level": level, "log_to_driver": verbose}
    try:
        with interrupt_held(), signals_kept():
            if address is None:
                ray.init(address="local", **start, **own)
            else:
                ray.init(address=address, **start)
        yield
    finally:
        ray.shutdown()
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _knock(address: str) -> None:
    """Raise ConnectionError where nothing listens at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ConnectionError("write HOST:PORT, or auto for a cluster on this machine")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(error) from None


def trial_resources(study: Study) -> tuple[dict[str, float], int]:
    """What a trial holds on the connected Ray, and how many can run at once.

    Raises NotRunnable where not one trial fits.
    """
    available = ray.cluster_resources()
    cpus, gpus = available.get("CPU", 0), available.get("GPU", 0)
    gpu = (1.0 if gpus else 0.0) if study.resources.gpu == "auto" else study.resources.gpu
    slots = cpus // study.resources.cpu
    if gpu:
        slots = min(slots, math.floor(gpus / gpu + 1e-9))
    if slots < 1:
        raise NotRunnable(
            f"resources: a trial asks for {study.resources.cpu} CPUs and {gpu:g} GPUs, "
            f"but there are {cpus:g} CPUs and {gpus:g} GPUs"
        )
    return {"cpu": float(study.resources.cpu), "gpu": gpu}, int(slots)


def run_search(study: Study, results: Path, progress: Progress, verbose: bool = False) -> bool:
    """Run every trial of a study that has not ended yet, on the connected Ray.

    Returns whether the study is complete; False where it was interrupted, or results could not be written any more
    (`progress.unwritable`).
    """
    resources, slots = trial_resources(study)
    searcher = StudySearcher(study, results, study.resources.cpu, slots)
    scratch = results / "ray"
    shutil.rmtree(scratch, ignore_errors=True)
    scheduler = ConditionScheduler(study) if study.scheduler != "none" else None
    tuner = tune.Tuner(
        tune.with_resources(TrialTrainable, resources),
        tune_config=tune.TuneConfig(
            search_alg=ConcurrencyLimiter(searcher, slots),
            scheduler=scheduler,
            num_samples=(2 + SLICES) * study.total_trials(),  # a bound: warm-ups and slices come on top
            reuse_actors=True,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            callbacks=[progress],
            stop=progress,
            verbose=2 if verbose else 0,
        ),
    )
    try:
        tuner.fit()
    except Exception:  # Tune stumbles over its own files in many ways where the disk fails
        if not (progress.unwritable or why_unwritable(results)):
            raise
    progress.unwritable = progress.unwritable or why_unwritable(results)
    shutil.rmtree(scratch, ignore_errors=True)
    if progress.unwritable:
        return False
    return is_complete(study, results)


def is_complete(study: Study, results: Path) -> bool:
    """Whether every trial of the study has ended, found by walking through its suggestions."""
    searches = [CellSearch(study, cell, results) for cell in study.cells()]
    return all(search.next_job() is None and search.finished for search in searches)


def export_optuna(study: Study, results: Path) -> Path:
    """Write every search to SQLite, one Optuna study a condition, from the trial folders alone.

    A configuration's value is its mean over seeds; grid values stand among the parameters.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    target = results / "optuna.sqlite3"
    unfinished = results / ".optuna.sqlite3"
    unfinished.unlink(missing_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{unfinished}")
    cells = {cell.key: cell for cell in study.cells()}
    ended = [(f.settings(), f) for f in trial_folders(results) if f.result() is not None]
    ended = [(settings, folder) for settings, folder in ended if settings["role"] != "warm_up"]
    by_condition = itertools.groupby(sorted(ended, key=lambda e: _order(e[0])), key=lambda e: e[0]["condition_key"])
    for condition, members in by_condition:
        export = optuna.create_study(storage=storage, study_name=f"{study.name}: {condition}", direction="maximize")
        for _, jobs in itertools.groupby(members, key=lambda e: (e[0]["cell"], e[0]["number"])):
            group = list(jobs)
            settings = group[0][0]
            export.add_trial(_frozen_trial(study, cells[settings["cell"]], [Job(f, s) for s, f in group]))
    storage.remove_session()
    storage.engine.dispose()
    return unfinished.replace(target)


def _frozen_trial(study: Study, cell: Cell, jobs: Sequence[Job]) -> optuna.trial.FrozenTrial:
    varied = jobs[0].settings["varied"]
    distributions: dict[str, BaseDistribution] = {
        name: _distribution(d) if d.range else FloatDistribution(*_ends([*(d.grid or d.beside or ()), varied[name]]))
        for name, d in {**study.search, **cell.space}.items()
        if name in cell.space or name in cell.grid
    }
    complete = len(jobs) == len(study.seeds) * (2 if study.maximises_gain else 1)
    value = CellSearch(study, cell, Path())._objective(jobs) if complete else math.nan
    finite = math.isfinite(value)
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE if finite else optuna.trial.TrialState.FAIL,
        params={name: varied[name] for name in distributions},
        distributions=distributions,
        value=value if finite else None,
        user_attrs={"cell": cell.key, "trials": [job.folder.key for job in jobs]},
    )


def _order(settings: Mapping[str, Any]) -> tuple[Any, ...]:
    role = ("trial", "baseline").index(settings["role"])
    return settings["condition_key"], settings["cell"], settings["number"], settings["seed"], role


def _trial_name(trial: Trial) -> str:
    return str(trial.trial_id)


def _distribution(dimension: Dimension) -> FloatDistribution:
    assert dimension.range is not None
    return FloatDistribution(*dimension.range, log=dimension.log_uniform is not None)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _sampler(name: str, seed: int, trials: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "qmc":
            return optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
        startup = min(10, max(4, trials // 3))
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)
