"""What label files say before any image is opened, and how its images are then read once.

A reader turns its files into an `Index`. `check` finds everything that would break a study later; `decode`
writes the images into one uint8 array on disk.
"""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from fer_tune.data.labels import MISSING_CLASS, LabelSet, first_categorical
from fer_tune.system.randomness import numpy_stream

SHOWN = 5  # offending rows that a message lists
MAX_PIXELS = 50_000_000  # of an image: larger ones are refused before they are decoded
CHUNK = 256  # images decoded between two writes
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what Pillow raises for bad files
NO_IMAGE = "is no image that can be read"
# Pillow knows some forty formats; the rest is for strangers' files a door and for faces no use.
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")


class DataError(ValueError):
    """A data set that cannot be used; the message has a line for each of the first few mistakes."""


class Problems:
    """Mistakes of a data set, with where each stands."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.lines: list[str] = []

    def add(self, origin: str, text: str) -> None:
        self.lines.append(f"{origin}: {text}")

    def raise_any(self) -> None:
        """Raise DataError with the first few of them, if there are any."""
        if self.lines:
            more = f"\n... and {len(self.lines) - SHOWN} more" if len(self.lines) > SHOWN else ""
            raise DataError(f"{self.what}:\n" + "\n".join(f"  {line}" for line in self.lines[:SHOWN]) + more)


@dataclass(frozen=True)
class Source:
    """One sample's image: a file below `root`, and the box to cut out of it (left, top, width, height)."""

    path: str
    box: tuple[int, int, int, int] | None = None


@dataclass
class Index:
    """N samples: where their images are, their labels, their splits.

    Attributes:
        root: the data folder; no image may lie outside it.
        sources: N image files, or the decoded images themselves: uint8 (N, S, S) grey or (N, 3, S, S).
        labels: as `Dataset.labels`; a missing class is -1, missing values are NaN.
        splits: by split name: int64 indices into the N samples.
        origins: where each sample stands, as FILE:LINE.
        known: as `Dataset.known`.
        notes: what the reader did to the data that a person should know.
    """

    label_sets: tuple[LabelSet, ...]
    root: Path
    sources: Sequence[Source] | np.ndarray
    labels: Mapping[str, np.ndarray]
    splits: Mapping[str, np.ndarray]
    origins: Sequence[str]
    notes: list[str] = field(default_factory=list)
    known: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.origins)


def check(index: Index) -> None:
    """Find missing, duplicate and escaping paths, empty splits, values out of range. Raises DataError."""
    problems = Problems(f"{index.root}: this data set cannot be used")
    if not isinstance(index.sources, np.ndarray):
        _check_paths(index, index.sources, problems)
    for label_set in index.label_sets:
        _check_labels(index, label_set, problems)
    first = first_categorical(index.label_sets)
    for split, members in index.splits.items():
        if not len(members):
            problems.add(str(index.root), f"the {split} split is empty")
        elif (index.labels[first.name][members] == MISSING_CLASS).all():
            problems.add(str(index.root), f"no {split} sample has a label of {first.name}")
    problems.raise_any()


def _check_paths(index: Index, sources: Sequence[Source], problems: Problems) -> None:
    first: dict[tuple[str, tuple[int, ...] | None], int] = {}
    for i, source in enumerate(sources):
        normal = os.path.normpath(source.path)
        if normal.startswith("/") or normal.startswith(".."):
            problems.add(index.origins[i], f"{source.path!r} leaves the data folder")
        elif not _is_file(index.root, normal):
            problems.add(index.origins[i], f"image {source.path!r} is missing")
        before = first.setdefault((normal, source.box), i)
        if before != i:
            problems.add(index.origins[i], f"{source.path!r} stands already in {index.origins[before]}")


def _is_file(root: Path, path: str) -> bool:
    try:
        return (root / path).is_file()
    except (OSError, ValueError):  # a name that is too long, a folder that may not be read, a null byte
        return False


def _check_labels(index: Index, label_set: LabelSet, problems: Problems) -> None:
    labels = index.labels[label_set.name]
    if label_set.kind == "categorical":
        bad = (labels < MISSING_CLASS) | (labels >= label_set.size)
        present = labels != MISSING_CLASS
        text = f"{label_set.name} must be a class from 0 to {label_set.size - 1}"
    else:
        present = ~np.isnan(labels).any(axis=1)
        bad = present & ((labels < -1) | (labels > 1)).any(axis=1)
        text = f"{label_set.name} must lie in [-1, 1]"
    for i in np.flatnonzero(bad).tolist():
        problems.add(index.origins[i], f"{text}: it is {np.asarray(labels[i]).tolist()}")
    train = index.splits.get("train", np.array([], dtype=int))
    if len(train) and not present[train].any():
        problems.add(str(index.root), f"no training sample has a label of {label_set.name}")


def content_digest(index: Index, settings: str) -> str:
    """A digest (32 hex digits) of images as they lie on disk, labels, splits and reading settings.

    Raises DataError for files that cannot be read.
    """
    digest = hashlib.blake2b(f"{settings} {index.label_sets}".encode(), digest_size=16)
    known = {f"known {name}": values for name, values in index.known.items()}
    for name, array in (*sorted(index.labels.items()), *sorted(index.splits.items()), *sorted(known.items())):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    if isinstance(index.sources, np.ndarray):
        digest.update(np.ascontiguousarray(index.sources).data)
        return digest.hexdigest()
    problems = Problems(f"{index.root}: images cannot be read")
    for i, source in enumerate(index.sources):
        try:
            content = _contained(index.root, source.path).read_bytes()
        except (OSError, DataError) as error:
            problems.add(index.origins[i], f"{source.path!r}: {why_unreadable(error)}")
            continue
        digest.update(f"{source} {len(content)}".encode())
        digest.update(hashlib.blake2b(content, digest_size=16).digest())
    problems.raise_any()
    return digest.hexdigest()


def _contained(root: Path, path: str) -> Path:
    """A file below the root, links followed. Raises DataError where a link leads out."""
    file = (root / path).resolve()
    if not file.is_relative_to(root.resolve()):
        raise DataError("is a link that leaves the data folder")
    return file


def decode(index: Index, images: np.ndarray, workers: int) -> None:
    """Read every image into uint8 (N, 3, S, S), RGB, a chunk at a time.

    Raises DataError naming the first few images that cannot be read.
    """
    size = images.shape[-1]
    problems = Problems(f"{index.root}: images cannot be read")

    def one(i: int) -> np.ndarray | Exception:
        try:
            return read_image(index, i, size)
        except UNREADABLE as error:
            return error

    with ThreadPoolExecutor(workers) as pool:  # Pillow decodes outside the interpreter lock
        for start in range(0, len(index), CHUNK):
            numbers = range(start, min(start + CHUNK, len(index)))
            for i, found in zip(numbers, pool.map(one, numbers), strict=True):
                if isinstance(found, Exception):
                    name = f"sample {i}" if isinstance(index.sources, np.ndarray) else index.sources[i].path
                    why = why_unreadable(found)
                    problems.add(index.origins[i], f"{name!r} {why}" if why == NO_IMAGE else f"{name!r}: {why}")
                else:
                    images[i] = found
    problems.raise_any()


def why_unreadable(error: Exception) -> str:
    """What to say of an image whose reading raised one of UNREADABLE; Pillow names its buffer, and no file."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return NO_IMAGE if "BytesIO" in text else text


def read_image(index: Index, i: int, size: int) -> np.ndarray:
    """One sample's image as uint8 (3, size, size), RGB, its orientation tag obeyed, its box cut out."""
    if isinstance(index.sources, np.ndarray):
        pixels = index.sources[i]
        picture = Image.fromarray(pixels if pixels.ndim == 2 else pixels.transpose(1, 2, 0))
        return _resized(picture.convert("RGB"), size)
    source = index.sources[i]
    return read_picture(_contained(index.root, source.path).read_bytes(), size, source.box)


def read_picture(content: bytes, size: int, box: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """An image file's content (one of FORMATS) as uint8 (3, size, size), RGB.

    Raises OSError or ValueError for what is no image, is larger than 50 megapixels, or misses its box.
    """
    with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise ValueError(f"{opened.width} x {opened.height} pixels are more than {MAX_PIXELS / 1e6:.0f} million")
        if box is None:
            opened.draft("RGB", (2 * size, 2 * size))
        picture = ImageOps.exif_transpose(_eight_bits(opened))
        if box is not None:
            picture = _cut(picture, box)
        return _resized(picture.convert("RGB"), size)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """16-bit grey becomes 8-bit by its upper byte; Pillow would cut at 255."""
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, dtype=np.float64)
        return Image.fromarray(np.clip(values / (256 if values.max() > 255 else 1), 0, 255).astype(np.uint8))
    return picture


def _cut(picture: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    left, top, width, height = box
    right, bottom = min(left + width, picture.width), min(top + height, picture.height)
    left, top = max(left, 0), max(top, 0)
    if right <= left or bottom <= top:
        raise ValueError(f"the face box {box} lies outside its {picture.width} x {picture.height} pixels")
    return picture.crop((left, top, right, bottom))


def _resized(picture: Image.Image, size: int) -> np.ndarray:
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.uint8).transpose(2, 0, 1)


def cut_validation(
    train: np.ndarray, strata: np.ndarray, share: float, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split training indices (n,) into training and validation, each class alike, no group in both.

    Args:
        strata: (n,) class of each index.
        share: of each class that becomes validation.
        groups: (n,) such as subjects; whole groups are moved, in an order drawn by the seed.
    """
    rng = numpy_stream(seed, "validation")
    chosen = np.zeros(len(train), dtype=bool)
    if groups is None:
        for stratum in np.unique(strata):
            members = np.flatnonzero(strata == stratum)
            chosen[rng.permutation(members)[: max(1, round(share * len(members)))]] = len(members) > 1
    else:
        wanted = share * len(train)
        for group in rng.permutation(np.unique(groups)):
            if chosen.sum() >= wanted:
                break
            chosen |= groups == group
    return train[~chosen], train[chosen]


def describe(index: Index) -> list[str]:
    """Counts a split and class, missing labels, and the reader's notes, a line each."""
    lines = [f"{len(index)} samples: " + ", ".join(f"{len(m)} {split}" for split, m in index.splits.items())]
    for label_set in index.label_sets:
        for split, members in index.splits.items():
            lines.append(f"{label_set.name}, {split}: {_summary(label_set, index.labels[label_set.name][members])}")
    return lines + index.notes


def _summary(label_set: LabelSet, labels: np.ndarray) -> str:
    if label_set.kind == "categorical":
        counts = Counter(labels.tolist())
        parts = [f"{name} {counts.get(k, 0)}" for k, name in enumerate(label_set.names)]
        missing = counts.get(MISSING_CLASS, 0)
    else:
        present = labels[~np.isnan(labels).any(axis=1)]
        parts = [f"{name} {_span(present[:, k])}" for k, name in enumerate(label_set.names)]
        missing = len(labels) - len(present)
    return ", ".join(parts + ([f"missing {missing}"] if missing else []))


def _span(values: np.ndarray) -> str:
    return f"{values.min():.2f} to {values.max():.2f}, mean {values.mean():.2f}" if len(values) else "none"


def paths_below(root: Path, folder: str, suffixes: Iterable[str]) -> set[str]:
    """Paths, relative to the root, of the files in one folder below it that end so."""
    ends = tuple(suffixes)
    place = root / folder
    if not place.is_dir():
        raise DataError(f"{place}: this folder is missing")
    return {f"{folder}/{entry.name}" for entry in os.scandir(place) if entry.name.endswith(ends)}
