"""The built-in data set: synthetic (drawn) faces. Their true labels are known, so noise can be studied."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from fer_tune.data.dataset import SPLITS, Dataset, digest_of
from fer_tune.data.errors import Problems, quoted
from fer_tune.data.faces import draw_faces
from fer_tune.data.labels import EMOTIONS, FACE_LABELS, LabelSet
from fer_tune.data.splits import noisy_samples
from fer_tune.data.tables import read_table
from fer_tune.system.forks import forked_map
from fer_tune.system.randomness import numpy_stream

# Valence and arousal of each emotion at full intensity, in the order of EMOTIONS: a circumplex
# (Russell, 1980) in which fear, disgust and anger differ in arousal.
PROTOTYPES = np.array(
    [[0.0, 0.0], [0.85, 0.4], [-0.7, -0.45], [0.2, 0.85], [-0.6, 0.8], [-0.7, 0.25], [-0.55, 0.6]], dtype=np.float32
)
# Number of RAF-DB's training faces for each emotion, in the order of EMOTIONS.
RAF_COUNTS = (2524, 4772, 1982, 1290, 281, 717, 705)
LOWEST_INTENSITY = 0.5
FACE_STREAMS = {
    "studio": ("face",), "street": ("face", "street"), "line": ("face", "line"), "lowlight": ("face", "lowlight"),
}  # fmt: skip
LABEL_COLUMNS = ["index", "emotion", "valence", "arousal"]  # of a label file for drawn faces
MIN_FACES_TO_FORK = 500  # fewer are drawn faster by one process
FACES_AT_ONCE = 100  # computed in one call of NumPy


class SyntheticSpec(BaseModel):
    """Settings of the synthetic (drawn) faces."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["synthetic"] = "synthetic"
    image_size: Literal[32, 64, 128] = Field(32, description="side in pixels")
    train: int = Field(3000, ge=14, description="number of training faces")
    validation: int = Field(1500, ge=14, description="number of validation faces, whose labels are noisy too")
    test: int = Field(1500, ge=14, description="number of test faces, whose labels are always correct")
    class_prior: Literal["uniform", "raf"] = Field(
        "uniform", description="class shares: all equal, or as imbalanced as RAF-DB's training set"
    )
    domain: Literal["studio", "street", "line", "lowlight"] = Field(
        "studio",
        description="street: other people, harder poses, worse light and a worse camera than studio; line: drawn with "
        "a pen, without colours; lowlight: in little light, with noise and a cast of colour",
    )
    machine_labels: str | None = Field(
        None,
        description="CSV of machine-generated labels, written by `fer-tune annotate`; they replace the labels of "
        "training and validation faces",
    )
    seed: int = Field(0, ge=0, description="seed that draws the faces")

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """Emotions, and valence and arousal."""
        return FACE_LABELS


def load_synthetic(spec: SyntheticSpec, workers: int = 1) -> Dataset:
    """Draw the data set, with up to `workers` processes. Equal settings give equal pixels, whatever `workers` is.

    One process draws a face of 32 pixels in about 0.8 ms. Raises DataError for bad machine labels.
    """
    counts = dict(zip(SPLITS, (spec.train, spec.validation, spec.test), strict=True))
    classes = {s: _draw_classes(n, spec.class_prior, numpy_stream(spec.seed, "classes", s)) for s, n in counts.items()}
    images, affects = _draw_all(
        spec, [(s, i, int(k)) for s, own in classes.items() for i, k in enumerate(own)], workers
    )
    ends = np.cumsum(list(counts.values()))
    splits = {s: np.arange(end - n, end) for (s, n), end in zip(counts.items(), ends, strict=True)}
    labels = {
        "emotion": np.concatenate(list(classes.values())),
        "affect": np.clip(affects, -1, 1).astype(np.float32),
    }
    known = {}
    if spec.machine_labels:
        known["emotion"] = labels["emotion"].copy()
        _replace_labels(Path(spec.machine_labels), labels, splits)
    digest = digest_of(images, labels, splits)
    return Dataset(FACE_LABELS, images, labels, splits, digest, known=known)


Face = tuple[str, int, int]  # split, position in the split, emotion


def _draw_all(spec: SyntheticSpec, faces: list[Face], workers: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces uint8 (n, 3, S, S), and their valence and arousal (n, 2)."""
    parts = np.array_split(np.arange(len(faces)), workers if len(faces) >= MIN_FACES_TO_FORK else 1)
    drawn = forked_map(lambda part: _draw(spec, [faces[i] for i in part]), parts, len(parts))
    images, affects = zip(*drawn, strict=True)
    return np.concatenate(images), np.concatenate(affects)


def _draw(spec: SyntheticSpec, faces: list[Face]) -> tuple[np.ndarray, np.ndarray]:
    images = np.empty((len(faces), 3, spec.image_size, spec.image_size), dtype=np.uint8)
    affects = []
    for start in range(0, len(faces), FACES_AT_ONCE):
        some = faces[start : start + FACES_AT_ONCE]
        emotions = [emotion for _, _, emotion in some]
        rngs = [numpy_stream(spec.seed, *FACE_STREAMS[spec.domain], split, place) for split, place, _ in some]
        intensities = [rng.uniform(LOWEST_INTENSITY, 1) for rng in rngs]
        images[start : start + FACES_AT_ONCE] = draw_faces(spec.image_size, emotions, intensities, rngs, spec.domain)
        affects += [
            PROTOTYPES[emotion] * intensity + rng.normal(0, 0.05, 2)
            for emotion, intensity, rng in zip(emotions, intensities, rngs, strict=True)
        ]
    return images, np.array(affects)


def export_synthetic(
    spec: SyntheticSpec, labels: Mapping[str, np.ndarray], splits: Mapping[str, np.ndarray], stem: Path
) -> dict[str, Path]:
    """Write noisy labels of training and validation faces as a CSV file, one row for each face."""
    rows = noisy_samples(splits)
    table = pd.DataFrame(
        {"index": rows, "emotion": [EMOTIONS[k] for k in labels["emotion"][rows]],
         "valence": labels["affect"][rows, 0], "arousal": labels["affect"][rows, 1]}
    )  # fmt: skip
    path = stem.with_name(f"{stem.name}.csv")
    table.to_csv(path, index=False)
    return {"machine_labels": path}


def _replace_labels(path: Path, labels: dict[str, np.ndarray], splits: Mapping[str, np.ndarray]) -> None:
    """Replace the labels of training and validation faces, in place, by those of a file. Raises DataError."""
    table = read_table(path, LABEL_COLUMNS)
    problems = Problems(f"{path}: these labels cannot be used")
    index, valence, arousal = (table.numbers(c, problems) for c in ("index", "valence", "arousal"))
    wanted = noisy_samples(splits)
    if not np.array_equal(np.sort(index), wanted):
        problems.add(str(path), f"must list each of the {len(wanted)} training and validation faces once")
    emotions = table.text("emotion")
    for i in np.flatnonzero(~emotions.isin(EMOTIONS)).tolist():
        problems.add(table.place(i), f"emotion must be one of {', '.join(EMOTIONS)}: it is {quoted(emotions.iloc[i])}")
    affect = np.stack([valence, arousal], axis=1)
    for i in np.flatnonzero(~(np.abs(affect) <= 1).all(axis=1)).tolist():
        text = f"valence and arousal must be in [-1, 1]: they are {affect[i].tolist()}"
        problems.add(table.place(i), text)
    problems.raise_any()
    rows = index.astype(int)
    labels["emotion"][rows] = [EMOTIONS.index(name) for name in emotions]
    labels["affect"][rows] = affect


def _draw_classes(count: int, prior: str, rng: np.random.Generator) -> np.ndarray:
    """Shuffled class indices (count,) with the shares of the prior, rounded by largest remainder."""
    weights = np.ones(len(EMOTIONS)) if prior == "uniform" else np.array(RAF_COUNTS, dtype=float)
    quotas = weights / weights.sum() * count
    sizes = np.floor(quotas).astype(int)
    sizes[np.argsort(sizes - quotas, kind="stable")[: count - sizes.sum()]] += 1
    return rng.permutation(np.repeat(np.arange(len(EMOTIONS)), sizes))
