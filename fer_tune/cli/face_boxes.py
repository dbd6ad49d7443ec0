"""`fer-tune data WHAT --crop-faces`: a table with the box of the face in each photograph, and a sheet to look at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image, ImageDraw

from fer_tune.data.description import image_files
from fer_tune.data.errors import DataError, printable
from fer_tune.data.face_boxes import SIDE, FoundFaces, find_faces
from fer_tune.data.files import shortest_text, write_csv
from fer_tune.data.index import Embedded, Index
from fer_tune.data.labels import MISSING_CLASS
from fer_tune.data.pictures import read_photograph
from fer_tune.data.sheet import write_groups
from fer_tune.system.cpus import usable_cpus

BOX = ("left", "top", "width", "height")
WORDS = {"train": "train", "validation": "val", "test": "test"}  # of a table's column split
EXAMPLES = 5
ONE, SEVERAL, NONE, UNREADABLE = "with one face", "with several faces", "without a face", "that cannot be read"
ON_SHEET = {ONE: 24, SEVERAL: 12, NONE: 12}
EVERY = 500  # photographs between two lines of progress


@dataclass(frozen=True)
class Photographs:
    """Photographs to look for faces in.

    Attributes:
        root: their folder.
        paths: below it.
        columns: of the table beside path and box, with a cell for each photograph.
        sets: the label sets of the table's dataset section; empty where there are no labels.
    """

    root: Path
    paths: Sequence[str]
    columns: Mapping[str, Sequence[str]]
    sets: Sequence[Mapping[str, Any]]

    @classmethod
    def of_index(cls, index: Index) -> "Photographs":
        """Those of a data set, with its labels and splits. Raises DataError where it has no whole photographs."""
        if isinstance(index.sources, np.ndarray) or any(isinstance(source, Embedded) for source in index.sources):
            raise DataError("--crop-faces needs image files: this data set holds its images in a table")
        if any(source.box for source in index.sources):
            raise DataError("--crop-faces: this data set has boxes of its faces already")
        split_of = {int(i): WORDS[split] for split, members in index.splits.items() for i in members}
        columns: dict[str, Sequence[str]] = {"split": [split_of.get(i, "") for i in range(len(index))]}
        sets: list[dict[str, Any]] = []
        for label_set in index.label_sets:
            labels = index.labels[label_set.name]
            if label_set.kind == "categorical":
                names = [label_set.name]
                columns[label_set.name] = ["" if k == MISSING_CLASS else label_set.names[k] for k in labels.tolist()]
                sets.append({"name": label_set.name, "kind": "categorical", "columns": names,
                             "classes": list(label_set.names)})  # fmt: skip
            else:
                names = list(label_set.names)
                for k, name in enumerate(names):
                    columns[name] = ["" if np.isnan(value) else shortest_text(value) for value in labels[:, k]]
                sets.append({"name": label_set.name, "kind": "continuous", "columns": names})
        return cls(index.root, [source.path for source in index.sources], columns, sets)

    @classmethod
    def in_folder(cls, root: Path) -> "Photographs":
        """All image files below a folder, without labels. Raises DataError where there are none."""
        paths = image_files(root)
        if not paths:
            raise DataError(f"{root}: holds no image files")
        return cls(root, paths, {}, ())


def report_faces(photographs: Photographs, folder: Path, title: str) -> Iterator[str]:
    """Find the faces, write boxes.csv, faces.csv and faces.png into a folder; yield what to tell the user.

    Raises DataError where OpenCV is missing or no photograph shows a face.
    """
    count = len(photographs.paths)
    yield f"Looking for faces in {count:,} photographs…"
    found: list[FoundFaces] = []
    for one in find_faces([photographs.root / path for path in photographs.paths], usable_cpus()):
        found.append(one)
        if len(found) % EVERY == 0:
            yield f"  {len(found):,} of {count:,}"
    groups = _by_count(found)
    if len(groups[NONE]) + len(groups[UNREADABLE]) == count:
        raise DataError(f"{photographs.root}: no face was found in any of the {count} photographs")
    yield f"faces: {', '.join(f'{len(members)} photographs {how}' for how, members in groups.items() if members)}"
    for how in (SEVERAL, NONE, UNREADABLE):
        for i in groups[how][:EXAMPLES]:
            yield f"  {how}: {printable(photographs.paths[i])}{f' ({found[i].problem})' if found[i].problem else ''}"
    yield from _written(photographs, found, groups, folder, title)


def _by_count(found: Sequence[FoundFaces]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {name: [] for name in (*ON_SHEET, UNREADABLE)}
    for i, one in enumerate(found):
        name = ONE if len(one.boxes) == 1 else SEVERAL if one.boxes else NONE
        groups[UNREADABLE if one.problem else name].append(i)
    return groups


def _written(
    photographs: Photographs,
    found: Sequence[FoundFaces],
    groups: Mapping[str, Sequence[int]],
    folder: Path,
    title: str,
) -> Iterator[str]:
    boxes, others, sheet = folder / "boxes.csv", folder / "faces.csv", folder / "faces.png"
    kept = [i for i, one in enumerate(found) if one.boxes]
    header = ["path", *photographs.columns, *BOX]
    rows = [
        [photographs.paths[i], *(cells[i] for cells in photographs.columns.values()), *map(str, found[i].boxes[0])]
        for i in kept
    ]
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(boxes, [header, *rows])
    yield f"{len(kept)} rows, with the largest face of each photograph: {boxes}"
    listed = [[photographs.paths[i], str(len(found[i].boxes)), found[i].problem] for i in range(len(found))]
    write_csv(others, [["path", "faces", "problem"], *(row for row in listed if row[1] != "1")])
    yield f"photographs with several faces or none: {others}"
    write_groups(sheet, list(_groups(photographs, found, groups)), f"{title}: boxes of faces")
    yield f"boxes to look at before you train on them: {sheet}"
    if photographs.sets:
        section = {"kind": "manifest", "file": str(boxes), "folder": str(photographs.root), "boxes": list(BOX),
                   "sets": list(photographs.sets)}  # fmt: skip
        text = yaml.safe_dump({"dataset": section}, sort_keys=False, default_flow_style=None, width=110)
        yield f"Its dataset section:\n\n{text}"
    else:
        yield "There are no labels beside these photographs: add a column of them to the table"


def _groups(
    photographs: Photographs, found: Sequence[FoundFaces], groups: Mapping[str, Sequence[int]]
) -> Iterator[tuple[list[np.ndarray], list[str]]]:
    """For the sheet: photographs with their boxes, each beside the face that is cut out, evenly spread over all."""
    for name, most in ON_SHEET.items():
        members = groups[name]
        for place in np.linspace(0, len(members) - 1, min(most, len(members))).astype(int).tolist():
            i = members[place]
            images = _shown((photographs.root / photographs.paths[i]).read_bytes(), found[i])
            yield images, [name, photographs.paths[i]]


def _shown(content: bytes, found: FoundFaces) -> list[np.ndarray]:
    """A photograph with its boxes, and its largest face: uint8 (3, H, W) each."""
    photograph, whole = read_photograph(content, SIDE)
    scale = photograph.width / whole[0]
    corners = [
        (left * scale, top * scale, (left + width) * scale, (top + height) * scale)
        for left, top, width, height in found.boxes
    ]
    images: list[Image.Image] = [photograph.copy()]
    pen = ImageDraw.Draw(images[0])
    for k, box in enumerate(corners):
        pen.rectangle(box, outline="lime" if k == 0 else "red", width=max(2, max(photograph.size) // 80))
    images += [photograph.crop(corners[0])] if corners else []
    return [np.asarray(image).transpose(2, 0, 1) for image in images]
