"""A data set: images on disk, labels in memory, three splits.

A data set is stored once, as a memory-mapped array of uint8 images beside its labels, in a folder named after a
digest of its content. All trials on a machine map the same file, so another trial needs no further memory for images.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fer_tune.data.errors import DataError, one_line
from fer_tune.data.labels import LabelSet

SPLITS = ("train", "validation", "test")
Augmentation = Literal["faces", "crop"]  # a key of `augmentation.AUGMENTATIONS`


@dataclass(frozen=True)
class Copies:
    """Groups of equal images in a data set.

    Attributes:
        groups: sets of two or more equal images.
        images: images in these groups.
        validation_in_train: validation images that are equal to a training image; so too the next two.
        other_labels: groups whose images have different labels: another class in a label set, or a continuous value
            that is more than a tenth further off.
        examples: images of the first few groups, those across splits first: "NAME (SPLIT)".
        other_labels_in_split: groups in which two images of one split have different labels.
        differing: images of the first few groups with different labels, with these: "NAME (SPLIT): LABEL".
        train_left_out: training images that were left out because they are also in validation or test.
        validation_left_out: validation images that were left out because they are also in test.
    """

    groups: int = 0
    images: int = 0
    validation_in_train: int = 0
    test_in_train: int = 0
    test_in_validation: int = 0
    other_labels: int = 0
    examples: tuple[tuple[str, ...], ...] = ()
    other_labels_in_split: int = 0
    differing: tuple[tuple[str, ...], ...] = ()
    train_left_out: int = 0
    validation_left_out: int = 0

    @property
    def across_splits(self) -> int:
        """Images of a later split that are equal to one of an earlier split, counted once for each earlier split."""
        return self.validation_in_train + self.test_in_train + self.test_in_validation


@dataclass(frozen=True)
class Dataset:
    """N images with their labels as the data set gives them, before any noise is added.

    Attributes:
        images: uint8 (N, 3, S, S), RGB; usually memory-mapped.
        labels: by label set name: int64 (N,) class indices, or float32 (N, d) in [-1, 1]; a missing class is -1,
            missing values are NaN.
        splits: by split name: int64 indices into the N samples.
        digest: identifies the content: equal digests mean equal images and labels.
        augmentation: how training images are varied: as aligned faces, or by a random crop.
        known: correct classes (N,) of sets whose labels come from a machine or a crowd, -1 where not known. They are
            only reported on: nothing is trained or chosen by them.
        copies: equal images among them; None where nobody has looked, as in data sets of earlier versions.
    """

    label_sets: tuple[LabelSet, ...]
    images: np.ndarray
    labels: Mapping[str, np.ndarray]
    splits: Mapping[str, np.ndarray]
    digest: str
    augmentation: Augmentation = "faces"
    known: Mapping[str, np.ndarray] = field(default_factory=dict)
    copies: Copies | None = None

    @property
    def image_size(self) -> int:
        return self.images.shape[-1]


def digest_of(images: np.ndarray, labels: Mapping[str, np.ndarray], splits: Mapping[str, np.ndarray]) -> str:
    """A digest (32 hex digits) of pixels, labels and splits."""
    digest = hashlib.blake2b(digest_size=16)
    for name, array in (("images", images), *sorted(labels.items()), *sorted(splits.items())):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def save_dataset(dataset: Dataset, folder: Path) -> Path:
    """Store a data set below `folder`, completely or not at all; return its own folder."""

    def write_images(target: Path) -> Dataset:
        np.save(target, dataset.images)
        return dataset

    return write_saved(folder, dataset.digest, write_images)


def write_saved(folder: Path, digest: str, write_images: Callable[[Path], Dataset]) -> Path:
    """Store a data set whose images are written by a function, given the path of the .npy file.

    The function returns the data set, whose `images` are not read, and is not called where the data set is stored
    already. Returns the data set's own folder below `folder`.
    """
    target = folder / digest
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder, prefix=".unfinished-"))
    try:
        about = write_images(unfinished / "images.npy")
        arrays = {f"label.{name}": values for name, values in about.labels.items()}
        arrays |= {f"split.{name}": values for name, values in about.splits.items()}
        arrays |= {f"known.{name}": values for name, values in about.known.items()}
        np.savez(unfinished / "labels.npz", allow_pickle=False, **arrays)
        sets = [{"name": s.name, "kind": s.kind, "names": s.names} for s in about.label_sets]
        description: dict[str, Any] = {"digest": about.digest, "label_sets": sets, "augmentation": about.augmentation}
        description |= {"copies": asdict(about.copies)} if about.copies else {}
        (unfinished / "dataset.json").write_text(json.dumps(description, indent=1))
        for file in unfinished.iterdir():
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())
        unfinished.rename(target)
    except OSError:
        if not target.exists():  # another process may have stored it meanwhile
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def open_dataset(folder: Path) -> Dataset:
    """Map a stored data set into memory, read-only.

    Raises FileNotFoundError if `folder` holds none, DataError if its files are damaged.
    """
    try:
        about = json.loads((folder / "dataset.json").read_text())
        with np.load(folder / "labels.npz", allow_pickle=False) as file:
            arrays = dict(file)
        labels, splits, known = (_named(prefix, arrays) for prefix in ("label.", "split.", "known."))
        dataset = Dataset(
            label_sets=tuple(LabelSet(s["name"], s["kind"], tuple(s["names"])) for s in about["label_sets"]),
            images=np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False),
            labels={s["name"]: labels[s["name"]] for s in about["label_sets"]},
            splits=splits,
            digest=about["digest"],
            augmentation=about["augmentation"],
            known=known,
            copies=_copies_of(about.get("copies")),
        )
        if any(len(values) != len(dataset.images) for values in (*labels.values(), *known.values())):
            raise ValueError("its images and labels differ in number")
    except OSError:
        raise
    except Exception as error:  # what a cut or changed file makes of json, zipfile and numpy
        text = f"{folder}: this stored data set is damaged ({one_line(error)}): delete the folder, it is made again"
        raise DataError(text) from None
    return dataset


def _copies_of(stored: Mapping[str, Any] | None) -> Copies | None:
    if not stored:
        return None
    named = {key: tuple(map(tuple, stored[key])) for key in ("examples", "differing") if key in stored}
    return Copies(**{**stored, **named})


def _named(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
