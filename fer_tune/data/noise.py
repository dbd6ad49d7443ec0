"""Label noise: which labels a study makes wrong, and what that does to noisy validation."""

from collections.abc import Mapping
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fer_tune.data.dataset import Dataset
from fer_tune.randomness import numpy_stream


class NoiseSpec(BaseModel):
    """How training and validation labels are corrupted. Test labels always stay true."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["symmetric", "pairflip", "confusion"] = Field(
        "symmetric", description="symmetric: any other class; pairflip: the next class; confusion: by `matrix`"
    )
    ratio: float = Field(0.0, ge=0, lt=1, description="true share of wrong labels in each label set")
    matrix: tuple[tuple[float, ...], ...] | None = Field(
        None, description="confusion only: row-stochastic K x K; `ratio` then rules the continuous sets alone"
    )
    tied: bool = Field(False, description="true: the same samples are wrong in every label set")

    @model_validator(mode="after")
    def _check_matrix(self) -> Self:
        if self.kind == "confusion" and self.matrix is None:
            raise ValueError("kind: confusion needs `matrix`, a row of probabilities for each true class")
        if self.kind != "confusion" and self.matrix is not None:
            raise ValueError(f"`matrix` goes with kind: confusion, and the kind is {self.kind}")
        if self.matrix is not None:
            rows = self.matrix
            if any(len(row) != len(rows) for row in rows):
                raise ValueError(f"`matrix` must be square: it has {len(rows)} rows of {[len(r) for r in rows]} values")
            for i, row in enumerate(rows):
                if min(row) < 0 or abs(sum(row) - 1) > 1e-6:
                    raise ValueError(f"row {i} of `matrix` must be non-negative and sum to 1: it is {list(row)}")
        return self


def noisy_labels(dataset: Dataset, spec: NoiseSpec, seed: int) -> dict[str, np.ndarray]:
    """Every label set with the noise of (data set, seed) on training and validation samples.

    A sample that is wrong at one ratio is wrong at every larger one, and the draw does not depend on
    lambda or any other setting, so conditions differ by no more than they must.
    """
    exposed = np.concatenate([dataset.splits["train"], dataset.splits["validation"]])
    shared: np.ndarray | None = None
    result = {}
    for label_set in dataset.label_sets:
        rng = numpy_stream(seed, "noise", dataset.digest, label_set.name)
        labels = dataset.labels[label_set.name].copy()
        draw = rng.random(len(labels))
        if label_set.kind == "categorical":
            changed = _corrupt_classes(labels, label_set.size, exposed, spec, draw, shared, rng)
        else:
            changed = (draw < spec.ratio) if shared is None else shared
            for split in ("train", "validation"):
                _swap_values(labels, dataset.splits[split], changed, rng)
        if spec.tied and shared is None:
            shared = changed
        result[label_set.name] = labels
    return result


def accuracy_shrinkage(spec: NoiseSpec, classes: int) -> float:
    """What a difference in clean accuracy is multiplied by when measured on the noisy labels.

    1 - r * K / (K - 1) for symmetric noise at ratio r over K classes (0.53 at r = 0.4, K = 7); for the
    other kinds it holds where a model's mistakes fall evenly on the wrong classes.
    """
    ratio = spec.ratio
    if spec.matrix is not None:
        ratio = 1 - float(np.mean(np.diag(np.array(spec.matrix))))
    return 1 - ratio * classes / (classes - 1)


def _corrupt_classes(
    labels: np.ndarray,
    classes: int,
    exposed: np.ndarray,
    spec: NoiseSpec,
    draw: np.ndarray,
    shared: np.ndarray | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """Corrupt `labels` (N,) in place at the `exposed` indices; return which samples are wrong (N,)."""
    if spec.matrix is not None:
        if len(spec.matrix) != classes:
            raise ValueError(f"`matrix` is {len(spec.matrix)} x {len(spec.matrix)}, but there are {classes} classes")
        rows = np.array(spec.matrix)
        if shared is not None:
            rows = rows * (1 - np.eye(classes))
            rows = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-12)
        steps = np.cumsum(rows, axis=1)
        steps[:, -1] = 1
        replacement = (draw[:, None] >= steps[labels]).sum(axis=1)
        wrong = (replacement != labels) if shared is None else shared
    else:
        wrong = (draw < spec.ratio) if shared is None else shared
        offset = rng.integers(1, classes, len(labels)) if spec.kind == "symmetric" else 1
        replacement = (labels + offset) % classes
    hit = exposed[wrong[exposed]]
    labels[hit] = replacement[hit]
    return wrong


def _swap_values(labels: np.ndarray, split: np.ndarray, changed: np.ndarray, rng: np.random.Generator) -> None:
    """Give each changed sample of a split the values of another sample of it, in place."""
    position = np.arange(len(split))
    other = (position + rng.integers(1, len(split), len(split))) % len(split)
    values = labels[split]
    labels[split] = np.where(changed[split][:, None], values[other], values)


def one_hot_or_values(dataset: Dataset, labels: Mapping[str, np.ndarray], indices: np.ndarray) -> np.ndarray:
    """Labels as the joint game takes them: float32 (N, sum of the label sets' sizes)."""
    columns = [
        np.eye(s.size, dtype=np.float32)[labels[s.name][indices]]
        if s.kind == "categorical"
        else labels[s.name][indices]
        for s in dataset.label_sets
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)
