"""Label sets: what the images of a data set are labelled with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MISSING_CLASS = -1  # class index of an unlabelled sample; missing continuous values are NaN
EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger")


@dataclass(frozen=True)
class LabelSet:
    """One task: `size` classes (categorical) or `size` values in [-1, 1] (continuous).

    `names` holds one name for each class or value. A categorical label is a class index (one-hot as an input of the
    joint training); a continuous label is a row of values. Raises ValueError for an unknown kind or too few names.
    """

    name: str
    kind: Literal["categorical", "continuous"]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.kind not in ("categorical", "continuous"):
            raise ValueError(f"label set {self.name!r}: kind must be categorical or continuous: it is {self.kind!r}")
        if len(self.names) < (2 if self.kind == "categorical" else 1):
            raise ValueError(f"label set {self.name!r}: too few names: {self.names!r}")

    @property
    def size(self) -> int:
        return len(self.names)


def first_categorical(label_sets: Sequence[LabelSet]) -> LabelSet:
    """The label set whose accuracy is reported and optimised. Raises ValueError if none is categorical."""
    for label_set in label_sets:
        if label_set.kind == "categorical":
            return label_set
    raise ValueError("a data set needs at least one categorical label set")


FACE_LABELS = (
    LabelSet("emotion", "categorical", EMOTIONS),
    LabelSet("affect", "continuous", ("valence", "arousal")),
)
