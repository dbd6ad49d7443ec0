"""Files of a results folder: each written whole or not at all, each read with its faults named."""

import csv
import io
import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from fer_tune.errors import UserError


class Damaged(UserError):
    """A file of a results folder that cannot be read; the message names it and what repairs it."""


def damaged(path: Path) -> Damaged:
    """The error for a file that resuming the study repairs."""
    return Damaged(f"{path} is damaged: resume the study with --resume, which repairs it")


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a file whole or not at all: temporary name, sync, rename, sync of the folder."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def why_unwritable(folder: Path) -> str:
    """Why nothing can be written into a results folder; empty where it can.

    A starting worker creates its trial's folder, so a results folder counts as vanished once study.json is gone.
    """
    if not (folder / "study.json").exists():
        return "the folder has vanished"
    try:
        write_atomically(folder / ".probe", bytes(2**16))
        (folder / ".probe").unlink()
    except OSError as error:
        return str(error.strerror)
    return ""


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically. Raises ValueError for NaN and infinities: write None for a missing value.

    A lone surrogate, as in a file name that is not UTF-8, is written as JSON's own escape.
    """
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, text.encode(errors="backslashreplace"))


def read_json(path: Path) -> Any:
    """Read a JSON file of a results folder. Raises Damaged, and FileNotFoundError where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise damaged(path) from None


def read_json_or(path: Path, default: Any) -> Any:
    """The content of a JSON file, or `default` where there is no file. Raises Damaged."""
    return read_json(path) if path.exists() else default


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows under the union of their keys; NaN and None become empty cells."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    write_cells(path, columns, [[_cell(row.get(column)) for column in columns] for row in rows])


def write_cells(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table of cells under its column names."""
    text = _as_csv([columns, *rows], csv.QUOTE_MINIMAL)
    if "\r" in text:  # Python before 3.13 leaves it unquoted, and readers then end the line there
        text = _as_csv([columns, *rows], csv.QUOTE_ALL)
    write_atomically(path, text.encode(errors="backslashreplace"))


def _as_csv(rows: Sequence[Sequence[Any]], quoting: Literal[0, 1, 2, 3]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows(rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value
