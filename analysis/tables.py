"""A results folder as tables. Nothing here computes more than a column."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

FORMAT_VERSION = 1
ENDED = ("finished", "stopped")


class NothingToReport(Exception):
    """No trial of the folder has ended with a result, or the folder is no results folder."""


@dataclass(frozen=True)
class Results:
    """One study's results.

    Attributes:
        trials: one row a trial that has a result; its metrics are means over its last five epochs.
            `score` is what the study maximises: the objective, or its gain over the baseline.
            `panel` is the condition that a trial is compared within.
        epochs: one row an epoch of those trials.
        broken: one row a trial that diverged or failed.
        baselines: one row a trial at lambda = 0 that only served a gain.
    """

    path: Path
    study: dict[str, Any]
    trials: pd.DataFrame
    epochs: pd.DataFrame
    broken: pd.DataFrame
    baselines: pd.DataFrame
    runs: list[dict[str, Any]]
    environment: dict[str, Any]

    @property
    def complete(self) -> bool:
        return bool(self.runs) and bool(self.runs[-1]["complete"])

    @property
    def objective(self) -> str:
        return str(self.study["objective"])


def load(path: Path) -> Results:
    """Read a results folder.

    Raises NothingToReport where it is none, is of another format version, or holds no ended trial.
    """
    try:
        study = json.loads((path / "study.json").read_text())
        environment = json.loads((path / "environment.json").read_text())
        runs = json.loads((path / "run.json").read_text()) if (path / "run.json").exists() else []
        trials = pd.read_csv(path / "trials.csv")
        epochs = pd.read_csv(path / "epochs.csv")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NothingToReport(f"{path} is no results folder: {Path(error.filename).name} is missing") from None
    except pd.errors.EmptyDataError:
        raise NothingToReport(f"no trial in {path} has run an epoch yet") from None
    if environment["format_version"] != FORMAT_VERSION:
        raise NothingToReport(f"{path} has format version {environment['format_version']}, not {FORMAT_VERSION}")
    ended = trials[trials["status"].isin(ENDED)].copy()
    if ended.empty:
        raise NothingToReport(f"no trial in {path} has ended yet")
    baselines = ended[ended["baseline"]]
    ended = ended[~ended["baseline"]].copy()
    ended["score"] = ended["objective"] - _baseline_of(ended, baselines)
    ended["panel"] = _panels(ended, study)
    ended["configuration"] = ended["cell"] + " #" + ended["number"].astype(str)
    epochs = epochs.merge(ended[["key", "panel", "configuration"]], on="key")
    broken = trials[trials["status"].isin(("diverged", "failed"))]
    return Results(path, study, ended, epochs, broken, baselines, runs, environment)


def _baseline_of(trials: pd.DataFrame, baselines: pd.DataFrame) -> pd.Series:
    """The objective of each trial's baseline at lambda = 0, or 0 where the study has none."""
    if baselines.empty:
        return pd.Series(0.0, index=trials.index)
    keys = ["cell", "number", "seed"]
    values = trials[keys].merge(baselines[[*keys, "objective"]], on=keys, how="left")["objective"]
    return pd.Series(values.to_numpy(), index=trials.index)


def _panels(trials: pd.DataFrame, study: dict[str, Any]) -> pd.Series:
    """Within which trials compare: the condition, and a third of the range of a sampled one."""
    panels = trials["condition"].astype(str)
    for name, values in study["conditions"].items():
        if isinstance(values, dict):
            low, high = values["sample"]
            third = ((trials[name] - low) / (high - low) * 3).clip(0, 2.999).astype(int)
            edges = [low + (high - low) * i / 3 for i in range(4)]
            labels = third.map(lambda i, n=name, e=edges: f"{n} {e[i]:.2g} to {e[i + 1]:.2g}")
            panels = labels if (panels == "all").all() else panels + ", " + labels
    return panels


def script(description: str, show: Callable[[Results], str]) -> None:
    """Run one analysis alone: `python -m analysis.NAME results/NAME` prints what `show` returns."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("results", type=Path, help="a results folder, such as results/lambda_sweep")
    try:
        print(show(load(parser.parse_args().results)))
    except NothingToReport as nothing:
        print(nothing, file=sys.stderr)
        sys.exit(2)
