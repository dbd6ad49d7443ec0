"""One trial's folder, and all of a study's."""

import csv
import fcntl
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fer_tune.names import LAST_EPOCHS
from fer_tune.results.files import damaged, read_json, write_csv, write_json
from fer_tune.results.records import Role, Status, TrialRecord, TrialResult

LOCK_SECONDS = 30.0


@dataclass(frozen=True)
class TrialFolder:
    """One trial's folder: trials/KEY."""

    path: Path

    @property
    def key(self) -> str:
        """The trial's key, unique within its study."""
        return self.path.name

    @property
    def state(self) -> Path:
        """The file that holds everything needed to continue the trial."""
        return self.path / "state.pt"

    def has_record(self) -> bool:
        """Whether trial.json has been written."""
        return (self.path / "trial.json").exists()

    def record(self) -> TrialRecord:
        """What the trial is. Raises Damaged."""
        path = self.path / "trial.json"
        try:
            return TrialRecord.from_json(read_json(path))
        except (ValueError, TypeError):
            raise damaged(path) from None

    def result(self) -> TrialResult | None:
        """How the trial ended, or None while it has not. Raises Damaged."""
        path = self.path / "result.json"
        if not path.exists():
            return None
        try:
            return TrialResult.from_json(read_json(path))
        except (ValueError, TypeError):
            raise damaged(path) from None

    def has_ended(self) -> bool:
        """Whether the trial has ended, in whatever way."""
        return (self.path / "result.json").exists()

    def lock(self, wait: float = LOCK_SECONDS) -> IO[str]:
        """Lock this folder against other processes; close the returned file to release it.

        Workers outlive a killed driver by seconds, so this waits for a lock. Raises TimeoutError after `wait` seconds.
        """
        file = os.fdopen(os.open(self.path / ".lock", os.O_WRONLY | os.O_CREAT), "w")
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
            except BlockingIOError:
                if time.monotonic() > deadline:
                    file.close()
                    raise TimeoutError(f"{self.path} is locked by another process") from None
                time.sleep(0.05)

    def history(self) -> list[dict[str, float]]:
        """One row per epoch; missing values are NaN. Raises Damaged."""
        path = self.path / "history.csv"
        if not path.exists():
            return []
        try:
            with open(path, newline="", encoding="utf-8") as file:
                return [_numbers(row) for row in csv.DictReader(file)]
        except (ValueError, csv.Error):
            raise damaged(path) from None

    def begin(self, record: TrialRecord) -> None:
        """Create the folder with the trial's record. Raises ValueError where it holds another one."""
        if not self.has_record():
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(self.path / "trial.json", record.as_json())
        elif self.record() != record:
            raise ValueError(
                f"{self.path / 'trial.json'} belongs to another study: use --restart, or give this study another name"
            )

    def write_history(self, history: Sequence[Mapping[str, float]]) -> None:
        """Write one row per epoch."""
        write_csv(self.path / "history.csv", history)

    def end(self, status: Status, objective: str, reason: str = "") -> TrialResult:
        """Write how the trial ended; its objective is the metric's mean over the last five epochs."""
        history = self.history()
        scored = status in (Status.FINISHED, Status.STOPPED)
        values = [row[objective] for row in history[-LAST_EPOCHS:]] if scored else []
        value = sum(values) / len(values) if values else math.nan
        result = TrialResult(
            status=status,
            objective=value if math.isfinite(value) else None,
            metric=objective,
            epochs=len(history),
            seconds=sum(row["seconds"] for row in history),
            reason=reason,
        )
        write_json(self.path / "result.json", result.as_json())
        return result


def _numbers(row: Mapping[Any, Any]) -> dict[str, float]:
    """A row of a history. Raises ValueError where it is incomplete."""
    if None in row or None in row.values() or "epoch" not in row:
        raise ValueError("incomplete row")
    return {name: float(text) if text else math.nan for name, text in row.items()}


def trial_folders(results: Path) -> list[TrialFolder]:
    """Every trial of a results folder that has a record, in order of their keys."""
    paths = sorted((results / "trials").glob("*/trial.json"))
    return [TrialFolder(path.parent) for path in paths]


def ended_trials(results: Path) -> int:
    """How many trials have ended; warm-ups are not counted."""
    ended = [folder for folder in trial_folders(results) if folder.has_ended()]
    return sum(folder.record().role is not Role.WARM_UP for folder in ended)


def failed_trials(results: Path) -> list[TrialFolder]:
    """The trials whose worker failed."""
    return [f for f in trial_folders(results) if (end := f.result()) is not None and end.status is Status.FAILED]
