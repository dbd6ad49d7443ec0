"""Tables of labels, as spreadsheets and other programs save them: CSV in its dialects, or Parquet."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from fer_tune.data.csv_rows import AS_FOUND, Dialect, Rows, named, records
from fer_tune.data.errors import DataError, Problems, listed, printable, quoted
from fer_tune.data.parquet_rows import as_text, read_parquet

MISSING_MARKERS = frozenset(  # what R, pandas, spreadsheets, SQL, SAS and Weka write; Nan and Null are also names
    ("", "NA", "na", "N/A", "n/a", "#N/A", "#NA", "#N/A N/A", "<NA>", "NaN", "nan", "NAN", "-nan", "-NaN",
     "null", "NULL", "None", "none", "NONE", "nil", "NIL", "-", "--", "\N{EN DASH}", "\N{EM DASH}", ".", "?")
)  # fmt: skip
PARQUET_SUFFIXES = (".parquet", ".pq")
TABLE_SUFFIXES = (".csv", ".tsv", *PARQUET_SUFFIXES)
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
CLEARLY_DECIMAL = re.compile(r"[+-]?0*,\d+|[+-]?\d+,(?:\d{1,2}|\d{4,})|.*[eE].*")  # 1,234 may also be a thousand
WHOLE_FLOAT = re.compile(r"([+-]?\d{1,18})[.,]0*")


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        cells: one column of text for each column of the file, named without blanks around the name; a column without
            a name is "Unnamed: K", counted from 0. The index holds the line numbers of the file (rows of Parquet,
            counted from 1). Rows without any content are left out.
        repeated: names that several columns of the file have; the second is stored as "NAME.1".
        skipped: columns of the file that were not asked for.
        notes: what a person should know of how the file was read.
        images: names of the columns that hold images as bytes; they are not among `cells`.
        classes: by column: names of its integer codes, where the file itself names them.
        files: where the rows come from several files: these, ...
        file_of: ... and for each row the position (N,) of its file among them.
    """

    path: Path
    cells: pd.DataFrame
    repeated: frozenset[str] = frozenset()
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    file_of: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def columns(self) -> list[str]:
        return list(self.cells.columns)

    def place(self, row: int) -> str:
        """FILE:LINE of a row, counted from 0."""
        return f"{self.file(row)}:{self.cells.index[row]}"

    def file(self, row: int) -> Path:
        """The file of a row, counted from 0."""
        return self.path if self.file_of is None else self.files[self.file_of[row]]

    def places(self) -> list[str]:
        """FILE:LINE of every row."""
        if self.file_of is None:
            return [f"{self.path}:{line}" for line in self.cells.index]
        return [f"{self.files[k]}:{line}" for k, line in zip(self.file_of, self.cells.index, strict=True)]

    def take(self, rows: np.ndarray) -> Self:
        """The same table with some of its rows (n,), counted from 0."""
        file_of = None if self.file_of is None else self.file_of[rows]
        return replace(self, cells=self.cells.iloc[rows], file_of=file_of)

    def require(self, names: Iterable[str]) -> None:
        """Raise DataError unless each of these columns is there, once."""
        _check_columns(self.path, self.columns, self.repeated, names)

    def raw(self, name: str) -> "pd.Series[str]":
        """A column as it is in the file."""
        return self.cells[name.strip()]

    def text(self, name: str) -> "pd.Series[str]":
        """A column without blanks around its cells, and with one way (NFC) to write each accented letter."""
        cells = self.raw(name).str.strip()
        return cells if cells.str.isascii().all() else cells.str.normalize("NFC")

    def numbers(self, name: str, problems: Problems, read: np.ndarray | None = None) -> np.ndarray:
        """A column as floats (n,), gaps NaN. A cell that is not a finite number becomes NaN and a problem.

        Where `read` (n,) is given, the other cells are gaps.
        """
        text = self.text(name) if read is None else self.text(name).where(read, "")
        values, bad = numbers_in(text)
        for row in np.flatnonzero(bad).tolist():
            cell = text.iloc[row]
            hint = ": write a decimal point, and no other separators" if DECIMAL_COMMA.fullmatch(cell) else ""
            hint = ", which is not finite" if np.isinf(pd.to_numeric(cell, errors="coerce")) else hint
            problems.add(self.place(row), f"{printable(name.strip())} must be a number: it is {quoted(cell)}{hint}")
        return values

    def unused(self, used: Iterable[str]) -> list[str]:
        """A note that names the columns which nothing reads, if there are any."""
        names = {name.strip() for name in used}
        left = [name for name in (*self.columns, *self.skipped) if name not in names]
        return [f"{self.path}: columns that are not used: {listed(left)}"] if left else []


def gaps(cells: "pd.Series[str]") -> np.ndarray:
    """Which cells (n,) of a column say that their value is missing: they are blank, or NA, NaN, null, None, - ..."""
    return cells.str.strip().isin(MISSING_MARKERS).to_numpy(dtype=bool)


def numbers_in(text: "pd.Series[str]") -> tuple[np.ndarray, np.ndarray]:
    """Floats (n,), NaN where a cell is a gap or not a number; and which cells (n,) are not finite numbers.

    Decimal commas are read, unless each of them could as well separate thousands (1,234).
    """
    gap = gaps(text)
    values = pd.to_numeric(text.mask(gap), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan).copy()
    commas = np.flatnonzero(np.isnan(values) & ~gap & text.str.contains(",", regex=False).to_numpy(dtype=bool))
    written = {row: text.iloc[row] for row in commas.tolist() if DECIMAL_COMMA.fullmatch(text.iloc[row])}
    if any(CLEARLY_DECIMAL.fullmatch(cell) for cell in written.values()):
        for row, cell in written.items():
            values[row] = float(cell.replace(",", "."))
    bad = ~gap & ~np.isfinite(values)
    values[bad] = np.nan
    return values, bad


def whole_number(cell: str) -> str:
    """A whole number that a program saved as a float ("2.0") as its digits ("2"); any other text as it is."""
    found = WHOLE_FLOAT.fullmatch(cell)
    return str(int(found[1])) if found else cell


def read_table(path: Path, columns: Sequence[str] | None = None, dialect: Dialect = AS_FOUND) -> Table:
    """Read a CSV or Parquet file.

    Separators (comma, semicolon, tab, bar; blanks where nothing else fits), UTF-8, UTF-16 and UTF-32 with a byte order
    mark, and decimal commas are recognised. A row may have fewer cells than the header, the rest are gaps, and more
    only if they are empty.

    Args:
        columns: those to keep, all of which must be there; None keeps every column.
        dialect: how a CSV file is written, where that is known.

    Raises DataError for a file that cannot be read, naming the line and what would be right.
    """
    table = _read_parquet(path) if _is_parquet(path) else _read_csv(path, columns, dialect)
    if columns is not None:
        table.require(columns)
    return table


def read_tables(paths: Sequence[Path], wanted: Iterable[str] = (), dialect: Dialect = AS_FOUND) -> Table:
    """The rows of several tables, one below the other; a column that one lacks is blank there.

    Raises DataError, also unless each of them has the columns that are wanted.
    """
    wanted = list(wanted)
    tables = [read_table(path, dialect=dialect) for path in paths]
    for table in tables:
        table.require(wanted)
    if len(tables) == 1:
        return tables[0]
    cells = pd.concat([table.cells for table in tables]).fillna("").astype("str")
    file_of = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    return Table(
        tables[0].path,
        cells,
        frozenset().union(*(table.repeated for table in tables)),
        notes=tuple(note for table in tables for note in table.notes),
        images=tables[0].images,
        classes=tables[0].classes,
        files=tuple(paths),
        file_of=file_of,
    )


def files_named(pattern: str) -> list[Path]:
    """The files that a path names, of a pattern with * all that fit, in order. Raises DataError if none fits."""
    path = Path(pattern)
    if path.exists() or not set("*?[") & set(pattern):
        return [path]
    found = sorted(path.parent.glob(path.name)) if path.parent.is_dir() else []
    if not found:
        raise DataError(f"{pattern}: no file has such a name")
    return found


def read_header(path: Path) -> list[str]:
    """The column names of a table; of a CSV file only the beginning is read. Raises DataError."""
    if _is_parquet(path):
        return _read_parquet(path).columns
    with closing(records(path)) as rows:
        return named(next(rows, (0, []))[1])[0]


def first_rows(path: Path, count: int, dialect: Dialect = AS_FOUND) -> list[list[str]]:
    """The cells of the first rows of a CSV file, the header among them. Raises DataError."""
    with closing(records(path, dialect)) as rows:
        return [cells for _, cells in islice(rows, count)]


def has_column(path: Path, column: str) -> bool:
    """Whether the file exists and is a table with this column."""
    try:
        return path.exists() and column in read_header(path)
    except DataError:
        return False


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in PARQUET_SUFFIXES


def _read_parquet(path: Path) -> Table:
    found = read_parquet(path)
    names, repeated = named([str(name) for name in found.text.columns])
    table = found.text
    table.columns = pd.Index(names)
    table = as_text(table)
    table.index = pd.RangeIndex(1, len(table) + 1)
    return Table(path, table, repeated, images=found.images, classes=found.classes)


def _read_csv(path: Path, columns: Sequence[str] | None, dialect: Dialect) -> Table:
    with closing(records(path, dialect)) as lines:
        _, header = next(lines, (0, []))
        names, repeated = named(header)
        if not names:
            raise DataError(f"{path}: is empty")
        if columns is not None:
            _check_columns(path, names, repeated, columns)
        wanted = {name.strip() for name in columns or names}
        rows = Rows(path, header, len(names), [k for k, name in enumerate(names) if name in wanted])
        for line, cells in lines:
            rows.add(line, cells)
    skipped = tuple(name for name in names if name not in wanted)
    return Table(path, rows.frame(names), repeated, skipped, rows.notes())


def _check_columns(path: Path, names: Sequence[str], repeated: frozenset[str], wanted: Iterable[str]) -> None:
    wanted = [name.strip() for name in wanted]
    there = set(names)
    missing = [name for name in dict.fromkeys(wanted) if name not in there]
    if missing:
        raise DataError(f"{path}: has no column {', '.join(map(repr, missing))}; it has {listed(names)}")
    twice = sorted(repeated.intersection(wanted))
    if twice:
        raise DataError(f"{path}: several columns are named {', '.join(map(repr, twice))}: rename all but one")
