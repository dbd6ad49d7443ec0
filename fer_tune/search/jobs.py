"""The trials of a configuration, and what a worker is told about one."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_tune.data.labels import first_categorical
from fer_tune.data.loading import dataset_key, leaves_out_copies, split_sizes, stored_split_sizes
from fer_tune.data.noise import accuracy_shrinkage
from fer_tune.errors import UserError
from fer_tune.names import LAMBDA, NEWER_SETTINGS, Setting
from fer_tune.results.files import read_json
from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import Role, Status, TrialRecord
from fer_tune.study.plan import Cell, Suggestion
from fer_tune.study.schema import TrialConfig, with_training


class NotRunnable(UserError):
    """A study that this Ray, this folder or this version cannot run; the message says why."""


@dataclass(frozen=True)
class Job:
    """One trial to run.

    Attributes:
        folder: its own.
        record: what trial.json holds.
        config: its settings.
        warm_up: the trial that runs what this one shares with others before joint training starts.
        continues: the shorter trial that this one goes on from, if any.
    """

    folder: TrialFolder
    record: TrialRecord
    config: TrialConfig
    warm_up: "Job | None" = None
    continues: TrialFolder | None = None

    @property
    def epochs_before(self) -> int:
        """Epochs that another trial has run for this one, before it has any of its own."""
        if self.continues is not None:
            return len(self.continues.history())
        return self.config.training.warmup_epochs if self.finished_warm_up else 0

    @property
    def waits_for_warm_up(self) -> bool:
        """Whether its warm-up has yet to end; a trial with epochs of its own needs it no more."""
        return self.warm_up is not None and not self.folder.state.exists() and not self.warm_up.folder.has_ended()

    @property
    def finished_warm_up(self) -> Path | None:
        """The folder of a warm-up to continue from; None where there is none, or it broke: the trial then runs all."""
        if self.warm_up is None or not self.warm_up.folder.state.exists():
            return None
        result = self.warm_up.folder.result()
        return self.warm_up.folder.path if result is not None and result.status is Status.FINISHED else None


@dataclass(frozen=True)
class Assignment:
    """What a worker is told about the trial that it is to run.

    Attributes:
        folder: the trial's own.
        data: folder of the stored data set.
        warm_up: folder of the warm-up to continue from, if any.
        continues: folder of the shorter trial to go on from, if any.
        record: what trial.json holds.
        objective: the metric that the study maximises.
        cpus: CPUs that the trial holds, and its torch threads.
        deterministic: whether torch may only use deterministic algorithms.
        until: the epoch after which another trial may take this one's place.
        scheduled: whether a scheduler may end the trial at any epoch.
    """

    folder: Path
    data: Path
    warm_up: Path | None
    continues: Path | None
    record: TrialRecord
    objective: str
    cpus: int
    deterministic: bool
    until: int
    scheduled: bool


def trial_key(cell: Cell, number: int, seed: int) -> str:
    """The key, and so the folder's name, of a configuration's trial with a seed."""
    return f"{cell.key},n{number:03d},s{seed}"


def jobs_of(
    cell: Cell, results: Path, number: int, suggestion: Suggestion, seeds: Sequence[int] | None = None
) -> Iterator[Job]:
    """The trials of one configuration: one for each seed, and its baseline where the gain is maximised.

    `seeds` are some of the study's, all of them by default. Raises NotRunnable where a trial's folder holds another
    record.
    """
    role = Role.REFERENCE if cell.is_reference else Role.TRIAL
    for seed in cell.study.seeds if seeds is None else seeds:
        config = cell.config(suggestion, seed)
        name = trial_key(cell, number, seed)
        yield _job(cell, results, name, role, number, suggestion, config)
        if cell.study.maximises_gain:
            noise = {setting: value for setting, value in suggestion.items() if setting.section == "noise"}
            plain = with_training(cell.config(noise, seed), lam=0.0)
            yield _job(cell, results, f"{name},baseline", Role.BASELINE, number, suggestion, plain, noise)


def extended_job(cell: Cell, results: Path, seed: int, epochs: int, name: str, continues: str) -> Job:
    """A race's trial trained on to `epochs`, from the state of the trial whose key is `continues`.

    Raises NotRunnable where the trial's folder holds another record.
    """
    config = with_training(cell.config({}, seed), epochs=epochs)
    record = TrialRecord(
        role=Role.EXTENDED,
        cell=cell.key,
        condition_key=cell.condition_key,
        seed=seed,
        continues=continues,
        varied=_varied(cell, {}),
        **_about(config, results),
    )
    shorter = TrialFolder(results / "trials" / continues)
    return Job(_checked_folder(results, name, record), record, config, continues=shorter)


def _job(
    cell: Cell,
    results: Path,
    name: str,
    role: Role,
    number: int,
    suggestion: Suggestion,
    config: TrialConfig,
    warmed: Suggestion | None = None,
) -> Job:
    """A trial with its warm-up. `warmed` is what of the suggestion its warm-up depends on, where not all of it."""
    warm_up = _warm_up(cell, results, suggestion if warmed is None else warmed, config)
    record = TrialRecord(
        role=role,
        cell=cell.key,
        condition_key=cell.condition_key,
        number=number,
        seed=config.seed,
        warm_up=warm_up.folder.key if warm_up else None,
        varied=_varied(cell, suggestion),
        **_about(config, results),
    )
    return Job(_checked_folder(results, name, record), record, config, warm_up)


def _warm_up(cell: Cell, results: Path, suggestion: Suggestion, config: TrialConfig) -> Job | None:
    """The trial that computes what every lambda has in common; the same for all that differ in lambda alone."""
    training = config.training
    if not 0 < training.warmup_epochs < training.epochs or training.method != "joint":
        return None
    if training.schedule != "constant":
        return None  # a run of fewer epochs would have other learning rates
    shared = with_training(config, lam=0.0, epochs=training.warmup_epochs)
    record = TrialRecord(
        role=Role.WARM_UP,
        cell="warm_up",
        condition_key=cell.condition_key,
        number=0,
        seed=shared.seed,
        warm_up=None,
        varied=_varied(cell, suggestion, without=LAMBDA),
        **_about(shared, results),
    )
    name = f"{cell.condition_key},warm_up={_digest(shared)},s{shared.seed}"
    return Job(_checked_folder(results, name, record), record, shared)


def _digest(config: TrialConfig) -> str:
    """A digest of a trial's settings that stays the same when a version adds one and the trial does what it did."""
    unchanged = {
        section: {key for key, before in values.items() if getattr(getattr(config, section), key) == before}
        for section, values in NEWER_SETTINGS.items()
    }
    text = config.model_dump_json(by_alias=True, exclude=unchanged)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _varied(cell: Cell, suggestion: Suggestion, without: str = "") -> dict[str, Any]:
    values: Mapping[Setting, Any] = {**cell.condition, **cell.grid, **suggestion}
    return {setting.name: value for setting, value in values.items() if setting.path != without}


def _about(config: TrialConfig, results: Path) -> dict[str, Any]:
    return {
        "validation_samples": _split_sizes(config, results)["validation"],
        "accuracy_shrinkage": accuracy_shrinkage(config.noise, first_categorical(config.dataset.label_sets)),
        "config": config.model_dump(by_alias=True, mode="json"),
    }


def _split_sizes(config: TrialConfig, results: Path) -> Mapping[str, int]:
    """Those of the stored data where copies were left out, which label files do not tell."""
    if not leaves_out_copies(config.dataset):
        return split_sizes(config.dataset)
    key = dataset_key(config.dataset.model_dump(mode="json"))
    return stored_split_sizes(results / "data" / read_json(results / "data" / "digests.json")[key])


def _checked_folder(results: Path, name: str, record: TrialRecord) -> TrialFolder:
    folder = TrialFolder(results / "trials" / name)
    if folder.has_record() and folder.record() != record:
        raise NotRunnable(
            f"{folder.path / 'trial.json'} differs from what the search suggests today: another version of Optuna or "
            "of fer-tune began this study. Resume it with those versions, use --restart, or give it a new name"
        )
    return folder
