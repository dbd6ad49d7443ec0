"""Reads data sets, stores them, and adds the label noise of one seed."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from fer_tune.data.copies import find_copies, without_copies
from fer_tune.data.dataset import Dataset, open_dataset, save_dataset, write_saved
from fer_tune.data.decoding import content_digest, decode
from fer_tune.data.index import Index, check
from fer_tune.data.kinds import KINDS, DatasetSpec
from fer_tune.data.noise import NoiseSpec, noisy_labels
from fer_tune.data.noisy import NoisyData
from fer_tune.data.synthetic import SyntheticSpec, load_synthetic
from fer_tune.data.votes import by_majority
from fer_tune.system.cpus import usable_cpus


def load_data(
    dataset: Dataset | DatasetSpec | Mapping[str, Any],
    noise: NoiseSpec | Mapping[str, Any] | None = None,
    seed: int = 0,
    majority: bool = False,
) -> NoisyData:
    """A data set with the label noise of one seed.

    Args:
        dataset: a `Dataset`, settings such as `SyntheticSpec`, or a mapping like `dataset` in a study file.
        noise: settings of the label noise, or a mapping like `noise` in a study file; None for none.
        seed: draws which labels are wrong, and how.
        majority: replace categorical sets with the same classes by their majority vote.

    >>> data = load_data({"kind": "synthetic", "train": 70, "validation": 14, "test": 14}, {"ratio": 0.4})
    >>> data.labels["emotion"].shape
    (98,)

    Raises pydantic.ValidationError for invalid settings, DataError for unusable data; both are ValueErrors.
    """
    if not isinstance(dataset, Dataset):
        dataset = read_dataset(TypeAdapter[DatasetSpec](DatasetSpec).validate_python(dataset))
    data = NoisyData(dataset, noisy_labels(dataset, NoiseSpec.model_validate(noise or {}), seed))
    return by_majority(data, seed) if majority else data


def read_dataset(spec: DatasetSpec) -> Dataset:
    """Read (or draw) a data set into memory. Raises DataError for unusable data."""
    if isinstance(spec, SyntheticSpec):
        return _drawn(spec, workers=1)
    index = index_dataset(spec)
    images = np.empty((len(index), 3, spec.image_size, spec.image_size), dtype=np.uint8)
    decode(index, images, usable_cpus())
    return _described(spec, index, images, _digest(spec, index))


def write_dataset(spec: DatasetSpec, folder: Path, workers: int = 1) -> Path:
    """Read (or draw) a data set and store it below `folder`; return its own folder.

    The own folder is named after a digest of the current images and labels. If it exists, it is kept; if the data
    has changed, the digest differs and the data is stored again. Raises DataError for unusable data.
    """
    if isinstance(spec, SyntheticSpec):
        return save_dataset(_drawn(spec, workers), folder)
    index = index_dataset(spec)
    digest = _digest(spec, index)

    def write_images(target: Path) -> Dataset:
        shape = (len(index), 3, spec.image_size, spec.image_size)
        images = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint8, shape=shape)
        decode(index, images, workers)
        images.flush()
        return _described(spec, index, images, digest)

    return write_saved(folder, digest, write_images)


def dataset_digest(spec: DatasetSpec) -> str:
    """The digest of a data set's files and labels as they are now, by which `write_dataset` names its folder.

    Images are read and not decoded. Raises DataError for unusable data, ValueError for faces that are drawn.
    """
    return _digest(spec, index_dataset(spec))


def index_dataset(spec: DatasetSpec) -> Index:
    """What the label files of a data set say, checked. Raises DataError for unusable data."""
    index = read_index(spec)
    check(index)
    return index


def read_index(spec: DatasetSpec) -> Index:
    """What the label files of a data set say, before `check`. Raises DataError."""
    index = KINDS[spec.kind].index
    if index is None:
        raise ValueError(f"data of kind {spec.kind} is drawn: it has no label files")
    return index(spec)


@lru_cache(maxsize=32)
def split_sizes(spec: DatasetSpec) -> Mapping[str, int]:
    """The number of samples in each split, from the settings or the label files. Raises DataError.

    Copies that `copies: drop` leaves out are still counted: only the images tell which they are.
    """
    if isinstance(spec, SyntheticSpec):
        return {"train": spec.train, "validation": spec.validation, "test": spec.test}
    return {name: len(members) for name, members in read_index(spec).splits.items()}


@lru_cache(maxsize=32)
def stored_split_sizes(folder: Path) -> Mapping[str, int]:
    """The number of samples in each split of a stored data set. Raises what `open_dataset` raises."""
    return {name: len(members) for name, members in open_dataset(folder).splits.items()}


def dataset_key(settings: Mapping[str, Any]) -> str:
    """A text that identifies the settings of a data set within one study."""
    return ",".join(f"{name}={settings[name]}" for name in sorted(settings))


def _drawn(spec: SyntheticSpec, workers: int) -> Dataset:
    return replace(load_synthetic(spec, workers), augmentation=KINDS[spec.kind].augmentation)


def _digest(spec: DatasetSpec, index: Index) -> str:
    """The digest of the content, and another one where copies are left out."""
    digest = content_digest(index, spec.image_size)
    dropped = hashlib.blake2b(f"{digest} without copies".encode(), digest_size=16).hexdigest()
    return dropped if leaves_out_copies(spec) else digest


def leaves_out_copies(spec: DatasetSpec) -> bool:
    """Whether images that are also in a more held-out split are left out."""
    return getattr(spec, "copies", "keep") == "drop"


def every_split(spec: DatasetSpec, stored: Dataset) -> Mapping[str, np.ndarray]:
    """The splits of a stored data set, with what `copies: drop` left out: a label file must list that too."""
    return read_index(spec).splits if leaves_out_copies(spec) else stored.splits


def _described(spec: DatasetSpec, index: Index, images: np.ndarray, digest: str) -> Dataset:
    """The data set of decoded images uint8 (N, 3, S, S). Raises DataError where leaving out copies empties a split."""
    copies = find_copies(images, index)
    if leaves_out_copies(spec):
        index, copies = without_copies(images, index)
    return Dataset(
        index.label_sets,
        images,
        index.labels,
        index.splits,
        digest,
        KINDS[spec.kind].augmentation,
        index.known,
        copies,
    )
