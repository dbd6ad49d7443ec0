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
from fer_tune.data.draft_columns import MAX_COLUMNS, Guess, guess, in_order
from fer_tune.data.draft_paths import ImageColumn, find_images
from fer_tune.data.draft_rows import Columns, find_annotator, find_boxes, find_split
from fer_tune.data.draft_scales import affect_columns, scale_of
from fer_tune.data.drafts import Draft
from fer_tune.data.errors import DataError, listed, printable
from fer_tune.data.files import text_lines
from fer_tune.data.manifest_spec import RESERVED_NAMES
from fer_tune.data.parquet_rows import ParquetImages
from fer_tune.data.paths import ImageFolder
from fer_tune.data.pictures import IMAGE_SUFFIXES
from fer_tune.data.pixels import looks_like_pixels
from fer_tune.data.tables import PARQUET_SUFFIXES, Table, files_named, first_rows, gaps, numbers_in, read_tables

AFFECT = "affect"  # name of the drafted continuous set
FER2013 = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")  # by its code
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
    left = [name for name in table.columns if name not in images.columns]
    roles = [Columns({}, {}) if words is not None else find_split(table, left, answers)]
    left = [name for name in left if name not in roles[0].remarks]
    roles.append(find_boxes(table, left, images.files))
    left = [name for name in left if name not in roles[1].remarks]
    boxes = _boxes(table, roles[1])
    keys: list[object] = list(zip(images.keys, boxes, strict=True)) if boxes else images.keys
    roles.append(find_annotator(table, left, keys))
    left = [name for name in left if name not in roles[2].remarks]
    sets, guesses = _sets(table, left, _is_fer2013(table, images), answers)
    remarks = {**images.remarks}
    for role in roles:
        remarks |= role.remarks
    lines = [*about_dialect, *(f"{printable(name)}: {text}" for name, text in remarks.items())]
    lines += _grouped({name: found.remark for name, found in guesses.items()})
    if not any(found.classes for found in guesses.values()):
        said = "".join(f"\n  {line}" for line in lines)
        raise DataError(f"{first}: no column could be taken for classes, and a study needs one:{said}")
    used = {*images.columns, *(c for s in sets for c in s["columns"])}
    tables, about_tables = _with_labels(tables, files, used, dialect)
    section: dict[str, Any] = {"kind": "manifest"}
    section |= {"file": tables[""]} if "" in tables else {"files": dict(tables)}
    section |= images.settings
    for role in roles:
        section |= role.settings
    section |= {"separator": dialect.separator} if dialect.separator else {}
    section |= {"header": list(dialect.header)} if dialect.header else {}
    return Draft({**section, "sets": sets}, (*lines, *about_tables, *table.notes))


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
    cells = cells[~gaps(cells)].iloc[:5]
    return len(cells) > 0 and all(map(looks_like_pixels, cells))


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


def _sets(
    table: Table, columns: list[str], is_fer2013: bool, answers: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Guess]]:
    """The label sets, and what each column was taken for."""
    guesses: dict[str, Guess] = {}
    affect = [name for name in affect_columns(columns) if name not in table.repeated and _is_numeric(table, name)]
    for name in columns:
        if name not in affect:
            own = table.classes.get(name, ())
            is_codes = is_fer2013 and name.strip().lower() == "emotion" and _codes_below(table, name, len(FER2013))
            guesses[name] = guess(table, name, own or (_fer2013(table, name) if is_codes else ()))
    scaled = _affect_set(table, affect, guesses, answers)
    used = [name for name in columns if guesses[name].classes or guesses[name].continuous]
    for name in used[MAX_COLUMNS:]:
        guesses[name] = Guess(f"left out: {MAX_COLUMNS} columns before it are labels already")
    plain = [name for name, found in guesses.items() if found.continuous and name not in affect]
    continuous = [name for name, found in guesses.items() if found.continuous]
    taken = {*RESERVED_NAMES, *continuous, *([AFFECT] if continuous else [])}
    sets: list[dict[str, Any]] = []
    for name in in_order(columns):
        if guesses[name].classes:
            about: dict[str, Any] = {"name": _set_name(name, taken), "kind": "categorical", "columns": [name]}
            about["classes"] = list(guesses[name].classes)
            sets.append(about | ({"map": dict(guesses[name].map)} if guesses[name].map else {}))
            taken.add(str(about["name"]))
    groups = [(names, extra) for names, extra in [(affect, scaled), (plain, {})] if names]
    groups = [(affect + plain, {})] if len(groups) == 2 and not scaled else groups
    for names, extra in groups:
        names = [name for name in columns if name in names and guesses[name].continuous]
        if names:
            free = AFFECT not in {s["name"] for s in sets} and AFFECT not in continuous
            set_name = AFFECT if free else _set_name(AFFECT, {*taken, *(s["name"] for s in sets)})
            sets.append({"name": set_name, "kind": "continuous", "columns": names, **extra})
    return sets, {name: guesses[name] for name in columns}


def _affect_set(
    table: Table, affect: list[str], guesses: dict[str, Guess], answers: Mapping[str, Any]
) -> dict[str, Any]:
    """What the set of valence and arousal needs beside its columns; adds the guess of each column."""
    if not affect:
        return {}
    values = np.concatenate([numbers_in(table.text(name))[0] for name in affect])
    values = values[~np.isnan(values)]
    scale = scale_of(values, ", ".join(map(printable, affect)), str(table.path), answers)
    for name in affect:
        missing = int(gaps(table.text(name)).sum())
        said = f"; {missing} of {len(table)} are missing" if missing else ""
        text = f"left out: numbers from {values.min():g} to {values.max():g}, which is no usual scale; set `range`"
        guesses[name] = Guess(scale.remark + said, continuous=True) if scale else Guess(text)
    if scale is None:
        return {}
    extra: dict[str, Any] = {"range": [_short(end) for end in scale.range]} if scale.range else {}
    return extra | ({"missing": list(scale.missing)} if scale.missing else {})


def _is_numeric(table: Table, name: str) -> bool:
    cells = table.text(name)
    wrong, filled = numbers_in(cells)[1], ~gaps(cells)
    return bool(filled.any()) and wrong.sum() <= 0.05 * filled.sum()


def _codes_below(table: Table, name: str, count: int) -> bool:
    values, wrong = numbers_in(table.text(name))
    return not wrong.any() and bool(np.nanmax(values) < count) and bool((values[~np.isnan(values)] % 1 == 0).all())


def _fer2013(table: Table, name: str) -> tuple[str, ...]:
    """FER2013's seven classes, with contempt where its code occurs."""
    highest = int(np.nanmax(numbers_in(table.text(name))[0]))
    return FER2013[: max(7, highest + 1)]


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
        raise DataError(f"{tables['train']}: has no column {bad['train'].rpartition('column ')[2]}, but others have it")
    return ({"": kept["train"]} if list(kept) == ["train"] else kept), list(bad.values())


def _short(value: float) -> float | int:
    return int(value) if value == int(value) else value


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
