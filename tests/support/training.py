"""Small training runs, random data for them, and exact comparison of their rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pytest

from fer_tune.data.dataset import Dataset
from fer_tune.data.labels import LabelSet
from fer_tune.data.noisy import NoisyData
from fer_tune.models.spec import ModelSpec
from fer_tune.training.spec import TrainingSpec
from fer_tune.training.trainer import Trainer

MODEL = ModelSpec(width=0.125, encoder_norm="batch")
CLOCK = ("seconds", "images_per_second")
Row = Mapping[str, float]
Result = TypeVar("Result")


def settings(**changes: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({"lr": 1e-3, "epochs": 3, "batch_size": 32, **changes})


def random_data(size: int, label_sets: Sequence[LabelSet], samples: int) -> NoisyData:
    """Random images and labels; each split holds all of them."""
    rng = np.random.default_rng(0)
    labels = {
        s.name: rng.integers(0, s.size, samples) if s.kind == "categorical"
        else rng.uniform(-1, 1, (samples, s.size)).astype(np.float32)
        for s in label_sets
    }  # fmt: skip
    images = rng.integers(0, 256, (samples, 3, size, size), dtype=np.uint8)
    splits = dict.fromkeys(("train", "validation", "test"), np.arange(samples))
    return NoisyData(Dataset(tuple(label_sets), images, labels, splits, "random"), labels)


def run_epochs(trainer: Trainer, epochs: int) -> list[dict[str, float]]:
    """Rows of the next epochs, without clock times."""
    return [timeless(trainer.run_epoch()) for _ in range(epochs)]


def timeless(row: Row) -> dict[str, float]:
    return {name: value for name, value in row.items() if name not in CLOCK}


def exactly(row: Row) -> Any:
    """Compares equal to a row of the same bits; NaN equals NaN."""
    return pytest.approx(row, rel=0, abs=0, nan_ok=True)


def assert_same_rows(found: Sequence[Row], expected: Sequence[Row]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one == exactly(other)


def networks_moved(trainer: Trainer, update: Callable[[], Result]) -> tuple[Result, set[str]]:
    """What an update returns, and the names of the networks whose parameters it changed."""
    before = {name: _copied(network.parameters()) for name, network in trainer.networks.items()}
    result = update()
    return result, {
        name
        for name, parameters in before.items()
        if any(not a.equal(b) for a, b in zip(parameters, trainer.networks[name].parameters(), strict=True))
    }


def _copied(parameters: Iterable[Any]) -> list[Any]:
    return [p.detach().clone() for p in parameters]
