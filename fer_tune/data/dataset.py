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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from fer_tune.data.labels import LabelSet

SPLITS = ("train", "validation", "test")
Augmentation = Literal["faces", "crop"]  # a key of `augmentation.AUGMENTATIONS`


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
    """

    label_sets: tuple[LabelSet, ...]
    images: np.ndarray
    labels: Mapping[str, np.ndarray]
    splits: Mapping[str, np.ndarray]
    digest: str
    augmentation: Augmentation = "faces"
    known: Mapping[str, np.ndarray] = field(default_factory=dict)

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
    return write_saved(folder, dataset, lambda target: np.save(target, dataset.images))


def write_saved(folder: Path, about: Dataset, write_images: Callable[[Path], None]) -> Path:
    """Store a data set whose images are written by a function, given the path of the .npy file.

    `about.images` is not read. Returns the data set's own folder below `folder`.
    """
    target = folder / about.digest
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder, prefix=".unfinished-"))
    try:
        write_images(unfinished / "images.npy")
        arrays = {f"label.{name}": values for name, values in about.labels.items()}
        arrays |= {f"split.{name}": values for name, values in about.splits.items()}
        arrays |= {f"known.{name}": values for name, values in about.known.items()}
        np.savez(unfinished / "labels.npz", allow_pickle=False, **arrays)
        sets = [{"name": s.name, "kind": s.kind, "names": s.names} for s in about.label_sets]
        description = {"digest": about.digest, "label_sets": sets, "augmentation": about.augmentation}
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
    """Map a stored data set into memory, read-only. Raises FileNotFoundError if `folder` holds none."""
    about = json.loads((folder / "dataset.json").read_text())
    arrays = np.load(folder / "labels.npz", allow_pickle=False)
    return Dataset(
        label_sets=tuple(LabelSet(s["name"], s["kind"], tuple(s["names"])) for s in about["label_sets"]),
        images=np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False),
        labels=_named("label.", arrays),
        splits=_named("split.", arrays),
        digest=about["digest"],
        augmentation=about["augmentation"],
        known=_named("known.", arrays),
    )


def _named(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
