"""trials.csv and epochs.csv: the tables of a results folder, derived from its trial folders."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_tune.names import LAST_EPOCHS
from fer_tune.results.files import write_csv
from fer_tune.results.folder import TrialFolder, trial_folders

REFRESH_SECONDS = 10.0  # between tables of a running study, at least
MOST_TIME = 0.02  # share of the time that refreshing may take


def write_tables(results: Path) -> None:
    """Rebuild trials.csv and epochs.csv from the trial folders."""
    trials, epochs = [], []
    for folder in trial_folders(results):
        history, about = folder.history(), _about(folder)
        trials.append({**about, **_outcome(folder, history), **_means(history)})
        epochs += [{**about, **row} for row in history]
    write_csv(results / "epochs.csv", epochs)
    write_csv(results / "trials.csv", trials)


class TableRefresher:
    """Keeps the tables of a running study fresh, so that it can be reported on meanwhile."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._due = -math.inf

    def refresh(self) -> None:
        """Write the tables unless they are fresh. Raises OSError where they cannot be written."""
        started = time.monotonic()
        if started < self._due:
            return
        write_tables(self._results)
        spent = time.monotonic() - started
        self._due = time.monotonic() + max(REFRESH_SECONDS, spent / MOST_TIME)


def _about(folder: TrialFolder) -> dict[str, Any]:
    """The columns that say which trial it is."""
    record = folder.record()
    training = record.config["training"]
    return {
        "key": folder.key,
        "cell": record.cell,
        "condition": record.condition_key,
        "number": record.number,
        "seed": record.seed,
        "role": record.role,
        "warm_up": record.warm_up,
        "accuracy_shrinkage": record.accuracy_shrinkage,
        "validation_samples": record.validation_samples,
        **{name: value for name, value in record.varied.items() if name not in ("lambda", "lr")},
        "lambda": training["lambda"],
        "lr": training["lr"],
    }


def _outcome(folder: TrialFolder, history: list[dict[str, float]]) -> dict[str, Any]:
    result = folder.result()
    if result is None:
        return {"status": "unfinished", "epochs": len(history)}
    return _without(result.as_json(), "metric")


def _means(history: list[dict[str, float]]) -> dict[str, float]:
    """Every metric's mean over the last five epochs."""
    last = history[-LAST_EPOCHS:]
    names = [name for name in (last[-1] if last else {}) if name not in ("epoch", "seconds")]
    return {name: sum(row[name] for row in last) / len(last) for name in names}


def _without(row: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k != key}
