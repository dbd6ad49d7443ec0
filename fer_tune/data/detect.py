"""Which data set lies in a folder, and the `dataset` section that a study would need for it."""

import difflib
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from fer_tune.data.affectnet import PATH
from fer_tune.data.cifar10 import FOLDER
from fer_tune.data.ferplus import PIXEL_FILE
from fer_tune.data.files import read_table
from fer_tune.data.index import DataError
from fer_tune.data.raf import LABEL_FILE

MOST_CLASSES = 30
MOST_MISTAKES = 0.05  # share of a column's cells that may be mistakes before its kind is in doubt
RESERVED = ("path", "split")


def detect(folder: Path) -> dict[str, Any]:
    """The `dataset` section for a folder, or for a manifest file. Raises DataError where nothing fits."""
    if folder.is_file():
        return _manifest(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: is neither a folder nor a file")
    if (folder / LABEL_FILE).exists():
        return {"kind": "raf", "folder": str(folder)}
    if (folder / "train_set").is_dir() or _has_column(folder / "training.csv", PATH):
        return {"kind": "affectnet", "folder": str(folder)}
    if (folder / FOLDER).is_dir():
        return {"kind": "cifar10", "folder": str(folder)}
    if (folder / PIXEL_FILE).exists():
        return {"kind": "ferplus", "folder": str(folder)}
    tables = [f for f in sorted(folder.glob("*")) if f.suffix in (".csv", ".parquet") and _has_column(f, "path")]
    if len(tables) == 1:
        return _manifest(tables[0])
    found = f"{len(tables)} tables with a column path" if tables else "no table with a column path"
    raise DataError(f"{folder}: is no data set that is known, and holds {found}: name the CSV file itself")


def _has_column(file: Path, column: str) -> bool:
    try:
        return file.exists() and column in read_table(file, [column])
    except DataError:
        return False


def _manifest(file: Path) -> dict[str, Any]:
    """Guess label sets: words or codes are classes, numbers in [-1, 1] with fractions one continuous set.

    A few cells that do not fit the rest of their column do not change the guess: the check then names them.
    """
    table = read_table(file)
    if "path" not in table:
        raise DataError(f"{file}: has no column 'path'; it has {', '.join(table.columns)}")
    sets: list[dict[str, Any]] = []
    continuous = []
    for name in (c for c in table.columns if c not in RESERVED):
        cells = table[name].str.strip()
        cells = cells[cells != ""]
        values, present = pd.to_numeric(cells, errors="coerce"), _classes(cells)
        if len(cells) and values.between(-1, 1).mean() >= 1 - MOST_MISTAKES and any("." in cell for cell in cells):
            continuous.append(name)
        elif 2 <= len(present) <= MOST_CLASSES:
            codes = values[cells.isin(present)]
            whole = codes.notna().all() and (codes == codes.round()).all()
            if whole and codes.min() >= 0 and codes.max() < MOST_CLASSES:
                present = [str(code) for code in range(int(codes.max()) + 1)]
            sets.append({"name": _safe(name), "kind": "categorical", "columns": [name], "classes": present})
    if continuous:
        sets.append({"name": "affect", "kind": "continuous", "columns": continuous})
    return {"kind": "manifest", "file": str(file), "sets": sets}


def _classes(cells: pd.Series) -> list[str]:
    """The different words or codes of a column, without rare words that look like misspelt frequent ones."""
    counts = Counter(cells)
    usual = len(cells) / len(counts)
    rare = [word for word, count in counts.items() if count <= max(MOST_MISTAKES * usual, 1) < usual / 2]
    frequent = {word.lower(): word for word in counts if word not in rare and word.isascii()}
    misspelt = {w for w in rare if w.lower() in frequent or difflib.get_close_matches(w.lower(), frequent, 1, 0.8)}
    return sorted(set(counts) - {word for word in misspelt if not word.strip("-").isdigit()})


def _safe(name: str) -> str:
    kept = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)[:31]
    return kept if kept[:1].isalpha() else f"s{kept}"[:32]
