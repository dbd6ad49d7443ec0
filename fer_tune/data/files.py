"""What the readers of data sets share: settings of a data folder, and text files."""

import bz2
import csv
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from fer_tune.data.errors import DataError, one_line

MARKS: Mapping[bytes, str] = {  # byte order marks of encodings other than UTF-8; the longer ones first
    b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16",
}  # fmt: skip
OTHER_FILES: Mapping[bytes, str] = {  # by how they begin
    b"PK\x03\x04": "an Excel or OpenDocument workbook, or another zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file, whose name must end in .parquet",
    b"(\xb5/\xfd": "compressed with zstd",
    b"%PDF": "a PDF file",
    b"SQLite format 3": "a SQLite database",
}
COMPRESSED: Mapping[bytes, Callable[..., IO[Any]]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
BLOCK = 2**20  # bytes read at once
REMEDY = "Save it as UTF-8 (in Excel: CSV UTF-8)"
LINE_END = re.compile(rb"\r\n|\r|\n")


class FilesSpec(BaseModel):
    """Settings that every data set has that is read from files."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    copies: Literal["keep", "drop"] = Field(
        "keep",
        exclude_if=lambda value: value == "keep",  # so that studies of versions without it stay what they were
        description="drop: leave images out of training that are also in validation or test, and out of validation "
        "those that are also in test; images are equal if their pixels are, after resizing",
    )


class FolderSpec(FilesSpec):
    """Settings that every data set in a folder has."""

    folder: str = Field(description="the data folder, absolute or relative to the current folder")
    image_size: Literal[32, 64, 112, 128, 224, 256] = Field(
        64, description="side in pixels that images are resized to; 112 and 224 need model.game_size"
    )
    validation: float = Field(
        0.1, gt=0, lt=0.9, description="share of the training samples kept for validation, stratified by class"
    )
    seed: int = Field(0, ge=0, description="seed that selects the validation samples")

    @property
    def root(self) -> Path:
        return Path(self.folder)


def regular_file(path: Path) -> Path:
    """Return the path. Raises DataError if it is, say, a folder or a pipe: reading a pipe would wait forever."""
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: is not a file")
    return path


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a text file, also a compressed one, with their ends, as editors count them.

    Raises DataError, saying what would be right, for a file that cannot be read or is not UTF-8 (or, with a byte
    order mark, UTF-16 or UTF-32) text.
    """
    encoding = "utf-8-sig"
    try:
        with _opener(path)(path, "rb") as file:
            head = file.read(4)
        encoding = next((name for mark, name in MARKS.items() if head.startswith(mark)), encoding)
        with _opener(path)(path, "rt", encoding=encoding, newline="") as file:
            for number, line in enumerate(file, 1):
                if "\0" in line:
                    raise DataError(f"{path}: is not UTF-8 text: line {number} holds a null byte. {REMEDY}")
                yield line
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeError:
        raise DataError(_not_in(path, encoding)) from None
    except (EOFError, ValueError, lzma.LZMAError, zlib.error) as error:  # also a null byte in the name
        raise DataError(f"{path}: cannot be read: {one_line(error)}") from None


def ends_a_line(path: Path) -> bool:
    """Whether a text file that can be read ends with the end of a line."""
    with _opener(path)(path, "rb") as file:
        tail = b""
        while block := file.read(BLOCK):
            tail = block[-4:]
    return b"\n" in tail or b"\r" in tail


def _opener(path: Path) -> Callable[..., IO[Any]]:
    """What opens a text file. Raises DataError for files that are not text, and OSError."""
    with open(regular_file(path), "rb") as file:
        head = file.read(16)
    for start, kind in OTHER_FILES.items():
        if head.startswith(start):
            raise DataError(f"{path}: is not text but {kind}: save it as UTF-8 text (a table as CSV UTF-8)")
    return next((opener for start, opener in COMPRESSED.items() if head.startswith(start)), open)


def _not_in(path: Path, encoding: str) -> str:
    """Explain that a file cannot be decoded, and where."""
    name = "UTF-8" if encoding == "utf-8-sig" else encoding.upper()
    with _opener(path)(path, "rb") as file:
        content = file.read()
    try:
        content.decode(encoding)
        return f"{path}: is not {name} text. {REMEDY}"
    except UnicodeDecodeError as error:
        if name != "UTF-8":
            return f"{path}: is not {name} text, though it begins so: {error.reason} at byte {error.start}. {REMEDY}"
        before, byte = content[: error.start], content[error.start : error.start + 1]
    line = len(LINE_END.findall(before)) + 1
    meant = byte.decode("cp1252", errors="ignore")
    guess = f", which is {meant!r} in Windows-1252" if meant else ""
    return f"{path}: is not UTF-8 text: line {line} holds byte 0x{byte.hex()}{guess}. {REMEDY}"


def read_lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """FILE:LINE and the words of each line that is not empty. Raises DataError for an unreadable file."""
    for number, line in enumerate(text_lines(path), 1):
        if words := line.split():
            yield f"{path}:{number}", words


def write_csv(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """Write rows of cells, the header first, as UTF-8 with Unix line ends."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")


def shortest_text(value: float) -> str:
    """The shortest text that reads back as the same 32-bit number."""
    return str(np.float32(value))
