"""A results folder as tables. Nothing here computes more than a column."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fer_tune.analysis.statistics import without_trend

FORMAT_VERSION = 1
ENDED = ("finished", "stopped")
NAMES = {  # short names of settings in a study file
    "lambda": "training.lambda",
    "lr": "training.lr",
    "noise_ratio": "noise.ratio",
    "noise_kind": "noise.kind",
    "method": "training.method",
}
SCORES = {"score": "objective", "ccc_score": "val_ccc", "test_score": "test_accuracy"}


class NothingToReport(Exception):
    """No trial of the folder has ended with a result, or the folder is no results folder."""


@dataclass(frozen=True)
class Results:
    """One study's results.

    Attributes:
        trials: one row a trial that has a result; its metrics are means over its last five epochs.
            `score` is what the study maximises: the objective, or its gain over the baseline; `ccc_score`
            and `test_score` are validation CCC and clean test accuracy seen the same way.
            `panel` is the condition that a trial is compared within.
        epochs: one row an epoch of those trials.
        broken: one row a trial that diverged or failed.
        aside: one row a trial that only served others: baselines of a gain, shared warm-ups.
        formats: of the figures that scripts write.
    """

    path: Path
    study: dict[str, Any]
    trials: pd.DataFrame
    epochs: pd.DataFrame
    broken: pd.DataFrame
    aside: pd.DataFrame
    runs: list[dict[str, Any]]
    environment: dict[str, Any]
    formats: tuple[str, ...] = ("png", "svg")

    @property
    def complete(self) -> bool:
        return bool(self.runs) and bool(self.runs[-1]["complete"])

    @property
    def figures(self) -> Path:
        """Where figures go."""
        return self.path / "report" / "figures"

    @property
    def objective(self) -> str:
        return str(self.study["objective"])

    @property
    def label_sets(self) -> list[list[Any]]:
        """Kind and size of each label set, as its data were stored; empty where they are gone."""
        for digest in self.environment["data_digests"]:
            about = self.path / "data" / digest / "dataset.json"
            if about.exists():
                return [[s["kind"], len(s["names"])] for s in json.loads(about.read_text())["label_sets"]]
        return []

    @property
    def test_labels(self) -> str:
        """What the test split is scored against, in words: a table of one's own need not say which labels are right."""
        dataset = self.study["dataset"]
        if dataset["kind"] != "manifest":
            return "clean test labels"
        first = next(s for s in dataset["sets"] if s["kind"] == "categorical")
        return "clean test labels" if first.get("clean") else "test labels as given, noisy perhaps"


def load(path: Path, formats: tuple[str, ...] = ("png", "svg")) -> Results:
    """Read a results folder, of a study that still runs too: what has ended so far.

    Raises NothingToReport where it is none, is of another format version, or holds no ended trial.
    """
    try:
        study = json.loads((path / "study.json").read_text())
        environment = json.loads((path / "environment.json").read_text())
        runs = json.loads((path / "run.json").read_text()) if (path / "run.json").exists() else []
        trials = pd.read_csv(path / "trials.csv")
        epochs = pd.read_csv(path / "epochs.csv")
    except (FileNotFoundError, NotADirectoryError) as error:
        if (path / "study.json").exists():
            raise NothingToReport(f"no trial in {path} has ended yet") from None
        raise NothingToReport(f"{path} is no results folder: {Path(error.filename).name} is missing") from None
    except pd.errors.EmptyDataError:
        raise NothingToReport(f"no trial in {path} has run an epoch yet") from None
    if environment["format_version"] != FORMAT_VERSION:
        raise NothingToReport(f"{path} has format version {environment['format_version']}, not {FORMAT_VERSION}")
    written = trials["key"].isin(epochs["key"])  # a study that runs writes one table after the other
    ended = trials[trials["status"].isin(ENDED) & written]
    if ended.empty:
        raise NothingToReport(f"no trial in {path} has ended yet")
    aside = ended[ended["role"] != "trial"]
    ended = ended[ended["role"] == "trial"].copy()
    for score, metric in SCORES.items():
        if score == "score" or metric in ended:
            ended[score] = ended[metric]
    if maximises_gain(study):
        ended = _gains(ended, aside[aside["role"] == "baseline"])
    if ended.empty:
        raise NothingToReport(f"no trial in {path} has ended yet")
    ended["panel"] = _panels(ended, study)
    ended["configuration"] = ended["cell"] + " #" + ended["number"].astype(str)
    if sampled := drawn(study):
        ended = _across_draws(ended, sampled, study)
    epochs = epochs.merge(ended[["key", "panel", "configuration"]], on="key")
    broken = trials[trials["status"].isin(("diverged", "failed"))]
    return Results(path, study, ended, epochs, broken, aside, runs, environment, formats)


def named(settings: Iterable[str], full_name: str) -> str | None:
    """Under which of its names a setting is listed among conditions or what is searched; None where it is not."""
    return next((name for name in settings if NAMES.get(name, name) == full_name), None)


def maximises_gain(study: dict[str, Any]) -> bool:
    """Whether a (resolved) study optimises the noise ratio, so that its scores are gains over lambda = 0."""
    return named(study["search"], "noise.ratio") is not None


def lambda_grid(study: dict[str, Any]) -> list[float]:
    """The lambdas of a study's grid, run or not; none where lambda is searched or not varied."""
    dimension = study["search"].get(named(study["search"], "training.lambda"), {})
    return [float(lam) for lam in dimension.get("grid") or ()]


def drawn(study: dict[str, Any]) -> list[str]:
    """The conditions that are drawn from a range; the others are listed."""
    return [name for name, values in study["conditions"].items() if isinstance(values, dict)]


def listed(study: dict[str, Any]) -> list[str]:
    """The conditions whose values are listed."""
    return [name for name in study["conditions"] if name not in drawn(study)]


def first_set(predictions: pd.DataFrame) -> tuple[str, list[str]]:
    """The first categorical set of a predictions table, and its class names."""
    columns = [str(c) for c in predictions]
    sets = [c.removesuffix("_predicted") for c in columns if c.endswith("_predicted")]
    name = next(s for s in sets if any(c.startswith(f"{s}_p_") for c in columns))
    return name, [c.removeprefix(f"{name}_p_") for c in columns if c.startswith(f"{name}_p_")]


def predictions(results: Results, key: str) -> pd.DataFrame | None:
    """A trial's test predictions by sample index, or None where it wrote none."""
    path = results.path / "trials" / key / "predictions.csv"
    return pd.read_csv(path, index_col="index") if path.exists() else None


def with_interval(mean: float, low: float, high: float, sign: str = "") -> str:
    """A mean and its interval in words, the mean alone where there is none. `sign` is "+" for differences."""
    return f"{mean:{sign}.3f}" + (f" ({low:{sign}.3f} to {high:{sign}.3f})" if low == low else "")


def _gains(trials: pd.DataFrame, baselines: pd.DataFrame) -> pd.DataFrame:
    """Trials whose baseline has ended too, every score less the baseline's."""
    keys = ["cell", "number", "seed"]
    metrics = [metric for metric in SCORES.values() if metric in baselines]
    paired = trials.merge(baselines[[*keys, *metrics]], on=keys, suffixes=("", "_baseline"))
    for score, metric in SCORES.items():
        if score in paired:
            paired[score] -= paired[f"{metric}_baseline"]
    return paired.drop(columns=[f"{metric}_baseline" for metric in metrics]).dropna(subset="score")


def _across_draws(trials: pd.DataFrame, sampled: list[str], study: dict[str, Any]) -> pd.DataFrame:
    """Make trials at different draws of a condition comparable, since less noise always scores more.

    Every lambda of a grid shares the draws, so all draws of a cell are one configuration. Where lambda is
    drawn too, scores are taken relative to their linear trend over the sampled conditions.
    """
    if lambda_grid(study):
        return trials.assign(configuration=trials["cell"])
    for score in (name for name in SCORES if name in trials):
        for _, rows in trials.groupby("panel"):
            trials.loc[rows.index, score] = without_trend(rows[score].to_numpy(), rows[sampled].to_numpy())
    return trials


def _panels(trials: pd.DataFrame, study: dict[str, Any]) -> pd.Series:
    """Within which trials compare: the condition, and a third of the range of a sampled one."""
    panels = trials["condition"].astype(str).str.replace(",", ", ")
    for name in drawn(study):
        low, high = study["conditions"][name]["sample"]
        third = ((trials[name] - low) / (high - low) * 3).clip(0, 2.999).astype(int)
        edges = [low + (high - low) * i / 3 for i in range(4)]
        labels = third.map(lambda i, n=name, e=edges: f"{n} {e[i]:.2g} to {e[i + 1]:.2g}")
        panels = labels if (panels == "all").all() else panels + ", " + labels
    return panels


def argument_parser(description: str) -> argparse.ArgumentParser:
    """What every script takes: a results folder, and in which formats it writes figures."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("results", type=Path, help="a results folder, such as results/lambda_sweep")
    parser.add_argument("--format", action="append", choices=("png", "svg", "pdf"), help="of figures; may be repeated")
    return parser


def script(description: str, show: Callable[[Results], str]) -> None:
    """Run one analysis alone: `python -m analysis.NAME results/NAME` prints what `show` returns."""
    options = argument_parser(description).parse_args()
    try:
        print(show(load(options.results, tuple(options.format or ("png", "svg")))))
    except NothingToReport as nothing:
        print(nothing, file=sys.stderr)
        sys.exit(2)
