"""The searches of a study as an Optuna database, derived from its trial folders."""

import itertools
import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import TrialState
from sqlalchemy.pool import StaticPool

from fer_tune.results.folder import trial_folders
from fer_tune.results.records import Role, TrialRecord, TrialResult
from fer_tune.search.cell_search import configuration_value, distribution
from fer_tune.study.plan import Cell, Plan


def export_optuna(plan: Plan, results: Path, unfinished: TrialState = TrialState.FAIL) -> Path:
    """Write every search to SQLite, one Optuna study per condition; return the file.

    A configuration's value is its mean over seeds. Grid values are among its parameters. A file that another program
    has open is replaced in one transaction, so that it sees the new content.

    Args:
        unfinished: what to call a configuration of which seeds are missing.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    target = results / "optuna.sqlite3"
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as memory:
        _fill(memory, plan, results, unfinished)
        with closing(sqlite3.connect(target)) as file:
            memory.backup(file)
    return target


def _fill(database: sqlite3.Connection, plan: Plan, results: Path, unfinished: TrialState) -> None:
    engine = {"creator": lambda: database, "poolclass": StaticPool}
    storage = optuna.storages.RDBStorage("sqlite://", engine_kwargs=engine)
    cells = {cell.key: cell for cell in plan.cells}
    for condition, trials in itertools.groupby(_ended(results), key=lambda trial: trial.record.condition_key):
        export = optuna.create_study(
            storage=storage, study_name=f"{plan.study.name}: {condition}", direction="maximize"
        )
        for _, group in itertools.groupby(trials, key=lambda trial: (trial.record.cell, trial.record.number)):
            members = list(group)
            export.add_trial(_frozen_trial(plan, cells[members[0].record.cell], members, unfinished))
    storage.remove_session()


@dataclass(frozen=True)
class _Ended:
    """A trial that has ended."""

    key: str
    record: TrialRecord
    result: TrialResult | None


def _ended(results: Path) -> list[_Ended]:
    """Every searched trial that has ended, in order of condition, cell, number, seed and role."""
    folders = [folder for folder in trial_folders(results) if folder.has_ended()]
    ended = [_Ended(folder.key, folder.record(), folder.result()) for folder in folders]
    searched = [trial for trial in ended if trial.record.role in (Role.TRIAL, Role.BASELINE)]
    return sorted(searched, key=lambda trial: _order(trial.record))


def _order(record: TrialRecord) -> tuple[str, str, int, int, bool]:
    return record.condition_key, record.cell, record.number, record.seed, record.role is Role.BASELINE


def _frozen_trial(plan: Plan, cell: Cell, trials: Sequence[_Ended], unfinished: TrialState) -> optuna.trial.FrozenTrial:
    varied = trials[0].record.varied
    distributions: dict[str, BaseDistribution] = {}
    for setting, dimension in {**plan.study.searched, **cell.space}.items():
        if setting in cell.space:
            distributions[setting.name] = distribution(dimension)
        elif setting in cell.grid:
            values = [*(dimension.grid or dimension.paired or ()), varied[setting.name]]
            distributions[setting.name] = FloatDistribution(min(values), max(values))
    raced = plan.study.decide is not None  # then a configuration has as many seeds as it was in the race
    complete = raced or len(trials) == plan.runs_per_configuration
    ended = [(trial.record, trial.result) for trial in trials]
    value = configuration_value(ended, len(trials) if raced else len(plan.study.seeds)) if complete else math.nan
    finite = math.isfinite(value)
    without = TrialState.FAIL if complete else unfinished
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE if finite else without,
        params={name: varied[name] for name in distributions},
        distributions=distributions,
        value=value if finite else None,
        user_attrs={"cell": cell.key, "trials": [trial.key for trial in trials]},
    )
