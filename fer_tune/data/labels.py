"""What a face is labelled with: a list of label sets, which is data and never code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MISSING_CLASS = -1  # a sample without a label of a categorical set; without one of a continuous set it holds NaN
EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger")


@dataclass(frozen=True)
class LabelSet:
    """One task: `size` classes (categorical) or `size` values in [-1, 1] (continuous).

    `names` holds one name a class or a value. Inside the project a categorical label is a class
    index, a continuous one a row of values; as an input of the joint game a class is one-hot.
    """

    name: str
    kind: Literal["categorical", "continuous"]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.kind not in ("categorical", "continuous"):
            raise ValueError(f"label set {self.name!r}: kind {self.kind!r} is neither categorical nor continuous")
        if len(self.names) < (2 if self.kind == "categorical" else 1):
            raise ValueError(f"label set {self.name!r}: too few names: {self.names!r}")

    @property
    def size(self) -> int:
        return len(self.names)


def first_categorical(label_sets: Sequence[LabelSet]) -> LabelSet:
    """The set whose accuracy counts. Raises ValueError where there is none."""
    for label_set in label_sets:
        if label_set.kind == "categorical":
            return label_set
    raise ValueError("a data set needs at least one categorical label set")


FACE_LABELS = (
    LabelSet("emotion", "categorical", EMOTIONS),
    LabelSet("affect", "continuous", ("valence", "arousal")),
)
