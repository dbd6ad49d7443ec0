"""What the readers of data sets on disk share: their common settings and small file formats."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from fer_tune.data.index import DataError, Problems


class FolderSpec(BaseModel):
    """Settings of every data set that lies in a folder."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    folder: str = Field(description="the data folder, absolute or from where the command is run")
    image_size: Literal[32, 64, 128, 256] = Field(64, description="pixels of a side; images are resized to it")
    validation: float = Field(
        0.1, gt=0, lt=0.9, description="share of the training samples kept for choosing, each class alike"
    )
    seed: int = Field(0, ge=0, description="which samples those are")

    @property
    def root(self) -> Path:
        return Path(self.folder)


def regular(path: Path) -> Path:
    """The path. Raises DataError where it is there and no file: reading a pipe would wait for ever."""
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: is no file")
    return path


def read_lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """FILE:LINE and the words of each line that is not empty. Raises DataError for an unreadable file."""
    try:
        text = regular(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if words := line.split():
            yield f"{path}:{number}", words


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """A CSV or Parquet file; of a CSV every cell as text, empty ones as "". The index counts the file's lines.

    Raises DataError for a file that cannot be read or lacks one of the columns.
    """
    regular(path)
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
        raise DataError(f"{path}: is no table: {str(error).strip()}") from None
    missing = [c for c in columns or [] if c not in table]
    if missing:
        raise DataError(f"{path}: has no column {', '.join(map(repr, missing))}")
    return table


def _as_text(value: object) -> str:
    """Cells of a typed table as a CSV would hold them; a whole float is a code."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def numbers(table: pd.DataFrame, column: str, path: Path, problems: Problems) -> np.ndarray:
    """A column as floats (n,), empty cells NaN; whatever is no finite number is a problem."""
    text = table[column].str.strip()
    values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan).copy()
    bad = (text != "").to_numpy() & ~np.isfinite(values)
    for line, cell in zip(table.index[bad], text[bad], strict=True):
        problems.add(f"{path}:{line}", f"{column} must be a number: it is {cell!r}")
    values[bad] = np.nan
    return values
