"""Majority votes: of several annotators with a label set each, and of vote counts in a table."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fer_tune.data.labels import MISSING_CLASS, LabelSet, first_categorical
from fer_tune.data.noisy import NoisyData
from fer_tune.system.randomness import numpy_stream


def voting_sets(label_sets: tuple[LabelSet, ...]) -> tuple[LabelSet, ...]:
    """The categorical sets with the same classes as the first one: each is one annotator."""
    first = first_categorical(label_sets)
    return tuple(s for s in label_sets if s.kind == "categorical" and s.names == first.names)


def majority_sets(label_sets: tuple[LabelSet, ...]) -> tuple[LabelSet, ...]:
    """The label sets after the vote: the voting sets become one, named after the first of them."""
    voters = voting_sets(label_sets)
    return tuple(s for s in label_sets if s == voters[0] or s not in voters)


def by_majority(data: NoisyData, seed: int) -> NoisyData:
    """Replace the voting sets by their majority vote.

    Ties are broken by a draw of the seed. A sample without a vote has no label. Test labels are not voted on: they
    stay those of the first voting set.
    """
    dataset, voters = data.dataset, voting_sets(data.label_sets)
    kept = majority_sets(data.label_sets)
    draw = numpy_stream(seed, "majority", dataset.digest).random((len(dataset.images), voters[0].size))

    def vote(labels: Mapping[str, np.ndarray]) -> np.ndarray:
        answers = np.stack([labels[s.name] for s in voters], axis=1)
        votes = (answers[:, :, None] == np.arange(voters[0].size)).sum(axis=1)
        return np.where(votes.any(axis=1), (votes + draw / 2).argmax(axis=1), MISSING_CLASS)

    def merged(labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        result = {s.name: labels[s.name] for s in kept}
        voted, test = vote(labels), dataset.splits["test"]
        voted[test] = labels[voters[0].name][test]
        return result | {voters[0].name: voted}

    truths = replace(dataset, label_sets=kept, labels=merged(dataset.labels))
    return NoisyData(truths, merged(data.labels))


def clear_winners(votes: np.ndarray) -> np.ndarray:
    """The class (N,) with most votes (N, K); -1 without a vote, or if two classes share the most."""
    most = votes.max(axis=1, keepdims=True)
    clear = ((votes == most).sum(axis=1) == 1) & (most[:, 0] > 0)
    return np.where(clear, votes.argmax(axis=1), MISSING_CLASS).astype(np.int64)
