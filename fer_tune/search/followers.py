"""What follows a study while it runs: TensorBoard, optuna-dashboard, MLflow, Weights & Biases.

A follower sees trials as the results folder has them: by key, whichever run or slice trains them. That is why these are
not Ray's own logger callbacks, which would show each slice of a trial as a run of its own.
"""

import hashlib
import importlib.util
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from optuna.trial import TrialState

from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import Status, TrialRecord
from fer_tune.results.tensorboard import LiveEvents
from fer_tune.search.exports import export_optuna
from fer_tune.search.jobs import NotRunnable
from fer_tune.study.plan import Plan

REFRESH_SECONDS, MOST_TIME = 5.0, 0.02  # of Optuna's file: not more often, and not for a larger share of the time
KEY_TAG = "fer_tune.key"  # of an MLflow run


class Follower(Protocol):
    """Told of every epoch and of every end of a trial."""

    def epoch_ended(self, folder: TrialFolder) -> None:
        """The trial's history has a new epoch, or several."""

    def trial_ended(self, folder: TrialFolder) -> None:
        """The trial has ended."""

    def close(self) -> None:
        """Nothing more will follow."""


class Followers:
    """Tells each follower; one that fails is told no more, and the study goes on.

    Attributes:
        lost: why a follower failed, by its name.
    """

    def __init__(self, followers: Mapping[str, Follower]) -> None:
        self._followers = dict(followers)
        self.lost: dict[str, str] = {}

    def epoch_ended(self, folder: TrialFolder) -> None:
        """See `Follower`."""
        self._tell(lambda follower: follower.epoch_ended(folder))

    def trial_ended(self, folder: TrialFolder) -> None:
        """See `Follower`."""
        self._tell(lambda follower: follower.trial_ended(folder))

    def close(self) -> None:
        """See `Follower`."""
        self._tell(lambda follower: follower.close())
        self._followers.clear()

    def _tell(self, what: Callable[[Follower], None]) -> None:
        for name, follower in list(self._followers.items()):
            try:
                what(follower)
            except Exception as error:  # whatever a server, its client or a disk makes of it
                self.lost[name] = (str(error).splitlines() or [type(error).__name__])[0]
                del self._followers[name]


def followers_of(plan: Plan, results: Path) -> Followers:
    """TensorBoard, Optuna's file, and the loggers that the study names. Raises NotRunnable for one that is missing."""
    found: dict[str, Follower] = {"TensorBoard": LiveEvents(results), "Optuna": OptunaFile(plan, results)}
    for name in plan.study.loggers:
        if importlib.util.find_spec(name) is None:
            raise NotRunnable(f"loggers: {name} is not installed: pip install 'fer-tune[{name}]'")
        found[name] = MlflowRuns(plan) if name == "mlflow" else WandbRuns(plan, results)
    return Followers(found)


class OptunaFile:
    """Keeps optuna.sqlite3 fresh, so that optuna-dashboard shows the trials that have ended."""

    def __init__(self, plan: Plan, results: Path) -> None:
        self._plan, self._results, self._due = plan, results, -math.inf

    def epoch_ended(self, folder: TrialFolder) -> None:
        """Nothing: Optuna knows whole trials."""

    def trial_ended(self, folder: TrialFolder) -> None:
        """Write the file again unless it is fresh."""
        started = time.monotonic()
        if started >= self._due:
            export_optuna(self._plan, self._results, unfinished=TrialState.RUNNING)
            spent = time.monotonic() - started
            self._due = time.monotonic() + max(REFRESH_SECONDS, spent / MOST_TIME)

    def close(self) -> None:
        """Nothing: the study's end writes the file once more."""


class MlflowRuns:
    """One MLflow run for each trial, in an experiment named after the study, where MLFLOW_TRACKING_URI says.

    A trial that is resumed continues its run. Raises NotRunnable where the server does not answer.
    """

    def __init__(self, plan: Plan) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # its own seven take minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")  # seconds
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        from mlflow import MlflowClient  # type: ignore[import-not-found]

        self._client, self._runs = MlflowClient(), dict[str, str]()
        self._epochs: dict[str, int] = {}
        try:
            known = self._client.get_experiment_by_name(plan.study.name)
            self._experiment = known.experiment_id if known else self._client.create_experiment(plan.study.name)
        except Exception as error:  # MLflow's own, and those of the libraries below it
            raise NotRunnable(f"loggers: MLflow does not answer: {str(error).splitlines()[0]}") from None

    def epoch_ended(self, folder: TrialFolder) -> None:
        """Log the epochs that the run lacks."""
        from mlflow.entities import Metric  # type: ignore[import-not-found]

        run, history, now = self._run(folder), folder.history(), int(time.time() * 1000)
        rows = history[self._epochs[folder.key] :]
        metrics = [
            Metric(name, value, now, int(row["epoch"]))
            for row in rows
            for name, value in row.items()
            if not math.isnan(value)
        ]
        for start in range(0, len(metrics), 1000):  # MLflow takes no more at once
            self._client.log_batch(run, metrics=metrics[start : start + 1000])
        self._epochs[folder.key] = len(history)

    def trial_ended(self, folder: TrialFolder) -> None:
        """Close the run."""
        run, result = self._run(folder), folder.result()
        failed = result is None or result.status not in (Status.FINISHED, Status.STOPPED)
        self._client.set_terminated(run, "FAILED" if failed else "FINISHED")

    def close(self) -> None:
        """Leave unfinished runs open: resuming the study continues them."""

    def _run(self, folder: TrialFolder) -> str:
        if folder.key not in self._runs:
            found = self._client.search_runs([self._experiment], f"tags.`{KEY_TAG}` = '{folder.key}'", max_results=1)
            record = folder.record()
            run = found[0] if found else self._client.create_run(
                self._experiment, run_name=folder.key, tags={KEY_TAG: folder.key, "role": str(record.role)}
            )  # fmt: skip
            if not found:
                for name, value in _settings(record).items():
                    self._client.log_param(run.info.run_id, name, value)
            self._runs[folder.key] = run.info.run_id
            self._epochs[folder.key] = int(run.data.metrics.get("epoch", 0)) if found else 0
        return self._runs[folder.key]


class WandbRuns:
    """One run of Weights & Biases for each trial, in a project named after the study; WANDB_MODE and others apply.

    A trial that is resumed continues its run. Files that W&B keeps lie in the results folder.
    """

    def __init__(self, plan: Plan, results: Path) -> None:
        self._project, self._results = plan.study.name, results
        self._runs: dict[str, Any] = {}
        self._epochs: dict[str, int] = {}

    def epoch_ended(self, folder: TrialFolder) -> None:
        """Log the epochs that the run lacks."""
        run, history = self._run(folder), folder.history()
        for row in history[self._epochs[folder.key] :]:
            run.log({name: value for name, value in row.items() if not math.isnan(value)}, step=int(row["epoch"]))
        self._epochs[folder.key] = len(history)

    def trial_ended(self, folder: TrialFolder) -> None:
        """Finish the run."""
        if run := self._runs.pop(folder.key, None):
            result = folder.result()
            run.finish(exit_code=int(result is None or result.status is Status.FAILED))

    def close(self) -> None:
        """Finish what is open."""
        while self._runs:
            self._runs.popitem()[1].finish(exit_code=1)

    def _run(self, folder: TrialFolder) -> Any:
        if folder.key not in self._runs:
            import wandb  # type: ignore[import-not-found]

            record = folder.record()
            self._runs[folder.key] = wandb.init(
                project=self._project,
                name=folder.key,
                id=hashlib.blake2b(folder.key.encode(), digest_size=8).hexdigest(),
                group=record.condition_key,
                config=_settings(record),
                dir=str(self._results),
                resume="allow",
                reinit="create_new",
                settings=wandb.Settings(silent=True, console="off"),
            )
            self._epochs[folder.key] = self._runs[folder.key].step
        return self._runs[folder.key]


def _settings(record: TrialRecord) -> dict[str, Any]:
    """What tells a trial from others of its study."""
    training = record.config["training"]
    return {**record.varied, "lambda": training["lambda"], "lr": training["lr"], "seed": record.seed}
