"""A results folder as tables. Nothing here computes more than a column."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fer_tune.analysis.statistics import without_trend
from fer_tune.analysis.study_record import StudyRecord, column
from fer_tune.errors import UserError
from fer_tune.results.records import FORMAT_VERSION, Role, Status

FORMATS = ("png", "svg")  # of figures
ENDED = (Status.FINISHED, Status.STOPPED)
BROKEN = (Status.DIVERGED, Status.FAILED)
CLEAN_TEST_LABELS = "clean test labels"
SCORES = {"score": "objective", "ccc_score": "val_ccc", "test_score": "test_accuracy"}


class NothingToReport(UserError):
    """No trial of the folder has ended with a result, or the folder is not a results folder."""


@dataclass(frozen=True)
class Results:
    """One study's results.

    Attributes:
        path: the results folder.
        study: the study that was run.
        trials: one row a trial that has a result; its metrics are means over its last five epochs. `score` is what
            the study maximises: the objective, or its gain over the baseline; `ccc_score` and `test_score` are
            validation CCC and clean test accuracy, treated the same way. `condition` is what a trial is compared
            within: the values of the listed conditions, and a third of the range of a drawn one.
        epochs: one row an epoch of those trials.
        broken: one row a trial that diverged or failed.
        auxiliary: one row a trial that only served others: baselines of a gain, shared warm-ups.
        runs: the content of `run.json`, one entry a run of the study.
        environment: the content of `environment.json`.
        formats: of the figures that scripts write.
    """

    path: Path
    study: StudyRecord
    trials: pd.DataFrame
    epochs: pd.DataFrame
    broken: pd.DataFrame
    auxiliary: pd.DataFrame
    runs: list[dict[str, Any]]
    environment: dict[str, Any]
    formats: tuple[str, ...] = FORMATS

    @property
    def complete(self) -> bool:
        """Whether every trial of the study has ended."""
        return bool(self.runs) and bool(self.runs[-1]["complete"])

    @property
    def figures(self) -> Path:
        """The folder that figures are written to."""
        return self.path / "report" / "figures"

    @property
    def objective(self) -> str:
        """The metric that the study maximises."""
        return self.study.objective

    @property
    def label_sets(self) -> list[list[Any]]:
        """Kind and size of each label set, as the data were stored; empty where the data are gone."""
        for digest in self.environment["data_digests"]:
            about = self.path / "data" / digest / "dataset.json"
            if about.exists():
                return [[s["kind"], len(s["names"])] for s in json.loads(about.read_text())["label_sets"]]
        return []

    @property
    def clean(self) -> bool:
        """Whether the test labels are known to be clean: your own table need not say so."""
        dataset = self.study.section("dataset")
        if dataset["kind"] != "manifest":
            return True
        return bool(next(s for s in dataset["sets"] if s["kind"] == "categorical").get("clean"))

    @property
    def test_labels(self) -> str:
        """What the test split is scored on, in words."""
        return CLEAN_TEST_LABELS if self.clean else "test labels as given (possibly noisy)"

    @property
    def done(self) -> int:
        """How many trials have ended, well or badly; shared warm-ups are not counted."""
        served = self.auxiliary["role"] == Role.BASELINE
        broken = self.broken["role"] != Role.WARM_UP
        return len(self.trials) + int(served.sum()) + int(broken.sum())


def load(path: Path, formats: tuple[str, ...] = FORMATS) -> Results:
    """Read a results folder; of a study that still runs, the trials that have ended so far.

    Raises NothingToReport where the folder is not a results folder, has another format version, or holds no ended
    trial.
    """
    raw, environment, runs, trials, epochs = _read(path)
    if environment["format_version"] != FORMAT_VERSION:
        raise NothingToReport(f"{path} has format version {environment['format_version']}, not {FORMAT_VERSION}")
    study = StudyRecord.of(raw)
    written = trials["key"].isin(epochs["key"])  # a running study writes one table after the other
    ended = trials[trials["status"].isin(ENDED) & written]
    auxiliary, compared = ended[ended["role"] != Role.TRIAL], ended[ended["role"] == Role.TRIAL]
    if not compared.empty:
        compared = _scored(compared.copy(), auxiliary, study)
    if compared.empty:
        raise NothingToReport(f"no trial in {path} has ended yet")
    compared["condition"] = _conditions(compared, study)
    compared["configuration"] = compared["cell"] + " #" + compared["number"].astype(str)
    compared = _across_draws(compared, study)
    about = compared[["key", "condition", "configuration"]]
    epochs = epochs.drop(columns="condition").merge(about, on="key")
    broken = trials[trials["status"].isin(BROKEN)]
    return Results(path, study, compared, epochs, broken, auxiliary, runs, environment, formats)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]], pd.DataFrame, pd.DataFrame]:
    """study.json, environment.json, run.json, trials.csv and epochs.csv. Raises NothingToReport."""
    try:
        return (
            json.loads((path / "study.json").read_text(encoding="utf-8")),
            json.loads((path / "environment.json").read_text(encoding="utf-8")),
            json.loads((path / "run.json").read_text(encoding="utf-8")) if (path / "run.json").exists() else [],
            pd.read_csv(path / "trials.csv"),
            pd.read_csv(path / "epochs.csv"),
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        if (path / "study.json").exists():
            raise NothingToReport(f"no trial in {path} has ended yet") from None
        raise NothingToReport(f"{path} is not a results folder: {Path(error.filename).name} is missing") from None
    except pd.errors.EmptyDataError:
        raise NothingToReport(f"no trial in {path} has finished an epoch yet") from None


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


def listed(words: Sequence[str]) -> str:
    """Words in a list: `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def as_text(rows: list[dict[str, str]]) -> str:
    """Table rows as text, one line for each row: each filled cell after its column's name."""
    return "\n".join("  ".join(f"{k} {v}" for k, v in row.items() if v) for row in rows)


def _scored(trials: pd.DataFrame, auxiliary: pd.DataFrame, study: StudyRecord) -> pd.DataFrame:
    """Trials with their scores; where the study maximises a gain, those whose baseline has ended too."""
    for score, metric in SCORES.items():
        if score == "score" or metric in trials:
            trials[score] = trials[metric]
    return _gains(trials, auxiliary[auxiliary["role"] == Role.BASELINE]) if study.maximises_gain else trials


def _gains(trials: pd.DataFrame, baselines: pd.DataFrame) -> pd.DataFrame:
    """Trials whose baseline has ended too, every score less the baseline's."""
    keys = ["cell", "number", "seed"]
    metrics = [metric for metric in SCORES.values() if metric in baselines]
    paired = trials.merge(baselines[[*keys, *metrics]], on=keys, suffixes=("", "_baseline"))
    for score, metric in SCORES.items():
        if score in paired:
            paired[score] -= paired[f"{metric}_baseline"]
    return paired.drop(columns=[f"{metric}_baseline" for metric in metrics]).dropna(subset="score")


def _across_draws(trials: pd.DataFrame, study: StudyRecord) -> pd.DataFrame:
    """Make trials at different draws of a condition comparable, since less noise always scores more.

    Every λ of a grid shares the draws, so all draws of a cell are one configuration. Where λ is drawn too, scores are
    taken relative to their linear trend over the drawn conditions.
    """
    drawn = [column(setting) for setting in study.drawn]
    if not drawn:
        return trials
    if study.lambda_grid:
        return trials.assign(configuration=trials["cell"])
    for score in (name for name in SCORES if name in trials):
        for _, rows in trials.groupby("condition"):
            trials.loc[rows.index, score] = without_trend(rows[score].to_numpy(), rows[drawn].to_numpy())
    return trials


def _conditions(trials: pd.DataFrame, study: StudyRecord) -> pd.Series:
    """The name of the condition that each trial is compared within: listed values, and thirds of drawn ranges."""
    names = trials["condition"].astype(str).str.replace(",", ", ")
    for setting, (low, high) in study.drawn.items():
        third = ((trials[column(setting)] - low) / (high - low) * 3).clip(0, 2.999).astype(int)
        edges = [low + (high - low) * i / 3 for i in range(4)]
        labels = third.map(lambda i, n=setting.name, e=edges: f"{n} {e[i]:.2g} to {e[i + 1]:.2g}")
        names = labels if (names == "all").all() else names + ", " + labels
    return names


def argument_parser(description: str, program: str | None = None) -> argparse.ArgumentParser:
    """What every script takes: a results folder, and the formats of figures. `program` is its name in the usage."""
    parser = argparse.ArgumentParser(prog=program, description=description.strip().splitlines()[0])
    parser.add_argument("results", type=Path, help="a results folder, such as results/lambda_sweep")
    parser.add_argument(
        "--format", action="append", choices=("png", "svg", "pdf"), help="format of figures; may be given several times"
    )
    return parser


def script(description: str, show: Callable[[Results], str]) -> None:
    """Run one analysis alone: `python -m analysis.NAME results/NAME` prints what `show` returns."""
    options = argument_parser(description).parse_args()
    try:
        print(show(load(options.results, tuple(options.format or FORMATS))))
    except NothingToReport as nothing:
        print(nothing, file=sys.stderr)
        sys.exit(2)
