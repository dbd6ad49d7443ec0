"""Finds damaged files in a results folder and sets them aside, so that everything else can go on.

A power cut, a full disk or a careless copy leaves files that are cut short or missing. Nothing is deleted: a damaged
file is renamed to NAME.damaged, and what can be computed again is.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fer_tune.results.files import Damaged, read_json
from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import FORMAT_VERSION

CONSEQUENCES = {  # of a damaged file, by its name in the results folder
    "study.json": "it is written again from the study file",
    "environment.json": "it is written again",
    "run.json": "how long earlier runs took is lost",
    "warm_start.json": "the earlier study is read again",
    "weights.json": "changes of weight files since the study began cannot be detected",
    "data/digests.json": "the data are compared by their content",
}
WRITTEN_AT_END = ("predictions.csv", "predictions_validation.csv", "labels.json")
REQUIRED_KEYS = {
    "study.json": {"name", "objective"},
    "environment.json": {"data_digests"},
    "digests.json": set(),
    "weights.json": set(),
    "trial.json": {"role", "cell", "condition_key", "number", "seed", "warm_up", "varied", "config"},
    "result.json": {"status", "objective", "metric", "epochs", "seconds", "reason"},
    "labels.json": {"digest"},
}


def version_problem(results: Path) -> str:
    """Why this version of fer-tune cannot resume a results folder; empty where it can."""
    try:
        found = read_json(results / "environment.json")["format_version"]
    except (OSError, Damaged, KeyError, TypeError):
        return ""
    if found == FORMAT_VERSION:
        return ""
    return (
        f"{results} has format version {found}, and this fer-tune only resumes version {FORMAT_VERSION}: use the "
        f"fer-tune that began it, or repeat the study with --from {results} and another --results"
    )


def repair(results: Path) -> list[str]:
    """Set aside every damaged file of a locked results folder; return one sentence about each."""
    return [*_repair_files(results), *_repair_data(results / "data"), *_repair_trials(results)]


def _repair_files(results: Path) -> Iterator[str]:
    for name, consequence in CONSEQUENCES.items():
        path = results / name
        if path.exists() and not is_whole(path):
            _set_aside(path)
            yield f"{name} was damaged: {consequence}"


def _repair_data(folder: Path) -> Iterator[str]:
    for path in sorted(p for p in folder.glob("[!.]*") if p.is_dir() and p.suffix != ".damaged"):
        try:
            np.load(path / "images.npy", mmap_mode="r", allow_pickle=False)
            sound = is_whole(path / "dataset.json") and zipfile.ZipFile(path / "labels.npz").testzip() is None
        except Exception:  # numpy parses a header as Python source, which fails in many ways
            sound = False
        if not sound:
            _set_aside(path)
            yield f"data/{path.name} was damaged: the data are read again"


def _repair_trials(results: Path) -> Iterator[str]:
    for path in sorted(p for p in (results / "trials").glob("*") if p.is_dir()):
        yield from (f"trials/{path.name}: {text}" for text in _repair_trial(TrialFolder(path)))


def _repair_trial(folder: TrialFolder) -> Iterator[str]:
    """Everything else is written again from a trial's state; without it the trial starts over."""
    names = ("trial.json", "result.json", "history.csv", *WRITTEN_AT_END)
    damaged = [name for name in names if (folder.path / name).exists() and not _is_readable(folder, name)]
    for name in damaged:
        _set_aside(folder.path / name)
    if (result := folder.result()) is not None:
        damaged += [] if folder.has_record() else ["trial.json"]
        damaged += [] if len(folder.history()) == result.epochs else ["history.csv"]
        damaged = list(dict.fromkeys(damaged))
        if damaged:
            _set_aside(folder.path / "result.json")
    if damaged:
        yield f"{', '.join(damaged)} damaged or missing: written again from its state"
    if folder.state.exists() and not _is_whole_state(folder):
        _set_aside(folder.state)
        ended = folder.has_ended()
        if not ended and (folder.path / "history.csv").exists():
            _set_aside(folder.path / "history.csv")
        yield "state.pt was damaged: " + ("its network is lost, its results are kept" if ended else "it starts over")


def is_whole(path: Path) -> bool:
    """Whether a JSON file of a results folder can be read and has the keys it needs."""
    try:
        found = read_json(path)
    except (OSError, Damaged):
        return False
    if path.name == "run.json":
        return isinstance(found, list) and all(isinstance(run, dict) for run in found)
    return path.name not in REQUIRED_KEYS or (isinstance(found, dict) and REQUIRED_KEYS[path.name] <= found.keys())


def _is_readable(folder: TrialFolder, name: str) -> bool:
    """Whether a trial's file is whole: JSON, or a table to the end of its last line."""
    path = folder.path / name
    if not name.endswith(".csv"):
        return is_whole(path) and _is_record(folder, name)
    try:
        if name == "history.csv":
            folder.history()
        return path.read_bytes().endswith(b"\n") and _is_whole_length(folder, path)
    except (OSError, Damaged, TypeError):
        return False


def _is_record(folder: TrialFolder, name: str) -> bool:
    readers = {"trial.json": folder.record, "result.json": folder.result}
    try:
        readers.get(name, lambda: None)()
    except Damaged:
        return False
    return True


def _is_whole_length(folder: TrialFolder, path: Path) -> bool:
    """Whether predictions of the validation split cover all of it, as far as trial.json tells."""
    if path.name != "predictions_validation.csv" or not is_whole(folder.path / "trial.json"):
        return True
    wanted = read_json(folder.path / "trial.json").get("validation_samples")
    return wanted is None or path.read_bytes().count(b"\n") == wanted + 1


def _is_whole_state(folder: TrialFolder) -> bool:
    """Whether the state is a whole archive.

    Of a trial that has ended only the archive's index is read: other trials continue from warm-ups alone.
    """
    try:
        with zipfile.ZipFile(folder.state) as archive:
            is_final = folder.has_ended() and ",warm_up=" not in folder.key
            return is_final or archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def _set_aside(path: Path) -> None:
    target = path.with_name(f"{path.name}.damaged")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.{number}.damaged")
    path.rename(target)
