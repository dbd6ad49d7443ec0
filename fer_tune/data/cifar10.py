"""CIFAR-10 (Krizhevsky 2009) with several label sets of the same classes, one an annotator."""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from fer_tune.data.files import regular
from fer_tune.data.index import DataError, Index, Problems, cut_validation
from fer_tune.data.labels import LabelSet

FOLDER = "cifar-10-batches-py"
TRAIN = [f"data_batch_{i}" for i in range(1, 6)]
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
HUMAN_SETS = ("random_label1", "random_label2", "random_label3")
PLAIN = {  # what a batch needs to be unpickled, and nothing else
    ("numpy", "dtype"), ("numpy", "ndarray"), ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"), ("_codecs", "encode"),
}  # fmt: skip


class Cifar10Spec(BaseModel):
    """Settings of CIFAR-10; `folder` holds cifar-10-batches-py, as distributed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["cifar10"]
    folder: str = Field(description="the data folder, absolute or from where the command is run")
    image_size: Literal[32, 64] = Field(32, description="pixels of a side")
    annotators: int = Field(
        3, ge=1, le=9, description="label sets annotator_1 ...; all true until `noise.ratios` makes them noisy"
    )
    human_labels: str | None = Field(
        None, description="CIFAR-10N's CIFAR-10_human.pt: three people's labels of each training image instead"
    )
    verify: bool = Field(True, description="compare each batch with its published digest before it is opened")
    validation: float = Field(0.1, gt=0, lt=0.9, description="share of the training images kept for choosing")
    seed: int = Field(0, ge=0, description="which images those are")

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """One set of the ten classes for each annotator."""
        count = len(HUMAN_SETS) if self.human_labels else self.annotators
        return tuple(LabelSet(f"annotator_{i}", "categorical", CLASSES) for i in range(1, count + 1))


def index_cifar10(spec: Cifar10Spec) -> Index:
    """Read the batches; where their digests are not checked, by an unpickler that builds arrays alone.

    Raises DataError.
    """
    folder = Path(spec.folder) / FOLDER
    digests = _published_digests() if spec.verify else {}
    batches = [_read_batch(folder / name, digests.get(name)) for name in [*TRAIN, "test_batch"]]
    images = np.concatenate([images for images, _ in batches])
    truth = np.concatenate([labels for _, labels in batches])
    trains = sum(len(labels) for _, labels in batches[:-1])
    every = np.arange(len(truth))
    labels = {s.name: truth.copy() for s in spec.label_sets}
    notes = []
    if spec.human_labels:
        people = _read_human(Path(spec.human_labels), truth[:trains])
        for label_set, answers in zip(spec.label_sets, people, strict=True):
            labels[label_set.name][:trains] = answers
            wrong = float((answers != truth[:trains]).mean())
            notes.append(f"{label_set.name} is wrong on {wrong:.1%} of the training images")
    train, validation = cut_validation(every[:trains], truth[:trains], spec.validation, spec.seed)
    return Index(
        label_sets=spec.label_sets,
        root=Path(spec.folder),
        sources=images,
        labels=labels,
        splits={"train": train, "validation": validation, "test": every[trains:]},
        origins=[f"{folder / name}:{i}" for name, (_, ys) in zip([*TRAIN, "test_batch"], batches, strict=True)
                 for i in range(len(ys))],
        notes=notes,
        known={s.name: truth for s in spec.label_sets} if spec.human_labels else {},
    )  # fmt: skip


def _published_digests() -> dict[str, str]:
    from torchvision.datasets import CIFAR10  # type: ignore[import-untyped]

    return {str(name): str(digest) for name, digest in [*CIFAR10.train_list, *CIFAR10.test_list]}


class _ArraysOnly(pickle.Unpickler):
    """Builds numpy arrays and Python's own containers; anything else that a pickle names is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in PLAIN:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch needs")


def _read_batch(path: Path, digest: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, 3, 32, 32) and classes (n,)."""
    try:
        content = regular(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if digest and hashlib.md5(content, usedforsecurity=False).hexdigest() != digest:
        raise DataError(
            f"{path}: is not the published file (its digest differs): fetch it again, or say verify: false, and it is "
            "opened by a reader that runs nothing"
        )
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        images = np.asarray(batch[b"data"]).reshape(-1, 3, 32, 32)
        labels = np.asarray(batch[b"labels"], dtype=np.int64)
    except Exception as error:
        raise DataError(f"{path}: is no CIFAR-10 batch: {error}") from None
    if images.dtype != np.uint8 or len(images) != len(labels):
        raise DataError(f"{path}: is no CIFAR-10 batch: {len(images)} images of {images.dtype}, {len(labels)} labels")
    problems = Problems(f"{path}: these labels cannot be used")
    for i in np.flatnonzero((labels < 0) | (labels > 9)).tolist():
        problems.add(f"{path}:{i}", f"a class is 0 to 9: it is {labels[i]}")
    problems.raise_any()
    return images, labels


def _read_human(path: Path, truth: np.ndarray) -> list[np.ndarray]:
    """The answers (n,) of each of CIFAR-10N's three people, loaded as tensors and arrays alone."""
    import torch

    reconstruct = np.empty(0).__reduce__()[0]  # numpy's own, by which an array is built from its bytes
    names: list[Any] = [reconstruct, np.ndarray, np.dtype, type(np.dtype(np.int64)), type(np.dtype(np.int32))]
    try:
        with torch.serialization.safe_globals(names):
            found = torch.load(path, weights_only=True)
        answers = [np.asarray(found[name], dtype=np.int64) for name in HUMAN_SETS]
        clean = np.asarray(found["clean_label"], dtype=np.int64)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except Exception as error:
        raise DataError(f"{path}: is no CIFAR-10N label file: {str(error).splitlines()[0]}") from None
    if not np.array_equal(clean, truth):
        raise DataError(f"{path}: its clean labels are not those of the batches: they belong to other images")
    for name, ys in zip(HUMAN_SETS, answers, strict=True):
        if len(ys) != len(truth) or ys.min() < 0 or ys.max() > 9:
            raise DataError(f"{path}: {name} must be {len(truth)} classes from 0 to 9")
    return answers
