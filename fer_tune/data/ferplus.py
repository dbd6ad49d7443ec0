"""FERPlus (Barsoum, Zhang, Canton Ferrer and Zhang, 2016): FER2013's images with ten votes on each."""

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from fer_tune.data.errors import DataError, Problems
from fer_tune.data.files import FolderSpec, numeric_column, read_table
from fer_tune.data.index import Index
from fer_tune.data.labels import EMOTIONS, MISSING_CLASS, LabelSet
from fer_tune.data.votes import clear_winners

PIXEL_FILE, VOTE_FILE = "fer2013.csv", "fer2013new.csv"
CLASS_VOTES = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]  # in our order
OTHER_VOTES = ["unknown", "NF"]
SPLIT_OF_USAGE = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
CLASS_OF_FER2013 = np.array([6, 5, 4, 1, 2, 3, 0])  # by its code: angry, disgust, fear, happy, sad, surprise, neutral
SIDE = 48  # pixels of FER2013's images


class FerPlusSpec(FolderSpec):
    """Settings of FERPlus; `folder` holds fer2013.csv and fer2013new.csv. The official splits are used."""

    kind: Literal["ferplus"]
    classes: Literal[7, 8] = Field(7, description="8 keeps contempt")
    labels: Literal["votes", "fer2013"] = Field(
        "votes",
        description="fer2013: training and validation use FER2013's own, noisy labels; test always uses the votes",
    )

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """Only emotions."""
        names = EMOTIONS if self.classes == 7 else (*EMOTIONS, "contempt")
        return (LabelSet("emotion", "categorical", names),)


def is_ferplus(folder: Path) -> bool:
    """Whether the folder holds FER2013's images."""
    return (folder / PIXEL_FILE).exists()


def index_ferplus(spec: FerPlusSpec) -> Index:
    """Join images and votes line by line. Images are left out unless one of the classes clearly wins the vote.

    Raises DataError.
    """
    pixel_file, vote_file = spec.root / PIXEL_FILE, spec.root / VOTE_FILE
    pixels = read_table(pixel_file, ["emotion", "pixels", "Usage"])
    table = read_table(vote_file, ["Usage", *CLASS_VOTES, *OTHER_VOTES])
    if len(pixels) != len(table):
        raise DataError(f"{vote_file}: has {len(table)} rows, but {pixel_file} has {len(pixels)}")
    problems = Problems(f"{spec.root}: these rows cannot be used")
    for line, ours, theirs in zip(pixels.index, pixels["Usage"], table["Usage"], strict=True):
        if ours not in SPLIT_OF_USAGE:
            problems.add(f"{pixel_file}:{line}", f"Usage must be one of {', '.join(SPLIT_OF_USAGE)}: it is {ours!r}")
        elif ours != theirs:
            problems.add(f"{pixel_file}:{line}", f"Usage is {ours!r}, but {VOTE_FILE} says {theirs!r}")
    votes = [numeric_column(table, name, vote_file, problems) for name in [*CLASS_VOTES, *OTHER_VOTES]]
    codes = numeric_column(pixels, "emotion", pixel_file, problems)
    for i in np.flatnonzero(~np.isin(codes, range(len(CLASS_OF_FER2013)))).tolist():
        problems.add(f"{pixel_file}:{pixels.index[i]}", f"emotion must be a code from 0 to 6: it is {codes[i]:g}")
    images = _images(pixels["pixels"], str(pixel_file), problems)
    problems.raise_any()
    emotion = clear_winners(np.nan_to_num(np.stack(votes, axis=1)))
    usable = (emotion != MISSING_CLASS) & (emotion < spec.classes)
    split = pixels["Usage"].map(SPLIT_OF_USAGE).to_numpy()
    notes = [f"left out {int((~usable).sum())} images without a clear winner among the {spec.classes} classes"]
    if spec.labels == "fer2013":
        own, noisy = CLASS_OF_FER2013[codes.astype(int)], split != "test"
        wrong = float((own != emotion)[noisy & usable].mean())
        notes.append(f"FER2013's own labels differ from the vote on {wrong:.1%} of training and validation images")
        emotion = np.where(noisy, own, emotion)
    kept = np.flatnonzero(usable)
    return Index(
        label_sets=spec.label_sets,
        root=spec.root,
        sources=images[kept],
        labels={"emotion": emotion[kept]},
        splits={name: np.flatnonzero(split[kept] == name) for name in SPLIT_OF_USAGE.values()},
        origins=[f"{pixel_file}:{pixels.index[i]}" for i in kept.tolist()],
        notes=notes,
    )


def _images(cells: "pd.Series[str]", path: str, problems: Problems) -> np.ndarray:
    """Grey images uint8 (N, 48, 48) from cells of 2304 numbers; a bad cell is a problem."""
    images = np.zeros((len(cells), SIDE, SIDE), dtype=np.uint8)
    for i, (line, cell) in enumerate(cells.items()):
        try:
            values = np.array(cell.split(), dtype=np.int64)
        except (ValueError, OverflowError):
            values = np.array([-1])
        if len(values) != SIDE * SIDE or values.min() < 0 or values.max() > 255:
            text = f"pixels must be {SIDE * SIDE} whole numbers from 0 to 255: it has {len(cell.split())} values"
            problems.add(f"{path}:{line}", text)
        else:
            images[i] = values.reshape(SIDE, SIDE)
    return images
