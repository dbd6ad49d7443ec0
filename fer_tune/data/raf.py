"""RAF-DB, basic emotions (Li, Deng and Du, CVPR 2017), with machine annotations where there are any."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from fer_tune.data.files import FolderSpec, read_lines
from fer_tune.data.index import DataError, Index, Problems, Source, cut_validation, paths_below
from fer_tune.data.labels import FACE_LABELS, LabelSet

LABEL_FILE = "EmoLabel/list_patition_label.txt"  # their spelling
IMAGES = "Image/aligned"
CLASSES = {"1": 3, "2": 4, "3": 5, "4": 1, "5": 2, "6": 6, "7": 0}  # their code: our class
CODES = {c: code for code, c in CLASSES.items()}


class RafSpec(FolderSpec):
    """Settings of RAF-DB; `folder` holds EmoLabel and Image."""

    kind: Literal["raf"]
    machine_labels: str | None = Field(
        None, description="label file in RAF's format whose classes replace those of training samples"
    )
    machine_affect: str | None = Field(
        None, description="file of NAME VALENCE AROUSAL lines; adds the label set affect to training samples"
    )

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """Emotions, and valence and arousal where a machine has annotated them."""
        return FACE_LABELS if self.machine_affect else FACE_LABELS[:1]


def index_raf(spec: RafSpec) -> Index:
    """Read the label files. Test labels stay RAF's own. Raises DataError."""
    path = spec.root / LABEL_FILE
    problems = Problems(f"{path}: these lines cannot be used")
    official = _read_classes(path, problems)
    names = list(official)
    for name, (origin, _) in official.items():
        if not name.startswith(("train_", "test_")):
            problems.add(origin, f"{name!r} must begin with train_ or test_, which names its split")
    if not any(name.startswith("train_") for name in names):
        problems.add(str(path), "it lists no training image")
    problems.raise_any()
    classes = np.array([official[name][1] for name in names], dtype=np.int64)
    training = np.array([name.startswith("train_") for name in names])
    labels, notes, known = {"emotion": classes.copy()}, [], {}
    if spec.machine_labels:
        known["emotion"] = classes
        labels["emotion"], note = _machine_classes(Path(spec.machine_labels), names, training, classes)
        notes.append(note)
    if spec.machine_affect:
        labels["affect"], note = _machine_affect(Path(spec.machine_affect), names, training)
        notes.append(note)
    paths = [f"{IMAGES}/{Path(name).stem}_aligned.jpg" for name in names]
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


def _read_classes(path: Path, problems: Problems) -> dict[str, tuple[str, int]]:
    """Where each name stands and its class, from lines of NAME CODE."""
    found: dict[str, tuple[str, int]] = {}
    for origin, words in read_lines(path):
        if len(words) != 2 or words[1] not in CLASSES:
            problems.add(origin, f"write NAME CODE with a code from 1 to 7: it is {' '.join(words)!r}")
        elif words[0] in found:
            problems.add(origin, f"{words[0]!r} stands already in {found[words[0]][0]}")
        else:
            found[words[0]] = (origin, CLASSES[words[1]])
    return found


def _machine_classes(path: Path, names: list[str], training: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, str]:
    problems = Problems(f"{path}: these machine annotations cannot be used")
    machine = _read_classes(path, problems)
    _require(names, training, machine, path, problems)
    problems.raise_any()
    pairs = zip(names, training, own, strict=True)
    classes = np.array([machine[name][1] if trains else c for name, trains, c in pairs], dtype=np.int64)
    wrong = float((classes != own)[training].mean())
    return classes, f"machine classes differ from RAF's own on {wrong:.1%} of the training samples"


def _machine_affect(path: Path, names: list[str], training: np.ndarray) -> tuple[np.ndarray, str]:
    """Valence and arousal (N, 2), NaN for test samples; values outside [-1, 1] are clipped (and counted)."""
    problems = Problems(f"{path}: these machine annotations cannot be used")
    values: dict[str, tuple[float, float]] = {}
    for origin, words in read_lines(path):
        try:
            name, valence, arousal = words
            pair = float(valence), float(arousal)
        except ValueError:
            pair = (np.nan, np.nan)
        if not np.isfinite(pair).all():
            problems.add(origin, f"write NAME VALENCE AROUSAL, two finite numbers: it is {' '.join(words)!r}")
        elif name in values:
            problems.add(origin, f"{name!r} stands twice")
        else:
            values[name] = pair
    _require(names, training, values, path, problems)
    problems.raise_any()
    affect = np.full((len(names), 2), np.nan, dtype=np.float32)
    affect[training] = [values[name] for name, trains in zip(names, training, strict=True) if trains]
    clipped = int((np.abs(affect[training]) > 1).any(axis=1).sum())
    return np.clip(
        affect, -1, 1
    ), f"valence or arousal of {clipped} training samples lay outside [-1, 1] and is clipped"


def _require(
    names: list[str], training: np.ndarray, found: Mapping[str, object], path: Path, problems: Problems
) -> None:
    for name, trains in zip(names, training, strict=True):
        if trains and name not in found:
            problems.add(str(path), f"training sample {name!r} has no annotation")


def _check_listed(root: Path, listed: set[str]) -> None:
    unlisted = sorted(paths_below(root, IMAGES, [".jpg"]) - listed)
    if unlisted:
        raise DataError(f"{root / LABEL_FILE}: does not list {len(unlisted)} images, such as {unlisted[0]!r}")
