"""What the label files of a data set say, before any image is opened, and the checks on it.

The reader of each kind of data set turns its label files into an `Index`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fer_tune.data.errors import MOST_SHOWN, DataError, Problems, printable, quoted
from fer_tune.data.labels import MISSING_CLASS, LabelSet, first_categorical
from fer_tune.data.parquet_rows import ParquetImages
from fer_tune.data.pictures import Box
from fer_tune.data.tables import MISSING_MARKERS

MOST_FOLDERS = 50  # that are looked into for images that are missing
SEVERAL_ROWS = (
    "if several people labelled each image, name the column of the people as `annotator`, and the rows become votes"
)


@dataclass(frozen=True)
class Source:
    """The image of one sample: a file below the index's `root`, and the box to cut out of it."""

    path: str
    box: Box | None = None


@dataclass(frozen=True)
class Embedded(Source):
    """The image of one sample that a Parquet file holds; `path` names the file and the row, counted from 1."""

    images: ParquetImages | None = field(default=None, repr=False, compare=False)
    row: int = 0

    def content(self) -> bytes:
        """The bytes of the image file. Raises OSError, and DataError where the row holds none."""
        found = self.images[self.row - 1] if self.images else None
        if found is None:
            raise DataError("the row holds no image")
        return found


@dataclass(frozen=True)
class Index:
    """N samples: their images, labels and splits.

    Attributes:
        root: the data folder; every image must be inside it.
        sources: N image files, or the decoded images: uint8 (N, S, S) grey or (N, 3, S, S) RGB.
        labels: as `Dataset.labels`; a missing class is -1, missing values are NaN.
        splits: by split name: int64 indices into the N samples.
        origins: the place of each sample in the label files, as FILE:LINE.
        notes: what the reader did to the data that a person should know.
        known: as `Dataset.known`.
    """

    label_sets: tuple[LabelSet, ...]
    root: Path
    sources: Sequence[Source] | np.ndarray
    labels: Mapping[str, np.ndarray]
    splits: Mapping[str, np.ndarray]
    origins: Sequence[str]
    notes: Sequence[str] = ()
    known: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.origins)


def check(index: Index) -> None:
    """Find missing and duplicate images, paths outside the folder, empty splits and labels out of range.

    Raises DataError.
    """
    problems = Problems(f"{index.root}: this data set cannot be used")
    if not isinstance(index.sources, np.ndarray):
        _check_paths(index, index.sources, problems)
    for label_set in index.label_sets:
        _check_labels(index, label_set, problems)
    first = first_categorical(index.label_sets)
    for split, members in index.splits.items():
        if not len(members):
            problems.add(str(index.root), f"the {split} split is empty")
        elif (index.labels[first.name][members] == MISSING_CLASS).all():
            problems.add(str(index.root), f"no {split} sample has a label for {first.name}")
    problems.raise_any()


def _check_paths(index: Index, sources: Sequence[Source], problems: Problems) -> None:
    first: dict[tuple[str, Box | None], int] = {}
    missing: list[int] = []
    unlike: list[str] = []
    for i, source in enumerate(sources):
        normal = os.path.normpath(source.path)
        if isinstance(source, Embedded):
            pass
        elif source.path.strip() in MISSING_MARKERS and not is_file_in(index.root, normal):
            problems.add(index.origins[i], "has no path")
        elif normal.startswith("/") or normal.startswith(".."):
            problems.add(index.origins[i], f"{quoted(source.path)} is outside the data folder {index.root}")
        elif not is_file_in(index.root, normal):
            missing.append(i)
        before = first.setdefault((normal, source.box), i)
        if before != i:
            problems.add(index.origins[i], f"{quoted(source.path)} is already in {index.origins[before]}")
            if differing := _differing(index, before, i):
                unlike.append(differing)
    if unlike:
        rows = "1 row has" if len(unlike) == 1 else f"{len(unlike):,} rows have"
        of = "another label than an earlier row of the image"
        problems.suggest(f"  {rows} {of}, such as {unlike[0]}: {SEVERAL_ROWS}")
    if len(missing) > MOST_SHOWN:
        name = quoted(sources[missing[0]].path)
        text = f"image {name} is missing, and so are {len(missing) - 1:,} of the other {len(sources) - 1:,}"
        problems.add(index.origins[missing[0]], text)
    else:
        for i in missing:
            problems.add(index.origins[i], f"image {quoted(sources[i].path)} is missing")
    if missing and (place := _folder_with(index.root, [sources[i].path for i in missing[:MOST_SHOWN]])):
        problems.suggest(f"  They are in {place}: write `folder: {place}`")


def _differing(index: Index, one: int, other: int) -> str:
    """The two classes of two samples in the first label set where they differ; empty where they do not."""
    for label_set in index.label_sets:
        if label_set.kind == "categorical":
            classes = [int(index.labels[label_set.name][i]) for i in (one, other)]
            if classes[0] != classes[1] and MISSING_CLASS not in classes:
                return " after ".join(printable(label_set.names[c]) for c in reversed(classes))
    return ""


def _folder_with(root: Path, paths: Sequence[str]) -> Path | None:
    """A folder below or beside `root` that holds all these images, if there is one near."""
    names = [path.replace("\\", "/").rpartition("/")[2] for path in paths]
    for folder in (root, root.parent):
        for place in _folders_in(folder):
            if all(is_file_in(place, path) for path in paths) or all(is_file_in(place, name) for name in names):
                return place
    return None


def _folders_in(place: Path) -> list[Path]:
    """The folders in a folder, and those in them; the first few."""
    try:
        near = sorted(f for f in place.iterdir() if f.is_dir() and not f.name.startswith("."))[:MOST_FOLDERS]
        below = [f for n in near for f in sorted(n.iterdir()) if f.is_dir() and not f.name.startswith(".")]
    except OSError:
        return []
    return [*near, *below[:MOST_FOLDERS]]


def is_file_in(root: Path, path: str) -> bool:
    """Whether a path below `root` is a file."""
    try:
        return (root / path).is_file()
    except (OSError, ValueError):  # the name is too long or has a null byte, or the folder may not be read
        return False


def _check_labels(index: Index, label_set: LabelSet, problems: Problems) -> None:
    labels = index.labels[label_set.name]
    if label_set.kind == "categorical":
        bad = (labels < MISSING_CLASS) | (labels >= label_set.size)
        present = labels != MISSING_CLASS
        text = f"{label_set.name} must be a class from 0 to {label_set.size - 1}"
    else:
        present = ~np.isnan(labels).any(axis=1)
        bad = present & ((labels < -1) | (labels > 1)).any(axis=1)
        text = f"{label_set.name} must be in [-1, 1]"
    for i in np.flatnonzero(bad).tolist():
        problems.add(index.origins[i], f"{text}: it is {np.asarray(labels[i]).tolist()}")
    train = index.splits.get("train", np.array([], dtype=int))
    if len(train) and not present[train].any():
        problems.add(str(index.root), f"no training sample has a label for {label_set.name}")
