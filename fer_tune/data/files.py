"""What the readers of data sets share: settings of a data folder, text files, tables."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from fer_tune.data.errors import DataError, Problems


class FolderSpec(BaseModel):
    """Settings that every data set in a folder has."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    folder: str = Field(description="the data folder, absolute or relative to where the command runs")
    image_size: Literal[32, 64, 128, 256] = Field(64, description="side in pixels; images are resized to it")
    validation: float = Field(
        0.1, gt=0, lt=0.9, description="share of the training samples kept for validation, the same from each class"
    )
    seed: int = Field(0, ge=0, description="draws the validation samples")

    @property
    def root(self) -> Path:
        return Path(self.folder)


def regular_file(path: Path) -> Path:
    """Return the path. Raises DataError if it is, say, a folder or a pipe: reading a pipe would wait forever."""
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: is not a file")
    return path


def read_lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """FILE:LINE and the words of each line that is not empty. Raises DataError for an unreadable file."""
    try:
        text = regular_file(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if words := line.split():
            yield f"{path}:{number}", words


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a CSV or Parquet file as text, empty cells as "". The index holds the line numbers of the file.

    Raises DataError for a file that cannot be read or lacks one of the columns.
    """
    regular_file(path)
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            table = pd.read_parquet(path)
            table = table.astype(object).where(table.notna(), "").map(_as_text)
            table.index = pd.RangeIndex(1, len(table) + 1)
        else:
            table = pd.read_csv(
                path, dtype=str, keep_default_na=False, encoding="utf-8-sig", on_bad_lines="error",
                skip_blank_lines=False, usecols=(lambda c: c in columns) if columns else None,
            )  # fmt: skip
            table.index = pd.RangeIndex(2, len(table) + 2)
            table = table[(table != "").any(axis=1)]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise DataError(f"{path}: is not a table: {str(error).strip()}") from None
    missing = [c for c in columns or [] if c not in table]
    if missing:
        raise DataError(f"{path}: has no column {', '.join(map(repr, missing))}")
    return table


def has_column(path: Path, column: str) -> bool:
    """Whether the file exists and is a table with this column."""
    try:
        return path.exists() and column in read_table(path, [column])
    except DataError:
        return False


def numeric_column(table: pd.DataFrame, column: str, path: Path, problems: Problems) -> np.ndarray:
    """A column as floats (n,), empty cells NaN. A cell that is not a finite number becomes NaN and a problem."""
    text = table[column].str.strip()
    values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan).copy()
    bad = (text != "").to_numpy() & ~np.isfinite(values)
    for line, cell in zip(table.index[bad], text[bad], strict=True):
        problems.add(f"{path}:{line}", f"{column} must be a number: it is {cell!r}")
    values[bad] = np.nan
    return values


def write_csv(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """Write rows of cells, the header first, as UTF-8 with Unix line ends."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")


def shortest_text(value: float) -> str:
    """The shortest text that reads back as the same 32-bit number."""
    return str(np.float32(value))


def _as_text(value: object) -> str:
    """A cell of a typed table as a CSV file would hold it; a whole float is a class code."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
