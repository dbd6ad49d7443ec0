"""What one trial trains on: a data set with one draw of label noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fer_tune.data.dataset import Dataset
from fer_tune.data.labels import MISSING_CLASS, LabelSet, first_categorical
from fer_tune.system.randomness import numpy_stream


@dataclass(frozen=True)
class NoisyData:
    """A data set with one draw of label noise.

    Attributes:
        labels: as `Dataset.labels`, but noisy in training and validation.
    """

    dataset: Dataset
    labels: Mapping[str, np.ndarray]

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        return self.dataset.label_sets

    @cached_property
    def targets(self) -> np.ndarray:
        """Noisy labels side by side: float32 (N, sum of the label sets' sizes), classes one-hot, missing labels NaN."""
        columns = [
            _one_hot(self.labels[s.name], s.size) if s.kind == "categorical" else self.labels[s.name]
            for s in self.label_sets
        ]
        return np.concatenate(columns, axis=1).astype(np.float32)

    @cached_property
    def given_counts(self) -> np.ndarray | None:
        """Training labels of the first categorical set: int64 counts (K, K), known class by given class.

        None if the given labels are the only ones known, or if all of them are right.
        """
        first, train = first_categorical(self.label_sets), self.dataset.splits["train"]
        known = self.dataset.known.get(first.name, self.dataset.labels[first.name])[train]
        given = self.labels[first.name][train]
        both = (known != MISSING_CLASS) & (given != MISSING_CLASS)
        counts = np.zeros((first.size, first.size), dtype=np.int64)
        np.add.at(counts, (known[both], given[both]), 1)
        return counts if counts.sum() > np.trace(counts) else None

    @cached_property
    def complete(self) -> bool:
        """Whether every training and validation sample has every label."""
        used = np.concatenate([self.dataset.splits["train"], self.dataset.splits["validation"]])
        return not np.isnan(self.targets[used]).any()

    @cached_property
    def game_inputs(self) -> np.ndarray:
        """Labels as inputs of joint training: float32 (N, sum of the label sets' sizes), none missing.

        Joint training compares whole rows of labels that occur together. A sample that lacks a label therefore borrows
        the row of a randomly chosen sample of its split that has every label, the same in every epoch. Raises
        ValueError if no sample of a split has every label.
        """
        if self.complete:
            return self.targets
        rows = np.arange(len(self.targets))
        for split in ("train", "validation"):
            members = self.dataset.splits[split]
            lacking = np.isnan(self.targets[members]).any(axis=1)
            if lacking.all():
                raise ValueError(
                    f"no {split} sample has every label: joint training (lambda above 0) needs at least one that does"
                )
            rng = numpy_stream(0, "missing labels", self.dataset.digest, split)
            rows[members[lacking]] = rng.choice(members[~lacking], int(lacking.sum()))
        return self.targets[rows]


def _one_hot(classes: np.ndarray, size: int) -> np.ndarray:
    missing = np.full((1, size), np.nan, dtype=np.float32)
    return np.concatenate([np.eye(size, dtype=np.float32), missing])[classes]  # -1 is the last row
