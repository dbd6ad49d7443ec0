"""Finds out which data set is in a folder, and drafts the `dataset` section of a study for it."""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_tune.data.drafts import Draft
from fer_tune.data.errors import DataError, listed, printable, quoted
from fer_tune.data.kinds import KINDS
from fer_tune.data.manifest_spec import RESERVED_NAMES
from fer_tune.data.tables import (
    TABLE_SUFFIXES,
    Table,
    gaps,
    has_column,
    numbers_in,
    read_header,
    read_table,
    whole_number,
)

MAX_CLASSES = 30  # a column with more different values is not a label
MAX_WORDS = 10 * MAX_CLASSES  # with more, no word is compared with others
MAX_MISTAKES = 0.05  # share of a column's cells that may be mistakes
MAX_COLUMNS = 40  # with more, a table holds features, not labels
SPREADSHEET_ERROR = re.compile(r"#[A-Z0-9/]+[!?]")  # such as #REF!
OTHER_SUFFIXES = (".xlsx", ".xls", ".ods", ".numbers", ".txt", ".json", ".jsonl", ".feather", ".pkl", ".npz", ".mat")
SPLIT = "split"
AFFECT = "affect"  # name of the drafted continuous set


def detect(folder: Path) -> Draft:
    """The `dataset` section for a folder or a manifest file. Raises DataError if it is neither."""
    if folder.is_file():
        return _draft_manifest(folder)
    if not folder.exists():
        raise DataError(f"{folder}: does not exist")
    if not folder.is_dir():
        raise DataError(f"{folder}: is neither a folder nor a file")
    for name, kind in KINDS.items():
        if kind.is_in and kind.is_in(folder):
            return Draft({"kind": name, "folder": str(folder)})
    files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    tables = [file for file in files if file.suffix.lower() in TABLE_SUFFIXES]
    named = [file for file in tables if has_column(file, "path")]
    if len(named) == 1:
        return _draft_manifest(named[0])
    if named:
        names = listed([file.name for file in named])
        found = f"{len(named)} tables with a column path ({names}). Name the table itself"
    else:
        found = "no table with a column path" + _others(tables, files)
    raise DataError(f"{folder}: is not a known data set, and it holds {found}")


def _others(tables: Sequence[Path], files: Sequence[Path]) -> str:
    """What a folder without a usable table holds instead."""
    lines = [f"\n  {_why_unusable(file)}" for file in tables[:5]]
    other = [file.name for file in files if file.suffix.lower() in OTHER_SUFFIXES]
    lines += [f"\n  not read, because they are neither CSV nor Parquet: {listed(other)}"] if other else []
    return ":" + "".join(lines) if lines else ""


def _why_unusable(file: Path) -> str:
    try:
        return f"{file}: has the columns {listed(read_header(file))}"
    except DataError as error:
        return str(error)


@dataclass(frozen=True)
class _Guess:
    """What a column was taken for: classes, a continuous value, or nothing."""

    remark: str
    classes: tuple[str, ...] = ()
    continuous: bool = False


def _draft_manifest(file: Path) -> Draft:
    """Guess the label sets: words and codes are classes; columns of fractions in [-1, 1] form one continuous set.

    A few cells that do not fit the rest of their column do not change the guess: the check names them later.
    """
    table = read_table(file)
    table.require(["path"])
    if not len(table):
        raise DataError(f"{file}: has no rows below its header")
    guesses = {name: _guess(table, name) for name in table.columns if name not in ("path", SPLIT)}
    used = [name for name, guess in guesses.items() if guess.classes or guess.continuous]
    for name in used[MAX_COLUMNS:]:
        guesses[name] = _Guess(f"left out: {MAX_COLUMNS} columns before it are labels already")
    continuous = [name for name, guess in guesses.items() if guess.continuous]
    taken = {*RESERVED_NAMES, *continuous, *([AFFECT] if continuous else [])}
    sets: list[dict[str, Any]] = []
    for name, guess in guesses.items():
        if guess.classes:
            set_name = _set_name(name, taken)
            taken.add(set_name)
            sets.append({"name": set_name, "kind": "categorical", "columns": [name], "classes": list(guess.classes)})
    if continuous:
        name = AFFECT if AFFECT not in continuous else _set_name(AFFECT, taken)
        sets.append({"name": name, "kind": "continuous", "columns": continuous})
    remarks = ["path: the images", *([f"{SPLIT}: the splits"] if SPLIT in table.columns else [])]
    remarks += _grouped({name: guess.remark for name, guess in guesses.items()})
    if not any(guess.classes for guess in guesses.values()):
        lines = "".join(f"\n  {remark}" for remark in remarks)
        raise DataError(f"{file}: no column could be taken for classes, and a study needs one:{lines}")
    return Draft({"kind": "manifest", "file": str(file), "sets": sets}, (*remarks, *table.notes))


def _guess(table: Table, name: str) -> _Guess:
    """What a column holds."""
    if name in table.repeated or name.rpartition(".")[0] in table.repeated:
        return _Guess("left out: several columns have this name")
    cells = table.text(name)
    missing = gaps(cells)
    cells = cells[~missing]
    if cells.empty:
        return _Guess("left out: it holds no value")
    said = f"; {int(missing.sum())} of {len(table)} are missing" if missing.any() else ""
    markers = sorted(set(table.text(name)[missing]) - {""})
    said += f" ({listed(markers)})" if markers else ""
    return _guess_values(cells, said)


def _guess_values(cells: "pd.Series[str]", said: str) -> _Guess:
    """What a column without gaps holds; `said` is what else there is to say of it."""
    values, wrong = numbers_in(cells)
    numbers = values[~wrong]
    fractions = (np.abs(values) <= 1).mean() >= 1 - MAX_MISTAKES and (
        (numbers % 1 != 0).any() or ((numbers < 0).any() and cells.str.contains(r"[.,]").any())
    )
    if fractions:
        return _Guess(f"a continuous value{said}", continuous=True)
    codes = cells.map(whole_number)
    present = _classes(codes)
    if len(present) < 2:
        return _Guess(f"left out: every row has {quoted(codes.iloc[0])}{said}")
    if (~wrong).mean() >= 1 - MAX_MISTAKES and (numbers % 1 != 0).any():
        low, high = f"{numbers.min():g}", f"{numbers.max():g}"
        return _Guess(f"left out: numbers from {low} to {high}; a continuous value must be in [-1, 1]{said}")
    if len(present) > MAX_CLASSES:
        kind = "different values, as many as rows" if len(present) == len(cells) else "different values"
        return _Guess(f"left out: {len(present)} {kind}; more than {MAX_CLASSES} are not classes{said}")
    classes = _all_codes(present)
    counts = f"{len(present)} classes"
    if len(classes) > len(present):
        counts = f"classes {classes[0]} to {classes[-1]}, of which {len(present)} occur"
    return _Guess(f"{counts}{said}", tuple(classes))


def _all_codes(present: list[str]) -> list[str]:
    """Class codes without holes between the lowest and the highest; words as they are."""
    if not all(re.fullmatch(r"0|[1-9]\d{0,2}", word) for word in present):
        return present
    codes = sorted(map(int, present))
    if codes[-1] > MAX_CLASSES:
        return [str(code) for code in codes]
    return [str(code) for code in range(min(codes[0], 1), codes[-1] + 1)]


def _classes(cells: "pd.Series[str]") -> list[str]:
    """The different words or codes of a column, without rare words that look like misspelt frequent ones."""
    counts = Counter(cells)
    if len(counts) > MAX_WORDS:
        return list(counts)
    usual = len(cells) / len(counts)
    rare = [word for word, count in counts.items() if count <= max(MAX_MISTAKES * usual, 1) < usual / 2]
    frequent = {word.lower(): word for word in counts if word not in rare and word.isascii()}
    misspelt = {w for w in rare if w.lower() in frequent or difflib.get_close_matches(w.lower(), frequent, 1, 0.8)}
    misspelt = {word for word in misspelt if not word.strip("-").isdigit()}
    return sorted(word for word in counts if word not in misspelt and not SPREADSHEET_ERROR.fullmatch(word))


def _set_name(column: str, taken: set[str]) -> str:
    """A valid label set name that looks like the column's and is not taken."""
    kept = "".join(c if c.isascii() and c.isalnum() else "_" for c in column)[:31]
    name = kept if kept[:1].isalpha() else f"s{kept}"[:32]
    return next(new for k in range(len(taken) + 1) if (new := f"{name[:28]}_{k + 1}" if k else name) not in taken)


def _grouped(remarks: dict[str, str]) -> list[str]:
    """One line for each column; of a table with many columns, one for each remark."""
    if len(remarks) <= MAX_COLUMNS:
        return [f"{printable(name)}: {remark}" for name, remark in remarks.items()]
    columns: dict[str, list[str]] = {}
    for name, remark in remarks.items():
        columns.setdefault(re.sub(r"\d\S*", "N", remark), []).append(name)
    return [f"{listed(names)}: {remark}" for remark, names in columns.items()]
