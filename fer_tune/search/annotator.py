"""Labels a data set with an encoder trained on another, as the paper made its noisy labels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fer_tune.data.dataset import Dataset, open_dataset
from fer_tune.data.errors import DataError
from fer_tune.data.export import export_labels
from fer_tune.data.labels import MISSING_CLASS, LabelSet
from fer_tune.data.loading import every_split, write_dataset
from fer_tune.names import Setting
from fer_tune.results.files import Damaged
from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import TrialRecord
from fer_tune.search.checkpoint import Checkpoint, Track
from fer_tune.search.trial import TrialRun
from fer_tune.study.plan import Plan, left_open
from fer_tune.study.schema import with_training
from fer_tune.system.cpus import usable_cpus

BATCH = 256
MACHINE_FILES = ("machine_labels", "machine_affect")  # settings whose files replace a target's own labels


def train_annotator(plan: Plan, results: Path, track: Track = iter) -> tuple[Path, float]:
    """Train a study's multi-task network (lambda 0, its first seed and condition) to its end, or continue it.

    Returns its folder and its clean test accuracy. Raises DataError where the folder holds another annotator.
    """
    config = with_training(plan.cells[0].typical(), lam=0.0)
    folder = results / "annotators" / plan.study.name
    saved = write_dataset(config.dataset, results / "annotators" / ".data", usable_cpus())
    torch.set_num_threads(usable_cpus())
    record = TrialRecord(seed=config.seed, config=config.model_dump(by_alias=True, mode="json"))
    record = _begun(folder, record, [*plan.cells[0].space, *left_open(plan.study)])
    run = TrialRun(folder, record, saved, plan.study.objective)
    try:
        for _ in track(range(run.trainer.epoch, config.training.epochs)):
            run.step()
        if not run.done:
            run.step()
        return folder, run.history[-1]["test_accuracy"]
    finally:
        run.close()


def _begun(folder: Path, record: TrialRecord, open_settings: Iterable[Setting]) -> TrialRecord:
    """The record of the annotator that a folder holds, else the given one.

    What the study file leaves open may differ: an earlier version took the lower end of a searched range, and did not
    have newer settings. Raises DataError.
    """
    known = TrialFolder(folder)
    if not known.has_record():
        return record
    try:
        begun = known.record()
    except Damaged:
        raise DataError(
            f"{known.path / 'trial.json'} is damaged: delete {folder} to train the annotator again"
        ) from None
    wanted = {section: dict(v) if isinstance(v, dict) else v for section, v in record.config.items()}
    for setting in open_settings:
        wanted[setting.section][setting.key] = begun.config[setting.section][setting.key]
    if begun.config != wanted:
        raise DataError(f"{folder} holds an annotator of another version of this study: delete it, or rename the study")
    return begun


@dataclass(frozen=True)
class Annotation:
    """What an annotator has written for a target.

    Attributes:
        files: the written files, by the setting of the target's dataset section that reads each.
        differences: how far its labels differ from the target's own, one line per label set.
        kept: label sets of the target that it does not know; their own labels were kept.
    """

    files: Mapping[str, str]
    differences: Sequence[str]
    kept: Sequence[str]


def annotate_dataset(
    checkpoint: Checkpoint, annotator: str, spec: Any, folder: Path, track: Track = iter
) -> Annotation:
    """Write a data set's labels as its network sees them, in the data set's own format, below `folder`.

    Raises DataError where the data set has no label file format or other classes.
    """
    update: dict[str, Any] = {"image_size": checkpoint.image_size}
    update |= {name: None for name in MACHINE_FILES if hasattr(spec, name)}
    plain = spec.model_copy(update=update)
    folder.mkdir(parents=True, exist_ok=True)
    dataset = open_dataset(write_dataset(plain, folder / ".data", usable_cpus()))
    labels = in_terms_of(checkpoint.label_sets, dataset.label_sets, annotate(checkpoint, dataset.images, track))
    kept = [s.name for s in dataset.label_sets if s.name not in labels]
    labels |= {name: dataset.labels[name] for name in kept}
    written = export_labels(plain, labels, every_split(plain, dataset), folder / f"by_{annotator}")
    files = {key: str(path) for key, path in written.items()}
    return Annotation(files, disagreement(labels, dataset), kept)


def annotate(checkpoint: Checkpoint, images: np.ndarray, track: Track = iter) -> dict[str, np.ndarray]:
    """A network's labels for images (uint8 (N, 3, S, S)): classes (N,), values (N, d) clipped to [-1, 1]."""
    answers = []
    for start in track(range(0, len(images), BATCH)):
        answers.append(checkpoint.answers(np.array(images[start : start + BATCH])))
    parts = torch.cat(answers).split([s.size for s in checkpoint.label_sets], dim=1)
    return {
        s.name: part.argmax(1).numpy() if s.kind == "categorical" else part.clamp(-1, 1).numpy()
        for s, part in zip(checkpoint.label_sets, parts, strict=True)
    }


def in_terms_of(
    own: Sequence[LabelSet], target: Sequence[LabelSet], found: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The network's labels under the target's names and classes, matched by class names or by the values measured.

    A label set that the target does not have keeps its name. Raises DataError where no set of the target has the
    network's classes.
    """
    labels: dict[str, np.ndarray] = {}
    for label_set in own:
        match = next((t for t in target if _fits(label_set, t)), None)
        if match is not None and match.name in labels:
            continue  # another annotator of the same classes: the first one is used
        if match is None and label_set.kind == "categorical":
            named = "; ".join(", ".join(t.names) for t in target if t.kind == "categorical")
            raise DataError(f"the annotator's classes {', '.join(label_set.names)} are not among the target's: {named}")
        values = found[label_set.name]
        if match is not None:
            place = np.array([match.names.index(name) for name in label_set.names])
            values = place[values] if label_set.kind == "categorical" else values[:, np.argsort(place)]
        labels[match.name if match else label_set.name] = values
    return labels


def _fits(own: LabelSet, target: LabelSet) -> bool:
    """Whether labels of one set can be labels of another: its classes are among the other's, or its values the same."""
    if own.kind != target.kind:
        return False
    return set(own.names) <= set(target.names) if own.kind == "categorical" else set(own.names) == set(target.names)


def disagreement(labels: Mapping[str, np.ndarray], dataset: Dataset) -> list[str]:
    """How far machine labels differ from the target's own on training and validation samples, one line per set."""
    rows = np.concatenate([dataset.splits["train"], dataset.splits["validation"]])
    lines = []
    for label_set in dataset.label_sets:
        if label_set.name not in labels:
            continue
        own, machine = dataset.labels[label_set.name][rows], labels[label_set.name][rows]
        if label_set.kind == "categorical":
            present = own != MISSING_CLASS
            wrong = machine != own
            by_class = ", ".join(
                f"{name} {wrong[own == k].mean():.0%}" for k, name in enumerate(label_set.names) if (own == k).any()
            )
            lines.append(f"{label_set.name}: differs from the target's own on {wrong[present].mean():.1%} ({by_class})")
        else:
            error = np.sqrt(np.nanmean((machine - own) ** 2, axis=0))
            parts = ", ".join(f"{n} {e:.3f}" for n, e in zip(label_set.names, error, strict=True))
            lines.append(f"{label_set.name}: root mean square difference {parts}")
    return lines
