"""Describes a data set to a person: counts, missing labels, notes of its reader."""

from collections import Counter

import numpy as np

from fer_tune.data.index import Index
from fer_tune.data.labels import MISSING_CLASS, LabelSet


def describe(index: Index) -> list[str]:
    """One line for the sizes, one for each label set and split, then the reader's notes."""
    lines = [f"{len(index)} samples: " + ", ".join(f"{len(m)} {split}" for split, m in index.splits.items())]
    for label_set in index.label_sets:
        for split, members in index.splits.items():
            lines.append(f"{label_set.name}, {split}: {_summary(label_set, index.labels[label_set.name][members])}")
    return [*lines, *index.notes]


def _summary(label_set: LabelSet, labels: np.ndarray) -> str:
    if label_set.kind == "categorical":
        counts = Counter(labels.tolist())
        parts = [f"{name} {counts.get(k, 0)}" for k, name in enumerate(label_set.names)]
        missing = counts.get(MISSING_CLASS, 0)
    else:
        present = labels[~np.isnan(labels).any(axis=1)]
        parts = [f"{name} {_range(present[:, k])}" for k, name in enumerate(label_set.names)]
        missing = len(labels) - len(present)
    return ", ".join(parts + ([f"missing {missing}"] if missing else []))


def _range(values: np.ndarray) -> str:
    return f"{values.min():.2f} to {values.max():.2f}, mean {values.mean():.2f}" if len(values) else "none"
