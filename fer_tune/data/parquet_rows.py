"""Parquet files: their columns as text, images that they hold as bytes, and the class names of Hugging Face's."""

import json
import threading
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from fer_tune.data.errors import DataError, one_line
from fer_tune.data.files import regular_file

IMAGE_FIELD = "bytes"  # of a struct column {bytes, path}
GROUPS_HELD = 2  # row groups of images in memory


@dataclass(frozen=True)
class ParquetColumns:
    """The columns of a Parquet file.

    Attributes:
        text: all but those of bytes, as text cells would hold them.
        images: names of the columns that hold bytes, plain or in a struct {bytes, path}.
        classes: by column: the names of its integer codes, where the file's metadata names them.
    """

    text: pd.DataFrame
    images: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]


def read_parquet(path: Path) -> ParquetColumns:
    """Read a Parquet file but for its columns of bytes. Raises DataError."""
    try:
        with open(regular_file(path), "rb") as file:
            parquet = pq.ParquetFile(file)
            schema = parquet.schema_arrow
            images = tuple(field.name for field in schema if _holds_bytes(field.type))
            kept = [name for name in schema.names if name not in images] if images else None
            table = parquet.read(kept).to_pandas()
        classes = _classes(schema.metadata or {})
    except DataError:
        raise
    except Exception as error:  # whatever a damaged file makes of its reader
        if isinstance(error, OSError) and error.strerror:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from None
        raise DataError(f"{path}: is not a Parquet file that can be read: {one_line(error)}") from None
    if any(table.index.names):  # pandas stores its index as columns
        table = table.reset_index(allow_duplicates=True)
    return ParquetColumns(table, images, classes)


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Typed columns as a CSV file would hold them: missing values are empty, a whole float is a class code."""
    return table.astype(object).where(table.notna(), "").map(_cell).astype("str")


def _cell(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(
            kind.field(k).name == IMAGE_FIELD and _holds_bytes(kind.field(k).type) for k in range(kind.num_fields)
        )
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _classes(metadata: Mapping[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Class names by column, as the `datasets` library writes them into a file."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        named = {column: about["names"] for column, about in features.items() if about.get("_type") == "ClassLabel"}
        return {str(column): tuple(map(str, names)) for column, names in named.items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


class ParquetImages:
    """The images in one column of a Parquet file, held row group by row group.

    Raises DataError if the file cannot be read.
    """

    def __init__(self, path: Path, column: str) -> None:
        self.path, self.column = path, column
        self._lock = threading.Lock()
        self._held: dict[int, Sequence[bytes | None]] = {}
        try:
            with pq.ParquetFile(path) as file:
                about = file.metadata
                sizes = [about.row_group(k).num_rows for k in range(about.num_row_groups)]
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path}: cannot be read: {one_line(error)}") from None
        self._ends = list(accumulate(sizes))

    def __getitem__(self, row: int) -> bytes | None:
        """The bytes of one row, counted from 0; None where it has none. Raises OSError."""
        group = bisect_right(self._ends, row)
        start = self._ends[group - 1] if group else 0
        with self._lock:
            if group not in self._held:
                if len(self._held) == GROUPS_HELD:
                    self._held.pop(next(iter(self._held)))
                self._held[group] = self._read(group)
            return self._held[group][row - start]

    def _read(self, group: int) -> Sequence[bytes | None]:
        try:
            with pq.ParquetFile(self.path) as file:
                cells = file.read_row_group(group, columns=[self.column]).column(self.column).combine_chunks()
        except pa.ArrowException as error:
            raise OSError(f"{self.path}: {one_line(error)}") from None
        if pa.types.is_struct(cells.type):
            cells = cells.field(IMAGE_FIELD)
        found: list[bytes | None] = cells.to_pylist()
        return found
