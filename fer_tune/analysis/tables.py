"""Reads a results folder as tables. Nothing here computes more than a column."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_tune.analysis.blocks import whole_blocks
from fer_tune.analysis.gaps import Gap, Kind, counted, listed
from fer_tune.analysis.reading import (
    Environment,
    NothingToReport,
    damaged,
    read_environment,
    read_prior,
    read_runs,
    read_study,
    read_table,
)
from fer_tune.analysis.results import FORMATS, Results, are_complete, description_of, stored_label_sets
from fer_tune.analysis.statistics import without_trend
from fer_tune.analysis.study_record import StudyRecord, column
from fer_tune.analysis.text import visible
from fer_tune.decision.stationarity import LOSSES
from fer_tune.errors import UserError
from fer_tune.results.records import FORMAT_VERSION, Role, Status

UNFINISHED = "unfinished"  # the status in trials.csv of a trial that has not ended
IDENTITY = ("key", "cell", "condition", "number", "seed", "role", "status", "lambda", "lr", "epochs")
NUMBERS = {
    "number", "seed", "lambda", "lr", "epoch", "epochs", "seconds", "objective", "accuracy_shrinkage",
    "validation_samples", "task_loss", "prediction_changes", "susceptibility", *LOSSES.values(),
}  # fmt: skip
OPTIONAL = ("warm_up", "test_accuracy", *LOSSES.values())  # columns that are missing values where they are not there
ENDED = (Status.FINISHED, Status.STOPPED)
BROKEN = (Status.DIVERGED, Status.FAILED)
SCORES = {"score": "objective", "ccc_score": "val_ccc", "test_score": "test_accuracy"}


def load(path: Path, formats: tuple[str, ...] = FORMATS) -> Results:
    """Read a results folder; of a study that still runs, the trials that have ended so far.

    Raises NothingToReport where the folder is not a results folder, has another format version, or holds no ended
    trial.
    """
    gaps: list[Gap] = []
    study, version, environment, trials, epochs = _read(path, gaps)
    if version not in (FORMAT_VERSION, None):
        raise NothingToReport(f"{path} has format version {version}, not {FORMAT_VERSION}")
    runs = read_runs(path, gaps)
    for digest in environment.digests:
        if stored_label_sets(path, digest) is None:
            why = (
                f"{description_of(path, digest)} is damaged. Resume the study with --resume, which reads the data again"
            )
            gaps.append(Gap("Label sets of the data, and equal images in them", why, Kind.FAILED))
    gaps += _left_out(path, trials, finished=runs is not None and are_complete(runs))
    ended = trials[trials["status"].isin(ENDED)]
    auxiliary, compared = ended[ended["role"] != Role.TRIAL], ended[ended["role"] == Role.TRIAL]
    if compared.empty:
        raise NothingToReport(f"no trial in {path} has ended yet")
    compared = _scored(path, compared.copy(), auxiliary, study, gaps)
    compared["condition"] = _conditions(compared, study)
    compared["configuration"] = compared["cell"] + " #" + compared["number"].astype(str)
    compared = _across_draws(compared, study)
    about = compared[["key", "condition", "configuration"]]
    served = epochs[epochs["key"].isin(auxiliary["key"])]
    epochs = epochs.drop(columns="condition").merge(about, on="key")
    broken = trials[trials["status"].isin(BROKEN)]
    broken, auxiliary = (rows.assign(condition=_conditions(rows, study)) for rows in (broken, auxiliary))
    prior = read_prior(path, gaps)
    found = Results(
        path, study, compared, epochs, broken, auxiliary, served, runs, environment, prior, tuple(gaps), formats
    )
    return whole_blocks(found)


def _read(path: Path, gaps: list[Gap]) -> tuple[StudyRecord, Any, Environment, pd.DataFrame, pd.DataFrame]:
    """The study, the format version, the environment, trials.csv and epochs.csv. Raises NothingToReport."""
    try:
        study = _study(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NothingToReport(f"{path} is not a results folder: study.json is missing") from None
    version, environment = read_environment(path, gaps)
    if version not in (FORMAT_VERSION, None):
        return study, version, environment, pd.DataFrame(), pd.DataFrame()
    try:
        trials = read_table(path / "trials.csv", IDENTITY, _is_number)
        epochs = read_table(path / "epochs.csv", ("key", "condition", "epoch", "lambda", "seconds"), _is_number)
    except FileNotFoundError:
        raise NothingToReport(f"no trial in {path} has ended yet") from None
    _check(path, study, trials, epochs, gaps)
    for table in (trials, epochs):
        for name in OPTIONAL:
            if name not in table:
                table[name] = np.nan
    for name in ("accuracy_shrinkage", "validation_samples", "reason"):
        if name not in trials:
            trials[name] = np.nan
    return study, version, environment, trials, epochs


def _is_number(name: str) -> bool:
    return name in NUMBERS or name.startswith(("test_", "val_"))


def _study(path: Path) -> StudyRecord:
    """The study of a results folder. Raises NothingToReport, and FileNotFoundError where there is none."""
    try:
        return StudyRecord.of(read_study(path))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, NothingToReport):
            raise
        raise damaged(path / "study.json", f"it is not a study as fer-tune writes it ({error})") from None


def _check(path: Path, study: StudyRecord, trials: pd.DataFrame, epochs: pd.DataFrame, gaps: list[Gap]) -> None:
    """Raise NothingToReport where the tables cannot be those of the study; add columns that are missing to the gaps."""
    for name, table, keys in (("trials.csv", trials, ["key"]), ("epochs.csv", epochs, ["key", "epoch"])):
        if (twice := table.duplicated(keys)).any():
            raise damaged(path / name, f"{listed(table.loc[twice, 'key'])} is there twice")
    ended = trials[trials["status"].isin(ENDED)]
    if ended.empty:
        return
    wanted = [column(setting) for setting in study.conditions]
    for name, table, needed in (
        ("trials.csv", trials, ["objective", "seconds", *wanted]), ("epochs.csv", epochs, [study.objective])
    ):  # fmt: skip
        if lacking := [each for each in needed if each not in table]:
            raise damaged(path / name, f"it has no column {listed(lacking)}")
    found = ended["key"].map(epochs["key"].value_counts()).fillna(0)
    if (cut := found < ended["epochs"]).any():
        place = int(cut.to_numpy().argmax())
        counts = f"{found.iloc[place]:.0f} of {ended['epochs'].iloc[place]:.0f} epochs"
        raise damaged(path / "epochs.csv", f"it has {counts} of {listed([ended['key'].iloc[place]])}")
    if "test_accuracy" not in trials:
        gaps.append(Gap("Accuracy on the test labels", "trials.csv has no column test_accuracy", Kind.LEFT_OUT))


def _left_out(path: Path, trials: pd.DataFrame, finished: bool) -> list[Gap]:
    """The trials that do not count, and why."""
    unknown = ~trials["role"].isin(list(Role)) | ~trials["status"].isin([*Status, UNFINISHED])
    unfinished = trials[(trials["status"] == UNFINISHED) & ~unknown]
    folders = {place.name for place in (path / "trials").glob("[!.]*") if place.is_dir()}
    unlisted = sorted(folders - set(trials["key"])) if finished else []  # while a study runs, its tables lag behind
    return [
        Gap(f"{counted(len(rows), 'trial')} ({listed(rows)})", why, Kind.LEFT_OUT)
        for rows, why in (
            (trials.loc[unknown, "key"].tolist(), "this version does not know their role or status"),
            (unfinished["key"].tolist(), "they have not ended, so they do not count yet"),
            (unlisted, "they are not in trials.csv, so their trial.json is damaged or missing. Resume with --resume"),
        )
        if rows
    ]


def with_interval(mean: float, low: float, high: float, sign: str = "") -> str:
    """A mean and its interval in words, the mean alone where there is none; empty for a missing mean.

    `sign` is "+" for differences.
    """
    if mean != mean:
        return ""
    return f"{mean:{sign}.3f}" + (f" ({low:{sign}.3f} to {high:{sign}.3f})" if low == low else "")


def as_text(rows: list[dict[str, str]]) -> str:
    """Table rows as text, one line for each row: each filled cell after its column's name."""
    return "\n".join("  ".join(f"{k} {v}" for k, v in row.items() if v) for row in rows)


def _scored(
    path: Path, trials: pd.DataFrame, auxiliary: pd.DataFrame, study: StudyRecord, gaps: list[Gap]
) -> pd.DataFrame:
    """The trials that have a score. Raises NothingToReport where none has; adds those without to the gaps."""
    for score, metric in SCORES.items():
        if score == "score" or metric in trials:
            trials[score] = trials[metric]
    found, why = trials, f"they have no {study.objective}, which the study maximises"
    if study.maximises_gain:
        found = _gains(trials, auxiliary[auxiliary["role"] == Role.BASELINE])
        why = "their baseline at λ = 0 has not ended, or either has no score, so their gain is unknown"
    found = found.dropna(subset="score")
    without = trials.loc[~trials["key"].isin(found["key"]), "key"].tolist()
    if found.empty:
        if study.maximises_gain:
            raise NothingToReport(f"no trial in {path} has a gain: no baseline at λ = 0 with a score has ended yet")
        raise NothingToReport(f"no trial in {path} has a value of {study.objective}, which the study maximises")
    if without:
        gaps.append(Gap(f"{counted(len(without), 'trial')} ({listed(without)})", why, Kind.LEFT_OUT))
    return found


def _gains(trials: pd.DataFrame, baselines: pd.DataFrame) -> pd.DataFrame:
    """Trials whose baseline has ended too, every score less the baseline's."""
    keys = ["cell", "number", "seed"]
    metrics = [metric for metric in SCORES.values() if metric in baselines]
    paired = trials.merge(baselines[[*keys, *metrics]], on=keys, suffixes=("", "_baseline"))
    for score, metric in SCORES.items():
        if score in paired:
            paired[score] -= paired[f"{metric}_baseline"]
    return paired.drop(columns=[f"{metric}_baseline" for metric in metrics])


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
        third = ((trials[column(setting)] - low) / (high - low) * 3).clip(0, 2.999).fillna(0).astype(int)
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
        results = load(options.results, tuple(options.format or FORMATS))
        for gap in results.gaps:
            print(gap.text(), file=sys.stderr)
        print(visible(show(results)))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"{error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)
