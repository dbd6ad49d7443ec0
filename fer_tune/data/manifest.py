"""Your own data: a table of images, labels and splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_tune.data.errors import DataError, Problems
from fer_tune.data.files import shortest_text, write_csv
from fer_tune.data.index import Index, Source
from fer_tune.data.labels import MISSING_CLASS
from fer_tune.data.manifest_images import image_columns, image_folder, image_sources
from fer_tune.data.manifest_labels import dismissed, labels_of, merged_votes, scaled_back, unlabelled
from fer_tune.data.manifest_spec import ManifestSpec
from fer_tune.data.manifest_splits import splits_of
from fer_tune.data.splits import noisy_samples
from fer_tune.data.tables import Table, files_named, gaps, read_tables


@dataclass(frozen=True)
class _Rows:
    """The rows of a manifest: first all of its table, in the end one for each sample.

    Attributes:
        table: the rows (N).
        numbers: the position (N,) of each in the whole table.
        words: the key under `files` (N,) of each; None with one `file`.
        sources: the image of each.
        labels: by label set.
        clean: the same from the clean columns.
        notes: what was done to them.
    """

    table: Table
    numbers: np.ndarray
    words: np.ndarray | None
    sources: Sequence[Source] | np.ndarray
    labels: Mapping[str, np.ndarray]
    clean: Mapping[str, np.ndarray]
    notes: tuple[str, ...]

    def take(self, rows: np.ndarray, *notes: str) -> "_Rows":
        """Some of the rows (n,), counted from 0."""
        return _Rows(
            self.table.take(rows),
            self.numbers[rows],
            None if self.words is None else self.words[rows],
            self.sources[rows] if isinstance(self.sources, np.ndarray) else [self.sources[i] for i in rows.tolist()],
            {name: values[rows] for name, values in self.labels.items()},
            {name: values[rows] for name, values in self.clean.items()},
            (*self.notes, *notes),
        )


def index_manifest(spec: ManifestSpec) -> Index:
    """Read the table. Raises DataError."""
    problems = Problems(f"{_place(spec)}: these rows cannot be used")
    rows = _read(spec, problems)
    subjects = _subjects(rows.table, spec.subject) if spec.subject else None
    splits, split_notes = splits_of(spec, rows.table, rows.words, rows.labels, subjects, problems)
    problems.raise_any()
    notes, labels = [], dict(rows.labels)
    for name, truth in rows.clean.items():
        notes.append(_noise_note(name, labels[name], truth, splits))
        labels[name][splits["test"]] = truth[splits["test"]]
    used = [*_wanted(spec), *([] if spec.files else [spec.split]), *([spec.bytes] if spec.bytes else [])]
    return Index(
        label_sets=spec.label_sets,
        root=image_folder(spec),
        sources=rows.sources,
        labels=labels,
        splits=splits,
        origins=rows.table.places(),
        notes=[*notes, *rows.table.notes, *rows.notes, *split_notes, *rows.table.unused(used)],
        known={name: truth for name, truth in rows.clean.items() if truth.ndim == 1},
    )


def export_manifest(
    spec: ManifestSpec, labels: Mapping[str, np.ndarray], splits: Mapping[str, np.ndarray], stem: Path
) -> dict[str, Path]:
    """Write the table again, with the splits and with noisy labels in the rows of training and validation.

    Raises DataError for what cannot be written as one CSV table whose rows are the samples.
    """
    unable = [name for name in ("bytes", "annotator") if getattr(spec, name)]
    if unable:
        raise DataError(
            f"labels of a manifest with `{unable[0]}` cannot be exported: its rows are not one text for each sample"
        )
    problems = Problems(f"{_place(spec)}: these rows cannot be used")
    numbers = _read(spec, problems).numbers
    table = _table(spec)[0].cells.reset_index(drop=True).copy()
    for word, split in (("train", "train"), ("val", "validation"), ("test", "test")):
        table.loc[numbers[splits[split]], spec.split] = word
    rows = noisy_samples(splits)
    lines = numbers[rows]
    for s in spec.sets:
        values = labels[s.name][rows]
        if s.kind == "continuous":
            for k, column in enumerate(s.columns):
                texts = ["" if np.isnan(v) else shortest_text(v) for v in scaled_back(s, values)[:, k]]
                table.loc[lines, column.strip()] = texts
        elif len(s.columns) == 1:
            names = ["" if c == MISSING_CLASS else (s.classes or ())[c] for c in values.tolist()]
            table.loc[lines, s.columns[0].strip()] = names
        else:
            for k, column in enumerate(s.columns):
                table.loc[lines, column.strip()] = np.where(values == k, "1", "0")
    path = stem.with_name(f"{stem.name}.csv")
    write_csv(path, [list(table.columns), *table.to_numpy().tolist()])
    return {"file": path, "folder": image_folder(spec)}


def _place(spec: ManifestSpec) -> str:
    """The tables, for messages."""
    return ", ".join(spec.tables.values())


def _wanted(spec: ManifestSpec) -> list[str]:
    """The columns that must be there."""
    columns = [c for s in spec.sets for c in (*s.columns, *(s.clean or ()))]
    return [*image_columns(spec), *columns, *filter(None, [spec.subject, spec.annotator])]


def _table(spec: ManifestSpec) -> tuple[Table, np.ndarray | None]:
    """The whole table, and the key under `files` (N,) of each row. Raises DataError."""
    files = {word: files_named(pattern) for word, pattern in spec.tables.items()}
    table = read_tables([path for paths in files.values() for path in paths], _wanted(spec), spec.dialect)
    if spec.files is None:
        return table, None
    words = [word for word, paths in files.items() for _ in paths]
    rows = np.array([words[k] for k in table.file_of], dtype=object) if table.file_of is not None else None
    return table, np.full(len(table), words[0], dtype=object) if rows is None else rows


def _read(spec: ManifestSpec, problems: Problems) -> _Rows:
    """One row for each sample: those left out are gone, those of one image are merged. Raises DataError."""
    table, words = _table(spec)
    if not len(table):
        raise DataError(f"{table.path}: has no rows below its header")
    out = np.logical_and.reduce([dismissed(s, table) for s in spec.sets if s.kind == "categorical"])
    gone = 0
    if out.any():  # unless other labels say something of them
        kept, left = np.flatnonzero(~out), np.flatnonzero(out)
        probe = Problems("")
        about = table.take(left)
        silent = unlabelled({s.name: labels_of(s, s.columns, about, probe) for s in spec.sets})
        kept, gone = np.sort(np.concatenate([kept, left[~silent]])), int(silent.sum())
        numbers, table, words = kept, table.take(kept), None if words is None else words[kept]
    else:
        numbers = np.arange(len(table))
    sources, notes = image_sources(spec, table, words, problems)
    labels = {s.name: labels_of(s, s.columns, table, problems) for s in spec.sets}
    clean = {s.name: labels_of(s, s.clean, table, problems) for s in spec.sets if s.clean}
    if gone:
        notes = [*notes, f"{table.path}: rows left out because `map` says that they have no label: {gone:,}"]
    rows = _Rows(table, numbers, words, sources, labels, clean, tuple(notes))
    return _voted(spec, rows, problems) if spec.annotator else rows


def _voted(spec: ManifestSpec, rows: _Rows, problems: Problems) -> _Rows:
    """One row for each image, its labels by the votes of its rows; without those that have none left."""
    if isinstance(rows.sources, np.ndarray):
        keys: list[object] = [image.tobytes() for image in rows.sources]
    else:
        keys = list(rows.sources)
    number: dict[object, int] = {}
    group = np.array([number.setdefault(key, len(number)) for key in keys])
    first = np.unique(group, return_index=True)[1]
    _check_one_split(spec, rows, group, first, problems)
    merged = rows.take(first)
    labels, clean, ties = {}, {}, 0
    for s in spec.sets:
        labels[s.name], tied = merged_votes(s, rows.labels[s.name], group)
        ties += tied
        if s.name in rows.clean:
            clean[s.name], _ = merged_votes(s, rows.clean[s.name], group)
    people = rows.table.text(spec.annotator or "").nunique()
    note = f"{rows.table.path}: {len(group):,} rows of {people:,} annotators are votes on {len(first):,} images"
    note += f"; tied votes, which are no label: {ties:,}" if ties else ""
    silent = unlabelled(labels)
    note += f"; images left out because no label remains: {int(silent.sum()):,}" if silent.any() else ""
    merged = _Rows(merged.table, merged.numbers, merged.words, merged.sources, labels, clean, rows.notes)
    return merged.take(np.flatnonzero(~silent), note)


def _check_one_split(spec: ManifestSpec, rows: _Rows, group: np.ndarray, first: np.ndarray, problems: Problems) -> None:
    """Add a problem for each row whose image is in another split by an earlier row."""
    words = rows.words
    if words is None and spec.split in rows.table.columns:
        words = rows.table.text(spec.split).to_numpy()
    if words is None:
        return
    for i in np.flatnonzero(words != words[first][group]).tolist():
        earlier = rows.table.place(int(first[group[i]]))
        problems.add(rows.table.place(i), f"the image is in {words[i]}, but in {words[first][group[i]]} by {earlier}")


def _subjects(table: Table, column: str) -> np.ndarray:
    """The person shown (N,); a row that does not say is one more person, with a made-up name.

    Made-up names must not change between versions: the order of names decides the splits, and so the digest.
    """
    cells = table.raw(column).str.strip()
    named = zip(cells.index, cells, gaps(cells), strict=True)
    return np.array([f"nobody named, line {line}" if gap else name for line, name, gap in named])


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
