"""FER2013's pixels with FERPlus's ten votes an image (Barsoum, Zhang, Canton Ferrer and Zhang, 2016)."""

from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from fer_tune.data.files import FolderSpec, numbers, read_table
from fer_tune.data.index import DataError, Index, Problems
from fer_tune.data.labels import EMOTIONS, LabelSet

PIXEL_FILE, VOTE_FILE = "fer2013.csv", "fer2013new.csv"
VOTES = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]  # in our order
NO_VOTE = ["unknown", "NF"]
SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
FER2013 = np.array([6, 5, 4, 1, 2, 3, 0])  # its code (angry, disgust, fear, happy, sad, surprise, neutral): our class
SIDE = 48


class FerPlusSpec(FolderSpec):
    """Settings of FERPlus; `folder` holds fer2013.csv and fer2013new.csv. Its own splits are kept."""

    kind: Literal["ferplus"]
    classes: Literal[7, 8] = Field(7, description="8 keeps contempt")
    labels: Literal["votes", "fer2013"] = Field(
        "votes",
        description="fer2013: training and validation keep FER2013's own labels, which are noisy; test is voted",
    )

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """Emotions alone."""
        names = EMOTIONS if self.classes == 7 else (*EMOTIONS, "contempt")
        return (LabelSet("emotion", "categorical", names),)


def index_ferplus(spec: FerPlusSpec) -> Index:
    """Join pixels and votes by line, as FERPlus says. Images whose vote is none of the classes are left out.

    Raises DataError.
    """
    pixel_file, vote_file = spec.root / PIXEL_FILE, spec.root / VOTE_FILE
    pixels = read_table(pixel_file, ["emotion", "pixels", "Usage"])
    table = read_table(vote_file, ["Usage", *VOTES, *NO_VOTE])
    if len(pixels) != len(table):
        raise DataError(f"{vote_file}: has {len(table)} rows for {len(pixels)} rows of {pixel_file}")
    problems = Problems(f"{spec.root}: these rows cannot be used")
    for line, ours, theirs in zip(pixels.index, pixels["Usage"], table["Usage"], strict=True):
        if ours != theirs or ours not in SPLITS:
            problems.add(f"{pixel_file}:{line}", f"Usage {ours!r} must be one of {list(SPLITS)} and as in {VOTE_FILE}")
    votes = np.stack([numbers(table, name, vote_file, problems) for name in [*VOTES, *NO_VOTE]], axis=1)
    codes = numbers(pixels, "emotion", pixel_file, problems)
    for i in np.flatnonzero(~np.isin(codes, range(len(FER2013)))).tolist():
        problems.add(f"{pixel_file}:{pixels.index[i]}", f"emotion must be a code from 0 to 6: it is {codes[i]:g}")
    images = _images(pixels["pixels"], str(pixel_file), problems)
    problems.raise_any()
    voted = np.nan_to_num(votes)
    best = voted.argmax(axis=1)
    usable = (best < spec.classes) & ((voted == voted.max(axis=1, keepdims=True)).sum(axis=1) == 1)
    split = pixels["Usage"].map(SPLITS).to_numpy()
    emotion = best.astype(np.int64)
    notes = [f"left out {int((~usable).sum())} images without one winning vote for an emotion"]
    if spec.labels == "fer2013":
        own, noisy = FER2013[codes.astype(int)], split != "test"
        wrong = float((own != emotion)[noisy & usable].mean())
        notes.append(f"FER2013's own labels differ from the vote on {wrong:.1%} of training and validation images")
        emotion = np.where(noisy, own, emotion)
    kept = np.flatnonzero(usable)
    return Index(
        label_sets=spec.label_sets,
        root=spec.root,
        sources=images[kept],
        labels={"emotion": emotion[kept]},
        splits={name: np.flatnonzero(split[kept] == name) for name in SPLITS.values()},
        origins=[f"{pixel_file}:{pixels.index[i]}" for i in kept.tolist()],
        notes=notes,
    )


def _images(cells: "pd.Series[str]", path: str, problems: Problems) -> np.ndarray:
    """Grey pixels uint8 (N, 48, 48) from cells of 2,304 numbers."""
    images = np.zeros((len(cells), SIDE, SIDE), dtype=np.uint8)
    for i, (line, cell) in enumerate(cells.items()):
        try:
            values = np.array(cell.split(), dtype=np.int64)
        except (ValueError, OverflowError):
            values = np.array([-1])
        if len(values) != SIDE * SIDE or values.min() < 0 or values.max() > 255:
            problems.add(
                f"{path}:{line}", f"pixels must be {SIDE * SIDE} numbers from 0 to 255: there are {len(values)}"
            )
        else:
            images[i] = values.reshape(SIDE, SIDE)
    return images
