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
PACKAGES = ("fer-tune", "torch", "torchvision", "ray", "optuna", "numpy", "pandas", "pydantic", "torchmetrics", "scipy")
Status = Literal["finished", "stopped", "diverged", "failed"]


class Damaged(ValueError):
    """A file of a results folder that is not whole; the message names it."""


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


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a file whole or not at all: temporary name, sync, rename, sync of the folder."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def why_unwritable(folder: Path) -> str:
    """Why nothing can be written into a results folder; empty where it can.

    A worker that starts makes its trial's folder anew, so what has vanished is told by the study's own file.
    """
    if not (folder / "study.json").exists():
        return "the folder has vanished"
    try:
        write_atomically(folder / ".probe", bytes(2**16))
        (folder / ".probe").unlink()
    except OSError as error:
        return str(error.strerror)
    return ""


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically. Raises ValueError for NaN and infinities: write None for a missing value."""
    write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode())


def read_json(path: Path) -> Any:
    """Read a JSON file of this folder. Raises Damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise Damaged(f"{path} is damaged: go on with --resume, which mends it") from None


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows under the union of their keys; NaN and None are empty."""
    text = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    write_atomically(path, text.getvalue().encode())


def _cell(value: Any) -> Any:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


def write_tables(results: Path) -> None:
    """Rebuild trials.csv and epochs.csv from the trial folders."""
    trials, epochs = [], []
    for folder in trial_folders(results):
        settings, history = folder.settings(), folder.history()
        result = folder.result() or {"status": "unfinished", "epochs": len(history)}
        about = {
            "key": folder.key,
            "cell": settings["cell"],
            "condition": settings["condition_key"],
            "number": settings["number"],
            "seed": settings["seed"],
            "role": settings["role"],
            "warm_up": settings["warm_up"],
            "accuracy_shrinkage": settings["accuracy_shrinkage"],
            "validation_samples": settings["validation_samples"],
            **{name: value for name, value in settings["varied"].items() if name not in ("lambda", "lr")},
            "lambda": settings["config"]["training"]["lambda"],
            "lr": settings["config"]["training"]["lr"],
        }
        last = history[-LAST_EPOCHS:]
        names = [name for name in (last[-1] if last else {}) if name != "epoch"]
        means = {name: sum(row[name] for row in last) / len(last) for name in names}
        trials.append({**about, **{k: v for k, v in result.items() if k != "metric"}, **_drop(means, "seconds")})
        epochs += [{**about, **row} for row in history]
    write_csv(results / "epochs.csv", epochs)
    write_csv(results / "trials.csv", trials)


def _drop(row: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k != key}


def write_tensorboard(results: Path) -> None:
    """Rebuild the TensorBoard event files, one run a trial, from the trial folders."""
    from tensorboard.summary import Writer  # type: ignore[import-untyped]

    for folder in trial_folders(results):
        target = results / "tensorboard" / folder.key
        history = folder.history()
        if (target / f"epochs-{len(history)}").exists():
            continue
        for old in target.glob("*"):
            old.unlink()
        with closing(Writer(str(target))) as writer:
            for row in history:
                for name, value in row.items():
                    if name != "epoch" and not math.isnan(value):
                        writer.add_scalar(name, value, int(row["epoch"]))
        (target / f"epochs-{len(history)}").touch()


def environment(digests: Iterable[str]) -> dict[str, Any]:
    """Versions and machine, by an allow-list: nothing else of the environment is recorded."""
    return {
        "format_version": FORMAT_VERSION,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "git_commit": _git_commit(),
        "data_digests": sorted(digests),
        "command": ["python", "-m", "fer_tune.run", *sys.argv[1:]],
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the fer-tune checkout that runs, if it is one."""
    answer = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None if answer.returncode == 0 else None
