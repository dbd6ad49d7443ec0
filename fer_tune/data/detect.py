"""Finds out which data set is in a folder, and drafts the `dataset` section of a study for it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_tune.data.draft_table import draft_tables, is_table_of_images
from fer_tune.data.drafts import Draft
from fer_tune.data.errors import DataError, listed
from fer_tune.data.folders import draft_folders
from fer_tune.data.kinds import KINDS
from fer_tune.data.manifest_splits import USUAL_WORDS
from fer_tune.data.questions import ASKED_BY, Reading, ask
from fer_tune.data.tables import TABLE_SUFFIXES, has_column

LIST_SUFFIXES = (".lst", ".txt")  # tables where their rows name images
OTHER_SUFFIXES = (".xlsx", ".xls", ".ods", ".numbers", ".txt", ".json", ".jsonl", ".feather", ".pkl", ".npz", ".mat")
SHARD = re.compile(r"-\d+-of-\d+$")  # of a table in several files


def detect(path: Path, answers: Mapping[str, Any] | None = None) -> Draft:
    """The `dataset` section for a folder or a table.

    Args:
        answers: what a person answered where several readings are possible, by setting.

    Raises DataError if it is neither, and with the readings where several are possible.
    """
    answers = answers or {}
    if path.is_file():
        return draft_tables({"": str(path)}, path.parent, answers)
    if not path.exists():
        raise DataError(f"{path}: does not exist")
    if not path.is_dir():
        raise DataError(f"{path}: is neither a folder nor a file")
    for name, kind in KINDS.items():
        if kind.is_in and kind.is_in(path):
            if answers:
                raise DataError(f"{path}: holds data of kind {name}, about which nothing is asked: remove {ASKED_BY}")
            return Draft({"kind": name, "folder": str(path)})
    return _draft_folder(path, answers)


def _draft_folder(folder: Path, answers: Mapping[str, Any]) -> Draft:
    """The section for the tables in a folder, or those in the folders in it; without any, for folders of classes."""
    for place in (folder, *sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))):
        if tables := _tables(place):
            return _draft_one(folder, tables, answers)
    if draft := draft_folders(folder):
        return draft
    held = f"it holds neither a table of images and labels nor folders of classes{_not_read(folder)}"
    raise DataError(f"{folder}: is not a known data set, and {held}")


def _tables(place: Path) -> dict[str, str]:
    """The tables in a folder by name, those in several files as a pattern."""
    tables = {}
    for file in sorted(place.iterdir()):
        suffix = file.suffix.lower()
        if file.name.startswith(".") or not file.is_file():
            continue
        if suffix in TABLE_SUFFIXES or (suffix in LIST_SUFFIXES and is_table_of_images(file)):
            whole = SHARD.sub("", file.stem)
            name = str(file) if whole == file.stem else str(place / f"{whole}-*{file.suffix}")
            tables[f"{whole}{file.suffix}"] = name
    return tables


def _draft_one(folder: Path, tables: Mapping[str, str], answers: Mapping[str, Any]) -> Draft:
    """The section for one of several tables, or for one of each split."""
    if answers.get("file") in tables:
        return draft_tables({"": tables[answers["file"]]}, folder, answers)
    splits = _splits(tables)
    if len(splits) > 1 and "train" in splits and len(splits) == len(tables):
        return draft_tables({word: tables[name] for word, name in splits.items()}, folder, answers)
    if len(splits) == len(tables) == 1 and "train" in splits:
        return draft_tables({"": tables[splits["train"]]}, folder, answers)
    named = [name for name, file in tables.items() if has_column(Path(file), "path")]
    tried = named if len(named) == 1 else list(tables)
    if len(tried) == 1:
        return draft_tables({"": tables[tried[0]]}, folder, answers)
    drafts: dict[str, Draft] = {}
    why = []
    for name, file in tables.items():
        try:
            drafts[name] = draft_tables({"": file}, folder, answers)
        except DataError as error:
            why.append(f"\n  {str(error).splitlines()[0]}")
    if len(splits) > 1 and "train" in splits and set(splits.values()) <= set(drafts):
        return draft_tables({word: tables[name] for word, name in splits.items()}, folder, answers)
    if not drafts:
        raise DataError(
            f"{folder}: is not a known data set, and none of its {len(tables)} tables could be taken for one of images "
            f"and labels:{''.join(why[:5])}"
        )
    finding = f"{len(drafts)} tables hold images and labels"
    return drafts[ask(str(folder), finding, "file", [Reading(name, "") for name in drafts], answers)]


def _splits(tables: Mapping[str, str]) -> dict[str, str]:
    """The table of each split, where the tables' names say so and none does twice."""
    found: dict[str, str] = {}
    for name in tables:
        words = re.split(r"[^a-z]+", Path(name).stem.lower())
        meant = {USUAL_WORDS[word] for word in words if word in USUAL_WORDS}
        if len(meant) == 1:
            if (word := meant.pop()) in found:
                return {}
            found[word] = name
    return {word: found[word] for word in ("train", "val", "test") if word in found}


def _not_read(folder: Path) -> str:
    """What else a folder holds."""
    names: Sequence[str] = sorted(f.name for f in folder.iterdir() if f.suffix.lower() in OTHER_SUFFIXES)
    return f":\n  not read, because they are neither CSV nor Parquet: {listed(names)}" if names else ""
