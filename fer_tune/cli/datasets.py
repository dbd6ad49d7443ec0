"""Data sets that a user points to: named, checked, shown, their noisy labels exported."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import TypeAdapter, ValidationError

from fer_tune.cli.data import EXPORT, DataOptions, is_study_file
from fer_tune.cli.face_boxes import Photographs, report_faces
from fer_tune.cli.near_duplicates import report_near_duplicates
from fer_tune.cli.study_draft import check_new, write_study, yaml_text
from fer_tune.data.copies import copies_lines, find_copies
from fer_tune.data.dataset import open_dataset
from fer_tune.data.description import describe, unused_images
from fer_tune.data.detect import detect
from fer_tune.data.errors import DataError
from fer_tune.data.export import export_labels, labels_digest
from fer_tune.data.kinds import DatasetSpec
from fer_tune.data.loading import every_split, index_dataset, load_data, write_dataset
from fer_tune.data.questions import ASKED_BY, check_answers
from fer_tune.data.sheet import write_sheet
from fer_tune.data.tables import TABLE_SUFFIXES
from fer_tune.data.votes import voting_sets
from fer_tune.errors import UserError
from fer_tune.study.loading import load_plan
from fer_tune.study.plan import Plan
from fer_tune.system.cpus import usable_cpus

CHECKS = "data_checks"  # folder below the results: what was found in data sets


@dataclass(frozen=True)
class NamedDataset:
    """A data set that the user pointed to.

    Attributes:
        name: of its study, folder or file.
        spec: its specification.
        section: the section that was drafted; empty where nothing was.
        remarks: what the data set was taken for.
    """

    name: str
    spec: Any
    section: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What to tell the user of a section that was drafted; empty where nothing was."""
        if not self.section:
            return ""
        text = yaml_text({"dataset": self.section})
        note = f"Draft of the dataset section for your study file (a guess, so check it):\n\n{text}"
        if self.remarks:
            note += "\nWhat it was taken for:\n" + "".join(f"  {remark}\n" for remark in self.remarks)
        return note


def check_dataset(options: DataOptions) -> int:
    """Check a data set, count its classes and draw its sheets; return the exit code 0. Raises UserError."""
    if options.crop_faces:
        return crop_faces(options)
    if options.draft:
        check_new(options.draft, options.what)
    dataset = named_dataset(options.what, read_answers(options.answers))
    spec = dataset.spec
    if options.near_duplicates and spec.kind == "synthetic":
        raise DataError("--near-duplicates looks at image files: drawn faces have no copies")
    if options.suspects and is_drawn(spec):
        raise DataError("--suspects looks for wrong labels: those of drawn faces are right")
    if dataset.note:
        print(dataset.note)
    folder = options.results / CHECKS / dataset.name
    index = None if spec.kind == "synthetic" else index_dataset(spec)
    if index is None:
        print(f"{spec.train} training, {spec.validation} validation and {spec.test} test faces (synthetic)")
    else:
        print("\n".join([*describe(index), *unused_images(index)]))
    stored = open_dataset(write_dataset(spec, folder, usable_cpus()))
    print(f"every image can be read; content digest {stored.digest}")
    if index is not None:
        for line in copies_lines(stored.copies or find_copies(stored.images, index)):
            print(line)
    train = np.sort(stored.splits["train"])
    for label_set in voting_sets(stored.label_sets):
        sheet = folder / f"{label_set.name}.png"
        title = f"{dataset.name}: training images by {label_set.name}"
        write_sheet(sheet, stored.images, stored.labels[label_set.name], train, label_set, title=title)
        print(f"Faces by {label_set.name}: {sheet}")
    if options.near_duplicates and index is not None:
        for line in report_near_duplicates(stored, index, folder, dataset.name):
            print(line, flush=True)
    if options.suspects:
        from fer_tune.cli.suspects import report_suspects  # loads torch

        for line in report_suspects(stored, index, folder, dataset.name):
            print(line, flush=True)
    if options.draft:
        write_study(options.draft, options.what, dataset.section, dataset.remarks)
        print(f"Study: {options.draft}. What it costs: fer-tune run {options.draft} --dry-run")
    return 0


def is_drawn(spec: Any) -> bool:
    """Whether faces are drawn, with labels that are right until a study adds noise to them."""
    return spec.kind == "synthetic" and not spec.machine_labels


def crop_faces(options: DataOptions) -> int:
    """Look for the faces in the photographs of a data set, or of a folder without labels; return the exit code 0.

    The photographs as a whole are not checked as training images: most of them would not be used. Raises UserError.
    """
    try:
        dataset = named_dataset(options.what, read_answers(options.answers))
    except DataError as error:
        if not options.what.is_dir() or _holds_tables(options.what):  # their labels must not be lost
            raise
        print(f"{error}. So the table will have boxes alone")
        name, photographs = options.what.name, Photographs.in_folder(options.what)
    else:
        if dataset.spec.kind == "synthetic":
            raise DataError("--crop-faces looks at photographs: drawn faces fill their images")
        name, photographs = dataset.name, Photographs.of_index(index_dataset(dataset.spec))
    for line in report_faces(photographs, options.results / CHECKS / (name or "data"), name):
        print(line, flush=True)
    return 0


def _holds_tables(folder: Path) -> bool:
    """Whether a folder has a table anywhere in it, which may have labels."""
    return any(set(file.suffixes) & set(TABLE_SUFFIXES) for file in folder.rglob("*"))


def named_dataset(path: Path, answers: Mapping[str, Any] | None = None) -> NamedDataset:
    """The data set of a study file, a folder or a table. Raises DataError and StudyError.

    Args:
        answers: what a person answered where several readings are possible, by setting.
    """
    if is_study_file(path):
        study = load_plan(path).study
        return NamedDataset(study.name, study.dataset)
    draft = detect(path, answers)
    try:
        spec = TypeAdapter[Any](DatasetSpec).validate_python(draft.section)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise DataError(f"{path}: could not guess the label sets from its columns: {problem}") from None
    return NamedDataset(path.stem or "data", spec, draft.section, draft.remarks)


def read_answers(lines: Sequence[str]) -> dict[str, Any]:
    """Answers by setting, from lines like `range: [-10, 10]`. Raises UserError."""
    answers: dict[str, Any] = {}
    for line in lines:
        try:
            found = yaml.safe_load(line)
        except yaml.YAMLError:
            found = None
        if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
            raise UserError(f'{ASKED_BY} {line}: write one line of a study file, such as "range: [-10, 10]"')
        answers |= found
    check_answers(answers)
    return answers


def export_study_labels(options: DataOptions) -> int:
    """Write the noisy labels that a study trains on; return the exit code 0. Raises UserError."""
    plan = load_plan(options.what)
    folder = options.results / "labels" / plan.study.name
    folder.mkdir(parents=True, exist_ok=True)
    for name, files in _exports(plan, folder):
        print(f"{name}: {json.dumps(files)}")
    return 0


def _exports(plan: Plan, folder: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """For each (condition, seed) its name and files, with a digest of the labels in them."""
    study = plan.study
    searched = [setting.name for setting in study.searched if setting.section == "noise"]
    sampled = [setting.name for cell in plan.cells[:1] for setting in cell.sampled]
    if searched or sampled:
        raise DataError(
            f"{EXPORT}: the study samples or searches {', '.join([*searched, *sampled])}, so it has no fixed labels to "
            "export: list the values under conditions"
        )
    done = set()
    for cell in plan.cells:
        for seed in study.seeds:
            name = f"{cell.condition_key},s{seed}"
            if name in done:
                continue
            done.add(name)
            config = cell.typical(seed)
            saved = open_dataset(write_dataset(config.dataset, folder / ".data", usable_cpus()))
            labels = load_data(saved, config.noise, seed).labels
            files = export_labels(config.dataset, labels, every_split(config.dataset, saved), folder / name)
            yield name, {"digest": labels_digest(labels), **{key: str(path) for key, path in files.items()}}
