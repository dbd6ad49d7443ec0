"""AffectNet (Mollahosseini, Hasani and Mahoor, 2017) in both of its releases."""

import os
import tokenize
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from fer_tune.data.errors import DataError, Problems, quoted
from fer_tune.data.files import FolderSpec, regular_file, shortest_text, write_csv
from fer_tune.data.index import Index, Source
from fer_tune.data.labels import EMOTIONS, FACE_LABELS, LabelSet
from fer_tune.data.splits import cut_validation, noisy_samples
from fer_tune.data.tables import Table, gaps, has_column, read_table

IMAGE_FOLDER = "Manually_Annotated_Images"
PATH, BOX = "subDirectory_filePath", ["face_x", "face_y", "face_width", "face_height"]
LABELS = ["expression", "valence", "arousal"]
CODES_WITHOUT_EMOTION = (8, 9, 10)  # none, uncertain, no face; codes 0 to 7 are the classes
NO_VALUE = -2.0


class AffectNetSpec(FolderSpec):
    """Settings of AffectNet. Its folder holds training.csv and validation.csv, or train_set and val_set."""

    kind: Literal["affectnet"]
    classes: Literal[7, 8] = Field(7, description="8 includes contempt")
    aligned: bool = Field(False, description="CSV release: images are already cropped, so face boxes are ignored")
    machine_labels: str | None = Field(
        None,
        description="CSV of machine-generated labels with AffectNet's columns, joined by path; its expression replaces "
        "that of the training labels",
    )
    machine_affect: str | None = Field(
        None,
        exclude_if=lambda value: value is None,  # so that studies of versions without it stay what they were
        description="CSV of the same form, whose valence and arousal replace those of the training labels",
    )

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """Emotions, and valence and arousal."""
        names = EMOTIONS if self.classes == 7 else (*EMOTIONS, "contempt")
        return (LabelSet("emotion", "categorical", names), FACE_LABELS[1])


def is_affectnet(folder: Path) -> bool:
    """Whether the folder holds AffectNet, in either release."""
    return (folder / "train_set").is_dir() or has_column(folder / "training.csv", PATH)


def index_affectnet(spec: AffectNetSpec) -> Index:
    """Read the label files of whichever release the folder holds. The official validation set is the test split.

    Raises DataError.
    """
    if (spec.root / "train_set").is_dir():
        read = [_read_arrays(spec.root, folder) for folder in ("train_set", "val_set")]
    elif (spec.root / "training.csv").exists():
        second = "validate.csv" if (spec.root / "validate.csv").exists() else "validation.csv"
        read = [_read_csv(spec.root / name, spec.aligned) for name in ("training.csv", second)]
    else:
        raise DataError(f"{spec.root}: is not an AffectNet folder: it has neither training.csv nor train_set")
    tables = [table for table, _ in read]
    for table in tables:
        _check_codes(table)
    kept = [table[_usable(table, spec.classes)] for table in tables]
    left_out = sum(map(len, tables)) - sum(map(len, kept))
    notes = [f"left out {left_out} rows without one of the {spec.classes} expressions, or without valence and arousal"]
    original = kept[0]["expression"].to_numpy(dtype=np.int64)
    if spec.machine_labels:
        kept[0], about_machine = _with_machine_classes(kept[0], Path(spec.machine_labels), spec.classes)
        notes += about_machine
    if spec.machine_affect:
        kept[0], about_machine = _with_machine_affect(kept[0], Path(spec.machine_affect))
        notes += about_machine
    table = pd.concat(kept, ignore_index=True)
    known = {}
    if spec.machine_labels:
        known["emotion"] = table["expression"].to_numpy(dtype=np.int64, copy=True)
        known["emotion"][: len(original)] = original
    every, trains = np.arange(len(table)), len(kept[0])
    train, validation = cut_validation(every[:trains], original, spec.validation, spec.seed)
    return Index(
        label_sets=spec.label_sets,
        root=spec.root,
        sources=[Source(path, box) for path, box in zip(table["path"], table["box"], strict=True)],
        labels={
            "emotion": table["expression"].to_numpy(dtype=np.int64),
            "affect": table[["valence", "arousal"]].to_numpy(dtype=np.float32),
        },
        splits={"train": train, "validation": validation, "test": every[trains:]},
        origins=table["origin"].tolist(),
        notes=[*notes, *(note for _, own in read for note in own)],
        known=known,
    )


def export_affectnet(
    spec: AffectNetSpec, labels: Mapping[str, np.ndarray], splits: Mapping[str, np.ndarray], stem: Path
) -> dict[str, Path]:
    """Write noisy training and validation labels as a CSV file with AffectNet's columns."""
    sources = index_affectnet(spec).sources
    path = stem.with_name(f"{stem.name}.csv")
    rows = [
        [
            sources[i].path.removeprefix(f"{IMAGE_FOLDER}/"),
            int(labels["emotion"][i]),
            *map(shortest_text, labels["affect"][i]),
        ]
        for i in noisy_samples(splits)
    ]
    write_csv(path, [[PATH, *LABELS], *rows])
    return {"machine_labels": path, "machine_affect": path}


def _read_csv(path: Path, aligned: bool) -> tuple[pd.DataFrame, list[str]]:
    """The CSV release, as columns key, path, box, expression, valence, arousal, origin; and notes."""
    raw = read_table(path, [PATH, *LABELS] if aligned else [PATH, *BOX, *LABELS])
    problems = Problems(f"{path}: these rows cannot be used")
    columns = {name: raw.numbers(name, problems) for name in LABELS}
    origins = raw.places()
    used = ~np.isin(columns["expression"], CODES_WITHOUT_EMOTION) & (columns["valence"] != NO_VALUE)
    if aligned:
        boxes: list[tuple[int, int, int, int] | None] = [None] * len(raw)
    else:
        corners = np.stack([raw.numbers(name, problems) for name in BOX], axis=1)
        for i in np.flatnonzero(np.isnan(corners).any(axis=1) & used).tolist():
            problems.add(origins[i], "has no face box: if the images are already cropped, set aligned: true")
        boxes = [(int(x), int(y), int(w), int(h)) for x, y, w, h in np.nan_to_num(corners)]
    for name in LABELS:
        for i in np.flatnonzero(gaps(raw.raw(name))).tolist():
            problems.add(origins[i], f"{name} is empty")
    problems.raise_any()
    paths = raw.raw(PATH).to_numpy(dtype=object)
    table = pd.DataFrame(
        {"key": paths, "path": f"{IMAGE_FOLDER}/" + paths, "box": boxes} | columns | {"origin": origins}
    )
    return table, [*raw.notes, *raw.unused(raw.columns)]


def _read_arrays(root: Path, folder: str) -> tuple[pd.DataFrame, list[str]]:
    """The newer release (three small arrays for each image, images cropped), as the same columns; and notes."""
    annotations, images = root / folder / "annotations", root / folder / "images"
    for place in (annotations, images):
        if not place.is_dir():
            raise DataError(f"{place}: this folder is missing")
    found, others = _stems(annotations, "_exp.npy")
    ids = sorted(found)
    pictures, other_pictures = _stems(images, ".jpg")
    unlabelled = sorted(pictures - found)
    if unlabelled:
        raise DataError(f"{annotations}: {len(unlabelled)} images have no annotation, such as {unlabelled[0]}.jpg")
    problems = Problems(f"{annotations}: these annotations cannot be used")
    reader = _ScalarReader()
    columns = {
        name: reader.read_all(annotations, ids, suffix, problems)
        for name, suffix in (("expression", "exp"), ("valence", "val"), ("arousal", "aro"))
    }
    problems.raise_any()
    paths = [f"{folder}/images/{i}.jpg" for i in ids]
    origins = [str(annotations / f"{i}_exp.npy") for i in ids]
    table = pd.DataFrame({"key": paths, "path": paths, "box": [None] * len(ids)} | columns | {"origin": origins})
    others -= 2 * len(ids)  # valence and arousal
    notes = [f"{annotations}: {others} other files, such as landmarks, are not used"] if others else []
    notes += [f"{images}: {other_pictures} files are not .jpg and are not used"] if other_pictures else []
    return table, notes


def _stems(folder: Path, suffix: str) -> tuple[set[str], int]:
    """The names in a folder that have the suffix, without it; and how many other names there are."""
    stems, others = set(), 0
    for entry in os.scandir(folder):
        if entry.name.endswith(suffix):
            stems.add(entry.name.removesuffix(suffix))
        else:
            others += 1
    return stems, others


class _ScalarReader:
    """Reads many .npy files, each of one number or its text; parses each different header once."""

    def __init__(self) -> None:
        self.types: dict[bytes, np.dtype] = {}

    def read_all(self, folder: Path, ids: list[str], suffix: str, problems: Problems) -> np.ndarray:
        values = np.full(len(ids), np.nan)
        for row, i in enumerate(ids):
            file = folder / f"{i}_{suffix}.npy"
            try:
                values[row] = self.read(file)
            except FileNotFoundError:
                problems.add(str(file), "is missing")
            except (OSError, ValueError) as error:
                problems.add(str(file), f"is not an array of one number: {error}")
            else:
                if not np.isfinite(values[row]):
                    problems.add(str(file), f"must hold a finite number: it is {values[row]}")
        return values

    def read(self, file: Path) -> float:
        content = regular_file(file).read_bytes()
        end = content.find(b"\n") + 1
        header = content[:end]
        if not header.startswith(b"\x93NUMPY"):
            raise ValueError("it is not an .npy file")
        if header not in self.types:
            self.types[header] = _dtype_of(file)
        data = np.frombuffer(content, dtype=self.types[header], offset=end)
        if len(data) != 1:
            raise ValueError(f"it holds {len(data)} values")
        return float(data[0])


def _dtype_of(file: Path) -> np.dtype:
    """Raises ValueError for a bad header: numpy parses it as Python source, which fails in many ways."""
    try:
        return np.load(regular_file(file), allow_pickle=False).dtype
    except (SyntaxError, tokenize.TokenError, EOFError, RecursionError, MemoryError):
        raise ValueError("its header cannot be read") from None


def _check_codes(table: pd.DataFrame) -> None:
    problems = Problems("these annotations cannot be used")
    bad = ~table["expression"].isin(range(11))
    for origin, code in zip(table["origin"][bad], table["expression"][bad], strict=True):
        problems.add(origin, f"expression must be a code from 0 to 10: it is {code:g}")
    problems.raise_any()


def _usable(table: pd.DataFrame, classes: int) -> pd.Series:
    """Rows to keep, by AffectNet's own expression, even if a machine's replaces it later."""
    return (table["expression"] < classes) & (table["valence"] != NO_VALUE) & (table["arousal"] != NO_VALUE)


def _with_machine_classes(table: pd.DataFrame, path: Path, classes: int) -> tuple[pd.DataFrame, list[str]]:
    """Training rows with the expression of a machine annotation file, joined by path; and notes."""
    raw, problems = _machine_table(path, ["expression"])
    codes, used = raw.numbers("expression", problems), _used(raw, table)
    for row in np.flatnonzero(used & ~np.isin(codes, range(classes))).tolist():
        is_what = "missing" if np.isnan(codes[row]) else f"{codes[row]:g}"
        problems.add(raw.place(row), f"expression must be a code from 0 to {classes - 1}: it is {is_what}")
    rows = _joined(table, raw, path, problems)
    replaced = table.assign(expression=codes[rows])
    wrong = float((replaced["expression"] != table["expression"]).mean()) if len(table) else 0.0
    note = f"machine classes differ from AffectNet's own on {wrong:.1%} of the training samples"
    return replaced, [note, *_not_used(path, used)]


def _with_machine_affect(table: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Training rows with valence and arousal of a machine annotation file, joined by path; and notes."""
    names = LABELS[1:]
    raw, problems = _machine_table(path, names)
    found, used = {name: raw.numbers(name, problems) for name in names}, _used(raw, table)
    for name in names:
        for row in np.flatnonzero(used & gaps(raw.raw(name))).tolist():
            problems.add(raw.place(row), f"{name} is empty")
    rows = _joined(table, raw, path, problems)
    affect = np.stack([found[name][rows] for name in names])
    if len(rows) and not affect.any():
        raise DataError(
            f"{path}: valence and arousal are 0 in every row of a training sample, so the file has none: remove "
            "dataset.machine_affect, and AffectNet's own are used"
        )
    clipped = int((np.abs(affect) > 1).any(axis=0).sum())
    valence, arousal = np.clip(affect, -1, 1)
    note = f"valence or arousal of {clipped} training samples was outside [-1, 1] and was clipped"
    return table.assign(valence=valence, arousal=arousal), [note, *_not_used(path, used)]


def _machine_table(path: Path, columns: list[str]) -> tuple[Table, Problems]:
    return read_table(path, [PATH, *columns]), Problems(f"{path}: these machine annotations cannot be used")


def _used(raw: Table, table: pd.DataFrame) -> np.ndarray:
    """Which rows (n,) belong to a training sample; the others are not checked."""
    return raw.raw(PATH).isin(set(table["key"])).to_numpy()


def _joined(table: pd.DataFrame, raw: Table, path: Path, problems: Problems) -> list[int]:
    """The row of each training sample. Raises DataError for problems, these and those found before."""
    lines = dict(zip(raw.raw(PATH), range(len(raw)), strict=True))
    if len(lines) < len(raw):
        problems.add(str(path), f"{len(raw) - len(lines)} paths appear more than once")
    for key in table["key"]:
        if key not in lines:
            problems.add(str(path), f"training sample {quoted(key)} has no annotation")
    problems.raise_any()
    return [lines[key] for key in table["key"]]


def _not_used(path: Path, used: np.ndarray) -> list[str]:
    return [] if used.all() else [f"{path}: {int((~used).sum())} rows belong to no training sample and are not used"]
