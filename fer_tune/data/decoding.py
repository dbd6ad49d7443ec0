"""Reads all images of an index: their digest as they are on disk, and their pixels."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from fer_tune.data.errors import DataError, Problems, quoted
from fer_tune.data.index import Embedded, Index, Source
from fer_tune.data.pictures import (
    NOT_AN_IMAGE,
    UNREADABLE,
    read_picture,
    resize,
    why_unreadable,
    without_warnings,
)

CHUNK = 256  # images decoded between two writes


def content_digest(index: Index, image_size: int) -> str:
    """A digest (32 hex digits) of image files, labels, splits and image size.

    The digest names the folder of a stored data set, and it is part of the seed of its label noise: equal data must
    have the digest that earlier versions gave it. Raises DataError for files that cannot be read.
    """
    digest = hashlib.blake2b(f"{image_size} {index.label_sets}".encode(), digest_size=16)
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
            content = _content(index, source)
        except (OSError, DataError) as error:
            problems.add(index.origins[i], f"{quoted(source.path)}: {why_unreadable(error)}")
            continue
        digest.update(f"{source} {len(content)}".encode())
        digest.update(hashlib.blake2b(content, digest_size=16).digest())
    problems.raise_any()
    return digest.hexdigest()


def decode(index: Index, images: np.ndarray, workers: int) -> None:
    """Read every image into `images`, uint8 (N, 3, S, S), RGB, with several threads.

    Raises DataError naming the first few images that cannot be read.
    """
    size = images.shape[-1]
    problems = Problems(f"{index.root}: images cannot be read")

    def one(i: int) -> np.ndarray | Exception:
        try:
            return _read_image(index, i, size)
        except (*UNREADABLE, DataError) as error:
            return error

    with without_warnings(), ThreadPoolExecutor(workers) as pool:  # Pillow decodes outside the interpreter lock
        for start in range(0, len(index), CHUNK):
            numbers = range(start, min(start + CHUNK, len(index)))
            for i, found in zip(numbers, pool.map(one, numbers), strict=True):
                if isinstance(found, Exception):
                    name = f"sample {i}" if isinstance(index.sources, np.ndarray) else index.sources[i].path
                    why = why_unreadable(found)
                    link = " " if why == NOT_AN_IMAGE else ": "
                    problems.add(index.origins[i], f"{quoted(name)}{link}{why}")
                else:
                    images[i] = found
    problems.raise_any()


def _read_image(index: Index, i: int, size: int) -> np.ndarray:
    """The image of one sample as uint8 (3, size, size), RGB."""
    if isinstance(index.sources, np.ndarray):
        pixels = index.sources[i]
        return resize(Image.fromarray(pixels if pixels.ndim == 2 else pixels.transpose(1, 2, 0)), size)
    source = index.sources[i]
    return read_picture(_content(index, source), size, source.box)


def _content(index: Index, source: Source) -> bytes:
    """The bytes of an image file. Raises OSError and DataError."""
    return source.content() if isinstance(source, Embedded) else _inside(index.root, source.path).read_bytes()


def _inside(root: Path, path: str) -> Path:
    """The file below `root` after following links. Raises DataError if a link leads outside."""
    file = (root / path).resolve()
    if not file.is_relative_to(root.resolve()):
        raise DataError("is a link to a file outside the data folder")
    return file
