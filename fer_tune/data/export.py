"""Writes the exact noisy labels that a study trains on, in the data set's own format."""

import csv
import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_tune.data.affectnet import IMAGES, LABELS, PATH, AffectNetSpec
from fer_tune.data.files import read_table
from fer_tune.data.index import DataError, Index
from fer_tune.data.labels import MISSING_CLASS
from fer_tune.data.loading import INDEXERS
from fer_tune.data.manifest import ManifestSpec
from fer_tune.data.raf import CODES, RafSpec
from fer_tune.data.synthetic import write_face_labels


def labels_digest(labels: Mapping[str, np.ndarray]) -> str:
    """A digest (16 hex digits) of noisy labels: equal digests mean that every label is equal."""
    digest = hashlib.blake2b(digest_size=8)
    for name, values in sorted(labels.items()):
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def export_labels(
    spec: Any, labels: Mapping[str, np.ndarray], splits: Mapping[str, np.ndarray], stem: Path
) -> dict[str, Path]:
    """Write training and validation labels beside `stem`; return the files by the setting that reads them back.

    Raises DataError for data sets without a label file of their own.
    """
    if spec.kind == "synthetic":
        path = stem.with_name(f"{stem.name}.csv")
        write_face_labels(path, labels, splits)
        return {"machine_labels": path}
    if spec.kind not in EXPORTERS:
        raise DataError(f"labels of {spec.kind} have no file format: {', '.join(EXPORTERS)} and synthetic have")
    return EXPORTERS[spec.kind](spec, INDEXERS[spec.kind](spec), labels, stem)


def _exposed(index: Index) -> list[int]:
    return sorted(np.concatenate([index.splits["train"], index.splits["validation"]]).tolist())


def _export_raf(spec: RafSpec, index: Index, labels: Mapping[str, np.ndarray], stem: Path) -> dict[str, Path]:
    files = {"machine_labels": stem.with_name(f"{stem.name}.classes.txt")}
    names = {i: Path(index.sources[i].path).name.replace("_aligned", "") for i in _exposed(index)}
    classes = "".join(f"{name} {CODES[int(labels['emotion'][i])]}\n" for i, name in names.items())
    files["machine_labels"].write_text(classes)
    if "affect" in labels:
        files["machine_affect"] = stem.with_name(f"{stem.name}.affect.txt")
        rows = (f"{name} {' '.join(map(_text, labels['affect'][i]))}\n" for i, name in names.items())
        files["machine_affect"].write_text("".join(rows))
    return files


def _text(value: float) -> str:
    """The shortest text that reads back as the same 32-bit number."""
    return str(np.float32(value))


def _export_affectnet(
    spec: AffectNetSpec, index: Index, labels: Mapping[str, np.ndarray], stem: Path
) -> dict[str, Path]:
    rows = [
        [index.sources[i].path.removeprefix(f"{IMAGES}/"), int(labels["emotion"][i]), *map(_text, labels["affect"][i])]
        for i in _exposed(index)
    ]
    return {"machine_labels": _write_csv(stem.with_name(f"{stem.name}.csv"), [[PATH, *LABELS], *rows])}


def _export_manifest(spec: ManifestSpec, index: Index, labels: Mapping[str, np.ndarray], stem: Path) -> dict[str, Path]:
    """The person's own table, its splits written out, labels replaced in the rows of training and validation."""
    table = read_table(Path(spec.file)).copy()
    for word, split in (("train", "train"), ("val", "validation"), ("test", "test")):
        table.loc[table.index[index.splits[split]], "split"] = word
    rows = _exposed(index)
    lines = table.index[rows]
    for s in spec.sets:
        values = labels[s.name][rows]
        if s.kind == "continuous":
            for k, column in enumerate(s.columns):
                table.loc[lines, column] = ["" if np.isnan(v) else _text(v) for v in values[:, k]]
        elif len(s.columns) == 1:
            names = ["" if c == MISSING_CLASS else (s.classes or ())[c] for c in values.tolist()]
            table.loc[lines, s.columns[0]] = names
        else:
            for k, column in enumerate(s.columns):
                table.loc[lines, column] = np.where(values == k, "1", "0")
    cells = [list(table.columns), *table.to_numpy().tolist()]
    file = _write_csv(stem.with_name(f"{stem.name}.csv"), cells)
    return {"file": file, "folder": Path(spec.folder) if spec.folder else Path(spec.file).parent}


def _write_csv(path: Path, rows: list[list[Any]]) -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


EXPORTERS: Mapping[str, Callable[[Any, Index, Mapping[str, np.ndarray], Path], dict[str, Path]]] = {
    "raf": _export_raf,
    "affectnet": _export_affectnet,
    "manifest": _export_manifest,
}
