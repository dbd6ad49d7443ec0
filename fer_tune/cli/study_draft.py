"""Writes the study file of a data set that was drafted: a race of lambdas that runs as it is."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fer_tune.cli.data import STUDY_SUFFIXES, is_study_file
from fer_tune.errors import UserError
from fer_tune.study.loading import load_plan
from fer_tune.study.shipped import shipped_study

PATTERN = "new_dataset"  # the shipped study whose settings are taken over
AFTER_DATASET = "# There is no `noise` section"  # where they begin in it
WIDTH = 110


def check_new(path: Path, what: Path) -> None:
    """Raise UserError unless a study of `what` can be written to a new file of this name."""
    if not is_study_file(path):
        raise UserError(f"--draft {path}: a study file's name ends in {' or '.join(STUDY_SUFFIXES)}")
    if is_study_file(what):
        raise UserError(f"--draft {path}: {what} is a study file already; give a folder or a table")
    if path.exists():
        raise UserError(f"--draft {path}: this file exists and is not overwritten: give a new name")
    if not path.absolute().parent.is_dir():
        raise UserError(f"--draft {path}: the folder {path.parent} does not exist")


def write_study(path: Path, what: Path, section: Mapping[str, Any], remarks: Sequence[str]) -> None:
    """Write the study file and read it back. Raises UserError."""
    with open(path, "x", encoding="utf-8") as file:
        file.write(study_text(path.stem, what, section, remarks))
    load_plan(path)


def study_text(name: str, what: Path, section: Mapping[str, Any], remarks: Sequence[str]) -> str:
    """The text of a study file: the drafted section, then the settings that fit any data set."""
    lines = [
        f"# Question: which lambda for the labels of {_one_line(str(what))} as they are?",
        "# Cost: at most 35 trials; `--dry-run` estimates how long they would take, `--within 8h` sets a limit.",
        "# `fer-tune data` drafted this file. What it took the data for (check it):",
        *(f"#   {_one_line(remark)}" for remark in remarks),
    ]
    head = {"name": study_name(name), "dataset": {**section, "image_size": section.get("image_size", 64)}}
    settings = shipped_study(PATTERN).read_text(encoding="utf-8").partition(AFTER_DATASET)
    return "\n".join([*lines, yaml_text(head) + settings[1] + settings[2]])


def yaml_text(content: Mapping[str, Any]) -> str:
    """Settings as the text of a study file."""
    text: str = yaml.safe_dump(dict(content), sort_keys=False, default_flow_style=None, width=WIDTH, allow_unicode=True)
    return text


def study_name(stem: str) -> str:
    """A valid name of a study that looks like a file's."""
    kept = re.sub(r"[^A-Za-z0-9._-]+", "_", stem)[:64]
    return kept if re.match(r"[A-Za-z0-9]", kept) else f"study_{kept}"[:64]


def _one_line(text: str) -> str:
    """A remark as a comment, without what would end it."""
    return "".join(c if c.isprintable() else " " for c in text)
