"""Finds the column of a table whose cells are image files, and the folder that they are in."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fer_tune.data.errors import printable
from fer_tune.data.index import is_file_in
from fer_tune.data.paths import ImageFolder, images_below, split_suffix
from fer_tune.data.pictures import IMAGE_SUFFIXES
from fer_tune.data.questions import Reading, ask
from fer_tune.data.tables import Table, gaps, whole_number

PATH_NAMES = (  # in the order in which they are believed where no image is found
    "path", "image", "img", "file", "filename", "file_name", "image_path", "img_path", "image_name", "img_name", "pth",
    "filepath", "file_path", "image_file", "imagefile", "images", "picture", "photo", "subdirectory_filepath",
)  # fmt: skip
SAMPLE = 60  # cells of a column that are looked up
ENOUGH = 0.5  # of them that must be images: the check names the rest
Tail = tuple[str, ...]


@dataclass(frozen=True)
class ImageColumn:
    """Where the images are.

    Attributes:
        path: the column, or a template of columns.
        column: the column in it that names the file.
        folder: the folder of the images; None for that of the table.
        prefix: what is cut from the beginning of the paths.
        remark: the same for a person.
    """

    path: str
    column: str
    folder: Path | None = None
    prefix: str | None = None
    remark: str = "the images"


@dataclass(frozen=True)
class _Found:
    """What the images of one column's cells have in common."""

    column: str
    share: float  # of the cells that are images
    with_suffix: float
    different: float  # share of different cells among all of the column
    places: Counter[tuple[Tail, Tail]]  # folder below the base, beginning of the paths
    whole: Mapping[int, Tail]  # by row: the folders of the one image that has this name

    @property
    def rank(self) -> tuple[bool, bool, float, int]:
        """How likely this is the column of images."""
        named = self.column.strip().lower()
        hint = len(PATH_NAMES) - PATH_NAMES.index(named) if named in PATH_NAMES else 0
        return (self.with_suffix >= ENOUGH, self.different >= ENOUGH, self.share, hint)


class _Catalogue:
    """The images below a folder, by their names without suffix."""

    def __init__(self, base: Path) -> None:
        self.base = base

    @cached_property
    def by_stem(self) -> Mapping[str, list[Tail]]:
        found = defaultdict(list)
        for path in images_below(self.base):
            parts = tuple(path.split("/"))
            found[split_suffix(parts[-1])[0]].append(parts)
        return found

    def like(self, cell: str) -> Iterator[Tail]:
        """The images whose name a cell has, with or without suffix."""
        name = cell.rpartition("/")[2]
        stem, suffix = split_suffix(name)
        known = suffix.lower() in IMAGE_SUFFIXES
        for parts in self.by_stem.get(stem if known else name, []):
            if not known or parts[-1] == name:
                yield parts


def find_images(
    table: Table, words: np.ndarray | None, base: Path, own: Path, answers: Mapping[str, Any]
) -> ImageColumn | None:
    """The column of the images; None where no cell is one and no column has a usual name.

    Args:
        words: the key under `files` of each row.
        base: the folder below which images are looked for.
        own: the folder of the table.

    Raises DataError where several folders hold images of these names and no answer says which is meant.
    """
    columns = [answers["path"]] if answers.get("path") in table.columns else table.columns
    samples = {name: _sample(table, name) for name in columns}
    samples = {name: rows for name, rows in samples.items() if len(rows)}
    direct = [_direct(table, name, rows, own) for name, rows in samples.items()]
    if best := _best(found for found in direct if found.with_suffix >= ENOUGH):
        return ImageColumn(best.column, best.column)
    catalogue = _Catalogue(base)
    if not catalogue.by_stem and base.parent != base and base == own:
        catalogue = _Catalogue(_beside(table, samples, own) or base)
    best = _best(_looked_up(table, name, rows, catalogue) for name, rows in samples.items())
    if best is None:
        return _by_name(table)
    return _placed(table, words, best, catalogue.base, own, answers) or _by_name(table)


def _sample(table: Table, name: str) -> np.ndarray:
    """Rows (n,) evenly spread over those that have a cell."""
    rows = np.flatnonzero(~gaps(table.raw(name)))
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int))] if len(rows) else rows


def _different(table: Table, name: str) -> float:
    return float(table.raw(name).nunique() / len(table))


def _has_suffix(cell: str) -> bool:
    return cell.strip().lower().endswith(IMAGE_SUFFIXES)


def _direct(table: Table, name: str, rows: np.ndarray, own: Path) -> _Found:
    """The column read as paths below the table's own folder, which needs no setting."""
    cells = [table.raw(name).iloc[i] for i in rows.tolist()]
    there = [is_file_in(own, path) for path in ImageFolder(own).paths(c for c in cells if _has_suffix(c))]
    suffixes = sum(map(_has_suffix, cells)) / len(cells)
    return _Found(name, sum(there) / len(cells), suffixes, _different(table, name), Counter(), {})


def _looked_up(table: Table, name: str, rows: np.ndarray, catalogue: _Catalogue) -> _Found:
    """The column read as names of images anywhere below a folder."""
    places: Counter[tuple[Tail, Tail]] = Counter()
    whole: dict[int, Tail] = {}
    cells = {i: table.raw(name).iloc[i].strip().replace("\\", "/") for i in rows.tolist()}
    for i, cell in cells.items():
        alike = list(catalogue.like(cell))
        places.update({_split(cell, parts) for parts in alike})
        if len(alike) == 1:
            whole[i] = alike[0][:-1]
    found = sum(any(True for _ in catalogue.like(cell)) for cell in cells.values())
    suffixes = sum(map(_has_suffix, cells.values())) / len(cells)
    return _Found(name, found / len(cells), suffixes, _different(table, name), places, whole)


def _split(cell: str, image: Tail) -> tuple[Tail, Tail]:
    """The folder and the beginning of the path that are left when a cell and an image share their longest end."""
    parts = cell.split("/")
    common = 1
    while common < min(len(parts), len(image)) and parts[-1 - common] == image[-1 - common]:
        common += 1
    return image[:-common], tuple(parts[:-common])


def _best(columns: "Iterator[_Found]") -> _Found | None:
    usable = [f for f in columns if f.share >= ENOUGH and (f.with_suffix >= ENOUGH or f.different >= ENOUGH)]
    return max(usable, key=lambda found: found.rank, default=None)


def _placed(
    table: Table, words: np.ndarray | None, found: _Found, base: Path, own: Path, answers: Mapping[str, Any]
) -> ImageColumn | None:
    """The folder and the prefix that most of the cells agree on, or a template; None where there is neither."""
    most = max(found.places.values())
    likely = sorted(place for place, count in found.places.items() if count == most)
    if most < ENOUGH * len(_sample(table, found.column)):
        return _template(table, words, found, base, own)
    readings = [Reading(str(base.joinpath(*folder)), "its images have the names in the table") for folder, _ in likely]
    chosen = str(ask(str(table.path), "the images are in several folders", "folder", readings, answers))
    folder, head = next((p for p, r in zip(likely, readings, strict=True) if r.value == chosen), likely[0])
    place = base.joinpath(*folder)
    prefix = "/".join(head) or ("/" if head else None)
    remark = "the images" + (f", which are in {printable(str(place))}" if place != own else "")
    remark += f"; {printable(prefix)} is cut from the paths" if prefix else ""
    remark += "; their names have no suffix" if found.with_suffix < ENOUGH else ""
    return ImageColumn(found.column, found.column, None if place == own else place, prefix, remark)


def _template(table: Table, words: np.ndarray | None, found: _Found, base: Path, own: Path) -> ImageColumn | None:
    """The folders of each image as constants and cells of other columns, where that explains every sampled one."""
    depths = {len(folders) for folders in found.whole.values()}
    if len(depths) != 1 or len(found.whole) < ENOUGH * len(_sample(table, found.column)):
        return None
    rows = list(found.whole)
    parts = []
    for k in range(depths.pop()):
        names = [found.whole[i][k] for i in rows]
        part = names[0] if len(set(names)) == 1 else _explained(table, words, rows, names)
        if part is None:
            return None
        parts.append(part)
    path = "/".join([*parts, f"{{{found.column}}}"])
    remark = f"the images are {printable(path)}" + (f" in {base}" if base != own else "")
    return ImageColumn(path, found.column, None if base == own else base, None, remark)


def _explained(table: Table, words: np.ndarray | None, rows: Sequence[int], names: Sequence[str]) -> str | None:
    """What in the rows gives these folder names, in braces."""
    if words is not None and [words[i] for i in rows] == list(names):
        return "{split}"
    for column in table.columns:
        cells = table.text(column)
        if [whole_number(cells.iloc[i]) for i in rows] == list(names) and not re.search(r"[{}]", column):
            return f"{{{column}}}"
    return None


def _beside(table: Table, samples: Mapping[str, np.ndarray], own: Path) -> Path | None:
    """A folder beside the table's that holds images with names from the table."""
    cells = [table.raw(name).iloc[rows[0]].strip().replace("\\", "/") for name, rows in samples.items()]
    names = [cell for cell in cells if _has_suffix(cell)]
    try:
        beside = sorted(f for f in own.resolve().parent.iterdir() if f.is_dir())
    except OSError:
        return None
    for folder in beside:
        if any(is_file_in(folder, name) or is_file_in(folder, name.rpartition("/")[2]) for name in names):
            return folder
    return None


def _by_name(table: Table) -> ImageColumn | None:
    """The column with a usual name: the check then says which images are missing."""
    named = {name.strip().lower(): name for name in reversed(table.columns)}
    found = next((named[name] for name in PATH_NAMES if name in named), None)
    return ImageColumn(found, found) if found else None
