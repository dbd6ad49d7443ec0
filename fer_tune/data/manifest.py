"""Your own data: a folder of images and a table of labels."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fer_tune.data.errors import DataError, Problems
from fer_tune.data.files import numeric_column, read_table, shortest_text, write_csv
from fer_tune.data.index import Index, Source
from fer_tune.data.labels import MISSING_CLASS, LabelSet
from fer_tune.data.splits import cut_validation, noisy_samples
from fer_tune.data.votes import clear_winners

SPLIT_OF_WORD = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


class ManifestSet(BaseModel):
    """One label set and the columns that hold it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$", description="name of the label set, used in its metrics")
    kind: Literal["categorical", "continuous"]
    columns: tuple[str, ...] = Field(
        min_length=1,
        description="one column of classes, or a column of votes for each class, or a column for each continuous value",
    )
    classes: tuple[str, ...] | None = Field(
        None, description="categorical: names of the classes; a cell holds a name, or its position counted from 0"
    )
    clean: tuple[str, ...] | None = Field(
        None, description="columns with labels known to be correct: they score the test split and measure the noise"
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


class ManifestSpec(BaseModel):
    """Settings of your own data: a table with the path, the labels and optionally the split of each image."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["manifest"]
    file: str = Field(description="CSV or Parquet with column `path` and optionally `split` (train, val, test)")
    folder: str | None = Field(None, description="the image folder; by default the folder of `file`")
    sets: tuple[ManifestSet, ...] = Field(
        min_length=1, description="label sets; several annotators are several label sets"
    )
    subject: str | None = Field(None, description="column with the person shown; nobody is in two splits")
    image_size: Literal[32, 64, 128, 256] = Field(64, description="side in pixels; images are resized to it")
    validation: float = Field(
        0.1, gt=0, lt=0.9, description="share of the training samples kept for validation, unless rows say val"
    )
    test: float = Field(0.1, gt=0, lt=0.9, description="share of all samples kept for testing, unless rows say test")
    seed: int = Field(0, ge=0, description="draws those samples")

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [s.name for s in self.sets]
        if len(set(names)) < len(names):
            raise ValueError(f"label sets need different names: they are {names}")
        taken = {"image", "noise", "joint"} & set(names)
        if taken:
            raise ValueError(
                f"a label set cannot be named {', '.join(sorted(taken))}: a score of the joint game has this name"
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
        root=_folder(spec),
        sources=[Source(p) for p in table["path"]],
        labels=labels,
        splits=splits,
        origins=[f"{path}:{line}" for line in table.index],
        notes=notes,
        known={name: truth for name, truth in clean.items() if truth.ndim == 1},
    )


def export_manifest(
    spec: ManifestSpec, labels: Mapping[str, np.ndarray], splits: Mapping[str, np.ndarray], stem: Path
) -> dict[str, Path]:
    """Write the table again, with the splits and with noisy labels in the rows of training and validation."""
    table = read_table(Path(spec.file)).copy()
    for word, split in (("train", "train"), ("val", "validation"), ("test", "test")):
        table.loc[table.index[splits[split]], "split"] = word
    rows = noisy_samples(splits)
    lines = table.index[rows]
    for s in spec.sets:
        values = labels[s.name][rows]
        if s.kind == "continuous":
            for k, column in enumerate(s.columns):
                table.loc[lines, column] = ["" if np.isnan(v) else shortest_text(v) for v in values[:, k]]
        elif len(s.columns) == 1:
            names = ["" if c == MISSING_CLASS else (s.classes or ())[c] for c in values.tolist()]
            table.loc[lines, s.columns[0]] = names
        else:
            for k, column in enumerate(s.columns):
                table.loc[lines, column] = np.where(values == k, "1", "0")
    path = stem.with_name(f"{stem.name}.csv")
    write_csv(path, [list(table.columns), *table.to_numpy().tolist()])
    return {"file": path, "folder": _folder(spec)}


def _folder(spec: ManifestSpec) -> Path:
    """The image folder."""
    return Path(spec.folder) if spec.folder else Path(spec.file).parent


def _subjects(cells: pd.Series) -> np.ndarray:
    """The person shown (N,); a row that does not say is one more person, with a made-up name.

    Made-up names must not change between versions: the order of names decides the splits, and so the digest.
    """
    names = cells.str.strip().to_numpy(dtype=object)
    return np.array([name or f"nobody named, line {line}" for line, name in zip(cells.index, names, strict=True)])


def _labels(
    spec: ManifestSet, columns: tuple[str, ...], table: pd.DataFrame, path: Path, problems: Problems
) -> np.ndarray:
    """Classes (N,), missing -1, or values (N, d), missing NaN."""
    if spec.kind == "continuous":
        return np.stack([numeric_column(table, c, path, problems) for c in columns], axis=1).astype(np.float32)
    assert spec.classes is not None
    if len(columns) > 1:
        votes = np.nan_to_num(np.stack([numeric_column(table, c, path, problems) for c in columns], axis=1))
        for i in np.flatnonzero((votes < 0).any(axis=1)).tolist():
            problems.add(f"{path}:{table.index[i]}", f"votes for {spec.name} must not be negative")
        return clear_winners(votes)
    codes = {name: k for k, name in enumerate(spec.classes)}
    if not any(name.strip("-").isdigit() for name in spec.classes):  # otherwise a number is a name, not a position
        codes |= {str(k): k for k in range(len(spec.classes))}
    cells = table[columns[0]].str.strip()
    classes = cells.map(codes).fillna(MISSING_CLASS).to_numpy(dtype=np.int64).copy()
    for i in np.flatnonzero((classes == MISSING_CLASS) & (cells != "").to_numpy()).tolist():
        close = difflib.get_close_matches(cells.iloc[i].lower(), [name.lower() for name in spec.classes], 1)
        meant = next((f", did you mean {name!r}?" for name in spec.classes if [name.lower()] == close), "")
        text = f"{columns[0]} must be one of {', '.join(spec.classes)}: it is {cells.iloc[i]!r}{meant}"
        problems.add(f"{path}:{table.index[i]}", text)
    return classes


def _splits(
    spec: ManifestSpec,
    table: pd.DataFrame,
    labels: dict[str, np.ndarray],
    subjects: np.ndarray | None,
    path: Path,
    problems: Problems,
) -> dict[str, np.ndarray]:
    """Indices of each split: as the column `split` says; test and validation are drawn if no row names them."""
    first = next(s.name for s in spec.sets if s.kind == "categorical")
    words = table["split"].str.strip().str.lower() if "split" in table else pd.Series("train", index=table.index)
    for line, word in words[~words.isin(SPLIT_OF_WORD)].items():
        problems.add(f"{path}:{line}", f"split must be train, val or test: it is {word!r}")
    names = words.map(SPLIT_OF_WORD).to_numpy()
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
    """Add a problem for each sample whose subject is also in another split."""
    seen: dict[str, str] = {}
    for split, members in splits.items():
        for i in members:
            before = seen.setdefault(subjects[i], split)
            if before != split:
                line = f"{path}:{table.index[i]}"
                problems.add(line, f"subject {str(subjects[i])!r} is in {split} and in {before}")


def _noise_note(name: str, labels: np.ndarray, truth: np.ndarray, splits: dict[str, np.ndarray]) -> str:
    """How far the training labels of one label set are from its clean column."""
    train = splits["train"]
    if labels.ndim == 2:
        error = float(np.sqrt(np.nanmean((labels[train] - truth[train]) ** 2)))
        return f"{name}: training values differ from the clean columns by {error:.3f} (root mean square)"
    both = (labels[train] != MISSING_CLASS) & (truth[train] != MISSING_CLASS)
    wrong = float((labels[train] != truth[train])[both].mean()) if both.any() else float("nan")
    return f"{name}: {wrong:.1%} of {int(both.sum())} training labels differ from the clean column"
