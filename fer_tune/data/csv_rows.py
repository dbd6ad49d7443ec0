"""CSV files in their dialects: separators, quotes, lines that are too short or too long."""

import csv
import re
from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd

from fer_tune.data.errors import DataError, Problems
from fer_tune.data.files import ends_a_line, text_lines

BLANKS = " "  # as a separator: any run of blanks and tabs
SEPARATORS = (",", ";", "\t", "|")
SEPARATOR_LINE = re.compile(r'^"?sep=([,;\t|])"?\s*$', re.IGNORECASE)  # Excel writes it above the header
BLANK_RUN = re.compile(r"[ \t]+")
LONGEST_CELL = 2**26  # characters; a cell of pixels is long
SAMPLE_LINES = 64  # lines that decide on the separator
ROWS_AT_ONCE = 50_000  # held as Python's lists
CSV_PROBLEMS = {  # by how Python's own text begins
    "unexpected end": "a quoted cell begins here and is never closed",
    "field larger": f"a cell has more than {LONGEST_CELL} characters: is a quote not closed?",
}


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written, as far as a study file says it.

    Attributes:
        separator: what separates the cells; BLANKS for any run of blanks; None to recognise it.
        header: names of the columns of a file without a header line; None where its first line names them.
    """

    separator: str | None = None
    header: tuple[str, ...] | None = None


AS_FOUND = Dialect()


class Rows:
    """Collects the rows of a CSV file that has these columns; keeps the cells of some.

    A row that repeats the header, where files were put together, is left out.
    """

    def __init__(self, path: Path, header: list[str], width: int, kept: list[int]) -> None:
        self.path, self.header, self.width, self.kept = path, header, width, kept
        self.headers: list[int] = []  # lines that repeat it
        self.lines: list[int] = []
        self.short: list[int] = []
        self.long: list[tuple[int, int]] = []  # line, number of cells
        self.rows: list[list[str]] = []
        self.done: list[pd.DataFrame] = []

    def add(self, line: int, cells: list[str]) -> None:
        if cells == self.header and len(cells) > 1:
            self.headers.append(line)
            return
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
        said = []
        if self.headers:
            lines = f"line {self.headers[0]} repeats the header and is left out"
            said.append(lines if len(self.headers) == 1 else f"{len(self.headers)} lines repeat the header, such as "
                        f"line {self.headers[0]}, and are left out")  # fmt: skip
        if self.short:
            said.append(f"{len(self.short)} rows have fewer cells than the header, such as line {self.short[0]}: the "
                        "missing ones are gaps")  # fmt: skip
        return tuple(f"{self.path}: {text}" for text in said)

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


def records(path: Path, dialect: Dialect = AS_FOUND) -> Generator[tuple[int, list[str]]]:
    """The first line and the cells of each row of a CSV file that holds anything, the header first.

    The header of a file without a header line is the dialect's, on line 0.
    """
    lines = text_lines(path)
    sample = list(islice(lines, SAMPLE_LINES))
    declared = SEPARATOR_LINE.match(sample[0]) if sample and dialect.separator is None else None
    skipped = sample[:1] if declared else []
    sample = sample[len(skipped) :]
    separator = dialect.separator or (declared[1] if declared else separator_of(sample))
    text: Iterable[str] = chain(sample, lines)
    if separator == BLANKS:
        text = (BLANK_RUN.sub(" ", line.strip()) + "\n" for line in text)
    first = next((line for line in sample if line.strip()), "")
    blank_before_quote = re.search(rf'{re.escape(separator)} +"', first) is not None
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(text, delimiter=separator, strict=True, skipinitialspace=blank_before_quote)
    line = 1 + len(skipped)
    if dialect.header is not None and sample:
        yield 0, list(dialect.header)
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


def separator_of(lines: list[str]) -> str:
    """What separates the cells of these first lines: it gives the header several, and the rows as many.

    Blanks only where nothing else does, and all rows have as many cells as the first.
    """
    best, best_fit = SEPARATORS[0], (False, False)
    for separator in SEPARATORS:
        fit = _fit(csv.reader(lines, delimiter=separator))
        if fit > best_fit:
            best, best_fit = separator, fit
    widths = {len(line.split()) for line in lines if line.strip()}
    return BLANKS if not best_fit[0] and len(lines) > 1 and len(widths) == 1 and widths != {1} else best


def _fit(cut: Iterable[list[str]]) -> tuple[bool, bool]:
    """Whether the header has several cells, and whether the rows have as many."""
    rows = [row for row in cut if any(cell.strip() for cell in row)]
    header, rows = rows[0] if rows else [], rows[1:-1] or rows[1:]  # the last may be cut by the sample's end
    fits = all(len(row) == len(header) or not any(cell.strip() for cell in row[len(header) :]) for row in rows)
    return len(header) > 1, fits


def named(header: list[str]) -> tuple[list[str], frozenset[str]]:
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
