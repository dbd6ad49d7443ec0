"""Equal images in a data set: those in two splits make a test too easy, those with two labels cannot be learned."""

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from fer_tune.data.dataset import SPLITS, Copies
from fer_tune.data.errors import printable
from fer_tune.data.index import Index, Source
from fer_tune.data.labels import MISSING_CLASS, LabelSet

MOST_EXAMPLES = 5
MOST_FILES, MOST_BYTES = 5_000, 256 * 2**20  # what a look at the files may read: a second or two


def find_copies(images: np.ndarray, index: Index) -> Copies:
    """Copies among decoded images uint8 (N, 3, S, S): equal pixels, whatever their files hold."""
    return _copies(_digests(images), index)


def find_equal_files(index: Index) -> Copies | None:
    """Copies among the image files of an index, by their bytes; None where looking would take long.

    It reads at most 5,000 files and 256 MiB, and passes over files that cannot be read.
    """
    if isinstance(index.sources, np.ndarray):
        return _copies(_digests(index.sources), index) if index.sources.nbytes <= MOST_BYTES else None
    if len(index) > MOST_FILES:
        return None
    files = [index.root / source.path for source in index.sources]
    sizes = [_size(file) for file in files]
    several = {size for size, count in Counter(sizes).items() if count > 1 and size >= 0}
    if sum(size for size in sizes if size in several) > MOST_BYTES:
        return None
    samples = zip(files, sizes, index.sources, strict=True)
    return _copies((_content(*sample) if sample[1] in several else sample[2] for sample in samples), index)


def copies_lines(copies: Copies) -> list[str]:
    """What a person should know of them, one line for each kind, then examples."""
    lines = []
    if copies.across_splits:
        parts = [
            f"{count} {one} images are also in {other}"
            for count, one, other in (
                (copies.test_in_train, "test", "train"),
                (copies.validation_in_train, "validation", "train"),
                (copies.test_in_validation, "test", "validation"),
            )
            if count
        ]
        lines.append(f"warning: equal images in two splits: {', '.join(parts)}. Scores on them are too high")
    elif copies.groups:
        lines.append(f"{copies.images} images are equal to another one of the same split ({copies.groups} groups)")
    if copies.other_labels:
        lines.append(f"warning: {copies.other_labels} groups of equal images have different labels")
    return [*lines, *(f"  equal: {', '.join(group)}" for group in copies.examples)]


def _digests(images: np.ndarray) -> list[Hashable]:
    return [hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in images]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except (OSError, ValueError):
        return -1


def _content(file: Path, size: int, source: Source) -> Hashable:
    """What equal files have in common."""
    try:
        return hashlib.blake2b(file.read_bytes(), digest_size=16).digest(), size, source.box
    except OSError:
        return source


def _copies(contents: Iterable[Hashable], index: Index) -> Copies:
    """Count the groups of samples with equal content."""
    members: dict[Hashable, list[int]] = {}
    for i, content in enumerate(contents):
        members.setdefault(content, []).append(i)
    groups = [group for group in members.values() if len(group) > 1]
    split_of = {int(i): split for split, chosen in index.splits.items() for i in chosen}
    counts = dict.fromkeys(combinations(SPLITS, 2), 0)
    across: list[list[int]] = []
    for group in groups:
        splits = [split_of.get(i) for i in group]
        for earlier, later in counts:
            counts[earlier, later] += splits.count(later) if earlier in splits else 0
        if len({*splits} - {None}) > 1:
            across.append(group)
    differing = [group for group in groups if _differ(group, index)]
    shown = [*across, *differing, *groups]
    return Copies(
        groups=len(groups),
        images=sum(map(len, groups)),
        validation_in_train=counts["train", "validation"],
        test_in_train=counts["train", "test"],
        test_in_validation=counts["validation", "test"],
        other_labels=len(differing),
        examples=tuple(_first(shown, index, split_of)),
    )


def _differ(group: Sequence[int], index: Index) -> bool:
    """Whether samples of a group have different classes in one label set."""
    return any(_classes(group, s, index) > 1 for s in index.label_sets if s.kind == "categorical")


def _classes(group: Sequence[int], label_set: LabelSet, index: Index) -> int:
    return len({*index.labels[label_set.name][list(group)].tolist()} - {MISSING_CLASS})


def _first(groups: Iterable[list[int]], index: Index, split_of: Mapping[int, str]) -> Iterator[tuple[str, ...]]:
    """The names of a few images of the first few groups, each group once."""
    done: set[int] = set()
    for group in groups:
        if len(done) == MOST_EXAMPLES:
            return
        if group[0] not in done:
            done.add(group[0])
            shown = sorted(group, key=lambda i: SPLITS.index(split_of.get(i, "test")))[:: max(1, len(group) - 1)]
            yield tuple(f"{_name(i, index)} ({split_of.get(i, 'in no split')})" for i in shown)


def _name(i: int, index: Index) -> str:
    return printable(index.origins[i] if isinstance(index.sources, np.ndarray) else index.sources[i].path)
