"""What every data set becomes: images on disk, true labels in memory, three splits.

A data set is stored once, as a memory-mapped array of uint8 images beside its labels, in a folder
named after a digest of its content. All trials of a node map the same file, so a further trial adds
no copy of it.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_tune.labels import LabelSet

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Dataset:
    """N images with the labels they truly have.

    Attributes:
        images: uint8 (N, 3, S, S), RGB; usually memory-mapped.
        labels: by label set name: int64 (N,) class indices, or float32 (N, d) in [-1, 1].
        splits: by split name: int64 indices into the N samples.
        digest: identifies the content; equal digests mean equal images and labels.
    """

    label_sets: tuple[LabelSet, ...]
    images: np.ndarray
    labels: Mapping[str, np.ndarray]
    splits: Mapping[str, np.ndarray]
    digest: str

    @property
    def image_size(self) -> int:
        return self.images.shape[-1]


def digest_of(images: np.ndarray, labels: Mapping[str, np.ndarray], splits: Mapping[str, np.ndarray]) -> str:
    """A digest (32 hex digits) of the pixels, labels and splits themselves."""
    digest = hashlib.blake2b(digest_size=16)
    for name, array in (("images", images), *sorted(labels.items()), *sorted(splits.items())):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def save_dataset(dataset: Dataset, folder: Path) -> Path:
    """Write a data set below `folder`, whole or not at all; return its own folder."""
    target = folder / dataset.digest
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder, prefix=".unfinished-"))
    np.save(unfinished / "images.npy", dataset.images)
    arrays = {f"label.{name}": values for name, values in dataset.labels.items()}
    arrays |= {f"split.{name}": values for name, values in dataset.splits.items()}
    np.savez(unfinished / "labels.npz", allow_pickle=False, **arrays)
    sets = [{"name": s.name, "kind": s.kind, "names": s.names} for s in dataset.label_sets]
    (unfinished / "dataset.json").write_text(json.dumps({"digest": dataset.digest, "label_sets": sets}, indent=1))
    for file in unfinished.iterdir():
        with open(file, "rb") as handle:
            os.fsync(handle.fileno())
    try:
        unfinished.rename(target)
    except OSError:
        shutil.rmtree(unfinished)
        if not target.exists():
            raise
    return target


def open_dataset(folder: Path) -> Dataset:
    """Map a saved data set into memory, read-only. Raises FileNotFoundError where there is none."""
    about = json.loads((folder / "dataset.json").read_text())
    arrays = np.load(folder / "labels.npz", allow_pickle=False)
    return Dataset(
        label_sets=tuple(LabelSet(s["name"], s["kind"], tuple(s["names"])) for s in about["label_sets"]),
        images=np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False),
        labels={k.removeprefix("label."): arrays[k] for k in arrays.files if k.startswith("label.")},
        splits={k.removeprefix("split."): arrays[k] for k in arrays.files if k.startswith("split.")},
        digest=about["digest"],
    )
