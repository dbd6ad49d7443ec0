"""What a trial's own folder holds: predictions and labels, each None where the trial wrote none or the file is damaged.

`damaged_files` names the damaged ones.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from fer_tune.analysis.gaps import Gap, Kind, counted, listed
from fer_tune.analysis.results import Results
from fer_tune.results.files import Damaged, read_json

MOST_CLASSES = 10**6  # beyond that a number is not a class
KEPT = 256  # files in memory: several parts of a report read them
LOST = {
    "predictions.csv": "Confusion matrices, faces and the fitted rules leave them out",
    "predictions_validation.csv": "The rules that compare predictions leave them out",
    "labels.json": "The confusion matrix of the training labels leaves them out",
}
Content = TypeVar("Content")


@dataclass(frozen=True)
class Predictions:
    """A trial's predictions of the test images for the first categorical label set.

    Attributes:
        index: (N,) of each sample in the data set.
        true: (N,) classes; -1 where not known.
        predicted: (N,) classes.
        classes: K names.
    """

    index: np.ndarray
    true: np.ndarray
    predicted: np.ndarray
    classes: tuple[str, ...]

    @property
    def right(self) -> np.ndarray:
        """(N,) whether each prediction is the true class."""
        return self.true == self.predicted

    @property
    def known(self) -> np.ndarray:
        """(N,) whether the true class is known."""
        return self.true >= 0


@dataclass(frozen=True)
class ValidationPredictions:
    """A trial's predictions of the validation images for the first categorical label set.

    Attributes:
        index: (N,) of each sample in the data set.
        predicted: (N,) classes.
        given: (N,) classes of the held-out, possibly wrong labels, -1 where there is none; None in trials of older
            versions, which did not keep them.
    """

    index: np.ndarray
    predicted: np.ndarray
    given: np.ndarray | None


@dataclass(frozen=True)
class TrainingLabels:
    """The noisy labels that a trial was trained on.

    Attributes:
        digest: equal digests mean equal labels.
        classes: K names of the first categorical label set.
        given_counts: (K, K) training labels given (columns) by known class (rows); None where none are known.
    """

    digest: str
    classes: tuple[str, ...]
    given_counts: np.ndarray | None


def predictions(results: Results, key: str) -> Predictions | None:
    """A trial's predictions of the test images."""
    return _found(_read_predictions, _folder(results, key) / "predictions.csv")


def test_samples(results: Results) -> int | None:
    """How many test images have a known class, by the first trial whose predictions can be read; None without one."""
    found = (predictions(results, str(key)) for key in results.trials["key"])
    return next((int(table.known.sum()) for table in found if table is not None), None)


def validation_predictions(results: Results, key: str) -> np.ndarray | None:
    """Classes (N,) that a trial predicts on the validation split, in order of the samples."""
    found = validation_split(results, key)
    return None if found is None else found.predicted


def validation_split(results: Results, key: str) -> ValidationPredictions | None:
    """A trial's predictions of the validation images."""
    return _found(_read_validation, _folder(results, key) / "predictions_validation.csv")


def training_labels(results: Results, key: str) -> TrainingLabels | None:
    """The labels that a trial was trained on."""
    return _found(_read_labels, _folder(results, key) / "labels.json")


def damaged_files(results: Results) -> list[Gap]:
    """Trials whose predictions or labels are there and cannot be read, one gap a kind of file."""
    gaps = []
    for name, read in READERS.items():
        faults = {}
        for key in map(str, results.trials["key"]):
            try:
                _read(read, _folder(results, key) / name)
            except Damaged as damage:
                faults[key] = str(damage)
        if faults:
            what = f"{name} of {counted(len(faults), 'trial')} ({listed(faults)})"
            why = f"{next(iter(faults.values()))}. {LOST[name]}. Resume the study with --resume, which repairs them"
            gaps.append(Gap(what, why, Kind.FAILED))
    return gaps


def _folder(results: Results, key: str) -> Path:
    return results.path / "trials" / key


def _found(read: Callable[[Path], Content], path: Path) -> Content | None:
    try:
        return _read(read, path)
    except Damaged:
        return None


def _read(read: Callable[[Path], Content], path: Path) -> Content | None:
    """The content of a file, or None where there is none. Raises Damaged."""
    try:
        about = path.stat()
        found = _kept(read, path, about.st_mtime_ns, about.st_size)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Damaged(f"{path} is damaged: {error.strerror or error}") from None
    if isinstance(found, str):
        raise Damaged(f"{path} is damaged: {found}")
    return found


@lru_cache(maxsize=KEPT)
def _kept(read: Callable[[Path], Any], path: Path, changed: int, size: int) -> Any:
    """The content of a file, or what is wrong with it."""
    try:
        return read(path)
    except Damaged:
        return "it is not JSON"
    except (ValueError, KeyError, TypeError, OverflowError, StopIteration, csv.Error) as error:
        return str(error).partition("\n")[0] or type(error).__name__


def _read_predictions(path: Path) -> Predictions:
    """Raises ValueError and the like where the file is not what `trial` writes."""
    text = _whole(path)
    rows = io.StringIO(text, newline="")
    header = next(csv.reader(rows))
    start, classes = first_set(header, path.parent)
    places = [header.index("index"), start, start + 1]
    index, true, predicted = _integers(rows, len(header), places)
    if not len(index) or index.min() < 0 or len(np.unique(index)) < len(index):
        raise ValueError("its samples are not numbered")
    if true.min() < -1 or predicted.min() < 0 or max(true.max(), predicted.max()) >= len(classes):
        raise ValueError("it names classes that the label set does not have")
    return Predictions(index, true, predicted, classes)


def first_set(header: list[str], folder: Path) -> tuple[int, tuple[str, ...]]:
    """The first categorical label set of a predictions table: the place of its true classes, and its class names.

    Class names may look like the columns of another set, so labels.json decides how many there are, where it can be
    read. Raises ValueError where the header has no such set.
    """
    for place, column in enumerate(header[:-2]):
        name = column.removesuffix("_true")
        follow = header[place + 2 :]
        if header[place + 1] != f"{name}_predicted" or not follow[0].startswith(f"{name}_p_"):
            continue
        own = [c.startswith(f"{name}_p_") for c in follow]
        count = own.index(False) if False in own else len(own)
        classes = tuple(c.removeprefix(f"{name}_p_") for c in follow[:count])
        known = _found(_read_labels, folder / "labels.json")
        is_longer = known is not None and classes[: len(known.classes)] == known.classes
        return place, known.classes if known is not None and is_longer else classes
    raise ValueError("it has no columns of a categorical label set")


def _read_validation(path: Path) -> ValidationPredictions:
    rows = io.StringIO(_whole(path), newline="")
    header = next(csv.reader(rows))
    if len(header) < 2 or header[0] != "index" or not header[1].endswith("_predicted"):
        raise ValueError("it is another table")
    index, classes, *given = _integers(rows, len(header), list(range(min(len(header), 3))))
    if not len(classes) or classes.min() < 0 or classes.max() > MOST_CLASSES:
        raise ValueError("it holds no classes")
    return ValidationPredictions(index, classes, given[0] if given else None)


def _integers(rows: io.StringIO, width: int, places: list[int]) -> list[np.ndarray]:
    """Columns of a table of that width, below its header. Raises ValueError where a cell is no integer."""
    try:
        with np.errstate(invalid="raise"):  # else a number beyond all integers becomes one, with a warning
            table = pd.read_csv(
                rows, header=None, names=list(range(width)), usecols=places, dtype=np.int64, index_col=False
            )
    except FloatingPointError:
        raise ValueError("it holds numbers that are not integers") from None
    return [table[place].to_numpy() for place in places]


def _read_labels(path: Path) -> TrainingLabels:
    found = read_json(path)
    classes = tuple(map(str, found.get("classes", ()))) if isinstance(found, dict) else ()
    counts = found.get("given_counts") if isinstance(found, dict) else None
    if counts is not None:
        counts = np.asarray(counts, dtype=float)
        if counts.shape != (len(classes), len(classes)) or not (counts >= 0).all():
            raise ValueError("given_counts is not a table of its classes")
    return TrainingLabels(str(found["digest"]), classes, counts)


def _whole(path: Path) -> str:
    """The text of a file to the end of its last line. Raises ValueError."""
    text = path.read_bytes().decode()
    if not text.endswith("\n"):
        raise ValueError("its last line is cut" if text else "it is empty")
    return text


READERS: dict[str, Callable[[Path], Any]] = {
    "predictions.csv": _read_predictions,
    "predictions_validation.csv": _read_validation,
    "labels.json": _read_labels,
}
