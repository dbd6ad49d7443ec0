"""Splits: cutting the validation set from the training set, and which samples get noise."""

from collections.abc import Mapping
from itertools import accumulate

import numpy as np

from fer_tune.system.randomness import numpy_stream

TOLERANCE = 0.01  # of all samples: a cut by groups may be so much further from its share than is possible


def cut_validation(
    train: np.ndarray, classes: np.ndarray, share: float, seed: int, groups: np.ndarray | None = None, stay: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Split training indices (n,) into training and validation indices.

    Without groups, each class gives the same share, and at least one sample where it has two. With groups, whole
    groups move, in an order drawn by the seed, until the share is reached; where that is more than one sample in a
    hundred further from the share than is possible, the groups that come nearest to it move instead. Classes are then
    not balanced.

    The result must not change between versions: it is part of the digest of every data set on disk, and a changed
    digest would make earlier studies impossible to resume.

    Args:
        classes: (n,) class of each index.
        share: of the samples that become validation, in (0, 1).
        groups: (n,) such as subjects; no group is in both parts.
        stay: groups that must stay in training at the least.

    Raises ValueError for not more groups than must stay.
    """
    rng = numpy_stream(seed, "validation")
    chosen = np.zeros(len(train), dtype=bool)
    if groups is None:
        for c in np.unique(classes):
            members = np.flatnonzero(classes == c)
            chosen[rng.permutation(members)[: max(1, round(share * len(members)))]] = len(members) > 1
    else:
        _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        order = rng.permutation(len(sizes))
        if len(sizes) <= stay:
            raise ValueError(f"{len(sizes)} groups cannot be cut so that {stay} stay and another moves")
        moving = sorted(_moving(sizes[order].tolist(), share), key=lambda k: -sizes[order[k]])[: len(sizes) - stay]
        chosen = np.isin(group_of, order[moving])
    return train[~chosen], train[chosen]


def _moving(sizes: list[int], share: float) -> list[int]:
    """Which groups, given their sizes in the order drawn, come near to the share of all samples; never all, never none.

    The first groups that reach the share, unless another choice is nearer by more than TOLERANCE.
    """
    total = sum(sizes)
    wanted = share * total
    count = next(k for k, reached in enumerate(accumulate(sizes), 1) if reached >= wanted or k == len(sizes))
    drawn, reached = list(range(count)), sum(sizes[:count])
    away = abs(reached - wanted) if reached < total else total
    if away <= TOLERANCE * total:
        return drawn
    nearest = _nearest(sizes, wanted)
    return nearest if away - abs(sum(sizes[k] for k in nearest) - wanted) > TOLERANCE * total else drawn


def _nearest(sizes: list[int], wanted: float) -> list[int]:
    """The positions of groups whose sizes add up to as near to `wanted` as possible, neither to 0 nor to all.

    Subset sums over the different sizes, those drawn first preferred; a bit of an integer stands for each sum.
    """
    positions: dict[int, list[int]] = {}
    for k, size in enumerate(sizes):
        positions.setdefault(size, []).append(k)
    parts = [(size, count) for size, places in positions.items() for count in _binary_parts(len(places))]
    sums = [1]  # before each part: bit s is set if some of the earlier parts add up to s
    for size, count in parts:
        sums.append(sums[-1] | sums[-1] << size * count)
    total = sum(sizes)
    bits = np.frombuffer(sums[-1].to_bytes(total // 8 + 1, "little"), dtype=np.uint8)
    possible = np.flatnonzero(np.unpackbits(bits, bitorder="little")[:total])[1:]
    left = int(possible[np.abs(possible - wanted).argmin()])
    moving: list[int] = []
    for (size, count), before in zip(reversed(parts), reversed(sums[:-1]), strict=True):
        if not before >> left & 1:
            moving += [positions[size].pop(0) for _ in range(count)]
            left -= size * count
    return moving


def _binary_parts(count: int) -> list[int]:
    """Powers of two and a rest: sums of some of them give every number up to `count`."""
    parts, power = [], 1
    while count > 0:
        parts.append(min(power, count))
        count -= power
        power *= 2
    return parts


def noisy_samples(splits: Mapping[str, np.ndarray]) -> list[int]:
    """The samples whose labels noise may change: training and validation, in ascending order."""
    return sorted(np.concatenate([splits["train"], splits["validation"]]).tolist())
