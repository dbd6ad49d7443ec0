"""What a person sees while a study runs: a live table on a terminal, plain lines elsewhere."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from rich.console import Console
from rich.live import Live
from rich.table import Table

from fer_tune.results.files import why_unwritable
from fer_tune.results.folder import TrialFolder
from fer_tune.results.tables import write_tables
from fer_tune.study.cost import duration, epoch_core_seconds, study_core_seconds
from fer_tune.study.schema import Study, TrialConfig
from fer_tune.system.memory import tree_bytes

COLUMNS = ("trial", "λ", "learning rate", "epoch", "L_G", "L_D", "validation accuracy")
FULL = ("No space left on device", "Disk quota exceeded", "Read-only file system")
MEMORY = ("OutOfMemoryError", "can't allocate memory", "MemoryError", "out of memory")
SMALLER = "out of memory: make training.batch_size, model.width or resources.gpu's share of trials smaller"
PLAIN_EVERY = 10.0  # seconds between plain lines, at least
TABULATE_EVERY = 10.0  # seconds between tables of a running study, at least
WEIGH_EVERY = 5.0  # seconds between looks at the memory, at least


def _nothing() -> None:
    """What a beginning calls where nobody waits for it."""


class Progress(tune.Callback, tune.Stopper):
    """Follows the trials of a run, and writes into a trial's folder why Ray gave it up.

    Stops the run where results can be written no more: trials then break by the dozen, and none by its own fault.

    Args:
        results: the study's results folder.
        finished: trials that had ended before this run.
        begun: called as soon as the first trial has its worker.

    Attributes:
        unwritable: why results cannot be written any more; empty as long as they can.
    """

    def __init__(
        self,
        study: Study,
        results: Path,
        finished: int,
        console: Console,
        begun: Callable[[], None] = _nothing,
    ) -> None:
        self.results, self.tabulate_from = results, -math.inf
        self.objective, self.total, self.before = study.objective, study.total_trials(), finished
        self.work = study_core_seconds(study) * (1 - finished / self.total)  # estimated, as is what is done of it
        self.worked = 0.0
        self.begun = begun
        self.unwritable = ""
        self.first_start = self.last_end = math.nan
        self.trained_seconds = 0.0
        self.console: Console | None = console
        self.live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self.started = time.monotonic()
        self.last_line = -math.inf
        self.rows: dict[str, dict[str, Any]] = {}
        self.running: dict[str, str] = {}
        self.configs: dict[str, TrialConfig] = {}
        self.starts = self.ended = self.failed = 0
        self.most_running = 0
        self.peak_bytes = 0
        self.last_weighed = -math.inf

    def __getstate__(self) -> dict[str, Any]:
        """Ray pickles callbacks beside its own state; a terminal and a pipe cannot be, and need not be."""
        return {**self.__dict__, "console": None, "live": None, "begun": _nothing}

    def __enter__(self) -> "Progress":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            self.live.stop()

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.running[trial.trial_id] = TrialFolder(Path(trial.config["folder"])).key
        self.configs[trial.trial_id] = TrialConfig.model_validate(trial.config["settings"]["config"])
        self.starts += 1
        if math.isnan(self.first_start):
            self.first_start = time.monotonic()
            self.begun()
        self.most_running = max(self.most_running, len(self.running))
        self._show()

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        self.worked += epoch_core_seconds(self.configs[trial.trial_id], int(result["epoch"]))
        if math.isfinite(result["seconds"]):
            self.trained_seconds += result["seconds"]
        self._weigh()
        self.rows[trial.trial_id] = result
        self._show()

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        result = TrialFolder(Path(trial.config["folder"])).result()
        if result is None:  # the end of a slice
            self._forget(trial)
            return
        self.ended += trial.config["settings"]["role"] != "warm_up"
        self._close(trial, result["status"], result["reason"])
        self._tabulate()

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        reason = _reason(trial)
        full = next((text for text in FULL if text in reason), "")  # a state is large: less may fit still
        self.unwritable = self.unwritable or full or why_unwritable(self.results)
        if self.unwritable:
            self._forget(trial)
            return
        self.failed += 1
        folder = TrialFolder(Path(trial.config["folder"]))
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            if folder.result() is None:  # else it died after its end
                folder.end("failed", self.objective, reason)
        except OSError as error:
            self.unwritable = str(error.strerror)
        self._close(trial, "failed", reason)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """As a Stopper: no single trial is stopped."""
        return False

    def stop_all(self) -> bool:
        """As a Stopper: whether the run must end."""
        return bool(self.unwritable)

    def _forget(self, trial: Trial) -> tuple[str, dict[str, Any]]:
        """Drop a trial from what runs; return its key and last result."""
        self.last_end = time.monotonic()
        self.configs.pop(trial.trial_id, None)
        return self.running.pop(trial.trial_id, trial.trial_id), self.rows.pop(trial.trial_id, {})

    def _close(self, trial: Trial, status: str, reason: str) -> None:
        key, row = self._forget(trial)
        if self.console is not None:
            accuracy = row.get("val_accuracy", math.nan)
            role = "warm-up " if trial.config["settings"]["role"] == "warm_up" else ""
            text = f"{role}{status}: {key}  validation accuracy {_number(accuracy)}{'  ' + reason if reason else ''}"
            self.console.print(
                text, style="red" if status in ("failed", "diverged") else None, highlight=False, markup=False
            )
        self.last_line = -math.inf
        self._show()

    def _tabulate(self) -> None:
        """Write the tables of what has ended, for a report while the study runs; at most 2 % of the time goes there."""
        started = time.monotonic()
        if started >= self.tabulate_from:
            try:
                write_tables(self.results)
            except OSError as error:
                self.unwritable = str(error.strerror)
            self.tabulate_from = time.monotonic() + max(TABULATE_EVERY, 50 * (time.monotonic() - started))

    def _weigh(self) -> None:
        if time.monotonic() - self.last_weighed > WEIGH_EVERY:
            self.peak_bytes = max(self.peak_bytes, tree_bytes())
            self.last_weighed = time.monotonic()

    def account(self) -> dict[str, float | int | None]:
        """What this run spent: seconds in epochs, seconds from the first trial's start to the last one's end,
        starts of a trial or slice, trials at once at the most, and bytes of memory at the most."""
        span = self.last_end - self.first_start
        return {
            "trained_seconds": round(self.trained_seconds, 2),
            "trials_seconds": None if math.isnan(span) else round(span, 2),
            "starts": self.starts,
            "most_running": self.most_running,
            "peak_memory_bytes": self.peak_bytes,
        }

    def _show(self) -> None:
        if self.live:
            self.live.update(self._table(), refresh=True)
        elif self.console is not None and time.monotonic() - self.last_line > PLAIN_EVERY:
            self.last_line = time.monotonic()
            self.console.print(self._summary(), highlight=False, markup=False)

    def _summary(self) -> str:
        elapsed = time.monotonic() - self.started
        left = elapsed / self.worked * (self.work - self.worked) if self.worked else 0.0
        remaining = f", about {duration(left)} left" if left > 0 else ""
        failed = f", {self.failed} failed" if self.failed else ""
        done = self.before + self.ended
        return (
            f"{len(self.running)} running, {done} of {self.total} done{failed}; {duration(elapsed)} elapsed{remaining}"
        )

    def _table(self) -> Table:
        table = Table(*COLUMNS, title=self._summary(), title_justify="left")
        for trial_id, key in self.running.items():
            row = self.rows.get(trial_id, {})
            training = row.get("config", {}).get("settings", {}).get("config", {}).get("training", {})
            table.add_row(
                key,
                _number(training.get("lambda", math.nan)),
                f"{training['lr']:.1e}" if training else "",
                f"{row['epoch']:.0f} / {training['epochs']}" if row else "starting",
                *(
                    _number(row.get(name, math.nan))
                    for name in ("generator_joint_loss", "discriminator_joint_loss", "val_accuracy")
                ),
            )
        return table


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"


def _reason(trial: Trial) -> str:
    """The last line of the error that Ray noted for a trial; what to change where memory ran out."""
    file = trial.error_file
    lines = (
        [line for line in Path(file).read_text().splitlines() if line.strip()] if file and Path(file).exists() else []
    )
    if any(text in line for line in lines for text in MEMORY):
        return f"{SMALLER} ({lines[-1].strip()})"
    return lines[-1].strip() if lines else "its worker ended without a word"
