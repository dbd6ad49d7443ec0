"""CIFAR-10 (Krizhevsky, 2009) with a label set of the ten classes for each annotator."""

import codecs
import hashlib
import io
import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fer_tune.data.errors import DataError, Problems, listed
from fer_tune.data.files import FilesSpec, regular_file
from fer_tune.data.index import Index
from fer_tune.data.labels import LabelSet
from fer_tune.data.splits import cut_validation
from fer_tune.system.safe_loading import why_not_loaded

BATCH_FOLDER = "cifar-10-batches-py"
PUBLISHED_MD5 = {  # by batch; the last one is the test split
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
HumanSet = Literal["random_label1", "random_label2", "random_label3", "worse_label", "aggre_label"]
HUMAN_SETS: tuple[HumanSet, ...] = ("random_label1", "random_label2", "random_label3")
NAME_OF_SET: Mapping[HumanSet, str] = {
    **{name: f"annotator_{i}" for i, name in enumerate(HUMAN_SETS, 1)}, "worse_label": "worse",
    "aggre_label": "majority",
}  # fmt: skip


def _array_functions() -> Mapping[str, Any]:
    """By the names that a pickle gives them: what builds numpy's arrays, of numpy 1 and of numpy 2."""
    array = np.empty(0)
    reconstruct, frombuffer, scalar = array.__reduce__()[0], array.__reduce_ex__(5)[0], np.int8().__reduce__()[0]
    named: dict[str, Any] = {"numpy.dtype": np.dtype, "numpy.ndarray": np.ndarray, "_codecs.encode": codecs.encode}
    for package in ("numpy.core", "numpy._core"):
        named[f"{package}.multiarray._reconstruct"] = reconstruct
        named[f"{package}.multiarray.scalar"] = scalar
        named[f"{package}.numeric._frombuffer"] = frombuffer
    return named


SAFE_TO_UNPICKLE = _array_functions()


class Cifar10Spec(FilesSpec):
    """Settings of CIFAR-10. Its folder holds cifar-10-batches-py, as distributed."""

    kind: Literal["cifar10"]
    folder: str = Field(description="the data folder, absolute or relative to the current folder")
    image_size: Literal[32, 64] = Field(32, description="side in pixels")
    annotators: int = Field(
        3,
        ge=1,
        le=9,
        description="number of simulated annotators, with label sets annotator_1, ...; all correct unless `noise` "
        "makes them wrong",
    )
    human_labels: str | None = Field(
        None, description="path of CIFAR-10N's CIFAR-10_human.pt: train on the labels that people gave instead"
    )
    human_sets: tuple[HumanSet, ...] = Field(
        HUMAN_SETS,
        min_length=1,
        exclude_if=lambda value: value == HUMAN_SETS,  # so that studies of versions without it stay what they were
        description="which of CIFAR-10N's label sets to train on: three people (random_label1 to 3), the worst of "
        "their answers (worse_label, wrong on 40 %) or the majority's (aggre_label, wrong on 9 %)",
    )
    verify: bool = Field(True, description="check the published MD5 digest of each batch file before opening it")
    validation: float = Field(0.1, gt=0, lt=0.9, description="share of the training images kept for validation")
    seed: int = Field(0, ge=0, description="seed that selects the validation images")

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """The ten classes, once for each annotator."""
        names = [f"annotator_{i}" for i in range(1, self.annotators + 1)]
        names = [NAME_OF_SET[name] for name in self.human_sets] if self.human_labels else names
        return tuple(LabelSet(name, "categorical", CLASSES) for name in names)

    @model_validator(mode="after")
    def _check_sets(self) -> Self:
        if len(set(self.human_sets)) < len(self.human_sets):
            raise ValueError(f"`human_sets` names a label set twice: {list(self.human_sets)}")
        return self


def is_cifar10(folder: Path) -> bool:
    """Whether the folder holds CIFAR-10's Python batches."""
    return (folder / BATCH_FOLDER).is_dir()


def index_cifar10(spec: Cifar10Spec) -> Index:
    """Read the batches with an unpickler that builds only arrays. Raises DataError."""
    folder = Path(spec.folder) / BATCH_FOLDER
    batches = [_read_batch(folder / name, md5 if spec.verify else None) for name, md5 in PUBLISHED_MD5.items()]
    images = np.concatenate([images for images, _ in batches])
    truth = np.concatenate([labels for _, labels in batches])
    trains = sum(len(labels) for _, labels in batches[:-1])
    every = np.arange(len(truth))
    labels = {s.name: truth.copy() for s in spec.label_sets}
    notes = []
    if spec.human_labels:
        people, unused = _read_human(Path(spec.human_labels), spec.human_sets, truth[:trains])
        for label_set, answers in zip(spec.label_sets, people, strict=True):
            labels[label_set.name][:trains] = answers
            wrong = float((answers != truth[:trains]).mean())
            notes.append(f"{label_set.name} is wrong on {wrong:.1%} of the training images")
        notes += unused
    train, validation = cut_validation(every[:trains], truth[:trains], spec.validation, spec.seed)
    return Index(
        label_sets=spec.label_sets,
        root=Path(spec.folder),
        sources=images,
        labels=labels,
        splits={"train": train, "validation": validation, "test": every[trains:]},
        origins=[f"{folder / name}:{i}" for name, (_, ys) in zip(PUBLISHED_MD5, batches, strict=True)
                 for i in range(len(ys))],
        notes=notes,
        known={s.name: truth for s in spec.label_sets} if spec.human_labels else {},
    )  # fmt: skip


class _OtherObject(ValueError):
    """A pickle names something else than an array."""


class _ArraysOnly(pickle.Unpickler):
    """Builds numpy arrays and Python's containers, and refuses everything else: a pickle can call any function."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return SAFE_TO_UNPICKLE[f"{module}.{name}"]
        except KeyError:
            raise _OtherObject(f"it refers to {module}.{name}, which no batch needs") from None


def _read_batch(path: Path, md5: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, 3, 32, 32) and classes (n,). Raises DataError if the digest is given and differs."""
    try:
        content = regular_file(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if md5 and hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise DataError(
            f"{path}: is not the published file: its MD5 digest differs. Download it again, or set verify: false; no "
            "code in the file is run either way"
        )
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        images = np.asarray(batch[b"data"]).reshape(-1, 3, 32, 32)
        labels = np.asarray(batch[b"labels"]).astype(np.int64, casting="same_kind")
    except _OtherObject as error:
        raise DataError(f"{path}: is not a CIFAR-10 batch: {error}") from None
    except KeyError as error:
        raise DataError(f"{path}: is not a CIFAR-10 batch: it has no {error.args[0]!r}") from None
    except Exception:
        raise DataError(f"{path}: is not a CIFAR-10 batch: it is empty, cut or damaged, or another file") from None
    if images.dtype != np.uint8 or len(images) != len(labels):
        raise DataError(
            f"{path}: is not a CIFAR-10 batch: {len(images)} images of {images.dtype}, {len(labels)} labels"
        )
    if not len(labels):
        raise DataError(f"{path}: is a CIFAR-10 batch without images")
    problems = Problems(f"{path}: these labels cannot be used")
    for i in np.flatnonzero((labels < 0) | (labels > 9)).tolist():
        problems.add(f"{path}:{i}", f"class must be from 0 to 9: it is {labels[i]}")
    problems.raise_any()
    return images, labels


def _read_human(path: Path, sets: Sequence[str], truth: np.ndarray) -> tuple[list[np.ndarray], list[str]]:
    """The labels (n,) of each of these sets of CIFAR-10N, and notes; only tensors and arrays are loaded.

    Raises DataError.
    """
    import torch

    named = [(function, name) for name, function in SAFE_TO_UNPICKLE.items()]
    types = {type(np.dtype(kind)) for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")}
    try:
        with torch.serialization.safe_globals([*named, *types]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, of files that it did not write
            found = torch.load(regular_file(path), map_location="cpu", weights_only=True)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:
        raise DataError(f"{path}: is not a CIFAR-10N label file: {why_not_loaded(error)}") from None
    needed = [*sets, "clean_label"]
    missing = [name for name in needed if not isinstance(found, Mapping) or name not in found]
    if missing:
        raise DataError(f"{path}: is not a CIFAR-10N label file: it has no {', '.join(missing)}")
    try:
        *answers, clean = (np.asarray(found[name]).astype(np.int64, casting="same_kind") for name in needed)
    except (TypeError, ValueError):
        raise DataError(f"{path}: is not a CIFAR-10N label file: its labels are not whole numbers") from None
    if not np.array_equal(clean, truth):
        raise DataError(f"{path}: its clean labels differ from those of the batches: it labels other images")
    for name, ys in zip(sets, answers, strict=True):
        if ys.shape != truth.shape or ys.min() < 0 or ys.max() > 9:
            raise DataError(f"{path}: {name} must be {len(truth)} classes from 0 to 9")
    unused = [name for name in found if name not in needed]
    return answers, [f"{path}: label sets that are not used: {listed(list(map(str, unused)))}"] if unused else []
