"""The search of one cell of a study."""

import math
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import optuna
from optuna.distributions import FloatDistribution
from ray.tune.search.optuna import OptunaSearch

from fer_tune.names import Setting
from fer_tune.results.records import Role, TrialRecord, TrialResult
from fer_tune.search.job_queue import QueuedSearch
from fer_tune.search.jobs import Job, jobs_of
from fer_tune.search.warm_start import read_earlier_values
from fer_tune.study.cost import trial_core_seconds
from fer_tune.study.plan import Cell
from fer_tune.study.schema import Dimension
from fer_tune.system.randomness import stream_seed

OBJECTIVE = "objective"  # what Ray and Optuna call the value of a configuration


class CellSearch(QueuedSearch):
    """The search of one cell: asks Optuna in batches and tells it each configuration's mean over seeds.

    Asked and told in a fixed order, its suggestions do not depend on which trial ends first. When a study is resumed
    it walks through the same suggestions and skips the trials that have ended.
    """

    def __init__(self, cell: Cell, results: Path, warming: set[str] | None = None) -> None:
        """`warming` holds the keys of the warm-ups that run now; all cells of a study share it."""
        super().__init__(warming)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.cell, self.results = cell, results
        self.optuna = self._optuna_search() if cell.space else None
        self.asked = 0
        self.batch: dict[int, list[Job]] = {}

    @property
    def seconds_to_come(self) -> float:
        """Estimated core seconds of what can only start after the open batch, one trial a batch."""
        batches = math.ceil((self.cell.configurations - self.asked) / self.cell.study.optuna.batch)
        return batches * trial_core_seconds(self.cell.typical()) if batches else 0.0

    @property
    def trials_left(self) -> int:
        """Trials that have not ended, those of later batches included."""
        study = self.cell.study
        runs = len(study.seeds) * (2 if study.maximises_gain else 1)
        return len(self.queue.open) + (self.cell.configurations - self.asked) * runs

    def _next_batch(self) -> None:
        self._tell_batch()
        self._ask_batch()

    def _ask_batch(self) -> None:
        total = self.cell.configurations
        self.finished = self.asked >= total
        for number in range(self.asked, min(self.asked + self.cell.study.optuna.batch, total)):
            suggested = self.optuna.suggest(str(number)) if self.optuna else None
            suggestion = {Setting.named(name): value for name, value in (suggested or {}).items()}
            self.batch[number] = list(jobs_of(self.cell, self.results, number, suggestion))
            self.queue.put(self.batch[number])
            self.asked = number + 1

    def _tell_batch(self) -> None:
        for number, jobs in self.batch.items():
            ended = [(job.record, job.folder.result()) for job in jobs]
            value = configuration_value(ended, len(self.cell.study.seeds))
            if self.optuna is not None and math.isfinite(value):
                self.optuna.on_trial_complete(str(number), {OBJECTIVE: value})
            elif self.optuna is not None:
                self.optuna.on_trial_complete(str(number), error=True)
        self.batch = {}

    def _optuna_search(self) -> OptunaSearch:
        study = self.cell.study
        space = {setting.name: distribution(dimension) for setting, dimension in self.cell.space.items()}
        points, values = self._earlier(space)
        return OptunaSearch(
            space,
            points_to_evaluate=points or None,
            evaluated_rewards=values or None,
            metric=OBJECTIVE,
            mode="max",
            sampler=_sampler(
                "qmc" if self.cell.sampled else study.optuna.sampler,
                seed=stream_seed(study.optuna.seed, "sampler", self.cell.condition_key) % 2**32,
                trials=study.optuna.trials,
            ),
        )

    def _earlier(self, space: Mapping[str, FloatDistribution]) -> tuple[list[dict[str, float]], list[float]]:
        """Points and values of an earlier study that fit this cell (`warm_start`)."""
        fixed = {setting.name: value for setting, value in {**self.cell.condition, **self.cell.grid}.items()}
        fitting = [
            earlier
            for earlier in read_earlier_values(self.results)
            if all(earlier.varied.get(name) == value for name, value in fixed.items())
            and all(d.low <= earlier.varied.get(name, math.nan) <= d.high for name, d in space.items())
        ]
        points = [{name: earlier.varied[name] for name in space} for earlier in fitting]
        return points, [earlier.value for earlier in fitting]


def configuration_value(trials: Iterable[tuple[TrialRecord, TrialResult | None]], seeds: int) -> float:
    """Mean objective of a configuration over its seeds, less that of its baselines where the gain is maximised.

    NaN where a trial has no value.
    """
    total = 0.0
    for record, result in trials:
        value = math.nan if result is None or result.objective is None else result.objective
        total += value * (-1 if record.role is Role.BASELINE else 1)
    return total / seeds


def distribution(dimension: Dimension) -> FloatDistribution:
    """Optuna's distribution of a searched range."""
    assert dimension.range is not None
    return FloatDistribution(*dimension.range, log=dimension.log_uniform is not None)


def _sampler(name: str, seed: int, trials: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "qmc":
            return optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
        startup = min(10, max(4, trials // 3))
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)
