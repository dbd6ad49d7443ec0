"""FERPlus (Barsoum, Zhang, Canton Ferrer and Zhang, 2016): FER2013's images with ten votes on each."""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from fer_tune.data.errors import DataError, Problems, quoted
from fer_tune.data.files import FolderSpec
from fer_tune.data.index import Index
from fer_tune.data.labels import EMOTIONS, MISSING_CLASS, LabelSet
from fer_tune.data.pixels import grey_images
from fer_tune.data.tables import read_table
from fer_tune.data.votes import clear_winners

PIXEL_FILE, VOTE_FILE = "fer2013.csv", "fer2013new.csv"
CLASS_VOTES = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]  # in our order
OTHER_VOTES = ["unknown", "NF"]
SPLIT_OF_USAGE = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
CLASS_OF_FER2013 = np.array([6, 5, 4, 1, 2, 3, 0])  # by its code: angry, disgust, fear, happy, sad, surprise, neutral
SIDE = 48  # pixels of FER2013's images


class FerPlusSpec(FolderSpec):
    """Settings of FERPlus. Its folder holds fer2013.csv and fer2013new.csv. The official splits are used."""

    kind: Literal["ferplus"]
    classes: Literal[7, 8] = Field(7, description="8 includes contempt")
    labels: Literal["votes", "fer2013"] = Field(
        "votes",
        description="labels of training and validation: FERPlus's votes, or FER2013's own noisy labels. Test always "
        "uses the votes",
    )

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """Only emotions."""
        names = EMOTIONS if self.classes == 7 else (*EMOTIONS, "contempt")
        return (LabelSet("emotion", "categorical", names),)


def is_ferplus(folder: Path) -> bool:
    """Whether the folder holds FER2013's images and FERPlus's votes on them."""
    return (folder / PIXEL_FILE).exists() and (folder / VOTE_FILE).exists()


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
    usage, usage_of_votes = pixels.text("Usage"), table.text("Usage")
    for i, (ours, theirs) in enumerate(zip(usage, usage_of_votes, strict=True)):
        if ours not in SPLIT_OF_USAGE:
            problems.add(pixels.place(i), f"Usage must be one of {', '.join(SPLIT_OF_USAGE)}: it is {quoted(ours)}")
        elif ours != theirs:
            problems.add(pixels.place(i), f"Usage is {ours!r}, but {VOTE_FILE} says {quoted(theirs)}")
    votes = np.stack([table.numbers(name, problems) for name in [*CLASS_VOTES, *OTHER_VOTES]], axis=1)
    for i in np.flatnonzero((votes < 0).any(axis=1)).tolist():
        problems.add(table.place(i), "votes must not be negative")
    codes = pixels.numbers("emotion", problems)
    for i in np.flatnonzero(~np.isin(codes, range(len(CLASS_OF_FER2013)))).tolist():
        is_what = "missing" if np.isnan(codes[i]) else f"{codes[i]:g}"
        problems.add(pixels.place(i), f"emotion must be a code from 0 to 6: it is {is_what}")
    images = grey_images(pixels.raw("pixels"), "pixels", pixels.place, problems, SIDE)
    problems.raise_any()
    emotion = clear_winners(np.nan_to_num(votes))
    usable = (emotion != MISSING_CLASS) & (emotion < spec.classes)
    split = usage.map(SPLIT_OF_USAGE).to_numpy()
    notes = [f"left out {int((~usable).sum())} images without a clear winner among the {spec.classes} classes"]
    if spec.labels == "fer2013":
        own, noisy = CLASS_OF_FER2013[codes.astype(int)], split != "test"
        wrong = float((own != emotion)[noisy & usable].mean()) if (noisy & usable).any() else 0.0
        notes.append(f"FER2013's own labels differ from the vote on {wrong:.1%} of training and validation images")
        emotion = np.where(noisy, own, emotion)
    for file in (pixels, table):
        notes += [*file.notes, *file.unused(file.columns)]
    kept = np.flatnonzero(usable)
    return Index(
        label_sets=spec.label_sets,
        root=spec.root,
        sources=images[kept],
        labels={"emotion": emotion[kept]},
        splits={name: np.flatnonzero(split[kept] == name) for name in SPLIT_OF_USAGE.values()},
        origins=[pixels.place(i) for i in kept.tolist()],
        notes=notes,
    )
