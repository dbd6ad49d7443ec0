"""A person's own data: an image folder and a table of labels."""

import difflib
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fer_tune.data.files import numbers, read_table
from fer_tune.data.index import DataError, Index, Problems, Source, cut_validation
from fer_tune.data.labels import MISSING_CLASS, LabelSet

SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
ANONYMOUS = ""


class ManifestSet(BaseModel):
    """One label set and the columns that hold it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$", description="of the label set; names its metrics")
    kind: Literal["categorical", "continuous"]
    columns: tuple[str, ...] = Field(
        min_length=1, description="one column of classes; or one a class with its votes; or one a continuous value"
    )
    classes: tuple[str, ...] | None = Field(
        None, description="categorical: names of the classes; cells hold a name, or its position counted from 0"
    )
    clean: tuple[str, ...] | None = Field(
        None, description="columns of labels known to be right: they score the test split and measure the noise"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "continuous":
            if self.classes is not None:
                raise ValueError("classes go with kind: categorical")
            if self.clean is not None and len(self.clean) != len(self.columns):
                raise ValueError(f"clean names {len(self.clean)} columns for {len(self.columns)} values")
            return self
        if self.classes is None or len(set(self.classes)) < max(2, len(self.classes)):
            raise ValueError("a categorical set needs `classes`: at least two names, each once")
        if len(self.columns) not in (1, len(self.classes)):
            raise ValueError(f"columns names {len(self.columns)}: give one, or one with votes for each class")
        if self.clean is not None and len(self.clean) != 1:
            raise ValueError("clean of a categorical set is one column")
        return self

    @property
    def label_set(self) -> LabelSet:
        return LabelSet(self.name, self.kind, self.classes or self.columns)


class ManifestSpec(BaseModel):
    """Settings of a data set of one's own: a table with a path, perhaps a split, and labels for each image."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["manifest"]
    file: str = Field(description="CSV or Parquet with column `path` and perhaps `split` (train, val, test)")
    folder: str | None = Field(None, description="the image folder; that of the table where it is not named")
    sets: tuple[ManifestSet, ...] = Field(min_length=1, description="label sets; several annotators are several sets")
    subject: str | None = Field(None, description="column of who is shown; no subject is in two splits")
    image_size: Literal[32, 64, 128, 256] = Field(64, description="pixels of a side; images are resized to it")
    validation: float = Field(
        0.1, gt=0, lt=0.9, description="share of the training samples kept for choosing, where no row says val"
    )
    test: float = Field(0.1, gt=0, lt=0.9, description="share of all samples kept for scoring, where no row says test")
    seed: int = Field(0, ge=0, description="which samples those are")

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [s.name for s in self.sets]
        if len(set(names)) < len(names):
            raise ValueError(f"two label sets share a name: {names}")
        taken = {"image", "noise", "joint"} & set(names)
        if taken:
            raise ValueError(f"{sorted(taken)} name scores of the joint game: call the label set otherwise")
        classes = {s.name for s in self.sets if s.kind == "categorical"}
        both = {c for s in self.sets if s.kind == "continuous" for c in s.columns} & classes
        if both:
            raise ValueError(f"{sorted(both)} name a label set and a continuous column: call the set otherwise")
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
    missing = [column for column in dict.fromkeys(wanted) if column not in table]
    if missing:
        raise DataError(f"{path}: has no column {', '.join(map(repr, missing))}; it has {', '.join(table.columns)}")
    if table.empty:
        raise DataError(f"{path}: has no rows")
    problems = Problems(f"{path}: these rows cannot be used")
    labels = {s.name: _labels(s, s.columns, table, path, problems) for s in spec.sets}
    clean = {s.name: _labels(s, s.clean, table, path, problems) for s in spec.sets if s.clean}
    subjects = _subjects(table[spec.subject]) if spec.subject else None
    splits = _splits(spec, table, labels, subjects, path, problems)
    problems.raise_any()
    notes = []
    for name, truth in clean.items():
        notes.append(_noise_note(name, labels[name], truth, splits))
        labels[name][splits["test"]] = truth[splits["test"]]
    return Index(
        label_sets=spec.label_sets,
        root=Path(spec.folder) if spec.folder else path.parent,
        sources=[Source(p) for p in table["path"]],
        labels=labels,
        splits=splits,
        origins=[f"{path}:{line}" for line in table.index],
        notes=notes,
        known={name: truth for name, truth in clean.items() if truth.ndim == 1},
    )


def _subjects(cells: pd.Series) -> np.ndarray:
    """Who is shown (N,); a row that does not say is a person of its own."""
    names = cells.str.strip().to_numpy(dtype=object)
    return np.array([name or f"nobody named, line {line}" for line, name in zip(cells.index, names, strict=True)])


def _labels(
    spec: ManifestSet, columns: tuple[str, ...], table: pd.DataFrame, path: Path, problems: Problems
) -> np.ndarray:
    """Classes (N,), missing -1, or values (N, d), missing NaN."""
    if spec.kind == "continuous":
        return np.stack([numbers(table, c, path, problems) for c in columns], axis=1).astype(np.float32)
    assert spec.classes is not None
    if len(columns) > 1:
        votes = np.nan_to_num(np.stack([numbers(table, c, path, problems) for c in columns], axis=1))
        for i in np.flatnonzero((votes < 0).any(axis=1)).tolist():
            problems.add(f"{path}:{table.index[i]}", f"votes for {spec.name} must not be negative")
        return majority(votes)
    codes = {name: k for k, name in enumerate(spec.classes)}
    if not any(name.strip("-").isdigit() for name in spec.classes):  # a number is then a name and no position
        codes |= {str(k): k for k in range(len(spec.classes))}
    cells = table[columns[0]].str.strip()
    classes = cells.map(codes).fillna(MISSING_CLASS).to_numpy(dtype=np.int64).copy()
    for i in np.flatnonzero((classes == MISSING_CLASS) & (cells != ANONYMOUS).to_numpy()).tolist():
        close = difflib.get_close_matches(cells.iloc[i].lower(), [name.lower() for name in spec.classes], 1)
        meant = next((f", did you mean {name!r}?" for name in spec.classes if [name.lower()] == close), "")
        text = f"{columns[0]} must be one of {', '.join(spec.classes)}: it is {cells.iloc[i]!r}{meant}"
        problems.add(f"{path}:{table.index[i]}", text)
    return classes


def majority(votes: np.ndarray) -> np.ndarray:
    """The class (N,) with most votes (N, K); missing where none has any, or two share the most."""
    most = votes.max(axis=1, keepdims=True)
    clear = ((votes == most).sum(axis=1) == 1) & (most[:, 0] > 0)
    return np.where(clear, votes.argmax(axis=1), MISSING_CLASS).astype(np.int64)


def _splits(
    spec: ManifestSpec,
    table: pd.DataFrame,
    labels: dict[str, np.ndarray],
    subjects: np.ndarray | None,
    path: Path,
    problems: Problems,
) -> dict[str, np.ndarray]:
    first = next(s.name for s in spec.sets if s.kind == "categorical")
    words = table["split"].str.strip().str.lower() if "split" in table else pd.Series("train", index=table.index)
    for line, word in words[~words.isin(SPLITS)].items():
        problems.add(f"{path}:{line}", f"split must be train, val or test: it is {word!r}")
    names = words.map(SPLITS).to_numpy()
    train, validation, test = (np.flatnonzero(names == name) for name in ("train", "validation", "test"))
    groups = (lambda members: None) if subjects is None else (lambda members: subjects[members])
    if not len(test) and len(train):
        train, test = cut_validation(train, labels[first][train], spec.test, spec.seed, groups(train))
    if not len(validation) and len(train):
        train, validation = cut_validation(train, labels[first][train], spec.validation, spec.seed + 1, groups(train))
    splits = {"train": train, "validation": validation, "test": test}
    if subjects is not None:
        _check_subjects(splits, subjects, table, path, problems)
    return splits


def _check_subjects(
    splits: dict[str, np.ndarray], subjects: np.ndarray, table: pd.DataFrame, path: Path, problems: Problems
) -> None:
    seen: dict[str, str] = {}
    for split, members in splits.items():
        for i in members:
            before = seen.setdefault(subjects[i], split)
            if before != split:
                line = f"{path}:{table.index[i]}"
                problems.add(line, f"subject {str(subjects[i])!r} is in {split} and in {before}")


def _noise_note(name: str, labels: np.ndarray, truth: np.ndarray, splits: dict[str, np.ndarray]) -> str:
    train = splits["train"]
    if labels.ndim == 2:
        error = float(np.sqrt(np.nanmean((labels[train] - truth[train]) ** 2)))
        return f"{name}: training values differ from the clean columns by {error:.3f} (root mean square)"
    both = (labels[train] != MISSING_CLASS) & (truth[train] != MISSING_CLASS)
    wrong = float((labels[train] != truth[train])[both].mean()) if both.any() else float("nan")
    return f"{name}: {wrong:.1%} of {int(both.sum())} training labels differ from the clean column"
