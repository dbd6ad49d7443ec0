"""Your own data: a folder of images and a table of labels."""

import difflib
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fer_tune.data.errors import DataError, Problems, listed, printable, quoted
from fer_tune.data.files import FilesSpec, shortest_text, write_csv
from fer_tune.data.index import Index, Source, is_file_in
from fer_tune.data.labels import MISSING_CLASS, LabelSet
from fer_tune.data.splits import cut_validation, noisy_samples
from fer_tune.data.tables import Table, gaps, read_table, whole_number
from fer_tune.data.votes import clear_winners

SPLIT_OF_WORD = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
SPLIT = "split"  # the column
RESERVED_NAMES = frozenset(("image", "noise", "joint"))  # of the discriminator's scores
SAID_DIFFERENCE = 0.005  # between the share of a split that was asked for and the one that was possible
SAID_OF_CLASSES = 0.02  # the same where each class is rounded
LARGEST = 1e30  # larger values become this one: they are out of range either way


class ManifestSet(BaseModel):
    """One label set and the columns that hold it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$", description="name of the label set, used in its metrics")
    kind: Literal["categorical", "continuous"]
    columns: tuple[str, ...] = Field(
        min_length=1,
        description="one column of classes; or several columns of vote counts, one per class; or one column per "
        "continuous value",
    )
    classes: tuple[str, ...] | None = Field(
        None,
        description="categorical: names of the classes; a cell holds a name, or a code that counts from 0 in this "
        "order",
    )
    clean: tuple[str, ...] | None = Field(
        None,
        description="columns of labels known to be correct, used only for evaluation: to score the test split and to "
        "measure the noise",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "continuous":
            if self.classes is not None:
                raise ValueError("`classes` needs kind: categorical")
            if self.clean is not None and len(self.clean) != len(self.columns):
                raise ValueError(
                    f"`clean` has {len(self.clean)} columns, but `columns` has {len(self.columns)}: give as many"
                )
            return self
        if self.classes is None or len(set(self.classes)) < max(2, len(self.classes)):
            raise ValueError("a categorical set needs `classes`: at least two different names")
        if len(self.columns) not in (1, len(self.classes)):
            raise ValueError(f"`columns` has {len(self.columns)} columns: give one, or one with votes for each class")
        if self.clean is not None and len(self.clean) != 1:
            raise ValueError("`clean` of a categorical set must be one column")
        return self

    @property
    def label_set(self) -> LabelSet:
        return LabelSet(self.name, self.kind, self.classes or self.columns)


class ManifestSpec(FilesSpec):
    """Settings of your own data: a table with the path, the labels and optionally the split of each image."""

    kind: Literal["manifest"]
    file: str = Field(description="CSV or Parquet with column `path` and optionally `split` (train, val, test)")
    folder: str | None = Field(None, description="folder of the images; default: the folder of the table")
    sets: tuple[ManifestSet, ...] = Field(
        min_length=1, description="label sets; each annotator is a label set of its own"
    )
    subject: str | None = Field(None, description="column that names the person shown; keeps each person in one split")
    image_size: Literal[32, 64, 128, 256] = Field(64, description="side in pixels that images are resized to")
    validation: float = Field(
        0.1, gt=0, lt=0.9, description="share of the training samples kept for validation, if no row's split is val"
    )
    test: float = Field(
        0.1, gt=0, lt=0.9, description="share of all samples kept for testing, if no row's split is test"
    )
    seed: int = Field(0, ge=0, description="seed that selects the validation and test samples")

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [s.name for s in self.sets]
        if len(set(names)) < len(names):
            raise ValueError(f"label sets need different names: they are {names}")
        taken = RESERVED_NAMES & set(names)
        if taken:
            raise ValueError(
                f"a label set cannot be named {', '.join(sorted(taken))}: a score of the discriminator has this name"
            )
        classes = {s.name for s in self.sets if s.kind == "categorical"}
        both = {c for s in self.sets if s.kind == "continuous" for c in s.columns} & classes
        if both:
            raise ValueError(
                f"a label set and a continuous column are both named {', '.join(sorted(both))}: rename the label set"
            )
        if not any(s.kind == "categorical" for s in self.sets):
            raise ValueError("name at least one categorical label set")
        return self

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        return tuple(s.label_set for s in self.sets)


def index_manifest(spec: ManifestSpec) -> Index:
    """Read the table. Raises DataError."""
    path = Path(spec.file)
    table = read_table(path)
    wanted = ["path", *(c for s in spec.sets for c in (*s.columns, *(s.clean or ()))), *filter(None, [spec.subject])]
    table.require(wanted)
    if not len(table):
        raise DataError(f"{path}: has no rows below its header")
    problems = Problems(f"{path}: these rows cannot be used")
    labels = {s.name: _labels(s, s.columns, table, problems) for s in spec.sets}
    clean = {s.name: _labels(s, s.clean, table, problems) for s in spec.sets if s.clean}
    subjects = _subjects(table, spec.subject) if spec.subject else None
    splits, split_notes = _splits(spec, table, labels, subjects, problems)
    problems.raise_any()
    notes = []
    for name, truth in clean.items():
        notes.append(_noise_note(name, labels[name], truth, splits))
        labels[name][splits["test"]] = truth[splits["test"]]
    return Index(
        label_sets=spec.label_sets,
        root=_folder(spec),
        sources=[Source(p) for p in _image_paths(table.raw("path"), _folder(spec))],
        labels=labels,
        splits=splits,
        origins=table.places(),
        notes=[*notes, *table.notes, *split_notes, *table.unused([*wanted, SPLIT])],
        known={name: truth for name, truth in clean.items() if truth.ndim == 1},
    )


def export_manifest(
    spec: ManifestSpec, labels: Mapping[str, np.ndarray], splits: Mapping[str, np.ndarray], stem: Path
) -> dict[str, Path]:
    """Write the table again, with the splits and with noisy labels in the rows of training and validation."""
    table = read_table(Path(spec.file)).cells.copy()
    for word, split in (("train", "train"), ("val", "validation"), ("test", "test")):
        table.loc[table.index[splits[split]], SPLIT] = word
    rows = noisy_samples(splits)
    lines = table.index[rows]
    for s in spec.sets:
        values = labels[s.name][rows]
        if s.kind == "continuous":
            for k, column in enumerate(s.columns):
                table.loc[lines, column.strip()] = ["" if np.isnan(v) else shortest_text(v) for v in values[:, k]]
        elif len(s.columns) == 1:
            names = ["" if c == MISSING_CLASS else (s.classes or ())[c] for c in values.tolist()]
            table.loc[lines, s.columns[0].strip()] = names
        else:
            for k, column in enumerate(s.columns):
                table.loc[lines, column.strip()] = np.where(values == k, "1", "0")
    path = stem.with_name(f"{stem.name}.csv")
    write_csv(path, [list(table.columns), *table.to_numpy().tolist()])
    return {"file": path, "folder": _folder(spec)}


def _folder(spec: ManifestSpec) -> Path:
    """The image folder."""
    return Path(spec.folder) if spec.folder else Path(spec.file).parent


def _image_paths(cells: "pd.Series[str]", root: Path) -> Iterator[str]:
    """The path of each image relative to `root`, where the table has it in another system's spelling too."""
    bases = [f"{base.rstrip('/')}/" for base in (os.path.normpath(Path.cwd() / root), os.path.realpath(root))]
    for cell in cells:
        if cell.strip().startswith("/"):
            normal = os.path.normpath(cell.strip())
            yield next((normal.removeprefix(base) for base in bases if normal.startswith(base)), cell)
        elif "\\" in cell or cell != cell.strip() or not cell.isascii():
            yield next((name for name in _spellings(cell) if is_file_in(root, name)), cell)
        else:
            yield cell


def _spellings(cell: str) -> Iterator[str]:
    """A path as it is, then without blanks around, with Windows' separators, with accents in macOS's two forms."""
    yield cell
    for name in (cell.strip(), cell.strip().replace("\\", "/")):
        yield name
        yield unicodedata.normalize("NFC", name)
        yield unicodedata.normalize("NFD", name)


def _subjects(table: Table, column: str) -> np.ndarray:
    """The person shown (N,); a row that does not say is one more person, with a made-up name.

    Made-up names must not change between versions: the order of names decides the splits, and so the digest.
    """
    cells = table.raw(column).str.strip()
    named = zip(cells.index, cells, gaps(cells), strict=True)
    return np.array([f"nobody named, line {line}" if gap else name for line, name, gap in named])


def _labels(spec: ManifestSet, columns: tuple[str, ...], table: Table, problems: Problems) -> np.ndarray:
    """Classes (N,), missing -1, or values (N, d), missing NaN."""
    if spec.kind == "continuous":
        values = np.stack([table.numbers(c, problems) for c in columns], axis=1)
        return np.clip(values, -LARGEST, LARGEST).astype(np.float32)
    assert spec.classes is not None
    if len(columns) > 1:
        votes = np.nan_to_num(np.stack([table.numbers(c, problems) for c in columns], axis=1))
        for i in np.flatnonzero((votes < 0).any(axis=1)).tolist():
            problems.add(table.place(i), f"votes for {spec.name} must not be negative")
        return clear_winners(votes)
    cells = table.text(columns[0])
    classes = _classes(cells, spec.classes)
    for i in np.flatnonzero((classes == MISSING_CLASS) & ~gaps(cells)).tolist():
        close = difflib.get_close_matches(cells.iloc[i].lower(), [name.lower() for name in spec.classes], 1)
        meant = next((f", did you mean {name!r}?" for name in spec.classes if [name.lower()] == close), "")
        column = printable(columns[0].strip())
        text = f"{column} must be one of {listed(spec.classes)}: it is {quoted(cells.iloc[i])}{meant}"
        problems.add(table.place(i), text)
    return classes


def _classes(cells: "pd.Series[str]", names: tuple[str, ...]) -> np.ndarray:
    """The class (N,) that each cell names, or whose position it is; -1 where it does neither.

    A class may have the name of a missing marker, such as None: its cells are then not missing.
    """
    codes = {unicodedata.normalize("NFC", name.strip()): k for k, name in enumerate(names)}
    if not any(name.strip("-").isdigit() for name in names):  # otherwise a number is a name, not a position
        codes |= {str(k): k for k in range(len(names))}
    found = {cell: codes.get(cell, codes.get(whole_number(cell), MISSING_CLASS)) for cell in cells.unique()}
    return cells.map(found).to_numpy(dtype=np.int64).copy()


def _splits(
    spec: ManifestSpec,
    table: Table,
    labels: dict[str, np.ndarray],
    subjects: np.ndarray | None,
    problems: Problems,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Indices of each split, and notes on those that were drawn.

    The splits are as the column `split` says; test and validation are drawn if no row names them. Raises DataError
    where too few people are there to draw them from.
    """
    first = next(s.name for s in spec.sets if s.kind == "categorical")
    names, notes = _named_splits(table, problems)
    nobody = int(gaps(table.raw(spec.subject)).sum()) if spec.subject else 0
    if nobody:
        notes.append(f"{table.path}: {nobody} rows have no {spec.subject}: each counts as one more person")
    train, validation, test = (np.flatnonzero(names == name) for name in ("train", "validation", "test"))
    drawn = {} if len(test) else {"test": (spec.test, spec.seed)}
    drawn |= {} if len(validation) else {"validation": (spec.validation, spec.seed + 1)}
    splits = {"train": train, "validation": validation, "test": test}
    if subjects is not None and len(train):
        _check_people(spec, table, subjects[train], list(drawn))
    for split, (share, seed) in drawn.items():
        pool = splits["train"]
        if not len(pool):
            continue
        people, stay, possible = None, 1, share
        if subjects is not None:
            people, stay = subjects[pool], len(drawn) if split == "test" else 1
            possible = _possible_share(share, spec.validation if stay > 1 else 0, people)
        splits["train"], splits[split] = cut_validation(pool, labels[first][pool], possible, seed, people, stay)
        given = len(splits[split]) / len(pool)
        if abs(given - share) > (SAID_OF_CLASSES if people is None else SAID_DIFFERENCE):
            of = "all samples" if split == "test" else "the training samples"
            why = "the split is stratified by class" if people is None else "each person stays in one split"
            notes.append(f"{split} is {given:.1%} of {of}, where {share:.1%} was asked for: {why}")
    if subjects is not None:
        _check_subjects(splits, subjects, table, problems)
    return splits, notes


def _possible_share(share: float, next_share: float, people: np.ndarray) -> float:
    """The share that leaves as much of its own for the next cut, where the largest person has most of the samples."""
    _, sizes = np.unique(people, return_counts=True)
    movable = 1 - sizes.max() / sizes.sum()  # the largest stays in training
    wanted = share + next_share * (1 - share)
    return share * movable / wanted if next_share and wanted > movable else share


def _named_splits(table: Table, problems: Problems) -> tuple[np.ndarray, list[str]]:
    """The split (N,) that each row names, train where there is no such column; and notes."""
    if SPLIT not in table.columns:
        return np.full(len(table), "train", dtype=object), []
    table.require([SPLIT])
    words = table.text(SPLIT)
    missing = gaps(words)
    if missing.all():
        notes = [f"{table.path}: column {SPLIT} is empty, so the splits are drawn"]
        return np.full(len(table), "train", dtype=object), notes
    words = words.str.lower()
    for i in np.flatnonzero(~words.isin(SPLIT_OF_WORD)).tolist():
        problems.add(table.place(i), f"split must be train, val or test: it is {quoted(words.iloc[i])}")
    return words.map(SPLIT_OF_WORD).to_numpy(dtype=object), []


def _check_people(spec: ManifestSpec, table: Table, people: np.ndarray, drawn: Sequence[str]) -> None:
    """Raise DataError where a split that is drawn, or training, would be empty."""
    count = len(np.unique(people))
    if drawn and count <= len(drawn):
        raise DataError(
            f"{table.path}: column {spec.subject} names {count} {'person' if count == 1 else 'people'}, too few for "
            f"{' and '.join(['train', *drawn])} without a person in two of them: add people, or remove `subject`"
        )


def _check_subjects(splits: dict[str, np.ndarray], subjects: np.ndarray, table: Table, problems: Problems) -> None:
    """Add a problem for each sample whose subject is also in another split."""
    seen: dict[str, str] = {}
    for split, members in splits.items():
        for i in members:
            before = seen.setdefault(subjects[i], split)
            if before != split:
                problems.add(table.place(i), f"subject {quoted(str(subjects[i]))} is in {split} and in {before}")


def _noise_note(name: str, labels: np.ndarray, truth: np.ndarray, splits: dict[str, np.ndarray]) -> str:
    """How far the training labels of one label set are from its clean column."""
    train = splits["train"]
    if labels.ndim == 2:
        squares = (labels[train] - truth[train]) ** 2
        if np.isnan(squares).all():
            return f"{name}: no training sample has both values and clean values"
        error = float(np.sqrt(np.nanmean(squares)))
        return f"{name}: training values differ from the clean columns by {error:.3f} (root mean square)"
    both = (labels[train] != MISSING_CLASS) & (truth[train] != MISSING_CLASS)
    if not both.any():
        return f"{name}: no training sample has both a label and a clean label"
    wrong = float((labels[train] != truth[train])[both].mean())
    return f"{name}: {wrong:.1%} of {int(both.sum())} training labels differ from the clean column"
