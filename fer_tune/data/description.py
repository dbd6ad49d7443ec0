"""Describes a data set to a person: counts, missing labels, notes of its reader."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fer_tune.data.errors import printable
from fer_tune.data.index import Embedded, Index
from fer_tune.data.labels import MISSING_CLASS, LabelSet
from fer_tune.data.pictures import IMAGE_SUFFIXES


def describe(index: Index) -> list[str]:
    """One line for the sizes, one for each label set and split, then the reader's notes."""
    lines = [f"{len(index)} samples: " + ", ".join(f"{len(m)} {split}" for split, m in index.splits.items())]
    for label_set in index.label_sets:
        for split, members in index.splits.items():
            lines.append(f"{label_set.name}, {split}: {_summary(label_set, index.labels[label_set.name][members])}")
    return [*lines, *index.notes]


def unused_images(index: Index) -> list[str]:
    """A line that counts image files beside those of the samples, if there are any.

    It looks in the folder of the images: in the folders at its top that hold samples, and whatever is below them.
    """
    if isinstance(index.sources, np.ndarray) or any(isinstance(source, Embedded) for source in index.sources):
        return []
    used = {os.path.normpath(source.path) for source in index.sources}
    places = sorted({path.partition("/")[0] if "/" in path else "" for path in used})
    left = [name for place in places for name in _images_in(index.root, place) if name not in used]
    if not left:
        return []
    return [f"{index.root}: {len(left)} image files are used by no sample, such as {printable(left[0])}"]


def image_files(root: Path) -> list[str]:
    """Paths, relative to `root`, of all image files in it and below it, sorted."""
    return sorted(
        os.path.relpath(Path(folder) / name, root)
        for folder, _, names in os.walk(root)
        for name in names
        if name.lower().endswith(IMAGE_SUFFIXES)
    )


def _images_in(root: Path, place: str) -> Iterator[str]:
    """Paths, relative to `root`, of the image files below a folder; of those right in `root` for ""."""
    for folder, folders, names in os.walk(root / place):
        if not place:
            folders.clear()
        for name in sorted(names):
            if name.lower().endswith(IMAGE_SUFFIXES):
                yield os.path.relpath(Path(folder) / name, root)


def _summary(label_set: LabelSet, labels: np.ndarray) -> str:
    if label_set.kind == "categorical":
        counts = Counter(labels.tolist())
        parts = [f"{printable(name)} {counts.get(k, 0)}" for k, name in enumerate(label_set.names)]
        missing = counts.get(MISSING_CLASS, 0)
    else:
        present = labels[~np.isnan(labels).any(axis=1)]
        parts = [f"{printable(name)} {_range(present[:, k])}" for k, name in enumerate(label_set.names)]
        missing = len(labels) - len(present)
    return ", ".join(parts + ([f"missing {missing}"] if missing else []))


def _range(values: np.ndarray) -> str:
    return f"{values.min():.2f} to {values.max():.2f}, mean {values.mean():.2f}" if len(values) else "none"
