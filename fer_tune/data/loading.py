"""Data sets, label noise and augmentation. A data set is a specification with a `kind` and a reader.

To add one: write `fer_tune/data/KIND.py` with a pydantic specification (`kind: Literal["KIND"]`, the properties
`label_sets` and `image_size`) and a function from it to an `Index`, then name both in `INDEXERS` and in
`DatasetSpec` below.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, TypeAdapter

from fer_tune.data.affectnet import AffectNetSpec, index_affectnet
from fer_tune.data.cifar10 import Cifar10Spec, index_cifar10
from fer_tune.data.dataset import Dataset, open_dataset, save_dataset, write_saved
from fer_tune.data.ferplus import FerPlusSpec, index_ferplus
from fer_tune.data.index import DataError, Index, check, content_digest, decode
from fer_tune.data.labels import MISSING_CLASS, LabelSet, first_categorical
from fer_tune.data.manifest import ManifestSpec, index_manifest
from fer_tune.data.noise import NoiseSpec, accuracy_shrinkage, noisy_labels, one_hot_or_values
from fer_tune.data.raf import RafSpec, index_raf
from fer_tune.data.synthetic import SyntheticSpec, load_synthetic
from fer_tune.system.randomness import numpy_stream

DatasetSpec = Annotated[
    SyntheticSpec | RafSpec | AffectNetSpec | Cifar10Spec | FerPlusSpec | ManifestSpec, Field(discriminator="kind")
]
INDEXERS: Mapping[str, Callable[[Any], Index]] = {
    "raf": index_raf,
    "affectnet": index_affectnet,
    "cifar10": index_cifar10,
    "ferplus": index_ferplus,
    "manifest": index_manifest,
}
KINDS = ("synthetic", *INDEXERS)


@dataclass(frozen=True)
class NoisyData:
    """A data set with one draw of label noise: what one trial trains on."""

    dataset: Dataset
    labels: Mapping[str, np.ndarray]  # as Dataset.labels, noisy but for the test split

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        return self.dataset.label_sets

    @cached_property
    def targets(self) -> np.ndarray:
        """Noisy labels side by side: float32 (N, sum of sizes), classes one-hot, missing labels NaN."""
        return one_hot_or_values(self.dataset, self.labels, np.arange(len(self.dataset.images)))

    @cached_property
    def given_counts(self) -> np.ndarray | None:
        """How the first categorical set's training labels were given: counts (K, K), the known classes as rows.

        None where nobody knows better, or where no label differs from what is known.
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
        """Labels as the joint game takes them, without missing ones: float32 (N, sum of sizes).

        The game needs whole rows of labels that truly occur together, so a sample that lacks one plays with
        its image and with the row of another sample of its split, drawn once, that lacks none. Raises ValueError
        where no sample of a split has all labels.
        """
        if self.complete:
            return self.targets
        rows = np.arange(len(self.targets))
        for split in ("train", "validation"):
            members = self.dataset.splits[split]
            lacking = np.isnan(self.targets[members]).any(axis=1)
            if lacking.all():
                raise ValueError(f"no {split} sample has every label: the joint game needs some that do")
            rng = numpy_stream(0, "missing labels", self.dataset.digest, split)
            rows[members[lacking]] = rng.choice(members[~lacking], int(lacking.sum()))
        return self.targets[rows]


def index_dataset(spec: Any) -> Index:
    """What the label files of a data set on disk say, checked. Raises DataError."""
    index = INDEXERS[spec.kind](spec)
    check(index)
    return index


def dataset_key(dataset: Mapping[str, Any]) -> str:
    """A text that identifies a data set's specification within one study."""
    return ",".join(f"{name}={dataset[name]}" for name in sorted(dataset))


@lru_cache(maxsize=32)
def split_sizes(spec: Any) -> Mapping[str, int]:
    """Samples of each split; of a data set on disk by reading its label files. Raises DataError."""
    if isinstance(spec, SyntheticSpec):
        return {"train": spec.train, "validation": spec.validation, "test": spec.test}
    return {name: len(members) for name, members in INDEXERS[spec.kind](spec).splits.items()}


def write_dataset(spec: Any, folder: Path, workers: int = 1) -> Path:
    """Read (or draw) a data set and store it below `folder`; return its own folder.

    What is there already is kept: the folder's name is a digest of the images and labels as they are today, so a
    data set that has changed is read anew. Raises DataError for one that cannot be used.
    """
    if isinstance(spec, SyntheticSpec):
        return save_dataset(load_synthetic(spec, workers), folder)
    index = index_dataset(spec)
    about = _described(spec, index, np.empty(0))
    return write_saved(folder, about, lambda target: _decode_into(target, index, spec.image_size, workers))


def _decode_into(target: Path, index: Index, size: int, workers: int) -> None:
    shape = (len(index), 3, size, size)
    images = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint8, shape=shape)
    decode(index, images, workers)
    images.flush()


def _described(spec: Any, index: Index, images: np.ndarray) -> Dataset:
    digest = content_digest(index, str(spec.image_size))
    augmentation: Literal["faces", "crop"] = "crop" if spec.kind == "cifar10" else "faces"
    return Dataset(index.label_sets, images, index.labels, index.splits, digest, augmentation, index.known)


def read_dataset(spec: Any) -> Dataset:
    """Read (or draw) a data set into memory. Raises DataError for one that cannot be used."""
    if isinstance(spec, SyntheticSpec):
        return load_synthetic(spec)
    index = index_dataset(spec)
    images = np.empty((len(index), 3, spec.image_size, spec.image_size), dtype=np.uint8)
    decode(index, images, os.cpu_count() or 1)
    return _described(spec, index, images)


def load_data(
    dataset: Any, noise: NoiseSpec | Mapping[str, Any] | None = None, seed: int = 0, majority: bool = False
) -> NoisyData:
    """A data set with the label noise of a seed. Plain mappings are read as specifications.

    Args:
        dataset: a `Dataset`, a specification such as `SyntheticSpec`, or a mapping like a study file's `dataset`.
        majority: put the majority vote in the place of categorical sets that share their classes.

    >>> data = load_data({"kind": "synthetic", "train": 70, "validation": 14, "test": 14}, {"ratio": 0.4})
    >>> data.labels["emotion"].shape
    (98,)

    Raises pydantic.ValidationError (a ValueError) for a specification that does not hold, DataError (one too) for
    data that cannot be used.
    """
    if not isinstance(dataset, Dataset):
        dataset = read_dataset(TypeAdapter[Any](DatasetSpec).validate_python(dataset))
    labels = noisy_labels(dataset, NoiseSpec.model_validate(noise or {}), seed)
    data = NoisyData(dataset, labels)
    return _by_majority(data, seed) if majority else data


def voting_sets(label_sets: tuple[LabelSet, ...]) -> tuple[LabelSet, ...]:
    """The categorical sets that share the classes of the first one: annotators who can vote."""
    first = first_categorical(label_sets)
    return tuple(s for s in label_sets if s.kind == "categorical" and s.names == first.names)


def majority_sets(label_sets: tuple[LabelSet, ...]) -> tuple[LabelSet, ...]:
    """The label sets that are left when the voting ones have become one, named after the first."""
    voters = voting_sets(label_sets)
    return tuple(s for s in label_sets if s == voters[0] or s not in voters)


def _by_majority(data: NoisyData, seed: int) -> NoisyData:
    """Ties are broken by a draw of the seed; where nobody has voted, the label stays missing.

    Test labels are no vote: they are those of the first annotator's set, as they are without the vote.
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


__all__ = [
    "KINDS",
    "DataError",
    "Dataset",
    "DatasetSpec",
    "Index",
    "NoiseSpec",
    "NoisyData",
    "SyntheticSpec",
    "accuracy_shrinkage",
    "dataset_key",
    "index_dataset",
    "load_data",
    "majority_sets",
    "open_dataset",
    "read_dataset",
    "save_dataset",
    "split_sizes",
    "voting_sets",
    "write_dataset",
]
