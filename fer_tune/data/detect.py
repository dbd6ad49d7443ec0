"""Finds out which data set is in a folder, and drafts the `dataset` section of a study for it."""

import difflib
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from fer_tune.data.errors import DataError
from fer_tune.data.files import has_column, read_table
from fer_tune.data.kinds import KINDS

MAX_CLASSES = 30  # a column with more different values is not a label
MAX_MISTAKES = 0.05  # share of a column's cells that may be mistakes
NOT_LABELS = ("path", "split")


def detect(folder: Path) -> dict[str, Any]:
    """The `dataset` section for a folder or a manifest file. Raises DataError if it is neither."""
    if folder.is_file():
        return _draft_manifest(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: is neither a folder nor a file")
    for name, kind in KINDS.items():
        if kind.is_in and kind.is_in(folder):
            return {"kind": name, "folder": str(folder)}
    tables = [f for f in sorted(folder.glob("*")) if f.suffix in (".csv", ".parquet") and has_column(f, "path")]
    if len(tables) == 1:
        return _draft_manifest(tables[0])
    found = f"{len(tables)} tables with a column path" if tables else "no table with a column path"
    raise DataError(f"{folder}: is not a known data set, and it holds {found}. Name the table itself")


def _draft_manifest(file: Path) -> dict[str, Any]:
    """Guess the label sets: words and codes are classes; columns of fractions in [-1, 1] form one continuous set.

    A few cells that do not fit the rest of their column do not change the guess: the check names them later.
    """
    table = read_table(file)
    if "path" not in table:
        raise DataError(f"{file}: has no column 'path'; it has {', '.join(table.columns)}")
    sets: list[dict[str, Any]] = []
    continuous = []
    for name in (c for c in table.columns if c not in NOT_LABELS):
        cells = table[name].str.strip()
        cells = cells[cells != ""]
        values, present = pd.to_numeric(cells, errors="coerce"), _classes(cells)
        if len(cells) and values.between(-1, 1).mean() >= 1 - MAX_MISTAKES and any("." in cell for cell in cells):
            continuous.append(name)
        elif 2 <= len(present) <= MAX_CLASSES:
            codes = values[cells.isin(present)]
            whole = codes.notna().all() and (codes == codes.round()).all()
            if whole and codes.min() >= 0 and codes.max() < MAX_CLASSES:
                present = [str(code) for code in range(int(codes.max()) + 1)]
            sets.append({"name": _set_name(name), "kind": "categorical", "columns": [name], "classes": present})
    if continuous:
        sets.append({"name": "affect", "kind": "continuous", "columns": continuous})
    return {"kind": "manifest", "file": str(file), "sets": sets}


def _classes(cells: pd.Series) -> list[str]:
    """The different words or codes of a column, without rare words that look like misspelt frequent ones."""
    counts = Counter(cells)
    usual = len(cells) / len(counts)
    rare = [word for word, count in counts.items() if count <= max(MAX_MISTAKES * usual, 1) < usual / 2]
    frequent = {word.lower(): word for word in counts if word not in rare and word.isascii()}
    misspelt = {w for w in rare if w.lower() in frequent or difflib.get_close_matches(w.lower(), frequent, 1, 0.8)}
    return sorted(set(counts) - {word for word in misspelt if not word.strip("-").isdigit()})


def _set_name(column: str) -> str:
    """A valid label set name that looks like the column's."""
    kept = "".join(c if c.isascii() and c.isalnum() else "_" for c in column)[:31]
    return kept if kept[:1].isalpha() else f"s{kept}"[:32]
