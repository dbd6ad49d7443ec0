"""Tables of labels, as spreadsheets and other programs save them: CSV in its dialects, or Parquet."""

import csv
import re
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd

from fer_tune.data.errors import DataError, Problems, listed, one_line, printable, quoted
from fer_tune.data.files import ends_a_line, regular_file, text_lines

MISSING_MARKERS = frozenset(  # what R, pandas, spreadsheets, SQL, SAS and Weka write; Nan and Null are also names
    ("", "NA", "na", "N/A", "n/a", "#N/A", "#NA", "#N/A N/A", "<NA>", "NaN", "nan", "NAN", "-nan", "-NaN",
     "null", "NULL", "None", "none", "NONE", "nil", "NIL", "-", "--", "\N{EN DASH}", "\N{EM DASH}", ".", "?")
)  # fmt: skip
SEPARATORS = (",", ";", "\t", "|")
SEPARATOR_LINE = re.compile(r'^"?sep=([,;\t|])"?\s*$', re.IGNORECASE)  # Excel writes it above the header
LONGEST_CELL = 2**26  # characters; a cell of pixels is long
SAMPLE_LINES = 64  # lines that decide on the separator
ROWS_AT_ONCE = 50_000  # held as Python's lists
PARQUET_SUFFIXES = (".parquet", ".pq")
TABLE_SUFFIXES = (".csv", ".tsv", *PARQUET_SUFFIXES)
CSV_PROBLEMS = {  # by how Python's own text begins
    "unexpected end": "a quoted cell begins here and is never closed",
    "field larger": f"a cell has more than {LONGEST_CELL} characters: is a quote not closed?",
}
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
    """

    path: Path
    cells: pd.DataFrame
    repeated: frozenset[str] = frozenset()
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def columns(self) -> list[str]:
        return list(self.cells.columns)

    def place(self, row: int) -> str:
        """FILE:LINE of a row, counted from 0."""
        return f"{self.path}:{self.cells.index[row]}"

    def places(self) -> list[str]:
        """FILE:LINE of every row."""
        return [f"{self.path}:{line}" for line in self.cells.index]

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

    def numbers(self, name: str, problems: Problems) -> np.ndarray:
        """A column as floats (n,), gaps NaN. A cell that is not a finite number becomes NaN and a problem."""
        text = self.text(name)
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


def read_table(path: Path, columns: Sequence[str] | None = None) -> Table:
    """Read a CSV or Parquet file.

    Separators (comma, semicolon, tab, bar), UTF-8, UTF-16 and UTF-32 with a byte order mark, and decimal commas are
    recognised. A row may have fewer cells than the header, the rest are gaps, and more only if they are empty.

    Args:
        columns: those to keep, all of which must be there; None keeps every column.

    Raises DataError for a file that cannot be read, naming the line and what would be right.
    """
    table = _read_parquet(path) if _is_parquet(path) else _read_csv(path, columns)
    if columns is not None:
        table.require(columns)
    return table


def read_header(path: Path) -> list[str]:
    """The column names of a table; of a CSV file only the beginning is read. Raises DataError."""
    if _is_parquet(path):
        return _read_parquet(path).columns
    with closing(_records(path)) as records:
        return _named(next(records, (0, []))[1])[0]


def has_column(path: Path, column: str) -> bool:
    """Whether the file exists and is a table with this column."""
    try:
        return path.exists() and column in read_header(path)
    except DataError:
        return False


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in PARQUET_SUFFIXES


def _read_parquet(path: Path) -> Table:
    try:
        with open(regular_file(path), "rb") as file:
            table = pd.read_parquet(file)
    except DataError:
        raise
    except Exception as error:  # whatever a damaged file makes of its reader
        if isinstance(error, OSError) and error.strerror:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from None
        raise DataError(f"{path}: is not a Parquet file that can be read: {one_line(error)}") from None
    if any(table.index.names):  # pandas stores its index as columns
        table = table.reset_index(allow_duplicates=True)
    names, repeated = _named([str(name) for name in table.columns])
    table.columns = pd.Index(names)
    table = table.astype(object).where(table.notna(), "").map(_as_text).astype("str")
    table.index = pd.RangeIndex(1, len(table) + 1)
    return Table(path, table, repeated)


def _read_csv(path: Path, columns: Sequence[str] | None) -> Table:
    with closing(_records(path)) as records:
        _, header = next(records, (0, []))
        names, repeated = _named(header)
        if not names:
            raise DataError(f"{path}: is empty")
        if columns is not None:
            _check_columns(path, names, repeated, columns)
        wanted = {name.strip() for name in columns or names}
        rows = _Rows(path, len(names), [k for k, name in enumerate(names) if name in wanted])
        for line, cells in records:
            rows.add(line, cells)
    skipped = tuple(name for name in names if name not in wanted)
    return Table(path, rows.frame(names), repeated, skipped, rows.notes())


class _Rows:
    """Collects the rows of a CSV file that has `width` named columns; keeps the cells of some."""

    def __init__(self, path: Path, width: int, kept: list[int]) -> None:
        self.path, self.width, self.kept = path, width, kept
        self.lines: list[int] = []
        self.short: list[int] = []
        self.long: list[tuple[int, int]] = []  # line, number of cells
        self.rows: list[list[str]] = []
        self.done: list[pd.DataFrame] = []

    def add(self, line: int, cells: list[str]) -> None:
        if len(cells) > self.width and any(cell.strip() for cell in cells[self.width :]):
            self.long.append((line, len(cells)))
            return
        if len(cells) < self.width:
            self.short.append(line)
            cells = cells + [""] * (self.width - len(cells))
        self.lines.append(line)
        self.rows.append([cells[k] for k in self.kept])
        if len(self.rows) == ROWS_AT_ONCE:
            self._pack()

    def frame(self, names: list[str]) -> pd.DataFrame:
        """The rows as a table. Raises DataError for rows with more cells than the header, and for a cut last row."""
        self._check()
        self._pack()
        table = pd.concat(self.done, ignore_index=True)
        table.columns = pd.Index([names[k] for k in self.kept])
        table.index = pd.Index(self.lines, dtype=np.int64)
        return table

    def notes(self) -> tuple[str, ...]:
        if not self.short:
            return ()
        return (f"{self.path}: {len(self.short)} rows have fewer cells than the header, such as line {self.short[0]}: "
                "the missing ones are gaps",)  # fmt: skip

    def _pack(self) -> None:
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.kept)
        self.done.append(pd.DataFrame({k: pd.Series(list(cells), dtype="str") for k, cells in enumerate(columns)}))
        self.rows = []

    def _check(self) -> None:
        if self.long and not self.lines and all(cells == self.width + 1 for _, cells in self.long):
            raise DataError(
                f"{self.path}: every row has {self.width + 1} cells, but the header names {self.width} columns: give "
                "the first column a name (in R: write.csv(..., row.names = FALSE)), or remove the last one"
            )
        problems = Problems(f"{self.path}: these rows do not fit the header, which names {self.width} columns")
        for line, cells in self.long:
            problems.add(f"{self.path}:{line}", f"has {cells} cells: a cell that holds a separator needs quotes")
        if self.short and self.lines[-1] == self.short[-1] and len(self.lines) > 1 and not ends_a_line(self.path):
            problems.add(f"{self.path}:{self.lines[-1]}", "the file ends in the middle of this row")
        problems.raise_any()


def _records(path: Path) -> Generator[tuple[int, list[str]]]:
    """The first line and the cells of each row of a CSV file that holds anything, the header first."""
    lines = text_lines(path)
    sample = list(islice(lines, SAMPLE_LINES))
    named = SEPARATOR_LINE.match(sample[0]) if sample else None
    skipped = sample[:1] if named else []
    sample = sample[len(skipped) :]
    separator = named[1] if named else _separator(sample)
    header = next((line for line in sample if line.strip()), "")
    blank_before_quote = re.search(rf'{re.escape(separator)} +"', header) is not None
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(chain(sample, lines), delimiter=separator, strict=True, skipinitialspace=blank_before_quote)
    line = 1 + len(skipped)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            own = next((text for start, text in CSV_PROBLEMS.items() if str(error).startswith(start)), None)
            raise DataError(f"{path}:{line}: {own or 'text follows the closing quote of a cell'}") from None
        if any(cell and not cell.isspace() for cell in cells):
            yield line, cells
        line = 1 + len(skipped) + reader.line_num


def _separator(lines: list[str]) -> str:
    """What separates the cells of these first lines: it gives the header several, and the rows as many."""
    best, best_fit = SEPARATORS[0], (False, False)
    for separator in SEPARATORS:
        rows = [row for row in csv.reader(lines, delimiter=separator) if any(cell.strip() for cell in row)]
        header, rows = rows[0] if rows else [], rows[1:-1] or rows[1:]  # the last may be cut by the sample's end
        fits = all(len(row) == len(header) or not any(cell.strip() for cell in row[len(header) :]) for row in rows)
        fit = (len(header) > 1, fits)
        if fit > best_fit:
            best, best_fit = separator, fit
    return best


def _named(header: list[str]) -> tuple[list[str], frozenset[str]]:
    """Column names, each once, as pandas makes them; and those that the header has more than once.

    Trailing columns without a name are left out: separators at the end of a line make them.
    """
    names = [name.strip() for name in header]
    while names and not names[-1]:
        names.pop()
    names = [name or f"Unnamed: {k}" for k, name in enumerate(names)]
    counts: Counter[str] = Counter()
    taken, unique = set(names), []
    for name in names:
        new, k = name, counts[name]
        while k and (new := f"{name}.{k}") in taken:
            k += 1
        counts[name] = k + 1
        taken.add(new)
        unique.append(new)
    return unique, frozenset(name for name, count in counts.items() if count > 1)


def _check_columns(path: Path, names: Sequence[str], repeated: frozenset[str], wanted: Iterable[str]) -> None:
    wanted = [name.strip() for name in wanted]
    there = set(names)
    missing = [name for name in dict.fromkeys(wanted) if name not in there]
    if missing:
        raise DataError(f"{path}: has no column {', '.join(map(repr, missing))}; it has {listed(names)}")
    twice = sorted(repeated.intersection(wanted))
    if twice:
        raise DataError(f"{path}: several columns are named {', '.join(map(repr, twice))}: rename all but one")


def _as_text(value: object) -> str:
    """A cell of a typed table as a CSV file would hold it; a whole float is a class code."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
