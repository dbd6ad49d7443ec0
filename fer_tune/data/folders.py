"""One folder for each class: train/angry/x.jpg, test/angry/y.jpg, or angry/x.jpg alone."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field, model_validator

from fer_tune.data.drafts import Draft
from fer_tune.data.errors import DataError, Problems, listed
from fer_tune.data.files import FolderSpec
from fer_tune.data.index import Index, Source
from fer_tune.data.labels import LabelSet
from fer_tune.data.manifest_labels import labels_of, without_label
from fer_tune.data.manifest_spec import ManifestSet, ManifestSpec, SplitWord, Words
from fer_tune.data.manifest_splits import SPLIT_OF_WORD, USUAL_WORDS, splits_of
from fer_tune.data.pictures import IMAGE_SUFFIXES
from fer_tune.data.spellings import Spellings, propose
from fer_tune.data.tables import Table

DEEPEST = 4  # folders below the one that a person names, in which the folders of the classes are looked for
NOT_DATA = ("__MACOSX", "@eaDir")  # made by programs that pack or share folders
CLASS, SPLIT = "class", "split"  # columns of the table that the folders amount to


class FoldersSpec(FolderSpec):
    """Settings of images in one folder for each class, perhaps below one folder for each split."""

    kind: Literal["folders"]
    name: str = Field("emotion", pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$", description="name of the label set")
    classes: tuple[str, ...] = Field(min_length=2, description="names of the classes: those of their folders")
    map: Annotated[dict[str, str | None], AfterValidator(Words)] | None = Field(
        None, description="by folder: the class that it holds, where it has another name; null leaves its images out"
    )
    splits: Annotated[dict[str, SplitWord], AfterValidator(Words)] | None = Field(
        None, description="by folder of a split: which one it is; known are train, val, valid, test and the like"
    )
    test: float = Field(
        0.1, gt=0, lt=0.9, description="share of all samples kept for testing, if there is no folder of test images"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.manifest  # noqa: B018  # a set that no manifest could have is refused here
        return self

    @property
    def manifest(self) -> ManifestSpec:
        """The same data as rows of a table."""
        own = ManifestSet(name=self.name, kind="categorical", columns=(CLASS,), classes=self.classes, map=self.map)
        shares = {"validation": self.validation, "test": self.test, "seed": self.seed}
        return ManifestSpec(kind="manifest", file=self.folder, split=SPLIT, splits=self.splits, sets=(own,), **shares)

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """The classes."""
        return (LabelSet(self.name, "categorical", self.classes),)


@dataclass(frozen=True)
class _Layout:
    """Where the folders of the classes are.

    Attributes:
        root: the folder that holds them, or that holds the folders of the splits.
        splits: the folders of splits; none where the folders of the classes lie in `root`.
    """

    root: Path
    splits: tuple[str, ...]

    def class_folders(self) -> Iterator[tuple[str, Path]]:
        """The split's folder, empty where there is none, and each folder in it."""
        for split in self.splits or ("",):
            for folder in _folders(self.root / split):
                yield split, folder


class _Images(Table):
    """Images as a table, whose rows are told by the path of the image."""

    def place(self, row: int) -> str:
        return f"{self.path / str(self.cells.index[row])}"

    def places(self) -> list[str]:
        return [f"{self.path / str(name)}" for name in self.cells.index]


def index_folders(spec: FoldersSpec) -> Index:
    """List the images. Raises DataError."""
    if not spec.root.is_dir():
        raise DataError(f"{spec.root}: {'is not a folder' if spec.root.exists() else 'does not exist'}")
    layout = _layout(spec.root, tuple(spec.splits or ()))
    if layout is None:
        raise DataError(f"{spec.root}: holds no folders of classes with images in them")
    table, notes = _listed(layout), []
    problems = Problems(f"{spec.root}: these images cannot be used")
    manifest = spec.manifest
    (own,) = manifest.sets
    out = without_label(own, table.text(CLASS))
    if out.any():
        notes.append(f"left out {int(out.sum())} images of folders that `map` gives no class")
        table = table.take(np.flatnonzero(~out))
    labels = {own.name: labels_of(own, own.columns, table, problems)}
    words = None if layout.splits else np.full(len(table), "train", dtype=object)
    splits, split_notes = splits_of(manifest, table, words, labels, None, problems)
    problems.raise_any()
    return Index(
        label_sets=spec.label_sets,
        root=layout.root,
        sources=[Source(str(name)) for name in table.cells.index],
        labels=labels,
        splits=splits,
        origins=table.places(),
        notes=[*notes, *split_notes],
    )


def draft_folders(folder: Path) -> Draft | None:
    """The `dataset` section of a folder with one folder for each class; None where it is none.

    Folders that hold a single folder are passed through, as unpacked archives have them.
    """
    place = folder
    for _ in range(DEEPEST):
        if layout := _layout(place):
            return _draft(layout)
        inner = _folders(place)
        if len(inner) != 1:
            return None
        place = inner[0]
    return None


def _draft(layout: _Layout) -> Draft:
    counts: Counter[str] = Counter()
    for _, folder in layout.class_folders():
        counts[folder.name] += sum(1 for _ in _pictures(folder))
    found = propose({name: count for name, count in counts.items() if count})
    section: dict[str, Any] = {"kind": "folders", "folder": str(layout.root), "classes": list(found.classes)}
    if found.map:
        section["map"] = dict(found.map)
    meant = {word: USUAL_WORDS[word.lower()] for word in layout.splits if word.lower() not in SPLIT_OF_WORD}
    if meant:
        section["splits"] = meant
    return Draft(section, tuple(_remarks(layout, found, counts)))


def _remarks(layout: _Layout, found: Spellings, counts: Counter[str]) -> Iterator[str]:
    where = f"in each of {listed(layout.splits)}" if layout.splits else f"in {layout.root}"
    yield f"one folder a class {where}: {sum(counts.values()):,} images"
    yield f"{len(found.classes)} classes: {listed(found.classes)}"
    if found.map:
        yield f"{found.said().replace(' rows)', ' images)').replace(' row)', ' image)')} (`map`)"
    if not layout.splits:
        yield "no folders of splits: validation and test are drawn"
    if all(name.isdigit() for name in found.classes):
        yield "the folders are numbers, which stay the names of the classes: rename them with `classes` and `map`"
    if empty := sorted(name for name, count in counts.items() if not count):
        yield f"left out, because they hold no image: {listed(empty)}"


def _layout(root: Path, known: tuple[str, ...] = ()) -> _Layout | None:
    """How the folders below `root` are to be read; None where they are no folders of classes.

    Args:
        known: names of folders of splits, beside the usual ones.
    """
    folders = _folders(root)
    named = [f.name for f in folders if f.name in known or f.name.lower() in USUAL_WORDS]
    if named and len(named) == len(folders):
        layout = _Layout(root, tuple(named))
    elif len(folders) > 1:
        layout = _Layout(root, ())
    else:
        return None
    with_images = {folder.name for _, folder in layout.class_folders() if next(_pictures(folder), None)}
    return layout if len(with_images) > 1 else None


def _listed(layout: _Layout) -> _Images:
    """A row for each image, indexed by its path below the root: its split's folder and its class's."""
    rows = [
        (os.path.relpath(picture, layout.root), split, folder.name)
        for split, folder in layout.class_folders()
        for picture in _pictures(folder)
    ]
    names = [name for name, _, _ in rows]
    cells = {SPLIT: [split for _, split, _ in rows], CLASS: [name for _, _, name in rows]}
    return _Images(layout.root, pd.DataFrame(cells, index=pd.Index(names, dtype="str"), dtype="str"))


def _folders(place: Path) -> list[Path]:
    """The folders in a folder, in order of their names."""
    found = [Path(e.path) for e in os.scandir(place) if e.is_dir() and not e.name.startswith(".")]
    return sorted(folder for folder in found if folder.name not in NOT_DATA)


def _pictures(folder: Path) -> Iterator[str]:
    """The image files below a folder, in order of their paths."""
    for place, inner, files in os.walk(folder):
        inner.sort()
        for name in sorted(files):
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                yield f"{place}/{name}"
