"""Drafts the `dataset` section for a table of images and labels, from what its cells hold.

A few cells that do not fit the rest of their column do not change a guess: the check names them later.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_tune.data.csv_rows import BLANKS, Dialect, separator_of
from fer_tune.data.draft_columns import MAX_COLUMNS
from fer_tune.data.draft_paths import ImageColumn, find_images
from fer_tune.data.draft_rows import Columns, find_annotator, find_boxes, find_split
from fer_tune.data.draft_scales import affect_columns
from fer_tune.data.draft_sets import draft_sets
from fer_tune.data.drafts import Draft
from fer_tune.data.errors import DataError, listed, printable
from fer_tune.data.files import text_lines
from fer_tune.data.parquet_rows import ParquetImages
from fer_tune.data.paths import ImageFolder
from fer_tune.data.pictures import IMAGE_SUFFIXES
from fer_tune.data.pixels import looks_like_pixels
from fer_tune.data.tables import PARQUET_SUFFIXES, Table, files_named, first_rows, gaps, read_header, read_tables

FIRST_LINES = 64
SEPARATOR_NAMES = {";": "semicolons", "\t": "tabs", "|": "bars", BLANKS: "blanks"}


@dataclass(frozen=True)
class _Images:
    """Where the images of a table are.

    Attributes:
        settings: the lines of the section that say so.
        columns: those that nothing else can be.
        keys: what tells the image of one row from others (N).
        files: the image files (N); empty where they are no files.
        remarks: by column.
    """

    settings: Mapping[str, Any]
    columns: tuple[str, ...]
    keys: list[object]
    files: list[Path]
    remarks: Mapping[str, str]


def draft_tables(tables: Mapping[str, str], base: Path, answers: Mapping[str, Any]) -> Draft:
    """The section for one table, or for one table a split.

    Args:
        tables: file or pattern by split; one for all splits has the key "".
        base: the folder below which images are looked for.
        answers: what a person answered where several readings are possible, by setting.

    Raises DataError for tables without images or labels, and with the readings where several are possible.
    """
    files = {word: files_named(pattern) for word, pattern in tables.items()}
    first = next(iter(files.values()))[0]
    dialect, about_dialect = _dialect(first)
    table = read_tables([file for paths in files.values() for file in paths], dialect=dialect)
    if not len(table):
        raise DataError(f"{first}: has no rows below its header")
    words = _words(files, table)
    images = _images(table, words, base, first.parent, answers)
    roles, left = _roles(table, images, words is None, answers)
    sets, guesses = draft_sets(table, left, _is_fer2013(table, images), answers)
    remarks = dict(images.remarks)
    for role in roles:
        remarks |= role.remarks
    lines = [*about_dialect, *(f"{printable(name)}: {text}" for name, text in remarks.items())]
    lines += _grouped({name: found.remark for name, found in guesses.items()})
    if not any(found.classes for found in guesses.values()):
        said = "".join(f"\n  {line}" for line in lines)
        raise DataError(f"{first}: no column could be taken for classes, and a study needs one:{said}")
    if "range" in answers and not affect_columns(left):
        raise DataError(f"{first}: no column is called valence, arousal or the like, which the answer `range` is about")
    used = {*images.columns, *(c for s in sets for c in s["columns"])}
    tables, about_tables = _with_labels(tables, files, used, dialect)
    section: dict[str, Any] = {"kind": "manifest"}
    section |= {"file": tables[""]} if "" in tables else {"files": dict(tables)}
    for settings in (images.settings, *(role.settings for role in roles)):
        section |= settings
    section |= {"separator": dialect.separator} if dialect.separator else {}
    section |= {"header": list(dialect.header)} if dialect.header else {}
    section |= {key: answers[key] for key in ("path", "folder", "bytes", "splits") if key in answers}
    return Draft({**section, "sets": sets}, (*lines, *about_tables, *table.notes))


def _roles(
    table: Table, images: _Images, has_split: bool, answers: Mapping[str, Any]
) -> tuple[list[Columns], list[str]]:
    """The columns of the split, where the tables do not say it, of boxes and of annotators; and those that are left."""
    left = [name for name in table.columns if name not in images.columns]
    roles = [find_split(table, left, answers) if has_split else Columns({}, {})]
    left = [name for name in left if name not in roles[-1].remarks]
    roles.append(find_boxes(table, left, images.files))
    left = [name for name in left if name not in roles[-1].remarks]
    boxes = _boxes(table, roles[-1])
    roles.append(find_annotator(table, left, list(zip(images.keys, boxes, strict=True)) if boxes else images.keys))
    return roles, [name for name in left if name not in roles[-1].remarks]


def is_table_of_images(file: Path) -> bool:
    """Whether a text file is a list with an image in each row, and other cells."""
    with suppress(DataError):
        rows = first_rows(file, 4)
        return bool(rows) and all(len(row) > 1 and any(map(_is_image, row)) for row in rows[1:] or rows)
    return False


def _dialect(file: Path) -> tuple[Dialect, list[str]]:
    """What a study file must say of a CSV file: an unusual separator, the names of columns without header."""
    if file.suffix.lower() in PARQUET_SUFFIXES:
        return Dialect(), []
    lines = [line for _, line in zip(range(FIRST_LINES), text_lines(file), strict=False)]
    rows = first_rows(file, 2)
    separator = separator_of(lines)
    said, separator_set = [], None
    if separator in SEPARATOR_NAMES and len(rows[:1] and rows[0]) > 1:
        said.append(f"its cells are separated by {SEPARATOR_NAMES[separator]}")
        separator_set = separator if separator not in ("\t",) or file.suffix.lower() != ".tsv" else None
    if lines and re.match(r'"?sep=', lines[0], re.IGNORECASE):
        said, separator_set = [], None  # the file says it itself
    header = None
    if rows and any(_is_image(cell) or looks_like_pixels(cell) for cell in rows[0]):
        header = _header(rows[0])
        said.append(f"it has no header line, so its columns are called {listed(header)}")
    return Dialect(separator_set, header), said


def _header(cells: list[str]) -> tuple[str, ...]:
    """Names for the columns of a table without header."""
    names = [f"column{k}" for k in range(1, len(cells) + 1)]
    image = next((k for k, cell in enumerate(cells) if _is_image(cell)), None)
    if image is not None:
        names[image] = "path"
    return tuple(names)


def _is_image(cell: str) -> bool:
    return cell.strip().lower().endswith(IMAGE_SUFFIXES) and len(cell.strip()) > 4


def _words(files: Mapping[str, list[Path]], table: Table) -> np.ndarray | None:
    """The split of each row (N,) where each has tables of its own."""
    if "" in files:
        return None
    words = [word for word, paths in files.items() for _ in paths]
    return np.array(
        [words[k] for k in (table.file_of if table.file_of is not None else [0] * len(table))], dtype=object
    )


def _images(table: Table, words: np.ndarray | None, base: Path, own: Path, answers: Mapping[str, Any]) -> _Images:
    """Where the images are: in a column of bytes, of pixels, or files. Raises DataError where nowhere."""
    if table.images:
        name = str(answers.get("bytes", table.images[0]))
        return _Images({"bytes": name}, (name,), _bytes(table, name), [], {name: "the images, as bytes in the table"})
    pixels = [name for name in table.columns if _holds_pixels(table, name)]
    if pixels:
        name = pixels[0]
        return _Images({"pixels": name}, (name,), list(table.raw(name)), [], {name: "the images, as grey values"})
    found = find_images(table, words, base, own, answers)
    if found is None:
        raise DataError(
            f"{table.path}: no column names image files in {base} or below; it has the columns {listed(table.columns)}"
        )
    return _of_files(table, found, own)


def _of_files(table: Table, found: ImageColumn, own: Path) -> _Images:
    settings: dict[str, Any] = {} if found.path == "path" else {"path": found.path}
    settings |= {"folder": str(found.folder)} if found.folder else {}
    settings |= {"prefix": found.prefix} if found.prefix else {}
    folder = found.folder or own
    cells = ImageFolder(folder, found.prefix).paths(table.raw(found.column))
    files = [folder / cell for cell in cells] if "{" not in found.path else []
    keys: list[object] = list(cells) if files else list(range(len(cells)))
    return _Images(settings, (found.column,), keys, files, {found.column: found.remark})


def _bytes(table: Table, name: str) -> list[object]:
    """What tells the images apart: their rows. Raises DataError for a column that holds none."""
    if name not in table.images:
        raise DataError(f"{table.path}: column {name!r} holds no bytes of images; {listed(table.images)} does")
    ParquetImages(table.files[0] if table.files else table.path, name)
    return list(range(len(table)))


def _holds_pixels(table: Table, name: str) -> bool:
    cells = table.raw(name)
    cells = cells[~gaps(cells)].iloc[:9]
    return len(cells) > 0 and 2 * sum(map(looks_like_pixels, cells)) > len(cells)


def _is_fer2013(table: Table, images: _Images) -> bool:
    """Whether a table has the three columns of FER2013's and CK+'s files."""
    named = {name.strip().lower() for name in table.columns}
    return "pixels" in images.settings and {"emotion", "usage"} <= named


def _boxes(table: Table, role: Columns) -> list[tuple[str, ...]]:
    setting = role.settings.get("boxes")
    if setting is None:
        return []
    columns = setting if isinstance(setting, list) else setting["columns"]
    return list(zip(*(table.text(name) for name in columns), strict=True))


def _with_labels(
    tables: Mapping[str, str], files: Mapping[str, list[Path]], used: set[str], dialect: Dialect
) -> tuple[Mapping[str, str], list[str]]:
    """The tables that have the columns used; a remark on the others."""
    if "" in tables:
        return tables, []
    bad = {}
    for word, paths in files.items():
        table = read_tables(paths, dialect=dialect)
        lacking = sorted(used - set(table.columns) - set(table.images))
        if lacking:
            bad[word] = f"{tables[word]}: left out: it has no column {listed(lacking)}"
    kept = {word: name for word, name in tables.items() if word not in bad}
    if "train" not in kept:
        columns = [f"\n  {tables[word]}: {listed(read_header(paths[0]))}" for word, paths in files.items()]
        raise DataError(
            f"{tables['train']}: lacks columns that tables of other splits have; each needs the images and the labels, "
            f"by the same names:{''.join(columns)}"
        )
    return ({"": kept["train"]} if list(kept) == ["train"] else kept), list(bad.values())


def _grouped(remarks: dict[str, str]) -> list[str]:
    """One line for each column; of a table with many columns, one for each remark."""
    if len(remarks) <= MAX_COLUMNS:
        return [f"{printable(name)}: {remark}" for name, remark in remarks.items()]
    columns: dict[str, list[str]] = {}
    for name, remark in remarks.items():
        columns.setdefault(re.sub(r"\d\S*", "N", remark), []).append(name)
    return [f"{listed(names)}: {remark}" for remark, names in columns.items()]
