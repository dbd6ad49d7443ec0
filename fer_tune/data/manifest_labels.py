"""The labels of a manifest: classes by name and code, votes, values on their scale, votes of several annotators."""

import difflib
import unicodedata
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from fer_tune.data.errors import Problems, in_yaml, listed, printable, quoted
from fer_tune.data.labels import MISSING_CLASS
from fer_tune.data.manifest_spec import ManifestSet
from fer_tune.data.spellings import propose
from fer_tune.data.tables import Table, gaps, whole_number
from fer_tune.data.votes import clear_winners

LARGEST = 1e30  # larger values become this one: they are out of range either way
OUTSIDE = 0.05  # with a larger share of values outside [-1, 1], a column may be on another scale
Labels = dict[str, np.ndarray]


def labels_of(spec: ManifestSet, columns: tuple[str, ...], table: Table, problems: Problems) -> np.ndarray:
    """Classes (N,), missing -1, or values (N, d) on the scale from -1 to 1, missing NaN."""
    if spec.kind == "continuous":
        values = np.stack([_values(spec, column, table, problems) for column in columns], axis=1)
        return np.clip(values, -LARGEST, LARGEST).astype(np.float32)
    assert spec.classes is not None
    if len(columns) > 1:
        votes = np.nan_to_num(np.stack([table.numbers(c, problems) for c in columns], axis=1))
        for i in np.flatnonzero((votes < 0).any(axis=1)).tolist():
            problems.add(table.place(i), f"votes for {spec.name} must not be negative")
        return clear_winners(votes)
    cells = table.text(columns[0])
    classes = _classes(cells, spec.classes, spec.map or {})
    unknown = (classes == MISSING_CLASS) & ~gaps(cells) & ~without_label(spec, cells)
    for i in np.flatnonzero(unknown).tolist():
        close = difflib.get_close_matches(cells.iloc[i].lower(), [name.lower() for name in spec.classes], 1)
        meant = next((f", did you mean {name!r}?" for name in spec.classes if [name.lower()] == close), "")
        column = printable(columns[0].strip())
        text = f"{column} must be one of {listed(spec.classes)}: it is {quoted(cells.iloc[i])}{meant}"
        problems.add(table.place(i), text)
    if unknown.any():
        _suggest_map(spec, columns[0], cells[unknown], problems)
    return classes


def without_label(spec: ManifestSet, cells: "pd.Series[str]") -> np.ndarray:
    """Which cells (N,) `map` or `missing` says hold no label."""
    none = {name for name, target in (spec.map or {}).items() if target is None} | set(spec.missing)
    if not none:
        return np.zeros(len(cells), dtype=bool)
    found = {cell: cell in none or whole_number(cell) in none for cell in cells.unique()}
    return cells.map(found).to_numpy(dtype=bool).copy()


def dismissed(spec: ManifestSet, table: Table) -> np.ndarray:
    """Which rows (N,) the `map` of one set says have no label."""
    if len(spec.columns) > 1 or not any(target is None for target in (spec.map or {}).values()):
        return np.zeros(len(table), dtype=bool)
    return without_label(spec, table.text(spec.columns[0]))


def unlabelled(labels: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which rows (N,) have no label in any set."""
    missing = [v == MISSING_CLASS if v.ndim == 1 else np.isnan(v).all(axis=1) for v in labels.values()]
    return np.logical_and.reduce(missing)


def merged_votes(spec: ManifestSet, values: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, int]:
    """One label for each group of rows: the class with most of its votes, or the mean; and how many groups are tied.

    Args:
        values: classes (N,) or values (N, d).
        group: the group (N,) of each row, from 0.
    """
    groups = int(group.max()) + 1
    if values.ndim == 1:
        votes = np.zeros((groups, len(spec.classes or ())))
        given = values != MISSING_CLASS
        np.add.at(votes, (group[given], values[given]), 1)
        winners = clear_winners(votes)
        return winners, int(((winners == MISSING_CLASS) & votes.any(axis=1)).sum())
    sums, counts = np.zeros((groups, values.shape[1])), np.zeros((groups, values.shape[1]))
    np.add.at(sums, group, np.nan_to_num(values))
    np.add.at(counts, group, ~np.isnan(values))
    with np.errstate(invalid="ignore"):
        return (sums / counts).astype(np.float32), 0


def scaled_back(spec: ManifestSet, values: np.ndarray) -> np.ndarray:
    """Values (N, d) from -1 to 1 on the scale of the table."""
    if spec.range is None:
        return values
    low, high = spec.range
    return np.asarray((values.astype(np.float64) + 1) / 2 * (high - low) + low)


def _values(spec: ManifestSet, column: str, table: Table, problems: Problems) -> np.ndarray:
    """The values (N,) of one column on the scale from -1 to 1."""
    cells = table.text(column)
    none = _missing_values(spec, cells)
    values = table.numbers(column, problems, ~none)
    if spec.range is None:
        outside = np.abs(values) > 1
        if outside.mean() > OUTSIDE:
            for i in np.flatnonzero(outside).tolist():
                text = f"{printable(column)} must be in [-1, 1]: it is {quoted(cells.iloc[i])}"
                problems.add(table.place(i), text)
            low, high = np.nanmin(values), np.nanmax(values)
            text = f"  {printable(column)} goes from {low:g} to {high:g}: if it is on another scale than [-1, 1], write"
            problems.suggest(f"{text} `range: [lowest, highest]` in the set {spec.name}")
        return values
    low, high = spec.range
    for i in np.flatnonzero((values < low) | (values > high)).tolist():
        text = f"{printable(column)} must be from {low:g} to {high:g}, as `range` says: it is {quoted(cells.iloc[i])}"
        problems.add(table.place(i), text)
    return 2 * (values - low) / (high - low) - 1


def _missing_values(spec: ManifestSet, cells: "pd.Series[str]") -> np.ndarray:
    """Which cells (N,) of a continuous column are one of `missing`, as text or as a number."""
    none = without_label(spec, cells)
    for marker in spec.missing:
        number = pd.to_numeric(marker, errors="coerce")
        if not np.isnan(number):
            none |= (pd.to_numeric(cells, errors="coerce") == number).to_numpy(dtype=bool, na_value=False)
    return none


def _classes(cells: "pd.Series[str]", names: tuple[str, ...], mapped: Mapping[str, str | None]) -> np.ndarray:
    """The class (N,) that each cell names, or whose position it is; -1 where it does neither.

    A class may have the name of a missing marker, such as None: its cells are then not missing.
    """
    codes = {unicodedata.normalize("NFC", name.strip()): k for k, name in enumerate(names)}
    if not any(name.strip("-").isdigit() for name in names):  # otherwise a number is a name, not a position
        codes |= {str(k): k for k in range(len(names))}
    for word, target in mapped.items():
        codes[unicodedata.normalize("NFC", word.strip())] = MISSING_CLASS if target is None else names.index(target)
    found = {cell: codes.get(cell, codes.get(whole_number(cell), MISSING_CLASS)) for cell in cells.unique()}
    return cells.map(found).to_numpy(dtype=np.int64).copy()


def _suggest_map(spec: ManifestSet, column: str, unknown: "pd.Series[str]", problems: Problems) -> None:
    """Say what `map` would be right for words that name no class."""
    proposed = propose(Counter(unknown), spec.classes, junk=[column.strip()])
    if proposed.map:
        whole = in_yaml({**(spec.map or {}), **proposed.map})
        problems.suggest(f"  {proposed.said()}\n  If that is right, add to the set {spec.name}: `map: {whole}`")
