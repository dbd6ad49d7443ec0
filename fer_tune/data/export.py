"""Writes the exact noisy labels that a study trains on, in the data set's own format."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fer_tune.data.errors import DataError
from fer_tune.data.kinds import KINDS, DatasetSpec


def labels_digest(labels: Mapping[str, np.ndarray]) -> str:
    """A digest (16 hex digits) of noisy labels: equal digests mean that every label is equal."""
    digest = hashlib.blake2b(digest_size=8)
    for name, values in sorted(labels.items()):
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def export_labels(
    spec: DatasetSpec, labels: Mapping[str, np.ndarray], splits: Mapping[str, np.ndarray], stem: Path
) -> dict[str, Path]:
    """Write training and validation labels to `stem` plus a suffix; return each file by the setting that reads it.

    Raises DataError for a data set whose format cannot hold noisy labels.
    """
    export = KINDS[spec.kind].export
    if export is None:
        able = ", ".join(name for name, kind in KINDS.items() if kind.export)
        raise DataError(
            f"labels of {spec.kind} cannot be exported: its format has no place for them. Kinds that can: {able}"
        )
    return export(spec, labels, splits, stem)
