"""The images of a manifest's rows: files, boxes in files, columns of pixels or of bytes."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from fer_tune.data.errors import DataError, Problems, listed, printable, quoted
from fer_tune.data.index import Embedded, Source
from fer_tune.data.manifest_spec import ManifestSpec
from fer_tune.data.parquet_rows import ParquetImages
from fer_tune.data.paths import ImageFolder
from fer_tune.data.pictures import Box
from fer_tune.data.pixels import grey_images
from fer_tune.data.tables import Table, gaps, whole_number

COLUMN = re.compile(r"\{([^{}]*)\}")  # in a template of paths
SPLIT_KEY = "split"  # in a template: the key under `files`
CORNERS = "corners"


def image_folder(spec: ManifestSpec) -> Path:
    """The folder of the images."""
    return Path(spec.folder) if spec.folder else Path(next(iter(spec.tables.values()))).parent


def image_columns(spec: ManifestSpec) -> list[str]:
    """The columns of the table that say where the images are."""
    if spec.bytes:
        named = []
    elif spec.pixels:
        named = [spec.pixels]
    else:
        named = COLUMN.findall(spec.path) or [spec.path]
        named = [name for name in named if not (name == SPLIT_KEY and spec.files is not None)]
    return [*named, *(spec.box_columns.columns if spec.box_columns else ())]


def image_sources(
    spec: ManifestSpec, table: Table, words: np.ndarray | None, problems: Problems
) -> tuple[Sequence[Source] | np.ndarray, list[str]]:
    """The image of each row, and notes.

    Args:
        words: the key under `files` (N,) of each row.

    A cell that cannot be used is a problem. Raises DataError for a column of bytes that is not there.
    """
    if spec.pixels:
        return grey_images(table.raw(spec.pixels), spec.pixels, table.place, problems), []
    boxes = _boxes(spec, table, problems)
    if spec.bytes:
        return _embedded(spec.bytes, table, boxes), []
    folder = ImageFolder(image_folder(spec), spec.prefix)
    paths = folder.paths(_cells(spec, table, words))
    notes = []
    if folder.completed:
        cell, path = next(iter(folder.completed.items()))
        notes.append(
            f"{table.path}: {len(folder.completed):,} paths have no suffix: each is the one image of this name, such "
            f"as {quoted(path)} for {quoted(cell)}"
        )
    return [Source(path, box) for path, box in zip(paths, boxes, strict=True)], notes


def _cells(spec: ManifestSpec, table: Table, words: np.ndarray | None) -> Iterator[str]:
    """The path of each row as the table has it."""
    parts = COLUMN.split(spec.path)  # text and column in turn
    if len(parts) == 1:
        yield from table.raw(spec.path)
        return
    columns: list[Iterable[str]] = [
        words if name == SPLIT_KEY and words is not None else [whole_number(cell) for cell in table.text(name)]
        for name in parts[1::2]
    ]
    for cells in zip(*columns, strict=True):
        yield parts[0] + "".join(f"{cell}{text}" for cell, text in zip(cells, parts[2::2], strict=True))


def _boxes(spec: ManifestSpec, table: Table, problems: Problems) -> list[Box | None]:
    """The box of each row in whole pixels; None where all its four cells are gaps."""
    about = spec.box_columns
    if about is None:
        return [None] * len(table)
    values = np.stack([table.numbers(name, problems) for name in about.columns], axis=1)
    blank = np.logical_and.reduce([gaps(table.text(name)) for name in about.columns])
    if about.form == CORNERS:
        values[:, 2:] -= values[:, :2]
    for i in np.flatnonzero(~blank & ~(np.isfinite(values).all(axis=1) & (values[:, 2:] >= 1).all(axis=1))).tolist():
        cells = ", ".join(f"{name} {table.raw(name).iloc[i]}" for name in about.columns)
        what = "left, top, right, bottom" if about.form == CORNERS else "left, top, width, height"
        problems.add(table.place(i), f"the box must be {what} in pixels, not empty: it is {printable(cells)}")
    whole = np.nan_to_num(np.clip(values, -1e9, 1e9)).round().astype(int).tolist()
    return [None if none else (b[0], b[1], b[2], b[3]) for none, b in zip(blank.tolist(), whole, strict=True)]


def _embedded(column: str, table: Table, boxes: Sequence[Box | None]) -> list[Source]:
    if column not in table.images:
        has = f"its columns of bytes are {listed(table.images)}" if table.images else "it has no column of bytes"
        raise DataError(f"{table.path}: column {column!r} holds no bytes of images: {has}")
    files = table.files or (table.path,)
    images = {file: ParquetImages(file, column) for file in files}
    found: list[Source] = []
    for i, box in enumerate(boxes):
        file, row = table.file(i), int(table.cells.index[i])
        found.append(Embedded(f"{file.name}:{row}", box, images[file], row))
    return found
