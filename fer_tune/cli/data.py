"""Checks a data set before anything trains on it, draws a sheet of its faces, and exports a study's noisy labels.

python -m fer_tune.data FOLDER-or-STUDY
python -m fer_tune.data export-labels STUDY
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import TypeAdapter, ValidationError

from fer_tune.data.dataset import open_dataset
from fer_tune.data.description import describe
from fer_tune.data.detect import detect
from fer_tune.data.errors import DataError
from fer_tune.data.export import export_labels, labels_digest
from fer_tune.data.kinds import DatasetSpec
from fer_tune.data.loading import index_dataset, load_data, write_dataset
from fer_tune.data.sheet import write_sheet
from fer_tune.data.votes import voting_sets
from fer_tune.study.errors import StudyError
from fer_tune.study.loading import load_study
from fer_tune.study.schema import NAMES, Study

USER_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, or 2 for data or a study that cannot be used."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _export(words[1:]) if words[:1] == ["export-labels"] else _check(words)
    except (DataError, StudyError, OSError) as error:
        print(error, file=sys.stderr)
        return USER_ERROR


def _parser(program: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--results", type=Path, default=Path("results"), help="where files go (default: results)")
    return parser


def _check(words: Sequence[str]) -> int:
    parser = _parser(
        "python -m fer_tune.data",
        "Check a data set and draw a sheet of its faces. To share noisy labels: export-labels STUDY",
    )
    parser.add_argument("what", type=Path, help="a data folder, a manifest (CSV or Parquet), or a study file (YAML)")
    options = parser.parse_args(words)
    name, spec, note = named_dataset(options.what)
    if note:
        print(note)
    folder = options.results / "data_checks" / name
    if spec.kind == "synthetic":
        print(f"{spec.train} training, {spec.validation} validation and {spec.test} test faces, drawn")
    else:
        index = index_dataset(spec)
        print("\n".join(describe(index)))
    dataset = open_dataset(write_dataset(spec, folder, os.cpu_count() or 1))
    print(f"every image can be read; content digest {dataset.digest}")
    train = dataset.splits["train"]
    for label_set in voting_sets(dataset.label_sets):
        sheet = folder / f"{label_set.name}.png"
        write_sheet(sheet, dataset.images, dataset.labels[label_set.name], np.sort(train), label_set,
                    title=f"{name}: training images by {label_set.name}")  # fmt: skip
        print(f"Faces by {label_set.name}: {sheet}")
    return 0


def named_dataset(path: Path) -> tuple[str, Any, str]:
    """A name, the data set's specification, and what to say of a section that was guessed."""
    if path.suffix in (".yaml", ".yml"):
        study = load_study(path)
        return study.name, study.dataset, ""
    section = detect(path)
    text = yaml.safe_dump({"dataset": section}, sort_keys=False, default_flow_style=None, width=110)
    note = f"Put this into a study file (a guess: check it):\n\n{text}" if section["kind"] == "manifest" else ""
    try:
        return path.stem or "data", TypeAdapter[Any](DatasetSpec).validate_python(section), note
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise DataError(f"{path}: no label sets could be guessed from its columns: {problem}") from None


def _export(words: Sequence[str]) -> int:
    parser = _parser(
        "python -m fer_tune.data export-labels",
        "Write the exact noisy labels that a study trains on, one set of files a seed and condition.",
    )
    parser.add_argument("study", type=Path, help="the study file (YAML)")
    options = parser.parse_args(words)
    study = load_study(options.study)
    folder = options.results / "labels" / study.name
    folder.mkdir(parents=True, exist_ok=True)
    for name, files in _exports(study, folder).items():
        print(f"{name}: {json.dumps(files)}")
    return 0


def _exports(study: Study, folder: Path) -> dict[str, dict[str, str]]:
    """The files of each (condition, seed), with a digest of the labels in them."""
    done: dict[str, dict[str, str]] = {}
    searched = [name for name in study.search if NAMES.get(name, name).startswith("noise.")]
    sampled = [name for name, values in study.conditions.items() if not isinstance(values, tuple)]
    if searched or sampled:
        raise DataError(
            f"export-labels: {', '.join([*searched, *sampled])} is drawn or searched, so the study has no labels "
            "of its own to share: list its values under conditions"
        )
    for cell in study.cells():
        for seed in study.seeds:
            name = f"{cell.condition_key},s{seed}"
            if name in done:
                continue
            config = study.trial_config(cell, {n: (d.range or (0.0,))[0] for n, d in cell.space.items()}, seed)
            saved = open_dataset(write_dataset(config.dataset, folder / ".data", os.cpu_count() or 1))
            labels = load_data(saved, config.noise, seed).labels
            files = export_labels(config.dataset, labels, saved.splits, folder / name)
            done[name] = {"digest": labels_digest(labels), **{key: str(path) for key, path in files.items()}}
    return done


if __name__ == "__main__":
    sys.exit(main())
