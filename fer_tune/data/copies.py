"""Equal images in a data set: those in two splits make a test too easy, those with two labels cannot be learned."""

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from fer_tune.data.dataset import SPLITS, Copies
from fer_tune.data.errors import LONGEST_QUOTE, DataError, printable
from fer_tune.data.index import Index, Source, check
from fer_tune.data.labels import LabelSet

MOST_EXAMPLES = 5
MOST_FILES, MOST_BYTES = 5_000, 256 * 2**20  # what a look at the files may read: a second or two
SAME_VALUE = 0.1  # of values in [-1, 1]: two people, or two frames of a film, may differ by so much
DROP = "copies: drop"  # the line of the dataset section that leaves copies out


def find_copies(images: np.ndarray, index: Index) -> Copies:
    """Copies among decoded images uint8 (N, 3, S, S): equal pixels, whatever their files hold."""
    return _copies(digests(images), index)


def without_copies(images: np.ndarray, index: Index) -> tuple[Index, Copies]:
    """The index whose training has no image that is also in validation or test, and validation none that is in test.

    Images uint8 (N, 3, S, S) are equal if their pixels are. What is left out stays in the index, in no split. Also
    how much that was, and the copies that remain. Raises DataError where a split or its labels would be gone.
    """
    return _without(digests(images), index)


def find_equal_files(index: Index, drop: bool = False) -> Copies | None:
    """Copies among the image files of an index, by their bytes; None where looking would take long.

    It reads at most 5,000 files and 256 MiB, and passes over files that cannot be read. With `drop`, those that remain
    without what `without_copies` leaves out, whose DataError it raises.
    """
    contents = _contents(index)
    if contents is None:
        return None
    return _without(contents, index)[1] if drop else _copies(contents, index)


def copies_lines(copies: Copies) -> list[str]:
    """What a person should know of them, one line for each kind, then examples."""
    lines = []
    if copies.train_left_out or copies.validation_left_out:
        lines.append(
            f"{DROP} leaves out {copies.train_left_out} training images that are also in validation or test, and "
            f"{copies.validation_left_out} validation images that are also in test"
        )
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
        lines.append(
            f"  To leave them out of training, and out of validation if they are in test, add to dataset: {DROP}"
        )
    elif copies.groups:
        lines.append(f"{copies.images} images are equal to another one of the same split ({copies.groups} groups)")
    lines += [f"  equal: {', '.join(group)}" for group in copies.examples]
    if copies.other_labels:
        within = f"{copies.other_labels_in_split} of them within one split"
        lines.append(f"warning: {copies.other_labels} groups of equal images have different labels, {within}")
    return [*lines, *(f"  equal, with different labels: {', '.join(pair)}" for pair in copies.differing)]


def sample_name(i: int, index: Index) -> str:
    """What a person finds a sample by: the path of its image, or its place in the label files."""
    return index.origins[i] if isinstance(index.sources, np.ndarray) else index.sources[i].path


def short_name(i: int, index: Index) -> str:
    """The same for a message: of a long name the end, in which names of one folder differ."""
    name = sample_name(i, index)
    return printable(name if len(name) <= LONGEST_QUOTE else f"...{name[3 - LONGEST_QUOTE :]}")


def _contents(index: Index) -> list[Hashable] | None:
    """What equal files have in common, for each sample; None where finding it would take long."""
    if isinstance(index.sources, np.ndarray):
        return digests(index.sources) if index.sources.nbytes <= MOST_BYTES else None
    if len(index) > MOST_FILES:
        return None
    files = [index.root / source.path for source in index.sources]
    sizes = [_size(file) for file in files]
    several = {size for size, count in Counter(sizes).items() if count > 1 and size >= 0}
    if sum(size for size in sizes if size in several) > MOST_BYTES:
        return None
    samples = zip(files, sizes, index.sources, strict=True)
    return [_content(*sample) if sample[1] in several else sample[2] for sample in samples]


def digests(images: Iterable[np.ndarray]) -> list[Hashable]:
    """What images with equal pixels have in common, one for each."""
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


@dataclass(frozen=True)
class _Disagreement:
    """Two equal images with different labels in a label set."""

    first: int
    second: int
    label_set: LabelSet


def _without(contents: Sequence[Hashable], index: Index) -> tuple[Index, Copies]:
    held = np.full(len(index), -1)  # place in SPLITS of the split of each sample
    for place, split in enumerate(SPLITS):
        held[index.splits[split]] = place
    codes: dict[Hashable, int] = {}
    group = np.array([codes.setdefault(content, len(codes)) for content in contents])
    last = np.full(len(codes), -1)
    np.maximum.at(last, group, held)
    splits = {split: m[last[group[m]] == SPLITS.index(split)] for split, m in index.splits.items()}
    left_out = {split: len(index.splits[split]) - len(members) for split, members in splits.items()}
    for split, members in splits.items():
        if left_out[split] and not len(members):
            raise DataError(f"{index.root}: {DROP} leaves no {split} image: each is also in a split held out further")
    kept = replace(index, splits=splits)
    if any(left_out.values()):
        check(kept)
    found = _copies(contents, kept)
    return kept, replace(found, train_left_out=left_out["train"], validation_left_out=left_out["validation"])


def _copies(contents: Iterable[Hashable], index: Index) -> Copies:
    """Count the groups of samples with equal content; those in no split do not count."""
    split_of = {int(i): split for split, chosen in index.splits.items() for i in chosen}
    members: dict[Hashable, list[int]] = {}
    for i, content in enumerate(contents):
        if i in split_of:
            members.setdefault(content, []).append(i)
    groups = [group for group in members.values() if len(group) > 1]
    counts = dict.fromkeys(combinations(SPLITS, 2), 0)
    across: list[list[int]] = []
    for group in groups:
        splits = [split_of[i] for i in group]
        for earlier, later in counts:
            counts[earlier, later] += splits.count(later) if earlier in splits else 0
        if len({*splits}) > 1:
            across.append(group)
    differing = [pair for group in groups if (pair := _in_one_split(group, index, split_of) or _apart(group, index))]
    within = [pair for pair in differing if split_of[pair.first] == split_of[pair.second]]
    shown = [*within, *(pair for pair in differing if pair not in within)][:MOST_EXAMPLES]
    return Copies(
        groups=len(groups),
        images=sum(map(len, groups)),
        validation_in_train=counts["train", "validation"],
        test_in_train=counts["train", "test"],
        test_in_validation=counts["validation", "test"],
        other_labels=len(differing),
        examples=tuple(_first([*across, *groups], index, split_of)),
        other_labels_in_split=len(within),
        differing=tuple(tuple(_labelled(i, pair.label_set, index, split_of) for i in (pair.first, pair.second))
                        for pair in shown),
    )  # fmt: skip


def _in_one_split(group: Sequence[int], index: Index, split_of: Mapping[int, str]) -> _Disagreement | None:
    parts = ([i for i in group if split_of[i] == split] for split in SPLITS)
    return next((found for part in parts if len(part) > 1 and (found := _apart(part, index))), None)


def _apart(group: Sequence[int], index: Index) -> _Disagreement | None:
    """The two samples of a group that are furthest apart in the first label set in which they disagree."""
    for label_set in index.label_sets:
        values = index.labels[label_set.name][list(group)].reshape(len(group), -1).astype(float)
        known = values.min(axis=1) >= (0 if label_set.kind == "categorical" else -1)  # NaN is not
        places, values = np.array(group)[known], values[known]
        if not len(places):
            continue
        spread = np.ptp(values, axis=0)
        column = values[:, spread.argmax()]
        if spread.max() > (0 if label_set.kind == "categorical" else SAME_VALUE):
            return _Disagreement(int(places[column.argmin()]), int(places[column.argmax()]), label_set)
    return None


def _first(groups: Iterable[list[int]], index: Index, split_of: Mapping[int, str]) -> Iterator[tuple[str, ...]]:
    """The names of two images of each of the first few groups, each group once."""
    done: set[int] = set()
    for group in groups:
        if len(done) == MOST_EXAMPLES:
            return
        if group[0] not in done:
            done.add(group[0])
            shown = sorted(group, key=lambda i: SPLITS.index(split_of[i]))[:: len(group) - 1]
            yield tuple(_name(i, index, split_of) for i in shown)


def _name(i: int, index: Index, split_of: Mapping[int, str]) -> str:
    return f"{short_name(i, index)} ({split_of[i]})"


def _labelled(i: int, label_set: LabelSet, index: Index, split_of: Mapping[int, str]) -> str:
    label = index.labels[label_set.name][i]
    if label_set.kind == "categorical":
        text = printable(label_set.names[int(label)])
    else:
        text = ", ".join(f"{name} {value:.2f}" for name, value in zip(label_set.names, label.tolist(), strict=True))
    return f"{_name(i, index, split_of)} {text}"
