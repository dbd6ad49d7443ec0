"""What of a results folder is damaged, and setting it aside so that everything whole goes on.

A power cut, a full disk or a careless copy leaves files that are cut short or gone. None is deleted: it is renamed to
NAME.damaged, and what follows from it is computed anew.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fer_tune.results.folder import FORMAT_VERSION, TrialFolder
from fer_tune.results.files import Damaged, read_json

DERIVED = {
    "study.json": "it is written anew from the study file",
    "environment.json": "it is written anew",
    "run.json": "what earlier runs took is lost",
    "warm_start.json": "the earlier study is read again",
    "weights.json": "whether weight files have changed cannot be told",
    "data/digests.json": "the data are compared by their content",
}


AT_THE_END = ("predictions.csv", "predictions_validation.csv", "labels.json")
KEYS = {
    "study.json": {"name", "objective"},
    "environment.json": {"data_digests"},
    "digests.json": set(),
    "weights.json": set(),
    "trial.json": {"role", "cell", "condition_key", "number", "seed", "warm_up", "varied", "config"},
    "result.json": {"status", "objective", "metric", "epochs", "seconds", "reason"},
    "labels.json": {"digest"},
}


def wrong_version(results: Path) -> str:
    """Why another version of fer-tune must go on with a results folder; empty where this one can."""
    try:
        found = read_json(results / "environment.json")["format_version"]
    except (OSError, Damaged, KeyError, TypeError):
        return ""
    if found == FORMAT_VERSION:
        return ""
    return (
        f"{results} has format version {found}, and this fer-tune goes on with {FORMAT_VERSION} alone: use the version "
        f"that began it, or repeat the study: --from {results} with another --results"
    )


def mend(results: Path) -> list[str]:
    """Set aside every damaged piece of a results folder that is held; return a sentence on each."""
    return [*_mend_files(results), *_mend_data(results / "data"), *_mend_trials(results)]


def _mend_files(results: Path) -> Iterator[str]:
    for name, then in DERIVED.items():
        path = results / name
        if path.exists() and not whole(path):
            _set_aside(path)
            yield f"{name} was damaged: {then}"


def _mend_data(folder: Path) -> Iterator[str]:
    for path in sorted(p for p in folder.glob("[!.]*") if p.is_dir() and p.suffix != ".damaged"):
        try:
            np.load(path / "images.npy", mmap_mode="r", allow_pickle=False)
            sound = whole(path / "dataset.json") and zipfile.ZipFile(path / "labels.npz").testzip() is None
        except Exception:  # numpy reads a header as Python source, and fails in as many ways
            sound = False
        if not sound:
            _set_aside(path)
            yield f"data/{path.name} was damaged: the data are read anew"


def _mend_trials(results: Path) -> Iterator[str]:
    for path in sorted(p for p in (results / "trials").glob("*") if p.is_dir()):
        yield from (f"trials/{path.name}: {text}" for text in _mend_trial(TrialFolder(path)))


def _mend_trial(folder: TrialFolder) -> Iterator[str]:
    """A trial's state tells everything else: what is damaged is written anew from it. Without it the trial is lost."""
    names = ("trial.json", "result.json", "history.csv", *AT_THE_END)
    damaged = [name for name in names if (folder.path / name).exists() and not _readable(folder, name)]
    for name in damaged:
        _set_aside(folder.path / name)
    if (result := folder.result()) is not None:
        damaged += [] if folder.has_settings() else ["trial.json"]
        damaged += [] if len(folder.history()) == result["epochs"] else ["history.csv"]
        damaged = list(dict.fromkeys(damaged))
        if damaged:
            _set_aside(folder.path / "result.json")
    if damaged:
        yield f"{', '.join(damaged)} damaged or missing: written anew from its state"
    if folder.state.exists() and not _whole_state(folder):
        _set_aside(folder.state)
        ended = folder.result() is not None
        if not ended and (folder.path / "history.csv").exists():
            _set_aside(folder.path / "history.csv")
        yield "state.pt was damaged: " + ("its network is lost, its results are not" if ended else "it begins anew")


def whole(path: Path) -> bool:
    """Whether a JSON file can be read and holds what is asked of it."""
    try:
        found = read_json(path)
    except (OSError, Damaged):
        return False
    if path.name == "run.json":
        return isinstance(found, list) and all(isinstance(run, dict) for run in found)
    return path.name not in KEYS or (isinstance(found, dict) and KEYS[path.name] <= found.keys())


def _readable(folder: TrialFolder, name: str) -> bool:
    """Whether a trial's file is whole: JSON, or a table to the end of its last line."""
    path = folder.path / name
    if not name.endswith(".csv"):
        return whole(path)
    try:
        if name == "history.csv":
            folder.history()
        return path.read_bytes().endswith(b"\n") and _whole_length(folder, path)
    except (OSError, Damaged, TypeError):
        return False


def _whole_length(folder: TrialFolder, path: Path) -> bool:
    """Whether predictions of the validation split are there for all of it, as far as the trial tells."""
    if path.name != "predictions_validation.csv" or not whole(folder.path / "trial.json"):
        return True
    wanted = read_json(folder.path / "trial.json").get("validation_samples")
    return wanted is None or path.read_bytes().count(b"\n") == wanted + 1


def _whole_state(folder: TrialFolder) -> bool:
    """Whether the state is a whole archive; of a trial that has ended only whether it is one: only warm-ups are
    continued by others."""
    try:
        with zipfile.ZipFile(folder.state) as archive:
            few = folder.result() is not None and ",warm_up=" not in folder.key
            return few or archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def _set_aside(path: Path) -> None:
    target = path.with_name(f"{path.name}.damaged")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.{number}.damaged")
    path.rename(target)
