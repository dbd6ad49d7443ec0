"""What the columns of a table that hold no labels are: the split, the annotator, the box of the face."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from fer_tune.data.draft_columns import tokens
from fer_tune.data.errors import printable
from fer_tune.data.manifest_splits import SPLIT_OF_WORD, USUAL_WORDS
from fer_tune.data.questions import Reading, ask
from fer_tune.data.tables import Table, gaps, numbers_in, whole_number

SPLIT_NAMES = frozenset(("split", "splits", "usage", "set", "subset", "partition", "phase", "fold"))
ANNOTATOR_NAMES = frozenset((
    "annotator", "rater", "user", "worker", "coder", "labeler", "labeller", "judge", "observer", "expert", "respondent",
    "annotatorid", "raterid", "userid", "workerid",
))  # fmt: skip
BOXES = {  # names of four columns, and the form of the box
    ("left", "top", "width", "height"): "size",
    ("x", "y", "w", "h"): "size",
    ("x", "y", "width", "height"): "size",
    ("face_x", "face_y", "face_width", "face_height"): "size",
    ("bbox_x", "bbox_y", "bbox_w", "bbox_h"): "size",
    ("left", "top", "right", "bottom"): "corners",
    ("xmin", "ymin", "xmax", "ymax"): "corners",
    ("x_min", "y_min", "x_max", "y_max"): "corners",
    ("x1", "y1", "x2", "y2"): "corners",
}
LOOKED_AT = 20  # images whose size is compared with their boxes


@dataclass(frozen=True)
class Columns:
    """Columns with a role, the lines of the section that say so, and remarks by column."""

    settings: Mapping[str, Any]
    remarks: Mapping[str, str]


def find_split(table: Table, columns: Sequence[str], answers: Mapping[str, Any]) -> Columns:
    """The column of the split: by its words, or by its name. Raises DataError where its codes can mean either split."""
    if "split" in columns and gaps(table.text("split")).all():
        return Columns({}, {"split": "the splits, but it is empty, so they are drawn"})
    candidates = [name for name in columns if "split" not in columns or name == "split"]
    for name in candidates:
        words = [whole_number(word) for word in _words(table, name)]
        known = {word: USUAL_WORDS[word.lower()] for word in words if word.lower() in USUAL_WORDS}
        by_words = len(set(known.values())) > 1 and "train" in known.values() and len(known) >= len(words) / 2
        if name != "split" and not by_words:
            if tokens(name) & SPLIT_NAMES and words and set(words) <= {"0", "1", "2"} and len(words) > 1:
                splits = {str(k): v for k, v in _asked(table, name, words, answers).items()}
                return _split(name, splits)
            continue
        own = {word: split for word, split in known.items() if word.lower() not in SPLIT_OF_WORD}
        return _split(name, own)
    return Columns({}, {})


def _split(name: str, splits: Mapping[str, str]) -> Columns:
    settings: dict[str, Any] = {} if name == "split" else {"split": name}
    if splits:
        settings["splits"] = dict(splits)
    said = f", where {', '.join(f'{printable(w)} is {s}' for w, s in splits.items())}" if splits else ""
    return Columns(settings, {name: f"the splits{said}"})


def _asked(table: Table, name: str, codes: Sequence[str], answers: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the codes of a split mean."""
    orders = [("train", "test"), ("test", "train")] if len(codes) == 2 else [("train", "val", "test")]
    counts = table.text(name).map(whole_number).value_counts()
    codes = sorted(codes)
    readings = [
        Reading(dict(zip(codes, order, strict=True)), f"{order[0]} has {counts[codes[0]]} rows") for order in orders
    ]
    if len(readings) == 1:
        readings.append(Reading(dict(zip(codes, ("train", "test", "val"), strict=True)), "test before val"))
    answer: Mapping[str, Any] = ask(str(table.path), f"column {name} holds codes", "splits", readings, answers)
    return answer


def find_annotator(table: Table, columns: Sequence[str], images: Sequence[Any]) -> Columns:
    """The column of who labelled a row, where images have several rows; a remark where there is no such column."""
    group = pd.factorize(np.array([str(image) for image in images], dtype=object))[0]
    counts = np.bincount(group, minlength=1)
    several = counts[group] > 1
    if not several.any():
        return Columns({}, {})
    for name in columns:
        if tokens(name) & ANNOTATOR_NAMES or name.strip().lower() in ANNOTATOR_NAMES:
            people = table.text(name).nunique()
            votes = int((counts > 1).sum())
            text = f"who labelled a row: {people:,} people. Images with several rows: {votes:,}; they are votes"
            return Columns({"annotator": name}, {name: text})
    return Columns({}, {})


def find_boxes(table: Table, columns: Sequence[str], files: Sequence[Path]) -> Columns:
    """Four columns with the box of the face, unless the boxes lie outside the images.

    Args:
        files: the image of each row, where it is a file.
    """
    named = {re.sub(r"[\s.-]+", "_", name.strip().lower()): name for name in columns}
    for names, form in BOXES.items():
        if not set(names) <= set(named):
            continue
        own = tuple(named[name] for name in names)
        read = [numbers_in(table.text(name)) for name in own]
        if any(wrong.mean() > 0 for _, wrong in read):
            return Columns({}, dict.fromkeys(own, "left out: by its name a part of a box, but not all are numbers"))
        values = np.stack([values for values, _ in read], axis=1)
        if not _fit(values, form, files):
            return Columns({}, dict.fromkeys(own, "left out: a box that does not fit into the images as they are"))
        setting: Any = list(own) if form == "size" else {"columns": list(own), "form": form}
        return Columns({"boxes": setting}, dict.fromkeys(own, f"the face's box ({', '.join(names)})"))
    return Columns({}, {})


def _fit(boxes: np.ndarray, form: str, files: Sequence[Path]) -> bool:
    """Whether most boxes (N, 4) of a few images lie in them."""
    fits = []
    for i in np.unique(np.linspace(0, len(files) - 1, LOOKED_AT).astype(int)).tolist() if files else []:
        try:
            with Image.open(files[i]) as picture:
                width, height = picture.size
        except (OSError, ValueError):
            continue
        left, top, right, bottom = boxes[i] if form == "corners" else (*boxes[i, :2], *(boxes[i, :2] + boxes[i, 2:]))
        fits.append(-width / 2 <= left < right <= 1.5 * width and -height / 2 <= top < bottom <= 1.5 * height)
    return not fits or sum(fits) > len(fits) / 2


def _words(table: Table, name: str) -> list[str]:
    """The different words of a column that has few of them."""
    cells = table.text(name)
    words = cells[~gaps(cells)].unique().tolist()
    return words if len(words) <= 12 else []
