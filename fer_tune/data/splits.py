"""Splits: cutting the validation set from the training set, and which samples get noise."""

from collections.abc import Mapping

import numpy as np

from fer_tune.system.randomness import numpy_stream


def cut_validation(
    train: np.ndarray, classes: np.ndarray, share: float, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split training indices (n,) into training and validation indices.

    Without groups, each class gives the same share, and at least one sample where it has two. With groups, whole
    groups move, in an order drawn by the seed, until the share is reached; classes are then not balanced.

    The result must not change between versions: it is part of the digest of every data set on disk, and a changed
    digest would make earlier studies impossible to resume.

    Args:
        classes: (n,) class of each index.
        share: of the samples that become validation, in (0, 1).
        groups: (n,) such as subjects; no group is in both parts.
    """
    rng = numpy_stream(seed, "validation")
    chosen = np.zeros(len(train), dtype=bool)
    if groups is None:
        for c in np.unique(classes):
            members = np.flatnonzero(classes == c)
            chosen[rng.permutation(members)[: max(1, round(share * len(members)))]] = len(members) > 1
    else:
        wanted = share * len(train)
        for group in rng.permutation(np.unique(groups)):
            if chosen.sum() >= wanted:
                break
            chosen |= groups == group
    return train[~chosen], train[chosen]


def noisy_samples(splits: Mapping[str, np.ndarray]) -> list[int]:
    """The samples whose labels noise may change: training and validation, in ascending order."""
    return sorted(np.concatenate([splits["train"], splits["validation"]]).tolist())
