"""The results folder: the only contract between running and analysing a study. Format version 1.

    results/NAME/
      study.json            the resolved study (what `trial_config` is computed from)
      environment.json      format version, package versions, machine, git commit, data digests of the first run
      run.json              of each run of the study: environment, wall seconds, seconds in epochs and between
                            the first trial's start and the last one's end, starts of trials and slices, trials at
                            once, peak memory, outcome
      data/DIGEST/          images.npy (uint8, memory-mapped by trials), labels.npz, dataset.json
      data/digests.json     the digest of each data set specification of the study
      weights.json          the digest of each weight file that encoders start from, where there are any
      .lock                 held by the run that works on the folder; says which
      warm_start.json       what an earlier study's configurations were worth, where this one starts from it
      trials/KEY/           one trial; KEY is CELL,nNUMBER,sSEED[,baseline] or CONDITION,warm_up=DIGEST,sSEED
        trial.json          its role (trial, baseline, warm_up), cell, condition, suggestion, seed, configuration
        state.pt            everything to continue it, its history included (weights-only loading)
        history.csv         one row an epoch, derived from state.pt
        predictions.csv     the test split when finished: true label and prediction of each set
        predictions_validation.csv  when finished, the validation split: class predicted of the first categorical set
        labels.json         when finished: a digest of the noisy labels trained on; of the first categorical set the
                            classes, and counts of training labels given (columns) by known class (rows)
        result.json         only when it has ended: status, objective, epochs, seconds, reason
      trials.csv            one row a trial, from the folders above; while a study runs, of a moment ago
      epochs.csv            one row an epoch of a trial, from the folders above
      tensorboard/          event files, one folder a trial
      optuna.sqlite3        every search as an Optuna study (optuna-dashboard opens it)
      report/               index.html, report.md, figures
      recommendation.json   what the report recommends, for programs
      ray/                  Ray's own files, disposable

Every file is written to a temporary name, synced and renamed, so it is whole or not there. A trial's
folder is the only truth about it. Missing values are empty in CSV and null in JSON.
A warm-up is what trials that differ only in lambda have in common; they continue its state, and the
seconds of its epochs count in the warm-up alone.

`status` is finished, stopped (by a scheduler), diverged (it could no longer be read) or failed.
"""

import csv
import fcntl
import io
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any, Literal

FORMAT_VERSION = 1
LOCK_SECONDS = 30.0
LAST_EPOCHS = 5  # a trial's result is the mean of its last five epochs, declared beforehand
Status = Literal["finished", "stopped", "diverged", "failed"]




@dataclass(frozen=True)
class TrialFolder:
    """One trial's folder."""

    path: Path

    @property
    def key(self) -> str:
        return self.path.name

    @property
    def state(self) -> Path:
        return self.path / "state.pt"

    def has_settings(self) -> bool:
        """Whether the folder knows yet which trial it is."""
        return (self.path / "trial.json").exists()

    def settings(self) -> dict[str, Any]:
        return read_json(self.path / "trial.json")

    def result(self) -> dict[str, Any] | None:
        """How the trial ended, or None while it has not."""
        path = self.path / "result.json"
        return read_json(path) if path.exists() else None

    def lock(self, wait: float = LOCK_SECONDS) -> IO[str]:
        """Hold this folder against other processes; close what is returned to let go.

        Workers outlive a killed driver by seconds, so a held folder is waited for. Raises TimeoutError.
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
                    raise TimeoutError(f"{self.path} is held by another process") from None
                time.sleep(0.05)

    def history(self) -> list[dict[str, float]]:
        """One row an epoch; missing values are NaN. Raises Damaged."""
        path = self.path / "history.csv"
        if not path.exists():
            return []
        try:
            with open(path, newline="", encoding="utf-8") as file:
                return [_numbers(row) for row in csv.DictReader(file)]
        except (ValueError, csv.Error):
            raise Damaged(f"{path} is damaged: go on with --resume, which mends it") from None

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Create the folder with the trial's settings. Raises ValueError where it holds other ones."""
        path = self.path / "trial.json"
        if not self.has_settings():
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(path, settings)
        elif self.settings() != json.loads(json.dumps(settings)):
            raise ValueError(f"{path} belongs to another study: run with --restart, or under another name")

    def write_history(self, history: Sequence[Mapping[str, float]]) -> None:
        write_csv(self.path / "history.csv", history)

    def end(self, status: Status, objective: str, reason: str = "") -> dict[str, Any]:
        """Write how the trial ended; its objective is the metric's mean over the last five epochs."""
        history = self.history()
        values = [row[objective] for row in history[-LAST_EPOCHS:]] if status in ("finished", "stopped") else []
        value = sum(values) / len(values) if values else math.nan
        result = {
            "status": status,
            "objective": value if math.isfinite(value) else None,
            "metric": objective,
            "epochs": len(history),
            "seconds": sum(row["seconds"] for row in history),
            "reason": reason,
        }
        write_json(self.path / "result.json", result)
        return result


def _numbers(row: Mapping[Any, Any]) -> dict[str, float]:
    """A row of a history. Raises ValueError where it is not whole."""
    if None in row or None in row.values() or "epoch" not in row:
        raise ValueError
    return {name: float(text) if text else math.nan for name, text in row.items()}


def trial_folders(results: Path) -> list[TrialFolder]:
    """Every trial of a results folder whose settings are whole, in order of their keys."""
    paths = sorted((results / "trials").glob("*/trial.json"))
    return [TrialFolder(path.parent) for path in paths]


def ended_trials(results: Path) -> int:
    """How many trials have ended; warm-ups, which only serve others, do not count."""
    ended = [folder for folder in trial_folders(results) if folder.result() is not None]
    return sum(folder.settings()["role"] != "warm_up" for folder in ended)


























