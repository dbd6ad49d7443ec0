"""Labels one data set with a network trained on another, as the paper made its noisy labels.

python -m fer_tune.annotate SOURCE TARGET

SOURCE is a finished trial (results/NAME/trials/KEY), or a study file whose multi-task network is then trained first.
TARGET is a study file, a data folder or a manifest. Files are written that the target's reader takes back.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from rich.console import Console
from rich.progress import track

from fer_tune.cli.data import named_dataset
from fer_tune.data.dataset import Dataset, open_dataset
from fer_tune.data.errors import DataError
from fer_tune.data.export import export_labels
from fer_tune.data.labels import MISSING_CLASS, LabelSet
from fer_tune.data.loading import write_dataset
from fer_tune.results.folder import TrialFolder
from fer_tune.search.checkpoint import Checkpoint, PredictError, load_checkpoint
from fer_tune.search.trial import TrialRun
from fer_tune.study.loading import load_study
from fer_tune.study.schema import with_training

USER_ERROR = 2
BATCH = 256


def train_annotator(study_file: Path, results: Path, console: Console) -> Path:
    """Train a study's multi-task network (lambda 0, its first seed and condition) to its end; return its folder.

    What is there already is continued.
    """
    study = load_study(study_file)
    cell = study.cells()[0]
    middle = {name: (d.range or (0.0,))[0] for name, d in cell.space.items()}
    config = with_training(study.trial_config(cell, middle, study.seeds[0]), lam=0.0)
    folder = results / "annotators" / study.name
    saved = write_dataset(config.dataset, results / "annotators" / ".data", os.cpu_count() or 1)
    torch.set_num_threads(os.cpu_count() or 1)
    settings = {"config": config.model_dump(by_alias=True, mode="json")}
    if TrialFolder(folder).has_settings() and TrialFolder(folder).settings() != settings:
        raise PredictError(
            f"{folder} holds an annotator of another version of {study_file}: delete it, or rename the study"
        )
    run = TrialRun(folder, settings, saved, study.objective)
    try:
        for _ in track(range(run.trainer.epoch, config.training.epochs), "training the annotator", console=console):
            run.step()
        if not run.done:
            run.step()
        console.print(f"annotator: clean test accuracy {run.history[-1]['test_accuracy']:.3f} on its own data")
    finally:
        run.close()
    return folder


def annotate(checkpoint: Checkpoint, images: np.ndarray, console: Console) -> dict[str, np.ndarray]:
    """What a network says of images (uint8 (N, 3, S, S)): classes (N,), values (N, d) clipped to [-1, 1]."""
    answers = []
    for start in track(range(0, len(images), BATCH), "labelling", console=console, transient=True):
        answers.append(checkpoint.answers(np.array(images[start : start + BATCH])))
    parts = torch.cat(answers).split([s.size for s in checkpoint.label_sets], dim=1)
    return {
        s.name: part.argmax(1).numpy() if s.kind == "categorical" else part.clamp(-1, 1).numpy()
        for s, part in zip(checkpoint.label_sets, parts, strict=True)
    }


def in_terms_of(
    own: Sequence[LabelSet], target: Sequence[LabelSet], found: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The network's labels under the target's names and classes, matched by class names or by what is measured.

    A set that the target lacks keeps its name. Raises DataError where nothing matches or a class is unknown there.
    """
    labels: dict[str, np.ndarray] = {}
    for label_set in own:
        match = next((t for t in target if _fits(label_set, t)), None)
        if match is not None and match.name in labels:
            continue  # another annotator of the same classes: the first one answers
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
    """Whether answers of one set can stand in another: its classes are among them, or its values are the same."""
    if own.kind != target.kind:
        return False
    return set(own.names) <= set(target.names) if own.kind == "categorical" else set(own.names) == set(target.names)


def disagreement(labels: Mapping[str, np.ndarray], dataset: Dataset) -> list[str]:
    """How far machine labels are from the target's own on training and validation samples, a line a label set."""
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, or 2 for a mistake."""
    parser = argparse.ArgumentParser(prog="python -m fer_tune.annotate", description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="a trial folder, or a study file (YAML) to train on first")
    parser.add_argument("target", type=Path, help="a study file (YAML), a data folder or a manifest")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where files go (default: results)")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        folder = options.source
        if folder.suffix in (".yaml", ".yml"):
            folder = train_annotator(folder, options.results, console)
        place = folder.resolve()  # results/NAME/trials/KEY, or an annotator's own folder
        annotator = f"{place.parent.parent.name},{place.name}" if place.parent.name == "trials" else place.name
        checkpoint = load_checkpoint(folder)
        print("\n".join(_annotate(checkpoint, annotator, options.target, options.results, console)))
    except (PredictError, ValueError, OSError) as error:  # studies, data and weights that do not fit are ValueErrors
        print(error, file=sys.stderr)
        return USER_ERROR
    return 0


def _annotate(checkpoint: Checkpoint, annotator: str, target: Path, results: Path, console: Console) -> list[str]:
    """Write a target's labels under its annotator's name; return what to say of them."""
    name, spec, _ = named_dataset(target)
    update = {"image_size": checkpoint.image_size} | {
        n: None for n in ("machine_labels", "machine_affect") if hasattr(spec, n)
    }
    plain = spec.model_copy(update=update)
    folder = results / "annotations" / name
    folder.mkdir(parents=True, exist_ok=True)
    dataset = open_dataset(write_dataset(plain, folder / ".data", os.cpu_count() or 1))
    found = annotate(checkpoint, dataset.images, console)
    labels = in_terms_of(checkpoint.label_sets, dataset.label_sets, found)
    missing = [s.name for s in dataset.label_sets if s.name not in labels]
    labels |= {name: dataset.labels[name] for name in missing}
    written = export_labels(plain, labels, dataset.splits, folder / f"by_{annotator}")
    files = {key: str(path) for key, path in written.items()}
    kept = [f"{name}: not annotated, the target's own is kept" for name in missing]
    return [
        *disagreement(labels, dataset),
        *kept,
        "Put into the target's dataset section:",
        yaml.safe_dump(files).strip(),
    ]


if __name__ == "__main__":
    sys.exit(main())
