"""RAF-DB, basic emotions (Li, Deng and Du, CVPR 2017), optionally with machine annotations."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from fer_tune.data.errors import DataError, Problems, quoted
from fer_tune.data.files import FolderSpec, read_lines, shortest_text
from fer_tune.data.index import Index, Source
from fer_tune.data.labels import FACE_LABELS, LabelSet
from fer_tune.data.splits import cut_validation, noisy_samples

LABEL_FILE = "EmoLabel/list_patition_label.txt"  # spelt as distributed
IMAGE_FOLDER = "Image/aligned"
CLASS_OF_CODE = {"1": 3, "2": 4, "3": 5, "4": 1, "5": 2, "6": 6, "7": 0}  # RAF's code: index into EMOTIONS
CODE_OF_CLASS = {c: code for code, c in CLASS_OF_CODE.items()}


class RafSpec(FolderSpec):
    """Settings of RAF-DB. Its folder holds EmoLabel and Image."""

    kind: Literal["raf"]
    machine_labels: str | None = Field(
        None, description="file of machine-generated labels in RAF's format; they replace the training labels"
    )
    machine_affect: str | None = Field(
        None, description="file with lines NAME VALENCE AROUSAL; adds the label set affect to the training samples"
    )

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """Emotions; also valence and arousal if a machine annotated them."""
        return FACE_LABELS if self.machine_affect else FACE_LABELS[:1]


def is_raf(folder: Path) -> bool:
    """Whether the folder holds RAF-DB."""
    return (folder / LABEL_FILE).exists()


def index_raf(spec: RafSpec) -> Index:
    """Read the label files. Test labels are always RAF's own. Raises DataError."""
    path = spec.root / LABEL_FILE
    problems = Problems(f"{path}: these lines cannot be used")
    official = _read_classes(path, problems)
    names = list(official)
    for name, (origin, _) in official.items():
        if not name.startswith(("train_", "test_")):
            problems.add(origin, f"{quoted(name)} must begin with train_ or test_")
    if not any(name.startswith("train_") for name in names):
        problems.add(str(path), "it lists no training images")
    problems.raise_any()
    classes = np.array([official[name][1] for name in names], dtype=np.int64)
    training = np.array([name.startswith("train_") for name in names])
    labels, notes, known = {"emotion": classes.copy()}, [], {}
    if spec.machine_labels:
        known["emotion"] = classes
        labels["emotion"], about_machine = _machine_classes(Path(spec.machine_labels), names, training, classes)
        notes += about_machine
    if spec.machine_affect:
        labels["affect"], about_machine = _machine_affect(Path(spec.machine_affect), names, training)
        notes += about_machine
    paths = [f"{IMAGE_FOLDER}/{Path(name).stem}_aligned.jpg" for name in names]
    _check_listed(spec.root, set(paths))
    every = np.arange(len(names))
    train, validation = cut_validation(every[training], classes[training], spec.validation, spec.seed)
    return Index(
        label_sets=spec.label_sets,
        root=spec.root,
        sources=[Source(p) for p in paths],
        labels=labels,
        splits={"train": train, "validation": validation, "test": every[~training]},
        origins=[official[name][0] for name in names],
        notes=notes,
        known=known,
    )


def export_raf(
    spec: RafSpec, labels: Mapping[str, np.ndarray], splits: Mapping[str, np.ndarray], stem: Path
) -> dict[str, Path]:
    """Write noisy training and validation labels in RAF's own format."""
    sources = index_raf(spec).sources
    names = {i: Path(sources[i].path).name.replace("_aligned", "") for i in noisy_samples(splits)}
    files = {"machine_labels": stem.with_name(f"{stem.name}.classes.txt")}
    classes = "".join(f"{name} {CODE_OF_CLASS[int(labels['emotion'][i])]}\n" for i, name in names.items())
    files["machine_labels"].write_text(classes)
    if "affect" in labels:
        files["machine_affect"] = stem.with_name(f"{stem.name}.affect.txt")
        rows = (f"{name} {' '.join(map(shortest_text, labels['affect'][i]))}\n" for i, name in names.items())
        files["machine_affect"].write_text("".join(rows))
    return files


def _read_classes(path: Path, problems: Problems) -> dict[str, tuple[str, int]]:
    """By image name: FILE:LINE and class, from lines NAME CODE."""
    found: dict[str, tuple[str, int]] = {}
    for origin, words in read_lines(path):
        if len(words) != 2 or words[1] not in CLASS_OF_CODE:
            problems.add(origin, f"must be NAME CODE, with a code from 1 to 7: it is {quoted(' '.join(words))}")
        elif words[0] in found:
            problems.add(origin, f"{quoted(words[0])} is already in {found[words[0]][0]}")
        else:
            found[words[0]] = (origin, CLASS_OF_CODE[words[1]])
    return found


def _machine_classes(
    path: Path, names: list[str], training: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Classes (N,): the machine's in training, RAF's own (`own`) in test; and notes."""
    problems = Problems(f"{path}: these machine annotations cannot be used")
    machine = _read_classes(path, problems)
    _require(names, training, machine, path, problems)
    problems.raise_any()
    pairs = zip(names, training, own, strict=True)
    classes = np.array([machine[name][1] if trains else c for name, trains, c in pairs], dtype=np.int64)
    wrong = float((classes != own)[training].mean())
    note = f"machine classes differ from RAF's own on {wrong:.1%} of the training samples"
    return classes, [note, *_unused(names, training, machine, path)]


def _machine_affect(path: Path, names: list[str], training: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Valence and arousal (N, 2), NaN in test, clipped to [-1, 1]; and notes."""
    problems = Problems(f"{path}: these machine annotations cannot be used")
    values: dict[str, tuple[float, float]] = {}
    for origin, words in read_lines(path):
        try:
            name, valence, arousal = words
            pair = float(valence), float(arousal)
        except ValueError:
            pair = (np.nan, np.nan)
        if not np.isfinite(pair).all():
            problems.add(
                origin, f"must be NAME VALENCE AROUSAL, with two finite numbers: it is {quoted(' '.join(words))}"
            )
        elif name in values:
            problems.add(origin, f"{quoted(name)} appears twice")
        else:
            values[name] = pair
    _require(names, training, values, path, problems)
    problems.raise_any()
    affect = np.full((len(names), 2), np.nan, dtype=np.float32)
    affect[training] = [values[name] for name, trains in zip(names, training, strict=True) if trains]
    clipped = int((np.abs(affect[training]) > 1).any(axis=1).sum())
    note = f"valence or arousal of {clipped} training samples was outside [-1, 1] and was clipped"
    return np.clip(affect, -1, 1), [note, *_unused(names, training, values, path)]


def _require(
    names: list[str], training: np.ndarray, found: Mapping[str, object], path: Path, problems: Problems
) -> None:
    """Add a problem for each training sample without an annotation."""
    for name, trains in zip(names, training, strict=True):
        if trains and name not in found:
            problems.add(str(path), f"training sample {quoted(name)} has no annotation")


def _unused(names: list[str], training: np.ndarray, found: Mapping[str, object], path: Path) -> list[str]:
    """A note on the annotations that belong to no training sample, if there are any."""
    trained = {name for name, trains in zip(names, training, strict=True) if trains}
    left = [name for name in found if name not in trained]
    if not left:
        return []
    return [f"{path}: {len(left)} lines belong to no training sample and are not used, such as {quoted(left[0])}"]


def _check_listed(root: Path, listed: set[str]) -> None:
    """Raise DataError for images that the label file does not list."""
    folder = root / IMAGE_FOLDER
    if not folder.is_dir():
        raise DataError(f"{folder}: this folder is missing")
    present = {f"{IMAGE_FOLDER}/{entry.name}" for entry in os.scandir(folder) if entry.name.endswith(".jpg")}
    unlisted = sorted(present - listed)
    if unlisted:
        raise DataError(f"{root / LABEL_FILE}: does not list {len(unlisted)} images, such as {quoted(unlisted[0])}")
