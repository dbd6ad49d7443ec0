"""Images that are nearly equal: scaled, compressed again, brighter or darker, slightly cropped, mirrored.

A perceptual hash of 63 bits (the signs of the lowest frequencies) finds candidates; the correlation of small grey
images decides. The hash alone would not do: the faces of an aligned data set are alike in their lowest frequencies.
A cropped copy is found by comparing it with crops of every image.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.fft import dctn

from fer_tune.data.copies import digests
from fer_tune.data.dataset import SPLITS

SIMILAR = 0.97  # correlation: of 1.1 million pairs of different drawn faces one reaches it, of CIFAR-10's none
MOST_BITS = 8  # in which the hashes of two candidates may differ
MOST_PAIRS = 100_000  # that are returned
SIDE, FINE, COARSE = 64, 32, 16  # pixels: the grey image that crops are taken from, that is hashed, that is correlated
FLAT = 2.0  # standard deviation of grey values below which an image shows nothing
IMAGES_AT_ONCE, ROWS_AT_ONCE = 1000, 16
Margins = tuple[float, float, float, float]  # left, top, right and bottom, shares of the side
CROPS: Mapping[str, Sequence[Margins]] = {
    "whole": [(0, 0, 0, 0)],
    "cropped": [
        *((m, m, m, m) for m in (0.03, 0.06, 0.1)),
        *((x, y, 0.06 - x, 0.06 - y) for x in (0, 0.06) for y in (0, 0.06)),
    ],
    "mirrored": [(0, 0, 0, 0)],
}


@dataclass(frozen=True)
class Pair:
    """Two images that are nearly equal.

    Attributes:
        first, second: their samples; `first` is in the split that comes earlier in SPLITS.
        similarity: correlation of their grey values, at most 1.
        how: whole, cropped (one shows a part of the other) or mirrored.
    """

    first: int
    second: int
    similarity: float
    how: str


@dataclass(frozen=True)
class NearDuplicates:
    """What a search has found.

    Attributes:
        pairs: the most similar first; images with equal pixels are no pair.
        flat: images that show nothing, such as black ones, which were left out.
        cut: whether there are more pairs than were kept.
    """

    pairs: tuple[Pair, ...]
    flat: int
    cut: bool


@dataclass(frozen=True)
class _Looks:
    """Of n images: hashes uint64 (n,), and grey values float32 (n, COARSE * COARSE) of mean 0 and length 1."""

    hashes: np.ndarray
    greys: np.ndarray


def find_near_duplicates(images: np.ndarray, splits: Mapping[str, np.ndarray], workers: int = 1) -> NearDuplicates:
    """Search images uint8 (N, 3, S, S), S a multiple of 32, for nearly equal ones within and across splits.

    Every pair is compared: time grows with the square of N, about a minute for 50,000 images on two cores. Samples in
    no split are left out. Of images with equal pixels one in each split is searched.
    """
    samples, content, place = _different(images, splits)
    whole = _looks(images, samples, (0, 0, 0, 0))
    shown = _spread(images, samples) >= FLAT
    samples, content, place = samples[shown], content[shown], place[shown]
    whole = _Looks(whole.hashes[shown], whole.greys[shown])
    found = _Best(content)
    for how, crops in CROPS.items():
        for crop in crops:
            own = whole if how == "whole" else _looks(images, samples, crop, mirrored=how == "mirrored")
            found.add(how, _candidates(own, whole, workers, above=how != "cropped"))
    pairs = [_pair(samples, place, *row) for row in found.rows()]
    return NearDuplicates(tuple(pairs), int((~shown).sum()), found.cut)


def _different(images: np.ndarray, splits: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first sample of each different image in each split, a number of its content, and its place in SPLITS."""
    numbers: dict[object, int] = {}
    chosen: dict[tuple[int, int], int] = {}
    for place, split in enumerate(SPLITS):
        members = np.sort(splits[split])
        for i, digest in zip(members.tolist(), digests(images[i] for i in members), strict=True):
            chosen.setdefault((numbers.setdefault(digest, len(numbers)), place), i)
    keys = np.array(list(chosen), dtype=int).reshape(-1, 2)
    return np.fromiter(chosen.values(), dtype=int), keys[:, 0], keys[:, 1]


def _parts(samples: np.ndarray) -> Iterator[np.ndarray]:
    return (samples[start : start + IMAGES_AT_ONCE] for start in range(0, len(samples), IMAGES_AT_ONCE))


def _grey(images: np.ndarray, side: int) -> np.ndarray:
    """Grey values float32 (n, T, T) of images uint8 (n, 3, S, S), T at most `side`, by the mean of whole blocks."""
    grey = np.tensordot(images.astype(np.float32), np.array([0.299, 0.587, 0.114], dtype=np.float32), axes=([1], [0]))
    return _reduced(grey, min(side, grey.shape[-1]))


def _reduced(grey: np.ndarray, side: int) -> np.ndarray:
    block = grey.shape[-1] // side
    return grey.reshape(len(grey), side, block, side, block).mean(axis=(2, 4))


def _spread(images: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """The standard deviation of each image's grey values."""
    parts = [_grey(images[part], COARSE).std(axis=(1, 2)) for part in _parts(samples)]
    return np.concatenate(parts) if parts else np.empty(0)


def _looks(images: np.ndarray, samples: np.ndarray, crop: Margins, mirrored: bool = False) -> _Looks:
    hashes, greys = [np.empty(0, dtype=np.uint64)], [np.empty((0, COARSE * COARSE), dtype=np.float32)]
    for part in _parts(samples):
        fine = _cropped(_grey(images[part], SIDE), crop)
        fine = fine[:, :, ::-1] if mirrored else fine
        frequencies = dctn(fine, axes=(1, 2))[:, :8, :8].reshape(len(fine), -1)[:, 1:]
        signs = frequencies > np.median(frequencies, axis=1, keepdims=True)
        hashes.append(signs @ (np.uint64(1) << np.arange(63, dtype=np.uint64)))
        values = _reduced(fine, COARSE).reshape(len(fine), -1)
        values = values - values.mean(axis=1, keepdims=True)
        greys.append(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6))
    return _Looks(np.concatenate(hashes), np.concatenate(greys))


def _cropped(grey: np.ndarray, crop: Margins) -> np.ndarray:
    """A part of grey images (n, T, T), resized to (n, FINE, FINE)."""
    left, top, right, bottom = crop
    if not any(crop):
        return _reduced(grey, FINE)
    (rows, below, down), (columns, beside, across) = (
        _between(grey.shape[-1], *ends) for ends in ((top, bottom), (left, right))
    )
    lines = grey[:, rows] * (1 - down)[:, None] + grey[:, below] * down[:, None]
    return lines[:, :, columns] * (1 - across) + lines[:, :, beside] * across


def _between(side: int, before: float, after: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For FINE points evenly spread over a part of a line: the pixels on both sides, and how near the second is."""
    step = side * (1 - before - after) / FINE
    at = np.clip(side * before + step * (np.arange(FINE) + 0.5) - 0.5, 0, side - 1)
    low = np.minimum(at.astype(int), side - 2)
    return low, low + 1, (at - low).astype(np.float32)


def _candidates(own: _Looks, whole: _Looks, workers: int, above: bool) -> Iterator[tuple[np.ndarray, ...]]:
    """Places in `own` and in `whole` of pairs that are similar, and their similarity.

    With `above` each pair is compared once, where it is the same whichever of the two comes first.
    """

    def part(start: int) -> tuple[np.ndarray, ...]:
        skipped = start if above else 0
        rows = own.hashes[start : start + ROWS_AT_ONCE]
        near = np.bitwise_count(rows[:, None] ^ whole.hashes[None, skipped:]) <= MOST_BITS
        first, second = (places + offset for places, offset in zip(np.nonzero(near), (start, skipped), strict=True))
        kept = second > first if above else second != first
        first, second = first[kept], second[kept]
        similarity = np.einsum("ij,ij->i", own.greys[first], whole.greys[second])
        kept = similarity >= SIMILAR
        return first[kept], second[kept], similarity[kept]

    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(part, range(0, len(whole.hashes), ROWS_AT_ONCE))


class _Best:
    """Collects the most similar pairs, each once, none of equal content."""

    def __init__(self, content: np.ndarray) -> None:
        self.content = content
        self.best: dict[tuple[int, int], tuple[float, str]] = {}
        self.cut = False

    def add(self, how: str, parts: Iterator[tuple[np.ndarray, ...]]) -> None:
        for first, second, similarity in parts:
            different = self.content[first] != self.content[second]
            columns = (values[different].tolist() for values in (first, second, similarity))
            for i, j, score in zip(*columns, strict=True):
                key = (min(i, j), max(i, j))
                if key not in self.best or self.best[key][0] < score:
                    self.best[key] = (score, how)
            if len(self.best) > 2 * MOST_PAIRS:
                self.trim()

    def trim(self) -> None:
        self.cut |= len(self.best) > MOST_PAIRS
        self.best = dict(sorted(self.best.items(), key=lambda item: (-item[1][0], item[0]))[:MOST_PAIRS])

    def rows(self) -> Iterator[tuple[int, int, float, str]]:
        """The places of each pair, its similarity and how, the most similar first."""
        self.trim()
        return ((i, j, score, how) for (i, j), (score, how) in self.best.items())


def _pair(samples: np.ndarray, place: np.ndarray, i: int, j: int, similarity: float, how: str) -> Pair:
    first, second = sorted((i, j), key=lambda k: (place[k], samples[k]))
    return Pair(int(samples[first]), int(samples[second]), min(1.0, similarity), how)
