"""Label noise: which training and validation labels become wrong, and how."""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fer_tune.data.dataset import Dataset
from fer_tune.data.labels import MISSING_CLASS, LabelSet, first_categorical
from fer_tune.system.randomness import numpy_stream

BORDER_SCALE, INTENSITY_SCALE = 0.2, 0.5  # distances in the space of values, each from -1 to 1


class NoiseSpec(BaseModel):
    """Label noise that the study adds to training and validation labels. Test labels stay as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["symmetric", "pairflip", "confusion", "instance"] = Field(
        "symmetric",
        description="how labels become wrong. symmetric: any other class; pairflip: the next class; confusion: as "
        "`matrix` says; instance: mostly on faint expressions and on those close to another class, with class and "
        "values wrong together, like machine-generated labels",
    )
    ratio: float = Field(0.0, ge=0, lt=1, description="share of labels made wrong in each label set")
    ratios: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(
        default_factory=dict, description="ratio of single label sets, by name, where it differs from `ratio`"
    )
    matrix: tuple[tuple[float, ...], ...] | None = Field(
        None,
        description="confusion only: K x K, rows are true classes and sum to 1; `ratio` then applies to continuous "
        "label sets alone",
    )
    tied: bool = Field(False, description="make the same samples wrong in every label set")

    @model_validator(mode="after")
    def _check_matrix(self) -> Self:
        if self.kind == "confusion" and self.matrix is None:
            raise ValueError("kind: confusion needs `matrix`: a row of probabilities for each true class")
        if self.tied and self.ratios:
            raise ValueError("tied makes the same samples wrong in every label set: give one `ratio`, not `ratios`")
        if self.kind == "instance" and (self.tied or self.ratios):
            raise ValueError(
                "kind: instance makes all label sets wrong together: give only `ratio`, not `ratios` or `tied`"
            )
        if self.kind != "confusion" and self.matrix is not None:
            raise ValueError(f"`matrix` needs kind: confusion: it is {self.kind}")
        if self.matrix is not None:
            rows = self.matrix
            if any(len(row) != len(rows) for row in rows):
                raise ValueError(f"`matrix` must be square: it has {len(rows)} rows of {[len(r) for r in rows]} values")
            for i, row in enumerate(rows):
                if min(row) < 0 or abs(sum(row) - 1) > 1e-6:
                    raise ValueError(f"row {i} of `matrix` must be non-negative and sum to 1: it is {list(row)}")
        return self

    def ratio_of(self, label_set: LabelSet) -> float:
        """Share of wrong labels in a label set. With a matrix it assumes equally frequent classes."""
        if self.matrix is not None and label_set.kind == "categorical":
            return 1 - float(np.mean(np.diag(np.array(self.matrix))))
        return self.ratios.get(label_set.name, self.ratio)


def noisy_labels(dataset: Dataset, spec: NoiseSpec, seed: int) -> dict[str, np.ndarray]:
    """The labels of every label set, corrupted in training and validation.

    The draw depends only on the data set and the seed. A sample that is wrong at one ratio is wrong at every larger
    one, so conditions differ no more than they must. Raises ValueError for noise that the label sets do not allow.
    """
    exposed = np.concatenate([dataset.splits["train"], dataset.splits["validation"]])
    if spec.kind == "instance":
        return _instance_noise(dataset, exposed, spec.ratio, numpy_stream(seed, "instance noise", dataset.digest))
    shared: np.ndarray | None = None
    result = {}
    for label_set in dataset.label_sets:
        rng = numpy_stream(seed, "noise", dataset.digest, label_set.name)
        labels = dataset.labels[label_set.name].copy()
        draw = rng.random(len(labels))
        ratio = spec.ratio_of(label_set)
        if label_set.kind == "categorical":
            changed = _corrupt_classes(labels, label_set.size, exposed, spec, ratio, draw, shared, rng)
        else:
            changed = (draw < ratio) if shared is None else shared
            for split in ("train", "validation"):
                _swap_values(labels, dataset.splits[split], changed, rng)
        if spec.tied and shared is None:
            shared = changed
        result[label_set.name] = labels
    return result


def accuracy_shrinkage(spec: NoiseSpec, label_set: LabelSet) -> float:
    """The factor by which a difference in clean accuracy shrinks when it is measured on noisy labels.

    1 - r * K / (K - 1) for symmetric noise at ratio r over K classes (0.53 at r = 0.4, K = 7). For the other kinds
    of noise it holds if a model's mistakes are spread evenly over the wrong classes.
    """
    ratio, classes = spec.ratio_of(label_set), label_set.size
    return 1 - ratio * classes / (classes - 1)


def _corrupt_classes(
    labels: np.ndarray,
    classes: int,
    exposed: np.ndarray,
    spec: NoiseSpec,
    ratio: float,
    draw: np.ndarray,
    shared: np.ndarray | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """Corrupt the labels (N,) of the `exposed` indices in place; return which samples are wrong (N,).

    `draw` (N,) in [0, 1) decides which are wrong, unless `shared` (N,) says so.
    """
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
        wrong = (draw < ratio) if shared is None else shared
        offset = rng.integers(1, classes, len(labels)) if spec.kind == "symmetric" else 1
        replacement = (labels + offset) % classes
    hit = exposed[wrong[exposed] & (labels[exposed] != MISSING_CLASS)]
    labels[hit] = replacement[hit]
    return wrong


def _swap_values(labels: np.ndarray, split: np.ndarray, changed: np.ndarray, rng: np.random.Generator) -> None:
    """Give each changed sample of a split the values of another one, in place; missing values stay missing."""
    split = split[~np.isnan(labels[split]).any(axis=1)]
    if len(split) < 2:
        return
    position = np.arange(len(split))
    other = (position + rng.integers(1, len(split), len(split))) % len(split)
    values = labels[split]
    labels[split] = np.where(changed[split][:, None], values[other], values)


def _instance_weights(classes: np.ndarray, values: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """How likely each sample is to be mislabelled, up to a common factor, and as which class.

    A sample is more likely to be wrong if its values (N, d) are near the centre of another class (the mean of its
    samples), and if they are near 0 (a faint expression). Returns weights (N,) and probabilities (N, size) of each
    wrong class, whose rows sum to 1. Samples that lack a label have weight 0.
    """
    present = (classes != MISSING_CLASS) & ~np.isnan(values).any(axis=1)
    centres = np.stack([_centre(values[present & (classes == k)], values.shape[1]) for k in range(size)])
    distance = np.linalg.norm(values[:, None] - centres, axis=2)
    distance = np.where(np.isnan(distance), np.inf, distance)
    distance[~present] = 0
    rows = np.arange(len(classes))
    own = distance[rows, classes]
    distance[rows, classes] = np.inf
    margin = np.where(present, distance.min(axis=1) - own, 0.0)
    intensity = np.where(present, np.linalg.norm(values, axis=1), 0.0)
    weights = np.where(present, np.exp(-margin / BORDER_SCALE - intensity / INTENSITY_SCALE), 0.0)
    near = np.where(present[:, None], np.exp(-(distance - distance.min(axis=1, keepdims=True)) / BORDER_SCALE), 0.0)
    return weights, near / np.maximum(near.sum(axis=1, keepdims=True), 1e-12)


def _centre(values: np.ndarray, size: int) -> np.ndarray:
    """Mean of the values (n, size); NaN if n is 0."""
    return values.mean(axis=0) if len(values) else np.full(size, np.nan)


def _instance_noise(
    dataset: Dataset, exposed: np.ndarray, ratio: float, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """A wrong class with the values of a sample of that class; further label sets stay true."""
    first = first_categorical(dataset.label_sets)
    second = next((s for s in dataset.label_sets if s.kind == "continuous"), None)
    if second is None:
        raise ValueError("noise kind instance needs a continuous label set, such as valence and arousal")
    labels = {name: values.copy() for name, values in dataset.labels.items()}
    classes, values = dataset.labels[first.name][exposed], dataset.labels[second.name][exposed]
    weights, probabilities = _instance_weights(classes, values.astype(np.float64), first.size)
    wrong = rng.random(len(exposed)) < _scaled(weights, ratio)
    other = (rng.random(len(exposed))[:, None] >= np.cumsum(probabilities, axis=1)).sum(axis=1).clip(max=first.size - 1)
    pick = rng.random(len(exposed))
    pools = [np.flatnonzero((classes == k) & (weights > 0)) for k in range(first.size)]
    for i in np.flatnonzero(wrong & (weights > 0)).tolist():
        pool = pools[other[i]]
        if len(pool):
            labels[first.name][exposed[i]] = other[i]
            labels[second.name][exposed[i]] = values[pool[int(pick[i] * len(pool))]]
    return labels


def _scaled(weights: np.ndarray, ratio: float) -> np.ndarray:
    """Probabilities (N,): weights times a factor, at most 1, so that their mean over weights > 0 is the ratio."""
    used = weights[weights > 0]
    low, high = 0.0, 1.0
    while len(used) and np.minimum(1, high * used).mean() < ratio:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if len(used) and np.minimum(1, middle * used).mean() < ratio else (low, middle)
    return np.minimum(1, high * weights)
