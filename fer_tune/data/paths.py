"""Which image file a cell means: as it is, in another system's spelling, below a prefix, or without its suffix."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fer_tune.data.index import is_file_in
from fer_tune.data.pictures import IMAGE_SUFFIXES


@dataclass(frozen=True)
class ImageFolder:
    """A folder of images, and a beginning of paths that stands for it, where they were written on another machine."""

    root: Path
    prefix: str | None = None
    completed: dict[str, str] = field(default_factory=dict)  # paths without suffix: the image taken

    def paths(self, cells: Iterable[str]) -> list[str]:
        """The path of each cell's image relative to the folder; a cell that means no file stays as it is."""
        bases = [
            f"{base.rstrip('/')}/" for base in (os.path.normpath(Path.cwd() / self.root), os.path.realpath(self.root))
        ]
        return [self._path(cell, bases) for cell in cells]

    def _path(self, cell: str, bases: Sequence[str]) -> str:
        if self.prefix:
            cell = without_prefix(cell.strip(), self.prefix)
        if cell.strip().startswith("/"):
            normal = os.path.normpath(cell.strip())
            return next((normal.removeprefix(base) for base in bases if normal.startswith(base)), cell)
        if "\\" in cell or cell != cell.strip() or not cell.isascii():
            cell = next((name for name in _spellings(cell) if is_file_in(self.root, name)), cell)
        if not cell.lower().endswith(IMAGE_SUFFIXES) and cell.strip() and not is_file_in(self.root, cell):
            return self._completed(cell)
        return cell

    def _completed(self, cell: str) -> str:
        """The path with its suffix, where one image alone has this name."""
        key = os.path.normpath(cell.strip().replace("\\", "/"))
        found = self._by_stem.get(key, [])
        if len(found) != 1:
            return cell
        self.completed[cell] = found[0]
        return found[0]

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        """The images of the folder by path without suffix."""
        stems = defaultdict(list)
        for path in images_below(self.root):
            stems[split_suffix(path)[0]].append(path)
        return stems


def without_prefix(cell: str, prefix: str) -> str:
    """A path without its beginning, in one spelling of the separators."""
    start = prefix.replace("\\", "/").rstrip("/") + "/"
    return cell.replace("\\", "/").removeprefix(start)


def images_below(root: Path) -> Iterator[str]:
    """Paths, relative to `root`, of the image files below a folder, in order."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(IMAGE_SUFFIXES):
                yield (Path(folder) / name).relative_to(root).as_posix()


def split_suffix(path: str) -> tuple[str, str]:
    """A path without its suffix, and the suffix with its dot."""
    stem, _, suffix = path.rpartition(".")
    return (stem, f".{suffix}") if stem and "/" not in suffix else (path, "")


def _spellings(cell: str) -> Iterator[str]:
    """A path as it is, then without blanks around, with Windows' separators, with accents in macOS's two forms."""
    yield cell
    for name in (cell.strip(), cell.strip().replace("\\", "/")):
        yield name
        yield unicodedata.normalize("NFC", name)
        yield unicodedata.normalize("NFD", name)
