"""Data sets, label noise and augmentation. A data set is a specification with a `kind` and a reader.

To add one: write `fer_tune/data/KIND.py` with a pydantic specification (`kind: Literal["KIND"]`, the
properties `label_sets` and sizes that SyntheticSpec has) and a function from it to a `Dataset`, then
name both in `READERS` and in `DatasetSpec` below.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from fer_tune.data.dataset import Dataset, open_dataset, save_dataset
from fer_tune.data.noise import NoiseSpec, accuracy_shrinkage, noisy_labels, one_hot_or_values
from fer_tune.data.synthetic import SyntheticSpec, load_synthetic
from fer_tune.labels import LabelSet

DatasetSpec = SyntheticSpec  # becomes a union discriminated by `kind` with the second data set
READERS: Mapping[str, Callable[[Any], Dataset]] = {"synthetic": load_synthetic}


@dataclass(frozen=True)
class NoisyData:
    """A data set with one draw of label noise: what one trial trains on."""

    dataset: Dataset
    labels: Mapping[str, np.ndarray]  # as Dataset.labels, noisy but for the test split

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        return self.dataset.label_sets

    @cached_property
    def game_inputs(self) -> np.ndarray:
        """Noisy labels as the joint game takes them: float32 (N, sum of sizes), classes one-hot."""
        return one_hot_or_values(self.dataset, self.labels, np.arange(len(self.dataset.images)))


def read_dataset(spec: DatasetSpec) -> Dataset:
    """Read (or draw) the data set that a specification describes."""
    return READERS[spec.kind](spec)


def load_data(
    dataset: DatasetSpec | Dataset | Mapping[str, Any],
    noise: NoiseSpec | Mapping[str, Any] | None = None,
    seed: int = 0,
) -> NoisyData:
    """A data set with the label noise of a seed. Plain mappings are read as specifications.

    >>> data = load_data({"kind": "synthetic", "train": 70, "validation": 14, "test": 14}, {"ratio": 0.4})
    >>> data.labels["emotion"].shape
    (98,)

    Raises pydantic.ValidationError (a ValueError) for a specification that does not hold.
    """
    if not isinstance(dataset, Dataset):
        dataset = read_dataset(TypeAdapter(DatasetSpec).validate_python(dataset))
    return NoisyData(dataset, noisy_labels(dataset, NoiseSpec.model_validate(noise or {}), seed))


__all__ = [
    "Dataset",
    "DatasetSpec",
    "NoiseSpec",
    "NoisyData",
    "accuracy_shrinkage",
    "load_data",
    "open_dataset",
    "read_dataset",
    "save_dataset",
]
